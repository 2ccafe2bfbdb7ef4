"""Hostile files of vectors for `--embeddings`, for scripts/hostile_inputs.py."""

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _memory_of_case
import numpy as np
import pyarrow as pa
from _hostile_files import Case, damaged
from _hostile_labels import dictionary_of, packed

from latentlab.storage.vector_files import read_beside, read_column, read_vector_file

ROWS = 20
KINDS = ("<f4", "<f8", "<f2", "|u1", "<i8", ">f4", "<U0", "|S0", "|V0", "|O", "<c8", "<U1000000")
SHAPES: tuple[tuple[int, ...], ...] = (
    (300_000_000, 0, 8), (300_000_000, 0), (0, 300_000_000), (0, 0), (0,), (), (20,), (20, 3, 1),
    (2**31, 2**31), (2**62, 4), (-1, 3), (20, 0), (1_000_000_000, 1), (1,) * 40,
)  # fmt: skip


def vector_files(rng: random.Random) -> Iterator[Case]:
    """Yield hostile files of vectors of all four formats."""
    for kind in KINDS:
        for shape in SHAPES:
            header = _header(kind, shape)
            yield Case("vectors", f"npy {kind} {shape}", _case("v.npy", header))
    for number, shape in enumerate(SHAPES):
        content = _npz({"embeddings.npy": _header("<f4", shape)})
        yield Case("vectors", f"npz {number} {shape}", _case("v.npz", content))
    for name, columns in _tables().items():
        for version in ("1.0", "2.0"):
            how = {"data_page_version": version}
            yield Case("vectors", f"parquet {name} {version}", _parquet(columns, how))
    sound = packed({"v": np.eye(ROWS).tolist(), "id": list(map(str, range(ROWS)))})
    for number in range(60):
        content = damaged(sound, rng, "cut" if number % 6 == 0 else "flip")
        yield Case("vectors", f"parquet damaged {number}", _case("v.parquet", content))
    for name, text in _texts().items():
        yield Case("vectors", f"csv {name}", _case("v.csv", text))


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    fields = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def _npz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _tables() -> dict[str, dict[str, Any]]:
    sound = np.eye(ROWS).tolist()
    texts = {f"text of {size} MiB": dictionary_of("x" * (size << 20), ROWS) for size in (7, 20, 60)}
    tables: dict[str, dict[str, Any]] = {
        name: {"v": sound, "id": text} for name, text in texts.items()
    }
    tables |= {f"beside, {name}": {"v": sound, "note": text} for name, text in texts.items()}
    lists = {
        "one long list": [[0.0] * 3_000_000, *[None] * (ROWS - 1)],
        "lists of nothing": [[]] * ROWS,
        "no list": pa.nulls(ROWS, pa.list_(pa.float32())),
        "lists of nulls": [[None, None]] * ROWS,
        "uneven lists": [[0.0] * row for row in range(1, ROWS + 1)],
        "infinite": [[float("inf")] * 3] * ROWS,
    }
    tables |= {name: {"v": values} for name, values in lists.items()}
    tables["lists of texts beside"] = {"v": sound, "tags": [["a" * 1000] * 50] * ROWS}
    tables["structs beside"] = {"v": sound, "s": [{"path": "a", "b": [1]}] * ROWS}
    tables["10,000 columns"] = {f"c{number}": [0.0] for number in range(10_000)}
    return tables


def _texts() -> dict[str, bytes]:
    return {
        "of one long line": b"0," * 3_000_000,
        "of 200,000 columns": b",".join(b"a%d" % n for n in range(200_000)) + b"\n",
        "of a million lines": b"a,b\n" + b"1,2\n" * 1_000_000,
        "of three million empty lines": b"a,b\n1,2\n" + b"\n" * 3_000_000,
        "of nothing but quotes": b'"' * 100_000,
        "of zero bytes": bytes(100_000),
        "of a long cell": b"id,a,b\n" + b"x" * 5_000_000 + b",1,2\n",
        "of uneven lines": b"a,b\n1,2\n3\n4,5,6\n",
        "of large numbers": b"a,b\n1e400,-1e400\n" + b"9" * 5000 + b",1\n",
        "of another encoding": "a,b\n1,2\n".encode("utf-16"),
    }


def _parquet(columns: dict[str, Any], how: dict[str, Any]) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        return _case("v.parquet", packed(columns, **how))(folder)

    return run


def _case(name: str, content: bytes) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content)
        _memory_of_case.begin()
        table = read_vector_file(path)
        beside = read_beside(path, table)
        if beside.num_columns and len(beside) != len(table.vectors):
            return f"{len(beside)} rows beside {len(table.vectors)} vectors"
        if table.columns.labels:
            read_column(path, table.columns.labels)
        return ""

    return run


ALL = (vector_files,)
