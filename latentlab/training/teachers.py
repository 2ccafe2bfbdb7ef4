"""A teacher: where a run's encoder puts the images that it has embedded, and its prototypes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.data.images import ImageSet
from latentlab.encoders import embedding
from latentlab.errors import ConfigError, RunError
from latentlab.features import feature_steps
from latentlab.storage.run import Run, embed_config
from latentlab.training import prototypes

NEEDED = ("a teacher needs the projection head and prototypes", "choose another --set teacher")


@dataclass(frozen=True)
class Teacher:
    """What is learnt from.

    Attributes
    ----------
    points : ndarray of shape (n, d), float32
        Where the projection head puts each image, in their order; of length 1.
    prototypes : ndarray of shape (d, m), float32
        Not of length 1.
    digest : ndarray of shape (32,), uint8
        SHA-256 of the files that both were made of: another machine's rounding does not change it.
    """

    points: np.ndarray
    prototypes: np.ndarray
    digest: np.ndarray


def read(path: str, images: ImageSet) -> Teacher:
    """Return what the run in folder `path` knows of `images`.

    Raises
    ------
    ConfigError
        If it has no projection head and prototypes, or was fitted on other images, or with another split of them.
    RunError
        If it is no finished run, has not embedded its images, or is damaged.
    """
    run = Run.open(path)
    if not run.is_done("embed", embed_config(run)):
        raise RunError(
            f"the teacher {path} has not embedded its images. Run: latentlab embed --run {path}"
        )
    prototypes.check(run, NEEDED)
    _check_images(run, path, images)
    try:
        embedded = np.concatenate(
            list(embedding.read_parts(run.path / "embeddings", column="embedding"))
        )
        points = feature_steps.unit(feature_steps.through(prototypes.head(run)(), embedded))
        known = prototypes.kernel(run)
        if (
            known.ndim != 2
            or len(known) != points.shape[1]
            or not (np.isfinite(points).all() and np.isfinite(known).all())
        ):
            raise ValueError("its numbers do not fit together")
    except (*prototypes.DAMAGES, pa.ArrowException) as error:
        raise RunError(
            f"the teacher {path} is damaged. Fit and embed it again, or choose another --set teacher."
        ) from error
    return Teacher(points, known, _digest(run, known))


def check_apart(path: str, place: Path) -> None:
    """Raise ConfigError where the teacher is in the folder of the run that is to learn, which may be cleared."""
    teacher, own = Path(path).resolve(), place.resolve()
    if teacher == own or own in teacher.parents:
        raise ConfigError(
            f"--set teacher={path}: a run cannot learn from itself. Choose another --run."
        )


def _check_images(run: Run, path: str, images: ImageSet) -> None:
    """Raise ConfigError where pixels, names or splits differ: what the teacher was fitted on must not be held out here."""
    ids, splits = embedding.read_index(run.path / "embeddings")
    same = run.manifest["config"].get("images_sha256") == images.fingerprint
    if not (same and np.array_equal(ids, images.ids) and np.array_equal(splits, images.splits)):
        raise ConfigError(
            f"--set teacher={path} was fitted on other images than these, or on another split: give the same --data and --held-out."
        )


def _digest(run: Run, known: np.ndarray) -> np.ndarray:
    files = [output["sha256"] for output in run.manifest["stages"]["embed"]["outputs"]]
    digest = hashlib.sha256(
        "".join(files).encode() + np.ascontiguousarray(known, np.float32).tobytes()
    )
    return np.frombuffer(digest.digest(), np.uint8)
