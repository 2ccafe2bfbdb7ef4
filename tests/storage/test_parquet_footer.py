"""The footer of parquet files, sound and damaged."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latentlab.storage import parquet_footer, parquet_pages, thrift_compact


@pytest.fixture
def nested(tmp_path):
    """Return a file with lists, texts, nulls, structs, two row groups and all statistics."""
    table = pa.table(
        {
            "vector": [[1.0, 2.0], None, [], [3.0]] * 50,
            "name": pa.array(["a", None, "c", "d"] * 50).dictionary_encode(),
            "picture": [{"bytes": b"x", "path": "p"}, None, {"bytes": None, "path": "q"}, None]
            * 50,
        },
        metadata={"k": "v"},
    )
    path = tmp_path / "nested.parquet"
    pq.write_table(table, path, row_group_size=120, write_page_index=True, store_schema=True)
    return path


def test_the_parts_of_columns_are_those_that_arrow_reads(nested):
    metadata = pq.ParquetFile(nested).metadata
    with nested.open("rb") as file:
        groups = parquet_footer.row_groups_of(file)
    assert len(groups) == metadata.num_row_groups == 2
    for number, chunks in enumerate(groups):
        assert len(chunks) == metadata.num_columns
        for place, chunk in enumerate(chunks):
            expected = metadata.row_group(number).column(place)
            assert chunk.path == expected.path_in_schema
            assert chunk.n_values == expected.num_values
            assert chunk.unpacked == expected.total_uncompressed_size
            assert chunk.data_page_offset == expected.data_page_offset
            has_dictionary = expected.has_dictionary_page
            assert chunk.dictionary_page_offset == (
                expected.dictionary_page_offset if has_dictionary else None
            )


def test_damage_is_a_value_error_and_ends_no_process(nested):
    content = nested.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    metadata = pq.ParquetFile(nested).metadata
    rng = random.Random(0)
    refused = 0
    for _ in range(600):
        damaged = bytearray(content)
        damaged[len(content) - 8 - rng.randrange(length) - 1] ^= 1 << rng.randrange(8)
        nested.write_bytes(damaged)
        try:
            parquet_pages.leaves_of(nested, metadata, None)
        except (ValueError, OSError):
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("cut", [0, 3, 11, 40, 400])
def test_a_file_that_was_cut_has_no_footer(nested, cut):
    nested.write_bytes(nested.read_bytes()[:cut])
    with nested.open("rb") as file, pytest.raises(ValueError, match="footer is damaged"):
        parquet_footer.row_groups_of(file)


def test_lists_in_lists_without_end_are_refused():
    endless = bytes([0x19] * 10_000)  # a field that is a list of one list of one list ...
    with pytest.raises(ValueError, match="description is damaged"):
        reader = thrift_compact.CompactReader(endless)
        for _, kind in reader.fields():
            reader.value(kind)


def test_a_list_longer_than_the_file_is_refused_at_once():
    huge = bytes([0x19, 0xF5, *np.full(4, 0xFF, np.uint8).tolist(), 0x07])
    reader = thrift_compact.CompactReader(huge)
    _, kind = next(reader.fields())
    with pytest.raises(IndexError):
        reader.value(kind)
