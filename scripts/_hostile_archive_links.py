"""Archives with links, devices and names that lead out, for scripts/hostile_inputs.py."""

import bz2
import gzip
import io
import lzma
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from _hostile_files import Case, encoded, open_all, pictures

EACH = 6
TARGETS = (
    "/etc/passwd", "../../evil.png", "0.png", "a/../../evil.png", "/proc/self/mem", "/dev/zero",
    ".", "..", "self.png", "\\\\server\\share\\a.png", "C:\\evil.png", "x" * 4000,
)  # fmt: skip
KINDS = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def archive_links(rng: random.Random) -> Iterator[Case]:
    """Yield archives that hold pictures, and beside them what leads elsewhere."""
    for label, kind in KINDS.items():
        for number, target in enumerate(TARGETS):
            ending = rng.choice(list(PACKERS))
            content = PACKERS[ending](_tar(kind, target))
            yield Case("archive links", f"{label} to {number}, {ending}", _case(ending, content))
    for number, target in enumerate(TARGETS):
        yield Case("archive links", f"zip, link to {number}", _case("zip", _zip(target)))
        yield Case("archive links", f"zip, name {number}", _case("zip", _zip_named(target)))
        yield Case("archive links", f"tar, name {number}", _case("tar", _tar_named(target)))
    for count in (10, 1000, 20_000):
        many = _tar(tarfile.LNKTYPE, "0.png", count)
        yield Case(
            "archive links", f"{count} links to one picture", _case("tar.gz", gzip.compress(many))
        )
        circle = _tar(tarfile.LNKTYPE, "self.png", count)
        yield Case("archive links", f"{count} links to itself", _case("tar", circle))


def _members() -> dict[str, bytes]:
    return {f"{n}.png": encoded(one, "PNG") for n, one in enumerate(pictures(EACH))}


def _added(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _tar(kind: bytes, target: str, count: int = 1) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in _members().items():
            _added(archive, name, content)
        for number in range(count):
            info = tarfile.TarInfo("self.png" if not number else f"{number}/self.png")
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return buffer.getvalue()


def _tar_named(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for own, content in _members().items():
            _added(archive, own, content)
        _added(archive, name, b"no picture")
    return buffer.getvalue()


def _zip(target: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in _members().items():
            archive.writestr(name, content)
        info = zipfile.ZipInfo("self.png")
        info.create_system = 3  # Unix, whose modes say what is a link
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return buffer.getvalue()


def _zip_named(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for own, content in _members().items():
            archive.writestr(own, content)
        archive.writestr(name, b"no picture")
    return buffer.getvalue()


def _case(ending: str, content: bytes) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        path = folder / f"x.{ending}"
        path.write_bytes(content)
        _, pixels, _ = open_all(data=str(path), size=8, held_out=0.0)
        known = pictures(EACH)
        strange = sum(not any(np.array_equal(found, one) for one in known) for found in pixels)
        extra = sorted(each.name for each in folder.rglob("*") if each != path)
        return f"{strange} strange pictures, {extra} beside" if strange or extra else ""

    return run


ALL = (archive_links,)
