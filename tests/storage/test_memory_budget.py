"""How much a reader may unpack: small files that would fill the memory are refused before."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.files import ROOT

from latentlab.errors import RunError
from latentlab.storage import memory_budget, rows
from latentlab.storage.files import read_json
from latentlab.storage.memory_budget import TooLargeError
from latentlab.storage.parquet_reading import ParquetReader
from latentlab.storage.run import read_manifest

MOST = 512  # MiB above what the same reader takes of a sound file

# A child reads a sound file of the same kind first: what it imports and caches does not count.
CHILD = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (6_000_000_000,) * 2)
from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import DataError
from latentlab.scoring.labels import read_labels
from latentlab.storage.vector_files import read_beside, read_vector_file

def read(kind, path):
    if kind == "vectors":
        read_beside(path, read_vector_file(path))
    else:
        data = DataOptions(data=str(path), size=8)
        opening.open_images(data)
        read_labels(data)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

kind, sound, *hostile = sys.argv[1:]
read(kind, Path(sound))
before = peak()
rows = []
for path in hostile:
    said = ""
    try:
        read(kind, Path(path))
    except DataError as error:
        said = str(error)
    rows.append((peak() - before, said))
print(json.dumps(rows))
"""


def repeated(value, count: int) -> pa.Array:
    """Return a column that holds one value in a dictionary."""
    places = pa.array(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(places, pa.array([value]))


def write(path, columns):
    pq.write_table(
        pa.table(columns),
        path,
        compression="zstd",
        dictionary_pagesize_limit=1 << 30,
        store_schema=False,
    )
    return path


def pieces(path, table: pa.Table, times: int):
    """Write a table again and again, a row group each."""
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(times):
            writer.write_table(table, row_group_size=len(table))
    return path


def hostile_files(folder, picture: bytes):
    """Return small files that unpack to gigabytes, by what they are."""
    million = 4_000_000
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (300000000, 0, 8), }"
    empty = folder / "empty.npy"
    head = b"\x93NUMPY\x01\x00" + len(header + b" " * 9 + b"\n").to_bytes(2, "little")
    empty.write_bytes(head + header + b" " * 9 + b"\n")
    nulls = pa.table({"image": pa.nulls(million, pa.binary()), "label": pa.nulls(million)})
    zeros = pa.array(np.zeros(million * 10, np.float32))
    lists = pa.FixedSizeListArray.from_arrays(zeros, 1000)
    return {
        "images: one large dictionary": (
            "images",
            write(folder / "a.parquet", {"image": repeated(picture + bytes(20 << 20), 100)}),
        ),
        "images: labels of one large text": (
            "images",
            write(
                folder / "b.parquet",
                {"image": [picture] * 100, "label": repeated("x" * (20 << 20), 100)},
            ),
        ),
        "images: millions of rows": ("images", pieces(folder / "c.parquet", nulls, 1)),
        "images: rows of nothing": ("images", empty),
        "vectors: rows of nothing": ("vectors", empty),
        "vectors: lists of zeros": (
            "vectors",
            pieces(folder / "d.parquet", pa.table({"v": lists}), 2),
        ),
        "vectors: columns of zeros": (
            "vectors",
            pieces(folder / "e.parquet", pa.table({"a": zeros[:million], "b": zeros[:million]}), 1),
        ),
        "vectors: one large text beside": (
            "vectors",
            write(
                folder / "f.parquet",
                {"v": [[1.0, 2.0]] * 100, "note": repeated("x" * (20 << 20), 100)},
            ),
        ),
    }


@pytest.fixture(scope="module")
def picture() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory, picture):
    folder = tmp_path_factory.mktemp("hostile")
    sound = {
        "images": write(folder / "s.parquet", {"image": [picture] * 8, "label": [0, 1] * 4}),
        "vectors": write(folder / "v.parquet", {"v": [[1.0, 2.0], [2.0, 1.0]], "note": ["a", "b"]}),
    }
    return sound, hostile_files(folder, picture)


@pytest.mark.parametrize("kind", ["images", "vectors"])
def test_small_files_are_refused_before_memory_is_taken(files, kind):
    sound, hostile = files
    names = [name for name in hostile if name.startswith(kind)]
    paths = [hostile[name][1] for name in names]
    assert max(path.stat().st_size for path in paths) < 1 << 20
    command = [sys.executable, "-c", CHILD, kind, str(sound[kind]), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (above, said) in zip(names, json.loads(done.stdout), strict=True):
        assert said, f"{name} was read"
        assert "\n" not in said
        assert above < MOST, name


@pytest.mark.parametrize("content", ["[" * 200 + "]" * 200, '{"a":' * 101 + "1" + "}" * 101])
def test_deep_json_is_refused(content):
    with pytest.raises(ValueError, match="within each other"):
        memory_budget.parsed_json(content, 1 << 20)


def test_brackets_in_texts_are_not_depth():
    value = ["[" * 500, {"]]{{": '\\"[['}]
    assert memory_budget.parsed_json(json.dumps(value), 1 << 20) == value


def test_json_of_many_lists_is_refused_by_its_size_in_memory():
    content = "[" + "[]," * 100_000 + "[]]"
    with pytest.raises(TooLargeError):
        memory_budget.parsed_json(content, 1 << 20)
    assert len(memory_budget.parsed_json(content, 1 << 30)) == 100_001


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"use_dictionary": False},
        {"row_group_size": 70},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    ],
)
@pytest.mark.parametrize("piece", [None, 100])
def test_columns_are_read_as_arrow_reads_them(tmp_path, monkeypatch, version, how, piece):
    if piece:
        monkeypatch.setattr("latentlab.storage.parquet_reading.PIECE", piece)
    table = pa.table(
        {
            "text": [None if row % 7 == 0 else f"name {row % 40}" for row in range(300)],
            "number": pa.array(range(300), pa.int16()),
            "lists": [["a" * 30] * (row % 3) for row in range(300)],
            "structs": [{"path": f"p{row}", "k": row} for row in range(300)],
            "coded": pa.array(["u", "v"] * 150).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", data_page_version=version, **how)
    reader = ParquetReader(tmp_path / "t.parquet")
    assert reader.table().schema == table.schema
    assert reader.table().to_pylist() == table.to_pylist()
    for name in table.column_names:
        assert reader.values(name) == table[name].to_pylist()


def test_a_footer_that_announces_less_than_its_pages_hold_is_refused(tmp_path):
    """The pages of one file stand behind the footer of another that has fewer rows."""
    many, few = tmp_path / "many.parquet", tmp_path / "few.parquet"
    for path, count in ((many, 5000), (few, 10)):
        pq.write_table(pa.table({"a": pa.array(np.zeros(count))}), path, compression="none")
    content, footer = many.read_bytes(), few.read_bytes()
    tails = [8 + int.from_bytes(each[-8:-4], "little") for each in (content, footer)]
    many.write_bytes(content[: -tails[0]] + footer[-tails[1] :])
    with pytest.raises(ValueError, match="announces"):
        ParquetReader(many).table()


def test_a_user_who_trusts_a_file_raises_the_limit(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": repeated("x" * (9 << 20), 3)})
    with pytest.raises(TooLargeError):
        ParquetReader(path).table()
    table = ParquetReader(path, 1 << 30, is_trusted=True).table()
    assert table["text"].to_pylist() == ["x" * (9 << 20)] * 3


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "checkpoints/1/state.json"])
def test_files_of_a_run_that_are_gigabytes_long_are_refused_before_they_are_read(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(3 << 30)  # it takes no room on the disk
    readers = {
        "run.json": lambda: read_manifest(tmp_path),
        "metrics.jsonl": lambda: rows.read(path),
        "checkpoints/1/state.json": lambda: read_json(path),
    }
    with pytest.raises(RunError, match="too large|its contents take 3,221,225,472 bytes"):
        readers[name]()


def test_a_file_of_a_run_with_millions_of_lists_is_refused(tmp_path):
    (tmp_path / "result.json").write_text("[" + "[]," * 40_000_000 + "0]")  # 120 MB, 4 GB of lists
    with pytest.raises(RunError, match="lists, mappings and texts"):
        read_json(tmp_path / "result.json")
