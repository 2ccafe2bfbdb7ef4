"""Shared by the stages: the run's images, the shape of its encoder, the names of its features."""

from dataclasses import replace
from pathlib import Path

from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import opening
from latentlab.data.images import ImageSet, with_channels
from latentlab.encoders import model_files
from latentlab.errors import DataError, RunError
from latentlab.storage import tables
from latentlab.storage.run import Run

IMAGE_LIST = "images.parquet"
ImageShape = tuple[int, int, int]


def open_run_images(run: Run) -> ImageSet:
    """Open the images that a run was fitted on.

    Parameters
    ----------
    run : Run
        The run.

    Raises
    ------
    RunError
        If they have changed since.
    """
    config = run.config
    images = opening.open_images(config.data)
    if images.fingerprint != config.images_sha256:
        raise RunError(
            f"the images of {run.path} have changed since they were fitted."
            " Fit again into another `run`."
        )
    if not _are_named_as_before(run, images):
        raise RunError(
            f"the names or splits of the images of {run.path} have changed since they were fitted."
            " Name them as before, or fit again."
        )
    return images


def _are_named_as_before(run: Run, images: ImageSet) -> bool:
    """Return whether ids and splits are as recorded; the fingerprint is that of pixels alone."""
    table = tables.read(run.path / IMAGE_LIST)
    columns = [table[column].to_pylist() for column in ("id", "split", "status")]
    recorded = [
        (name, split) for name, split, status in zip(*columns, strict=True) if status == "ok"
    ]
    return recorded == list(zip(images.ids.tolist(), images.splits.tolist(), strict=True))


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
    DataError
        If they cannot be brought to that shape.
    """
    shape = run_image_shape(run)
    images = opening.open_images(data)
    return images if images.image_shape == shape else open_shaped(data, shape)[1]


def open_shaped(data: DataOptions, shape: ImageShape) -> tuple[DataOptions, ImageSet]:
    """Open images in a given shape, whatever size and colour they have.

    Parameters
    ----------
    data : DataOptions
        The images.
    shape : tuple of int
        Height and width in pixels, and channels.

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
    images = opening.open_images(data)
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
    arch = run.config.fit.arch
    if options.features is None or options.features.is_code:
        return arch
    return f"{arch}+{options.features}"


def write_image_list(images: ImageSet, folder: Path) -> None:
    """Write images.parquet: every image with its split, and those that cannot be read.

    Parameters
    ----------
    images : ImageSet
        The images.
    folder : pathlib.Path
        The run's folder.
    """
    import pyarrow as pa

    unreadable = images.unreadable
    columns = {
        "id": [*images.ids.tolist(), *(image.path for image in unreadable)],
        "split": [*images.splits.tolist(), *[None] * len(unreadable)],
        "status": ["ok"] * len(images) + ["unreadable"] * len(unreadable),
        "reason": [None] * len(images) + [image.reason for image in unreadable],
    }
    tables.write(folder / IMAGE_LIST, pa.table(columns))
