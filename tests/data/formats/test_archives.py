"""Archives whose headers ask for more than their members have."""

import gzip
import tarfile

import pytest

from latentlab.data.formats.archives import read_files
from latentlab.errors import DataError

LIMITS = {"a.bin": 1 << 20, "b.bin": 1 << 20}


def write(path, kind: bytes, size: int):
    """Write a packed archive of one header of a kind and so many zeros."""
    info = tarfile.TarInfo("a.bin")
    info.type, info.size = kind, size
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
        file.write(bytes(tarfile.RECORDSIZE))
    return path


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_is_not_read_that_is_longer_than_every_member(tmp_path, kind):
    path = write(tmp_path / "x.tar.gz", kind, 40 << 20)  # less than all members may have in sum
    with pytest.raises(DataError, match="asks for more"):
        list(read_files(path, LIMITS))


def test_a_member_of_the_largest_size_is_read(tmp_path):
    path = write(tmp_path / "x.tar.gz", tarfile.REGTYPE, 1 << 20)
    assert [(name, len(content)) for name, content in read_files(path, LIMITS)] == [
        ("a.bin", 1 << 20)
    ]
