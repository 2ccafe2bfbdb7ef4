"""Tables: damaged bits and vectors that cannot be used."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latentlab.errors import DataError, RunError
from latentlab.storage import tables


def test_large_vectors_are_refused_that_float32_cannot_square(tmp_path):
    pq.write_table(pa.table({"v": [[1.0, 2.0], [1e18, 0.0]]}), tmp_path / "v.parquet")
    with pytest.raises(DataError, match=r"above 1e\+15 in size, first in row 1"):
        tables.read_vectors(tmp_path / "v.parquet")
    pq.write_table(pa.table({"v": [[1.0], [2.0]], "id": ["a", "a"]}), tmp_path / "v.parquet")
    with pytest.raises(DataError, match="ids are not unique"):
        tables.read_vectors(tmp_path / "v.parquet")


def test_one_bit_of_a_table_of_ours_is_noticed(tmp_path):
    path = tables.write(
        tmp_path / "x.parquet",
        pa.table({"code": tables.vectors(np.random.default_rng(0).normal(size=(50, 8)))}),
    )
    content = bytearray(path.read_bytes())
    content[400] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        tables.read(path)
