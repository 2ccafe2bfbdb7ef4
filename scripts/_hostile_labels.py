"""Hostile columns and files of labels, for scripts/hostile_inputs.py."""

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _memory_of_case
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _hostile_containers import tar_of, zip_of
from _hostile_files import Case, damaged, encoded, open_all, pictures

COUNT = 12
ODD_TEXTS = (
    "\x1b[31mred", "a\nb", "=1+1", "$\\frac{$x", "<script>", "\u202eabc", "", " ", "\0", "x" * 5000,
    "9" * 5000, "--5", "nan", "-1", "\ud7ff", "٣", "1e999", "NULL", "../..", "'", '"', ",", "\t",
)  # fmt: skip
ODD_JSON = (
    "[" * 5000, '{"label":' * 900 + "1" + "}" * 900, '{"label": 1e400}', '{"label": [1]}',
    '{"label": "' + "9" * 5000 + '"}', '{"label": ' + "9" * 5000 + "}", "{}", "", "null", "NaN",
    '{"label": null}', '{"label": {"a": 1}}', '{"label": true}', "\ufeff{}", '{"label": "\\ud800"}',
)  # fmt: skip


def dictionary_of(value: Any, count: int) -> pa.Array:
    """Return a column that holds one value in a dictionary."""
    places = pa.array(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(places, pa.array([value]))


def packed(columns: dict[str, Any] | pa.Table, **how: Any) -> bytes:
    """Return a parquet file, packed, with a dictionary of any size."""
    buffer = io.BytesIO()
    settings = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "store_schema": False}
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, buffer, **settings | how)
    return buffer.getvalue()


def labels(rng: random.Random) -> Iterator[Case]:
    """Yield hostile labels: columns, arrays, members and tables."""
    column = [encoded(one, "PNG") for one in pictures(COUNT)]
    for name, values in _columns().items():
        for version in ("1.0", "2.0"):
            yield Case(
                "labels", f"column {name}, pages {version}", _parquet(column, values, version)
            )
    sound = packed({"image": column, "label": [f"class {n % 3}" for n in range(COUNT)]})
    for number in range(90):
        content = damaged(sound, rng, "cut" if number % 6 == 0 else "flip")
        yield Case("labels", f"column damaged {number}", _file("x.parquet", content))
    for number, text in enumerate(ODD_TEXTS):
        names = {f"{place}.png": one for place, one in enumerate(column)}
        beside = {f"{place}.cls": text.encode() for place in range(COUNT)}
        yield Case("labels", f"tar of {number}", _file("x.tar", tar_of(names | beside)))
        rows = json.dumps([{"path": name, "label": text} for name in names])
        yield Case("labels", f"json of {number}", _listed("x.json", rows.encode(), names))
    for number, text in enumerate(ODD_JSON):
        names = {f"{place}.png": one for place, one in enumerate(column)}
        beside = {f"{place}.json": text.encode() for place in range(COUNT)}
        yield Case("labels", f"members of {number}", _file("x.tar", tar_of(names | beside)))
        yield Case("labels", f"zipped members of {number}", _file("x.zip", zip_of(names | beside)))
    for name, content in _arrays().items():
        yield Case("labels", f"array {name}", _file("x.npz", content))


def _columns() -> dict[str, Any]:
    """Return columns of labels that are odd, or unpack to far more than they seem to."""
    odd = {f"of {text[:12]!a}": [text] * COUNT for text in ODD_TEXTS}
    sizes = {
        f"text of {size} MiB": dictionary_of("x" * (size << 20), COUNT) for size in (7, 20, 100)
    }
    bytes_of = {f"bytes of {size} MiB": dictionary_of(bytes(size << 20), COUNT) for size in (7, 40)}
    lists = {f"lists of {size}": [[0] * size] * COUNT for size in (1, 1000, 500_000)}
    others = {
        "decimals": pa.array([1] * COUNT, pa.decimal128(38, 2)),
        "durations": pa.array([1] * COUNT, pa.duration("s")),
        "halves": pa.array(np.zeros(COUNT, np.float16)),
        "unsigned": pa.array([2**64 - 1] * COUNT, pa.uint64()),
        "lowest": pa.array([-(2**63)] * COUNT, pa.int64()),
        "infinite": [float("inf")] * COUNT,
        "fixed bytes": pa.array([b"abc"] * COUNT, pa.binary(3)),
        "structs in structs": [{"a": {"b": {"c": [1]}}}] * COUNT,
        "nothing": pa.nulls(COUNT),
    }
    return odd | sizes | bytes_of | lists | others


def _arrays() -> dict[str, bytes]:
    pixels = pictures(COUNT)
    shapes = (
        (0,),
        (COUNT, 0),
        (COUNT, 1),
        (COUNT, 2),
        (1, COUNT),
        (),
        (5_000_000, 0),
        (COUNT - 1,),
    )
    cases = {f"of shape {shape}": np.zeros(shape, np.int64) for shape in shapes}
    cases |= {
        f"of {kind}": np.zeros(COUNT, kind) for kind in ("U0", "S0", "U100000", "c8", "M8[s]")
    }
    contents = {}
    for name, values in cases.items():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=pixels, labels=values)
        contents[name] = buffer.getvalue()
    return contents


def _parquet(column: list[bytes], values: Any, version: str) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        table = {"image": column, "label": values}
        content = packed(table, data_page_version=version)
        return _file("x.parquet", content)(folder)

    return run


def _file(name: str, content: bytes) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        (folder / name).write_bytes(content)
        _memory_of_case.begin()
        images, pixels, known = open_all(data=str(folder / name), size=8, held_out=0.0)
        if len(pixels) != len(images):
            return f"{len(pixels)} pictures of {len(images)}"
        if known is not None and len(known.labels) < len(images):
            return f"{len(known.labels)} labels of {len(images)}"
        return ""

    return run


def _listed(name: str, content: bytes, members: dict[str, bytes]) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        for path, picture in members.items():
            (folder / path).write_bytes(picture)
        return _file(name, content)(folder)

    return run


ALL = (labels,)
