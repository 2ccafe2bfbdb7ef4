"""Animations, pages and views in a column of pictures: one image a row, and the rest is counted."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data.opening import open_images

RNG = np.random.default_rng(0)


def saved(file_format, count=1):
    first, *others = (
        Image.fromarray(RNG.integers(0, 250, (20, 30, 3), np.uint8)) for _ in range(count)
    )
    buffer = io.BytesIO()
    settings = {"save_all": True, "append_images": others} if others else {}
    first.save(buffer, file_format, **settings)
    return buffer.getvalue()


CELLS = [
    *(saved("PNG"), saved("JPEG"), None, saved("GIF", 3), saved("TIFF", 4)),
    *(saved("MPO", 2), saved("WEBP", 2), saved("PNG", 2), saved("GIF")),
]


@pytest.mark.parametrize(
    ("kind", "is_struct"),
    [
        *((pa.binary(), False), (pa.binary(), True), (pa.large_binary(), False)),
        *((pa.large_binary(), True), (pa.binary_view(), False)),
    ],
)
def test_what_is_not_read_of_a_row_is_counted(tmp_path, kind, is_struct):
    column = pa.array(CELLS, kind)
    if is_struct:
        paths = pa.array([f"{row}.x" for row in range(len(CELLS))])
        column = pa.StructArray.from_arrays([column, paths], ["bytes", "path"])
    pq.write_table(pa.table({"image": column}), tmp_path / "t.parquet", row_group_size=2)
    images = open_images(DataOptions(data=str(tmp_path / "t.parquet")))
    assert len(images) == 8
    (entry,) = images.intake.passed_over
    assert entry.reason == "further frames, pages or views of pictures in rows"
    assert entry.count == 2 + 3 + 1 + 1 + 1
    assert entry.examples[0] == "t.parquet, row 3"


def test_single_pictures_leave_nothing_to_tell(tmp_path):
    pq.write_table(pa.table({"image": [saved("JPEG"), saved("PNG")]}), tmp_path / "t.parquet")
    assert open_images(DataOptions(data=str(tmp_path / "t.parquet"))).intake.passed_over == ()
