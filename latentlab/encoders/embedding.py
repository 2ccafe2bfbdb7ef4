"""Encode images to parquet parts, shard by shard, in memory that does not grow with their number.

    embeddings/part-00000.parquet    id, split, code; embedding too if the encoder has one
    averages/part-00000.parquet      id, split, averaged; written on request

"averaged" is the mean of the embeddings of an image and of its mirror image.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.data.images import ImageSet, as_input
from latentlab.encoders.encoder import embedding_hint
from latentlab.encoders.stored_inputs import StoredInputs, input_table
from latentlab.errors import ConfigError, RunError
from latentlab.progress import track
from latentlab.storage import guard, tables

if TYPE_CHECKING:
    import keras

    from latentlab.encoders.model import Model

SHARD = 2048  # images of a part file
BATCH = 256  # images that the network sees at once
PART_NAME = re.compile(r"part-\d{5,}\.parquet")


@dataclass(frozen=True)
class EmbeddedImages:
    """Which images were embedded.

    Attributes
    ----------
    ids, splits : ndarray of shape (n,), str
        Name and split of each image, in order.
    """

    ids: np.ndarray
    splits: np.ndarray

    def count(self, split: str) -> int:
        """Return the number of images of a `split`, "train" or "test"."""
        return int((self.splits == split).sum())


@dataclass(frozen=True)
class Embeddings:
    """The vectors that a run's encoder gives for its images, as files.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder. Its folders "embeddings" and "averages" hold the parts.
    """

    folder: Path

    def write(self, model: "Model", images: ImageSet) -> list[Path]:
        """Encode every image and write one part per 2,048 images; complete parts stay.

        Parameters
        ----------
        model : Model
            Its encoder is used, and its top if there is one.
        images : ImageSet
            Part i holds images 2,048 i to 2,048 (i + 1) - 1, in order.

        Returns
        -------
        list of pathlib.Path
            All parts, in order. The codes are flattened in row-major order.
        """

        def encode_shard(indices: np.ndarray, _: str) -> pa.Table:
            codes = encode(model.encoder, images.read(indices))
            columns = {"code": codes}
            if model.top is not None:
                columns["embedding"] = _embed(model, codes)
            return _as_table(images, indices, columns)

        shards = images.shards(SHARD)
        return _write_parts("embed", images, self._part_folder("code"), encode_shard, shards)

    def write_vectors(self, vectors: np.ndarray, images: ImageSet) -> list[Path]:
        """Write vectors that are there already, in parts of 2,048; complete parts stay.

        Parameters
        ----------
        vectors : ndarray of shape (n, d), float32
            A vector for each image.
        images : ImageSet
            Their ids and splits; no image is read.

        Returns
        -------
        list of pathlib.Path
            All parts, in order.
        """

        def take(indices: np.ndarray, _: str) -> pa.Table:
            return _as_table(images, indices, {"embedding": vectors[indices]})

        folder = self._part_folder("embedding")
        return _write_parts("import", images, folder, take, images.shards(SHARD))

    def write_averages(
        self, embed_images: Callable[[np.ndarray], np.ndarray], images: ImageSet
    ) -> list[Path]:
        """Write the averages of images that are embedded already; parts as in "embeddings".

        Parameters
        ----------
        embed_images : callable
            embed_images(uint8 images) -> embeddings, float32 (n, d).
        images : ImageSet
            The same images.

        Returns
        -------
        list of pathlib.Path
            All parts, in order.
        """
        embedded = self._part_folder("embedding")

        def average_shard(indices: np.ndarray, file_name: str) -> pa.Table:
            column = tables.read(embedded / file_name, ["embedding"])["embedding"]
            mirrored = embed_images(images.read(indices)[:, :, ::-1])
            return _as_table(images, indices, {"averaged": (tables.matrix(column) + mirrored) / 2})

        shards = _positions_of(self.files("embedding"))
        return _write_parts("average", images, self._part_folder("averaged"), average_shard, shards)

    def parts(self, split: str | None = None, column: str = "code") -> Iterator[np.ndarray]:
        """Yield the vectors of each part, float32 (m, d), m at least 1.

        Parameters
        ----------
        split : {"train", "test"} or None
            Only images of this split; None: all.
        column : {"code", "embedding", "averaged"}
            Which vectors.

        Raises
        ------
        ConfigError
            If the encoder does not give such vectors.
        RunError
            If the parts are missing or damaged.
        """
        for path in self.files(column):
            if column not in tables.schema(path).names:
                raise missing_column(column)
            table = tables.read(path, ["split", column])
            vectors = tables.matrix(table[column])
            if split is not None:
                vectors = vectors[np.asarray(table["split"]) == split]
            if len(vectors):
                yield vectors

    def index(self) -> EmbeddedImages:
        """Return names and splits of all embedded images; errors as in `parts`."""
        table = pa.concat_tables(tables.read(path, ["id", "split"]) for path in self.files())
        ids = np.asarray(table["id"].to_pylist(), dtype=str)
        splits = np.asarray(table["split"].to_pylist(), dtype=str)
        return EmbeddedImages(ids, splits)

    def files(self, column: str = "code") -> list[Path]:
        """Return the part files that hold a column, in order.

        Parameters
        ----------
        column : {"code", "embedding", "averaged"}

        Raises
        ------
        RunError
            If there are none.
        """
        folder = self._part_folder(column)
        guard.listing(folder)
        candidates = sorted(folder.glob("part-*.parquet"))
        files = [path for path in candidates if PART_NAME.fullmatch(path.name)]
        if not files:
            averages = ", averages=True" if column == "averaged" else ""
            raise RunError(
                f"{folder} holds no embeddings.",
                hint=f"Make them with: `embed(run={str(self.folder)!r}{averages})`",
            )
        return files

    def _part_folder(self, column: str) -> Path:
        return self.folder / ("averages" if column == "averaged" else "embeddings")


def embed_images(model: "Model", pixels: np.ndarray) -> np.ndarray:
    """Return the embeddings of images, float32 (n, d), by way of their codes.

    Parameters
    ----------
    model : Model
        Has a top.
    pixels : ndarray of shape (n, height, width, channels), uint8
        Images.
    """
    return _embed(model, encode(model.encoder, pixels))


def encode(encoder: "keras.Model", batch: np.ndarray) -> np.ndarray:
    """Return the flattened outputs of an encoder, float32 (n, d).

    Parameters
    ----------
    encoder : keras.Model
        Images in [0, 1] -> codes or embeddings.
    batch : ndarray of shape (n, height, width, channels), uint8
        Images.
    """
    pieces = []
    for start in range(0, len(batch), BATCH):
        images = as_input(batch[start : start + BATCH])
        pieces.append(np.asarray(encoder.predict_on_batch(images)))
    return np.concatenate(pieces).reshape(len(batch), -1).astype(np.float32)


def missing_column(column: str, of_vectors: bool = False) -> ConfigError:
    """Return the error for features that start from vectors which the encoder does not give.

    Parameters
    ----------
    column : {"embedding", "averaged"}
        What the features start from.
    of_vectors : bool
        Whether the run was made of vectors.
    """
    if of_vectors and column == "averaged":
        return ConfigError(
            "averages are over an image and its mirror image, and vectors have no images to average"
            " over: start from embedding."
        )
    if column == "averaged":
        return ConfigError(
            "averages need an encoder that learnt from mirrored views, as `recipe=strong` trains"
            " it: start from embedding or code."
        )
    return ConfigError(
        f"this encoder has no {column} above its code: use `features=code`, or fit with"
        f" {embedding_hint()}."
    )


def write_inputs(images: ImageSet, run_folder: Path) -> list[Path]:
    """Store images as the network takes them, in parts of 2,048; complete parts stay.

    Parameters
    ----------
    images : ImageSet
        The images of a run.
    run_folder : pathlib.Path
        The run folder.

    Returns
    -------
    list of pathlib.Path
        All parts, in order.
    """

    def store(indices: np.ndarray, _: str) -> pa.Table:
        return input_table(images, indices)

    folder = StoredInputs(run_folder).folder
    return _write_parts("store", images, folder, store, images.shards(SHARD))


def _write_parts(
    title: str,
    images: ImageSet,
    folder: Path,
    make_table: Callable[[np.ndarray, str], pa.Table],
    shards: Iterable[np.ndarray],
) -> list[Path]:
    """Write make_table(positions of images, file name) for each shard that is not complete."""
    paths = []
    with track(title, len(images)) as bar:
        for number, indices in enumerate(shards):
            path = folder / f"part-{number:05d}.parquet"
            if not _is_complete(path, images, indices):
                tables.write(path, make_table(indices, path.name))
            paths.append(path)
            bar.update(int(indices[-1]) + 1 if len(indices) else 0)
    for path in set(folder.glob("part-*.parquet")) - set(paths):
        guard.writing(path)
        path.unlink()  # of other images, as `update` leaves them
    return paths


def _positions_of(paths: list[Path]) -> Iterator[np.ndarray]:
    """Yield the positions of the images of each part."""
    start = 0
    for path in paths:
        count = tables.count_rows(path)
        yield np.arange(start, start + count)
        start += count


def _is_complete(path: Path, images: ImageSet, indices: np.ndarray) -> bool:
    """Return whether a part exists and holds exactly these images."""
    if not path.exists():
        return False
    try:
        guard.inside(path)
        table = pq.read_table(path, columns=["id"], partitioning=None)
    except (OSError, pa.ArrowException):
        return False
    return table["id"].to_pylist() == images.ids[indices].tolist()


def _embed(model: "Model", codes: np.ndarray) -> np.ndarray:
    """Return the embeddings, float32 (n, d), of flattened codes."""
    assert model.top is not None
    maps = codes.reshape(-1, *model.code_shape)
    pieces = []
    for start in range(0, len(maps), BATCH):
        outputs = model.top.predict_on_batch(maps[start : start + BATCH])
        pieces.append(np.asarray(outputs, np.float32))
    return np.concatenate(pieces)


def _as_table(images: ImageSet, indices: np.ndarray, columns: dict[str, np.ndarray]) -> pa.Table:
    """Return id, split and columns of vectors of some images."""
    table = {"id": images.ids[indices].tolist(), "split": images.splits[indices].tolist()}
    for name, vectors in columns.items():
        table[name] = tables.vectors(vectors)
    return pa.table(table)
