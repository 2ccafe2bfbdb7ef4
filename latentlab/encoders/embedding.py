"""Encode images to parquet parts, shard by shard, in memory that does not grow with their number.

A part of embeddings/ holds id, split, code and, where the encoder goes on above its code, embedding. A part of averages/, made where it is
asked for, holds id, split and averaged: the mean of the embeddings of the image and of its mirror image.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.data.images import ImageSet, as_input
from latentlab.errors import ConfigError, RunError
from latentlab.progress import track
from latentlab.storage import tables

if TYPE_CHECKING:
    import keras

    from latentlab.encoders.networks import Model

SHARD = 2048
BATCH = 256
AVERAGES = "averages"


def write_parts(model: "Model", images: ImageSet, folder: Path) -> list[Path]:
    """Encode every image and write one part file a shard of 2,048 images; parts that are there already are kept.

    Parameters
    ----------
    model : Model
        Whose encoder, and top, are used.
    images : ImageSet
        What to encode; part i holds images 2,048 i to 2,048 (i + 1) - 1, in order.
    folder : pathlib.Path
        Where part-00000.parquet and so on go. The code is flattened in row-major order.

    Returns
    -------
    list of pathlib.Path
        All parts, in order.
    """
    return _write_shards(
        "embed", images, folder, lambda indices, _: _encode_shard(model, images, indices)
    )


def write_averages(model: "Model", images: ImageSet, folder: Path) -> list[Path]:
    """Write the averages beside the embeddings of the same images, which `folder` holds; parts and result as for `write_parts`."""

    def average(indices: np.ndarray, name: str) -> pa.Table:
        mirrored = _above(model, encode(model.encoder, images.read(indices)[:, :, ::-1]))
        mean = (
            tables.matrix(tables.read(folder / name, ["embedding"])["embedding"]) + mirrored
        ) / 2
        return _table(images, indices, averaged=mean)

    return _write_shards("average", images, _home(folder, "averaged"), average)


def _write_shards(
    what: str, images: ImageSet, folder: Path, make: Callable[[np.ndarray, str], pa.Table]
) -> list[Path]:
    """Write make(positions, file name) for each shard that is not there; return all paths."""
    parts = []
    with track(what, len(images)) as bar:
        for number, indices in enumerate(images.shards(SHARD)):
            path = folder / f"part-{number:05d}.parquet"
            if not _is_complete(path, images, indices):
                tables.write(path, make(indices, path.name))
            parts.append(path)
            bar.update(int(indices[-1]) + 1)
    return parts


def encode(encoder: "keras.Model", batch: np.ndarray) -> np.ndarray:
    """Return the flattened outputs, float32 (n, d), of an encoder, or of an embedder, for uint8 images (n, height, width, channels)."""
    pieces = [
        np.asarray(encoder.predict_on_batch(as_input(batch[i : i + BATCH])))
        for i in range(0, len(batch), BATCH)
    ]
    return np.concatenate(pieces).reshape(len(batch), -1).astype(np.float32)


def part_files(folder: Path) -> list[Path]:
    """Return the parts in `folder`, in order.

    Raises
    ------
    RunError
        If there are none.
    """
    parts = sorted(
        path
        for path in folder.glob("part-*.parquet")
        if re.fullmatch(r"part-\d{5,}\.parquet", path.name)
    )
    if not parts:
        option = " --averages" if folder.name == AVERAGES else ""
        raise RunError(
            f"{folder} holds no embeddings. Make them with: latentlab embed --run {folder.parent}{option}"
        )
    return parts


def missing(column: str) -> ConfigError:
    """Return the error that an encoder does not give what features start from."""
    if column == "averaged":
        return ConfigError(
            "averages need an encoder that learnt from mirrored views, as --recipe strong trains it: start from embedding or code."
        )
    return ConfigError(
        f"this encoder has no {column} above its code: use --features code, or fit with --arch fast8 or resnet18."
    )


def read_parts(
    folder: Path, split: str | None = None, column: str = "code"
) -> Iterator[np.ndarray]:
    """Yield the codes, or another column's vectors, of each part, float32 (m, d), of one split or of all images.

    `folder` is that of the embeddings, the averages' too.

    Raises
    ------
    ConfigError
        If the encoder has no embedding and `column` asks for it.
    """
    for path in part_files(_home(folder, column)):
        if column not in pq.read_schema(path).names:
            raise missing(column)
        table = tables.read(path, ["split", column])
        codes = tables.matrix(table[column])
        yield codes if split is None else codes[np.asarray(table["split"]) == split]


def read_index(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and splits of all embedded images, str arrays of shape (n,), in order."""
    parts = [tables.read(path, ["id", "split"]) for path in part_files(folder)]
    table = pa.concat_tables(parts)
    return np.asarray(table["id"].to_pylist(), dtype=str), np.asarray(
        table["split"].to_pylist(), dtype=str
    )


def _encode_shard(model: "Model", images: ImageSet, indices: np.ndarray) -> pa.Table:
    codes = encode(model.encoder, images.read(indices))
    return _table(
        images,
        indices,
        code=codes,
        **({"embedding": _above(model, codes)} if model.top is not None else {}),
    )


def _above(model: "Model", codes: np.ndarray) -> np.ndarray:
    """Return the embeddings, float32 (n, d), of flattened codes."""
    assert model.top is not None
    maps = codes.reshape(-1, *model.code_shape)
    return np.concatenate(
        [
            np.asarray(model.top.predict_on_batch(maps[i : i + BATCH]), np.float32)
            for i in range(0, len(maps), BATCH)
        ]
    )


def _table(images: ImageSet, indices: np.ndarray, **vectors: np.ndarray) -> pa.Table:
    named = {name: tables.vectors(array) for name, array in vectors.items()}
    return pa.table(
        {"id": images.ids[indices].tolist(), "split": images.splits[indices].tolist(), **named}
    )


def _home(folder: Path, column: str) -> Path:
    """Return where a column's parts lie, beside the embeddings' `folder`."""
    return folder.with_name(AVERAGES) if column == "averaged" else folder


def _is_complete(path: Path, images: ImageSet, indices: np.ndarray) -> bool:
    """Return whether a part is there and holds just these images."""
    if not path.exists():
        return False
    try:
        return (
            pq.read_table(path, columns=["id"], partitioning=None)["id"].to_pylist()
            == images.ids[indices].tolist()
        )
    except (OSError, pa.ArrowException):
        return False
