"""Shared by the stages: the run's images, the shape of its encoder, the names of its features."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import decoding, image_changes, opening, value_range, whereabouts
from latentlab.data.image_changes import FILE_LIST, ImageChanges
from latentlab.data.images import ImageSet, with_channels
from latentlab.data.known_files import KnownFiles
from latentlab.data.originals import Picture
from latentlab.encoders import model_files
from latentlab.encoders.stored_inputs import StoredInputs
from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.storage import tables
from latentlab.storage.manifest import no_images
from latentlab.storage.run import Run

IMAGE_LIST = "images.parquet"
UPDATED = "updated"  # entry of run.json: what `update` has made of the images
# Entry of run.json: whether the images have the shape of those that a shipped encoder has seen.
AT_HOME = "encoder_at_home"
REMOVED = "removed"  # status of images that were there once
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
    DataError
        If they are not where they were; the text says where they were looked for.
    RunError
        If they have changed since.
    """
    images = open_listed_images(run, rereads)
    ids, splits = recorded_images(run)
    if run.fact(UPDATED) or (not run.config.is_autoencoder and len(ids) < len(images)):
        images = images.subset(_positions_in(images, ids))
    if len(splits) == len(images) and (run.config.vectors is not None or run.fact(UPDATED)):
        images = replace(images, splits=np.array(splits))  # those at hand may say others
    # The fingerprint may be that of pixels alone.
    if ids != images.ids.tolist() or splits != images.splits.tolist():
        raise RunError(
            f"the names or splits of the images of {run.path} have changed since they were fitted."
            " Name them as before, or fit again."
        )
    return images


def _positions_in(images: ImageSet, ids: list[str]) -> np.ndarray:
    """Return the positions of the images with some ids, as far as they are there."""
    place_of = {name: place for place, name in enumerate(images.ids.tolist())}
    return np.array([place_of[name] for name in ids if name in place_of], np.int64)


def recorded_images(run: Run) -> tuple[list[str], list[str]]:
    """Return ids and splits of the images of a run that were not left out, in order.

    Parameters
    ----------
    run : Run
        The run.
    """
    table = tables.read(run.path / IMAGE_LIST, ["id", "split", "status"])
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
    DataError
        If they are not where they were; the text says where they were looked for.
    RunError
        If they have changed since.
    """
    images, data = find_images(run, rereads)
    if images.fingerprint != images_fingerprint(run):
        raise have_changed(run, images, data)
    return _as_listed(run, images) if run.fact(UPDATED) else images


def find_images(run: Run, rereads: bool = False) -> tuple[ImageSet, DataOptions]:
    """Open what there is of a run's images now: at the first place that holds any of them.

    Parameters
    ----------
    run : Run
        The run.
    rereads : bool
        Read picture files again whose size and time are as they were.

    Returns
    -------
    images : ImageSet
        What is there; other images, if nowhere is any of the run's.
    data : DataOptions
        The options that open it.

    Raises
    ------
    DataError
        If nothing is at any of the places.
    """
    first: tuple[ImageSet, DataOptions] | None = None
    for data in whereabouts.located(run):
        images = open_present_images(run, data, rereads)
        if images.fingerprint == images_fingerprint(run) or _has_any_of(images, run):
            return images, data
        first = first or (images, data)
    assert first is not None  # `located` has raised where nothing is
    return first


def _has_any_of(images: ImageSet, run: Run) -> bool:
    return not set(recorded_images(run)[0]).isdisjoint(images.ids.tolist())


def images_fingerprint(run: Run) -> str:
    """Return the fingerprint that a run's images have, as they were fitted or last updated.

    Parameters
    ----------
    run : Run
        The run.
    """
    updated = run.fact(UPDATED)
    return updated["images_sha256"] if updated else run.config.images_sha256


def open_present_images(run: Run, data: DataOptions, rereads: bool = False) -> ImageSet:
    """Open what is at one place now, as the images of a run are opened.

    Parameters
    ----------
    run : Run
        The run.
    data : DataOptions
        Its data, with the path of the place.
    rereads : bool
        Read picture files again whose size and time are as they were.
    """
    data = decoding.as_recorded(value_range.as_recorded(data))
    if run.config.is_autoencoder:
        return opening.open_images(data)
    known = None if rereads else known_files(run)
    return opening.open_images(data, lazy=True, known=known)


def _as_listed(run: Run, images: ImageSet) -> ImageSet:
    """Return the images of an updated run in the order of its list, that of its files too."""
    table = tables.read(run.path / IMAGE_LIST, ["id", "status"])
    rows = zip(table["id"].to_pylist(), table["status"].to_pylist(), strict=True)
    listed = [name for name, status in rows if status != REMOVED]
    return images.subset(_positions_in(images, listed))


def have_changed(run: Run, images: ImageSet, data: DataOptions) -> RunError:
    """Return the error for images that are others than those that a run was made with.

    Parameters
    ----------
    run : Run
        The run.
    images : ImageSet
        What is there now, from `open_present_images`.
    data : DataOptions
        Where it is.
    """
    change = changes_of(run, images)
    if change.is_empty:
        # Known by names alone, as by older versions, or opened by other rules.
        return RunError(
            f"the images of {run.path} have changed since they were fitted."
            " Fit again into another `run`."
        )
    place = whereabouts.typed_path(data) or data.data
    return RunError(
        f"the pictures in {place} have changed since {run.path} was made: {change.text}.",
        hint=f"Take them in with: `update(run={str(run.path)!r})`",
    )


def changes_of(run: Run, images: ImageSet) -> ImageChanges:
    """Return which images were added, are gone, and have changed.

    Parameters
    ----------
    run : Run
        The run.
    images : ImageSet
        What is there now, from `open_present_images`.
    """
    table = tables.read(run.path / IMAGE_LIST, ["id", "status"])
    rows = zip(table["id"].to_pylist(), table["status"].to_pylist(), strict=True)
    before = [name for name, status in rows if status != REMOVED]
    # Eager sets list those that cannot be read apart.
    now = [*images.ids.tolist(), *(image.path for image in images.unreadable)]
    return image_changes.compare(before, now, image_changes.recorded(run.path), images)


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
    DataError
        If the run has stored none, and its images are not where they were.
    RunError
        If the run has stored none, and its images have changed.
    """
    are_stored = StoredPictures(run.path).are_there or StoredInputs(run.path).are_there
    if run.config.data is not None and not are_stored:
        return open_run_images(run)
    return open_named_images(run)


def open_named_images(run: Run) -> ImageSet:
    """Open the images of a run by their names; pictures are looked for when they are asked for.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    ImageSet
        The thumbnails that the run has stored, else its images. A run without images has names
        alone.
    """
    ids, splits = recorded_images(run)
    if run.config.data is None:
        return images_without_pixels(run.data_name, np.array(ids), np.array(splits))
    originals = functools.cache(lambda: open_run_images(run))

    def picture_file(index: int) -> Picture:
        source = originals().source
        if source is None:
            raise DataError(f"{run.data_name} has no picture files.")
        return source(index)

    def read(indices: np.ndarray) -> np.ndarray:
        return originals().read(indices)

    pictures = StoredPictures(run.path)
    if pictures.are_there:
        return replace(pictures.shown(run.data_name), source=picture_file)
    shape = run_image_shape(run)
    inputs = StoredInputs(run.path)
    if inputs.are_there:
        stored = inputs.image_set(run.data_name, shape)
        return replace(stored, source=picture_file) if inputs.are_of_files else stored
    images = ImageSet(run.data_name, np.array(ids), np.array(splits), shape, read)
    return replace(images, source=picture_file)


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
    """Open the images of a run for baselines: those that the run stores, or its images.

    A run with an encoder from elsewhere stores 32x32 pixels, another the input of its network.

    Parameters
    ----------
    run : Run
        The run.

    Raises
    ------
    RunError
        If the run has stored none, and its images have changed.
    """
    pictures, inputs = StoredPictures(run.path), StoredInputs(run.path)
    if pictures.are_there:
        return pictures.small(run.data_name)
    if inputs.are_there:
        return inputs.image_set(run.data_name, run_image_shape(run))
    return open_run_images(run)


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
    data = decoding.like(value_range.like(data, run.config.data), run.config.data)
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
    data = decoding.as_opened(value_range.as_opened(data, images.value_range), images)
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


def known_files(run: Run) -> KnownFiles | None:
    """Return what files.parquet says; None if it is not there or damaged.

    Parameters
    ----------
    run : Run
        The run.
    """
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
