"""Folders of pictures in class sub-folders, made of data sets for scripts/bench_folders.py."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.pictures.resizing import as_picture
from latentlab.scoring.labels import read_labels
from latentlab.storage.files import atomic_folder

DRAWN = {"cifar10": 2000, "mnist": 1000, "digits": 1000}
NOISE = (300, 64, 64, 3)
NOISE_CLASSES = 3


def make_folders(target: Path, data_dir: str | None) -> list[Path]:
    """Write what is missing of cifar10, mnist, digits and noise below `target`; return the paths.

    Parameters
    ----------
    target : pathlib.Path
        Gets a folder for each.
    data_dir : str or None
        Where CIFAR-10 and MNIST lie; None is the Keras cache.
    """
    paths = [target / name for name in ("cifar10", "mnist", "digits", "noise")]
    for path in paths:
        if not path.exists():
            with atomic_folder(path) as folder:
                _fill(folder, path.name, data_dir)
    return paths


def _fill(folder: Path, name: str, data_dir: str | None) -> None:
    if name == "noise":
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, NOISE, dtype=np.uint8)
        _write(folder, noise, (str(number % NOISE_CLASSES) for number in range(len(noise))))
        return
    data = DataOptions(data=name, data_dir=None if name == "digits" else data_dir)
    images, labels = opening.open_images(data), read_labels(data)
    assert labels is not None
    positions = np.arange(len(images)) if name == "digits" else images.indices("test")
    drawn = np.random.default_rng(0).permutation(positions)[: DRAWN[name]]
    names = np.asarray(labels.class_names)[labels.labels[np.sort(drawn)]]
    _write(folder, images.read(np.sort(drawn)), names.tolist())


def _write(folder: Path, images: np.ndarray, classes: Iterable[str]) -> None:
    for number, (image, name) in enumerate(zip(images, classes, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        as_picture(image).save(folder / name / f"{number:05d}.png")
