"""What the stages share: the run's images, the shape of its encoder, the names of its features."""

from latentlab.config import ClusterOptions, DataOptions, recorded
from latentlab.data import opening
from latentlab.data.images import ImageSet, with_channels
from latentlab.errors import DataError, RunError
from latentlab.storage.run import Run


def open_run_images(run: Run) -> ImageSet:
    """Open the images that the run was fitted on.

    Raises
    ------
    RunError
        If they have changed since.
    """
    config = run.manifest.get("config")
    if config is None:
        raise RunError(
            f"{run.path} has no trained encoder. Train one with: latentlab fit --run {run.path}"
        )
    known = config if isinstance(config, dict) else {}
    images = opening.open_images(recorded(DataOptions, known.get("data"), run.path))
    if images.fingerprint != known.get("images_sha256"):
        raise RunError(
            f"the images of {run.path} have changed since they were fitted. Fit again into another --run."
        )
    if not _are_named_as_before(run, images):
        raise RunError(
            f"the names or splits of the images of {run.path} have changed since they were fitted. Name them as before, or fit again."
        )
    return images


def _are_named_as_before(run: Run, images: ImageSet) -> bool:
    """Return whether ids and splits are those of images.parquet; the fingerprint is that of the pixels alone."""
    from latentlab.storage import tables

    table = tables.read(run.path / "images.parquet")
    rows = zip(*(table[column].to_pylist() for column in ("id", "split", "status")), strict=True)
    known = [(image_id, split) for image_id, split, status in rows if status == "ok"]
    return known == list(zip(images.ids.tolist(), images.splits.tolist(), strict=True))


def open_like(run: Run, data: DataOptions) -> ImageSet:
    """Open other images in the shape that the run's encoder takes; errors as in `open_shaped`."""
    shape = run_image_shape(run)
    images = opening.open_images(data)
    return images if images.image_shape == shape else open_shaped(data, shape)[1]


def open_shaped(data: DataOptions, shape: tuple[int, int, int]) -> tuple[DataOptions, ImageSet]:
    """Open images in a shape (height, width, channels), whatever size and colour they have; return the options that do so, and the images.

    Raises
    ------
    DataError
        If they cannot be brought to it.
    """
    import dataclasses

    height, _, channels = shape
    data = dataclasses.replace(data, size=height, grey=channels == 1)
    images = opening.open_images(data)
    if images.image_shape[:2] != shape[:2]:
        raise DataError(
            f"{images.name} has images of shape {images.image_shape}, the encoder takes {shape}."
        )
    if images.image_shape[2] == channels:
        return data, images
    return dataclasses.replace(data, channels=channels), with_channels(images, channels)


def run_image_shape(run: Run) -> tuple[int, int, int]:
    """Return (height, width, channels) of the images that the run's encoder takes."""
    from latentlab.encoders import model_files

    height, width, channels = model_files.describe(run)["image_shape"]
    return height, width, channels


def feature_name(run: Run, options: ClusterOptions) -> str:
    """Return encoder and feature steps, joined by "+", as tables call them."""
    return "+".join(
        (
            run.manifest["config"]["fit"]["arch"],
            *(() if options.features == "code" else (options.features,)),
        )
    )
