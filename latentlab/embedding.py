"""Encode images to parquet parts, shard by shard, in memory that does not grow with their number.

A part holds id, split, code and, where the encoder goes on above its code, embedding; where it was trained on mirrored views too, also
averaged: the mean of the embeddings of the image and of its mirror image.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab import tables
from latentlab.errors import ConfigError, RunError
from latentlab.features import COLUMNS
from latentlab.images import ImageSet
from latentlab.progress import track
from latentlab.run import Run, embed_config
from latentlab.training import as_input

if TYPE_CHECKING:
    import keras

    from latentlab.encoders import Model

SHARD = 2048
BATCH = 256


def write_parts(model: "Model", images: ImageSet, folder: Path, written: tuple[str, ...]) -> list[Path]:
    """Encode every image and write one part file a shard of 2,048 images; parts that are there already are kept.

    Parameters
    ----------
    model : Model
        Whose encoder, and top, are used.
    images : ImageSet
        What to encode; part i holds images 2,048 i to 2,048 (i + 1) - 1, in order.
    folder : pathlib.Path
        Where part-00000.parquet and so on go. The code is flattened in row-major order.
    written : tuple of str
        What of `features.COLUMNS` a part holds, in their order.

    Returns
    -------
    list of pathlib.Path
        All parts, in order.
    """
    parts = []
    with track("embed", len(images)) as bar:
        for number, indices in enumerate(images.shards(SHARD)):
            path = folder / f"part-{number:05d}.parquet"
            if not _is_complete(path, images, indices, written):
                tables.write(path, _encode_shard(model, images, indices, written))
            parts.append(path)
            bar.update(int(indices[-1]) + 1)
    return parts


def encode(encoder: "keras.Model", batch: np.ndarray) -> np.ndarray:
    """Return the flattened outputs, float32 (n, d), of an encoder, or of an embedder, for uint8 images (n, height, width, channels)."""
    pieces = [np.asarray(encoder.predict_on_batch(as_input(batch[i : i + BATCH]))) for i in range(0, len(batch), BATCH)]
    return np.concatenate(pieces).reshape(len(batch), -1).astype(np.float32)


def stage_config(run: Run, columns: tuple[str, ...]) -> dict[str, Any]:
    """Return what the stage that writes these columns depends on."""
    return embed_config(run) | ({"averaged": True} if "averaged" in columns else {})


def is_done(run: Run, columns: tuple[str, ...] = ()) -> bool:
    """Return whether all images are embedded by the encoder that the run has now, with these columns or more."""
    return any(run.is_done("embed", stage_config(run, (*columns, *more))) for more in ((), ("averaged",)))


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


def columns(folder: Path) -> list[str]:
    """Return what the parts hold of each image, of `features.COLUMNS`."""
    return [name for name in COLUMNS if name in pq.read_schema(part_files(folder)[0]).names]


def missing(column: str) -> ConfigError:
    """Return the error that an encoder does not give a column."""
    if column == "averaged":
        return ConfigError(
            "--features averaged needs an encoder that was trained on mirrored views too, as --recipe strong does, and one network for"
            " both: start from embedding or code."
        )
    return ConfigError(f"this encoder has no {column} above its code: use --features code, or fit with --arch fast8 or resnet18.")


def read_parts(folder: Path, split: str | None = None, column: str = "code") -> Iterator[np.ndarray]:
    """Yield the codes, or another column's vectors, of each part, float32 (m, d), of one split or of all images.

    Raises
    ------
    ConfigError
        If the encoder has no such column.
    """
    for path in part_files(folder):
        if column not in pq.read_schema(path).names:
            raise missing(column)
        table = tables.read(path, ["split", column])
        codes = tables.matrix(table[column])
        yield codes if split is None else codes[np.asarray(table["split"]) == split]


def read_index(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and splits of all embedded images, str arrays of shape (n,), in order."""
    parts = [tables.read(path, ["id", "split"]) for path in part_files(folder)]
    table = pa.concat_tables(parts)
    return np.asarray(table["id"].to_pylist(), dtype=str), np.asarray(table["split"].to_pylist(), dtype=str)


def _encode_shard(model: "Model", images: ImageSet, indices: np.ndarray, written: tuple[str, ...]) -> pa.Table:
    batch = images.read(indices)
    codes = encode(model.encoder, batch)
    vectors = {"code": codes}
    if "embedding" in written:
        vectors["embedding"] = _above(model, codes)
    if "averaged" in written:
        mirrored = _above(model, encode(model.encoder, mirror(batch)))
        vectors["averaged"] = (vectors["embedding"] + mirrored) / 2
    named = {name: tables.vectors(array) for name, array in vectors.items()}
    return pa.table({"id": images.ids[indices].tolist(), "split": images.splits[indices].tolist(), **named})


def mirror(images: np.ndarray) -> np.ndarray:
    """Return images (n, height, width, channels) with left and right exchanged."""
    return images[:, :, ::-1]


def _above(model: "Model", codes: np.ndarray) -> np.ndarray:
    """Return the embeddings, float32 (n, d), of flattened codes."""
    assert model.top is not None
    maps = codes.reshape(-1, *model.code_shape)
    return np.concatenate([np.asarray(model.top.predict_on_batch(maps[i : i + BATCH]), np.float32) for i in range(0, len(maps), BATCH)])


def _is_complete(path: Path, images: ImageSet, indices: np.ndarray, written: tuple[str, ...]) -> bool:
    """Return whether a part is there and holds just these columns of just these images."""
    if not path.exists():
        return False
    try:
        named = pq.read_schema(path).names
        return [*written] == named[2:] and pq.read_table(path, columns=["id"], partitioning=None)["id"].to_pylist() == images.ids[indices].tolist()
    except (OSError, pa.ArrowException):
        return False
