"""Whatever bytes a file has, a reader returns pixels or raises its own error."""

import contextlib
import gzip

import numpy as np
import pytest
from helpers.properties import quick
from hypothesis import given
from hypothesis import strategies as st

from latentlab.data.formats import idx_files, pickles
from latentlab.errors import DataError
from latentlab.storage import npz


@quick
@given(content=st.binary(max_size=300))
def test_any_bytes_as_idx_npz_or_pickle_end_in_our_error(tmp_path, content):
    for name, packed in (("a", content), ("b", gzip.compress(content))):
        (tmp_path / name).write_bytes(packed)
        with contextlib.suppress(DataError):
            assert idx_files.read_idx(tmp_path / name).dtype == np.uint8
    with contextlib.suppress(DataError):
        assert isinstance(pickles.load_dict(content, "x"), dict)
    with pytest.raises(ValueError, match=r"\w"):
        npz.read_npz(tmp_path / "a")
