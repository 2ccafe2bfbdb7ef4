"""Tables: damaged bits."""

import numpy as np
import pyarrow as pa
import pytest

from latentlab.errors import RunError
from latentlab.storage import tables


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


def test_a_table_without_a_column_that_is_read_is_damaged(tmp_path):
    path = tables.write(tmp_path / "x.parquet", pa.table({"id": ["a"], "splat": ["train"]}))
    with pytest.raises(RunError, match=r"split.*run its stage again"):
        tables.read(path, ["id", "split"])
