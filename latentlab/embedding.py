"""Encode images to parquet parts (id, split, code), shard by shard, in memory that does not grow with their number."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab import tables
from latentlab.errors import RunError
from latentlab.images import ImageSet
from latentlab.progress import track
from latentlab.training import as_input

if TYPE_CHECKING:
    import keras

SHARD = 2048
BATCH = 256


def write_parts(encoder: "keras.Model", images: ImageSet, folder: Path) -> list[Path]:
    """Encode every image and write one part file a shard of 2,048 images; parts that are there already are kept.

    Parameters
    ----------
    encoder : keras.Model
        float32 (n, height, width, channels) in [0, 1] -> (n, *code_shape).
    images : ImageSet
        What to encode; part i holds images 2,048 i to 2,048 (i + 1) - 1, in order.
    folder : pathlib.Path
        Where part-00000.parquet and so on go. The code is flattened in row-major order.

    Returns
    -------
    list of pathlib.Path
        All parts, in order.
    """
    parts = []
    with track("embed", len(images)) as bar:
        for number, indices in enumerate(images.shards(SHARD)):
            path = folder / f"part-{number:05d}.parquet"
            if not _is_complete(path, images, indices):
                tables.write(path, _encode_shard(encoder, images, indices))
            parts.append(path)
            bar.update(int(indices[-1]) + 1)
    return parts


def encode(encoder: "keras.Model", batch: np.ndarray) -> np.ndarray:
    """Return the flattened codes, float32 (n, d), of uint8 images (n, height, width, channels)."""
    pieces = [np.asarray(encoder.predict_on_batch(as_input(batch[i : i + BATCH]))) for i in range(0, len(batch), BATCH)]
    return np.concatenate(pieces).reshape(len(batch), -1).astype(np.float32)


def part_files(folder: Path) -> list[Path]:
    """Return the parts in `folder`, in order.

    Raises
    ------
    RunError
        If there are none.
    """
    parts = sorted(path for path in folder.glob("part-*.parquet") if re.fullmatch(r"part-\d{5,}\.parquet", path.name))
    if not parts:
        raise RunError(f"{folder} holds no embeddings. Make them with: latentlab embed --run {folder.parent}")
    return parts


def read_parts(folder: Path, split: str | None = None) -> Iterator[np.ndarray]:
    """Yield the codes of each part, float32 (m, d), of one split or of all images."""
    for path in part_files(folder):
        table = tables.read(path)
        codes = tables.matrix(table["code"])
        yield codes if split is None else codes[np.asarray(table["split"]) == split]


def read_index(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and splits of all embedded images, str arrays of shape (n,), in order."""
    parts = [tables.read(path, ["id", "split"]) for path in part_files(folder)]
    table = pa.concat_tables(parts)
    return np.asarray(table["id"].to_pylist(), dtype=str), np.asarray(table["split"].to_pylist(), dtype=str)


def _encode_shard(encoder: "keras.Model", images: ImageSet, indices: np.ndarray) -> pa.Table:
    codes = encode(encoder, images.read(indices))
    columns = {"id": images.ids[indices].tolist(), "split": images.splits[indices].tolist(), "code": tables.vectors(codes)}
    return pa.table(columns)


def _is_complete(path: Path, images: ImageSet, indices: np.ndarray) -> bool:
    """Return whether a part is there and holds just these images."""
    if not path.exists():
        return False
    try:
        return pq.read_table(path, columns=["id"], partitioning=None)["id"].to_pylist() == images.ids[indices].tolist()
    except (OSError, pa.ArrowException):
        return False
