"""Shared by the stages: the run's images, the shape of its encoder, the names of its features."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import opening
from latentlab.data.images import ImageSet, with_channels
from latentlab.data.known_files import KnownFiles
from latentlab.encoders import model_files
from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.storage import tables
from latentlab.storage.manifest import no_images
from latentlab.storage.run import Run

IMAGE_LIST = "images.parquet"
FILE_LIST = "files.parquet"
ImageShape = tuple[int, int, int]


def open_run_images(run: Run, rereads: bool = False) -> ImageSet:
    """Open the images that a run was made with, in the shape that its encoder takes.

    Parameters
    ----------
    run : Run
        The run.
    rereads : bool
        Read picture files again whose size and time are as they were.

    Raises
    ------
    RunError
        If they have changed since.
    """
    images = open_listed_images(run, rereads)
    ids, splits = _recorded_images(run)
    config = run.config
    if not config.is_autoencoder and len(ids) < len(images):
        readable = set(ids)
        is_readable = [name in readable for name in images.ids.tolist()]
        images = images.subset(np.flatnonzero(is_readable))
    if config.vectors is not None and len(splits) == len(images):
        images = replace(images, splits=np.array(splits))  # the file may have said others
    # The fingerprint may be that of pixels alone.
    if ids != images.ids.tolist() or splits != images.splits.tolist():
        raise RunError(
            f"the names or splits of the images of {run.path} have changed since they were fitted."
            " Name them as before, or fit again."
        )
    return images


def _recorded_images(run: Run) -> tuple[list[str], list[str]]:
    """Return ids and splits of the images of a run that were not left out."""
    table = tables.read(run.path / IMAGE_LIST)
    is_used = [status == "ok" for status in table["status"].to_pylist()]
    used = table.filter(pa.array(is_used, pa.bool_()))
    return used["id"].to_pylist(), used["split"].to_pylist()


def open_listed_images(run: Run, rereads: bool = False) -> ImageSet:
    """Open the images of a run, without training also those that are left out.

    Parameters
    ----------
    run : Run
        The run.
    rereads : bool
        Read picture files again whose size and time are as they were.

    Raises
    ------
    RunError
        If they have changed since.
    """
    config = run.config
    if config.is_autoencoder:
        images = opening.open_images(config.images)
    else:
        known = None if rereads else _known_files(run)
        images = opening.open_images(config.images, lazy=True, known=known)
    if images.fingerprint != config.images_sha256:
        raise RunError(
            f"the images of {run.path} have changed since they were fitted."
            " Fit again into another `run`."
        )
    return images


def open_shown_images(run: Run) -> ImageSet:
    """Open the images of a run as pages and pictures show them.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    ImageSet
        The thumbnails that the run has stored, else its images. The picture files of thumbnails
        are looked for when they are asked for. A run without images has names alone.

    Raises
    ------
    RunError
        If the run has stored none, and its images have changed.
    """
    if run.config.data is None:
        ids, splits = _recorded_images(run)
        return images_without_pixels(run.data_name, np.array(ids), np.array(splits))
    pictures = StoredPictures(run.path)
    if not pictures.are_there:
        return open_run_images(run)

    originals = functools.cache(lambda: open_run_images(run))

    def picture_file(index: int) -> Path | bytes:
        source = originals().source
        if source is None:
            raise DataError(f"{run.data_name} has no picture files.")
        return source(index)

    return replace(pictures.shown(run.data_name), source=picture_file)


def images_without_pixels(name: str, ids: np.ndarray, splits: np.ndarray) -> ImageSet:
    """Return an image set of names alone, for vectors without images.

    Parameters
    ----------
    name : str
        Name of the data, for titles.
    ids, splits : ndarray of shape (n,), str
        Name and split of each vector.
    """

    def read(indices: np.ndarray) -> np.ndarray:
        raise no_images()

    return ImageSet(name, ids, splits, model_files.NO_IMAGE, read)


def open_small_images(run: Run) -> ImageSet:
    """Open the images of a run for baselines: 32x32 pixels of the run's store, or its images.

    Parameters
    ----------
    run : Run
        The run.

    Raises
    ------
    RunError
        If the run has stored none, and its images have changed.
    """
    pictures = StoredPictures(run.path)
    return pictures.small(run.data_name) if pictures.are_there else open_run_images(run)


def open_like(run: Run, data: DataOptions) -> ImageSet:
    """Open other images in the shape that a run's encoder takes.

    Parameters
    ----------
    run : Run
        The run.
    data : DataOptions
        The other images.

    Raises
    ------
    ConfigError
        If the run was made of vectors.
    DataError
        If they cannot be brought to that shape.
    """
    if run.config.vectors is not None:
        raise ConfigError(
            f"{run.path} was made of vectors, and their encoder is not there: give `embeddings`,"
            " not images."
        )
    shape = run_image_shape(run)
    if run.config.pretrained is not None:
        return open_shaped(data, shape, lazy=True)[1]
    images = opening.open_images(data)
    return images if images.image_shape == shape else open_shaped(data, shape)[1]


def open_shaped(
    data: DataOptions, shape: ImageShape, lazy: bool = False
) -> tuple[DataOptions, ImageSet]:
    """Open images in a given shape, whatever size and colour they have.

    Parameters
    ----------
    data : DataOptions
        The images.
    shape : tuple of int
        Height and width in pixels, and channels.
    lazy : bool
        Decode pictures when they are read.

    Returns
    -------
    data : DataOptions
        The options that open them so.
    images : ImageSet
        The images.

    Raises
    ------
    DataError
        If they cannot be brought to that shape.
    """
    height, _, channels = shape
    data = replace(data, size=height, grey=channels == 1)
    images = opening.open_images(data, lazy=True) if lazy else opening.open_images(data)
    if images.image_shape[:2] != shape[:2]:
        raise DataError(
            f"{images.name} has images of shape {images.image_shape}, the encoder takes {shape}."
        )
    if images.image_shape[2] == channels:
        return data, images
    return replace(data, channels=channels), with_channels(images, channels)


def run_image_shape(run: Run) -> ImageShape:
    """Return height, width and channels of the images that the encoder of `run` takes."""
    return model_files.describe(run).image_shape


def feature_name(run: Run, options: ClusterOptions) -> str:
    """Return encoder and feature steps, joined by "+", as tables call them.

    Parameters
    ----------
    run : Run
        The run; its encoder comes first.
    options : ClusterOptions
        Options with resolved features.
    """
    encoder = model_files.describe(run).name
    if options.features is None or options.features.is_code:
        return encoder
    return f"{encoder}+{options.features}"


def write_image_list(images: ImageSet, folder: Path) -> None:
    """Write images.parquet: every image with its split, and those that cannot be read.

    Parameters
    ----------
    images : ImageSet
        The images.
    folder : pathlib.Path
        The run's folder.
    """
    unreadable = images.unreadable
    columns = {
        "id": [*images.ids.tolist(), *(image.path for image in unreadable)],
        "split": [*images.splits.tolist(), *[None] * len(unreadable)],
        "status": ["ok"] * len(images) + [image.status for image in unreadable],
        "reason": [None] * len(images) + [image.reason for image in unreadable],
    }
    tables.write(folder / IMAGE_LIST, pa.table(columns))


def write_known_files(images: ImageSet, folder: Path) -> None:
    """Write files.parquet: size, time and SHA-256 of each picture file of a lazily opened set.

    A command that opens the run again reads only the files whose size or time differ.

    Parameters
    ----------
    images : ImageSet
        The images; without picture files nothing is written.
    folder : pathlib.Path
        The run's folder.
    """
    files = images.files
    if files is None:
        return
    columns = {
        "id": files.ids.tolist(),
        "bytes": files.bytes,
        "mtime_ns": files.mtime_ns,
        "sha256": files.sha256,
    }
    tables.write(folder / FILE_LIST, pa.table(columns))


def _known_files(run: Run) -> KnownFiles | None:
    """Return what files.parquet says; None if it is not there or damaged."""
    path = run.path / FILE_LIST
    if not path.exists():
        return None
    try:
        table = tables.read(path, ["id", "bytes", "mtime_ns", "sha256"])
    except RunError:
        return None  # the files themselves are read then
    return KnownFiles(
        ids=np.asarray(table["id"].to_pylist(), dtype=str),
        bytes=np.asarray(table["bytes"]),
        mtime_ns=np.asarray(table["mtime_ns"]),
        sha256=table["sha256"].to_pylist(),
    )
