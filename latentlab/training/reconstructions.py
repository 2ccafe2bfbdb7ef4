"""Decoded images: their error, and examples of them in the folder reconstructions of a run.

reconstructions/originals.npy       some images, uint8 (n, height, width, channels)
reconstructions/epoch-0005.npy      what the autoencoder makes of them after epoch 5, the same shape
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.data.images import TEST, TRAIN, ImageSet, as_input
from latentlab.storage.files import atomic_path

SHOWN_EPOCHS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
SHOWN_IMAGES = 16
BATCH_SIZE = 500  # images that are decoded at a time
FOLDER = "reconstructions"

Reconstruct = Callable[[np.ndarray], np.ndarray]


def mean_squared_error(
    network: Any, images: ImageSet, indices: np.ndarray, batch_size: int = BATCH_SIZE
) -> float:
    """Return the mean squared reconstruction error of an autoencoder.

    Parameters
    ----------
    network : keras.Model
        Images in [0, 1] -> reconstructions of the same shape.
    images : ImageSet
        Where the images are read.
    indices : ndarray of shape (n,)
        Positions of the images to measure.
    batch_size : int
        Images at a time.

    Returns
    -------
    float
        Mean over images and pixels, in squared units of [0, 1].
    """
    total = 0.0
    for start in range(0, len(indices), batch_size):
        batch = as_input(images.read(indices[start : start + batch_size]))
        errors = np.square(network.predict_on_batch(batch) - batch)
        total += float(errors.mean(dtype=np.float64)) * len(batch)
    return total / len(indices)


def errors_of_codes(
    decoder: Any, code_shape: tuple[int, ...], codes: Iterable[np.ndarray], images: ImageSet
) -> dict[str, float]:
    """Return the mean squared reconstruction error of codes that are there, by split.

    Nothing is encoded, and every image is read once.

    Parameters
    ----------
    decoder : keras.Model
        Codes -> reconstructions of the images' shape, in [0, 1].
    code_shape : tuple of int
        (height, width, channels) or (d,).
    codes : iterable of ndarray of shape (m, d), float32
        Flattened codes of all n images, in their order.
    images : ImageSet
        The images.

    Returns
    -------
    dict of str to float
        Split -> mean over its images and their pixels, in squared units of [0, 1].
    """
    errors = np.empty(len(images))
    position = 0
    for part in codes:
        for start in range(0, len(part), BATCH_SIZE):
            maps = part[start : start + BATCH_SIZE].reshape(-1, *code_shape)
            places = np.arange(position, position + len(maps))
            difference = decoder.predict_on_batch(maps) - as_input(images.read(places))
            flat = np.square(difference).reshape(len(maps), -1)
            errors[places] = flat.mean(axis=1, dtype=np.float64)
            position += len(maps)
    by_split = {}
    for split in (TRAIN, TEST):
        places = images.indices(split)
        if len(places):
            by_split[split] = float(errors[places].mean())
    return by_split


def is_shown(epoch: int, n_epochs: int) -> bool:
    """Return whether examples are written after an epoch: some early epochs, and the last.

    Parameters
    ----------
    epoch : int
        Number of the epoch; 0 is before training.
    n_epochs : int
        Epochs of the whole training.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_shown(5, 30), is_shown(6, 30), is_shown(30, 30)
    (True, False, True)
    """
    return epoch in SHOWN_EPOCHS or epoch == n_epochs


def write_examples(run_folder: Path, epoch: int, pixels: np.ndarray, decode: Reconstruct) -> None:
    """Write reconstructions of some images after an epoch; before training, the images too.

    Parameters
    ----------
    run_folder : pathlib.Path
        Folder of the run.
    epoch : int
        Number of the epoch; 0 is before training.
    pixels : ndarray of shape (n, height, width, channels), uint8
        The images.
    decode : callable
        decode(images as float32 in [0, 1]) -> reconstructions of the same shape.
    """
    folder = run_folder / FOLDER
    _save(folder / f"epoch-{epoch:04d}.npy", _as_pixels(decode(as_input(pixels))))
    if epoch == 0:
        _save(folder / "originals.npy", pixels)


def write_examples_of(network: Any, images: ImageSet, run_folder: Path, epoch: int) -> None:
    """Write originals and reconstructions of an encoder that was not trained in this run.

    Parameters
    ----------
    network : keras.Model
        The autoencoder.
    images : ImageSet
        Its first training images are the examples.
    run_folder : pathlib.Path
        Folder of the run.
    epoch : int
        Epochs that the autoencoder was trained elsewhere.
    """
    pixels = images.read(images.indices(TRAIN)[:SHOWN_IMAGES])
    decoded = np.asarray(network.predict_on_batch(as_input(pixels)))
    folder = run_folder / FOLDER
    _save(folder / "originals.npy", pixels)
    _save(folder / f"epoch-{epoch:04d}.npy", _as_pixels(decoded))


def _as_pixels(images: np.ndarray) -> np.ndarray:
    return (images.clip(0, 1) * 255).round().astype(np.uint8)


def _save(target: Path, pixels: np.ndarray) -> None:
    with atomic_path(target) as path, path.open("wb") as file:
        np.save(file, pixels)
