"""A teacher: where a run's encoder puts the images that it has embedded, and its prototypes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.data.images import ImageSet
from latentlab.encoders.embedding import Embeddings
from latentlab.errors import ConfigError, RunError
from latentlab.features.fitted import through, unit
from latentlab.storage.run import Run
from latentlab.training import prototypes

TEACHER_FIELD = "objective_options.teacher"


@dataclass(frozen=True)
class Teacher:
    """The encoder to learn from.

    Attributes
    ----------
    points : ndarray of shape (n, d), float32
        Where the projection head puts each image, in their order; of length 1.
    prototypes : ndarray of shape (d, m), float32
        Not normalised.
    digest : ndarray of shape (32,), uint8
        SHA-256 of the files that both were made of, which the rounding of another machine does not
        change.
    """

    points: np.ndarray
    prototypes: np.ndarray
    digest: np.ndarray


def read_teacher(path: str, images: ImageSet) -> Teacher:
    """Return the embedded points of some images and the prototypes of a run.

    Parameters
    ----------
    path : str
        Folder of the teacher's run.
    images : ImageSet
        The images, which the run must have embedded.

    Returns
    -------
    Teacher

    Raises
    ------
    ConfigError
        If the run has no projection head and prototypes, or was fitted on other images or another
        split of them.
    RunError
        If it is no finished run, has not embedded its images, or is damaged.
    """
    # Refuse runs that cannot teach.
    run = Run.open(path)
    if not run.is_done("embed", run.encoder_config()):
        raise RunError(
            f"the teacher {path} has not embedded its images.", hint=f"Run: `embed(run='{path}')`"
        )
    prototypes.require(run, prototypes.Purpose.TEACHER)
    _check_images(run, images)
    # Damaged files fail in many ways.
    try:
        embeddings = np.concatenate(list(Embeddings(run.path).parts(column="embedding")))
        points = unit(through(prototypes.head(run)(), embeddings))
        kernel = prototypes.kernel(run)
        _check_numbers(points, kernel)
    except (*prototypes.DAMAGES, pa.ArrowException) as error:
        raise RunError(
            f"the teacher {path} is damaged. Fit and embed it again, or choose another"
            f" `{TEACHER_FIELD}`."
        ) from error
    return Teacher(points, kernel, _digest(run, kernel))


def check_apart(path: str, folder: Path) -> None:
    """Raise ConfigError if the teacher is in the folder of the run that is to learn.

    That folder may be cleared.

    Parameters
    ----------
    path : str
        Folder of the teacher's run.
    folder : pathlib.Path
        Folder of the run that is to learn.
    """
    teacher = Path(path).resolve()
    student = folder.resolve()
    if teacher == student or student in teacher.parents:
        raise ConfigError(
            ": a run cannot learn from itself",
            field=TEACHER_FIELD,
            value=path,
            hint="Choose another `run`.",
        )


def _check_images(run: Run, images: ImageSet) -> None:
    """Raise ConfigError if pixels, names or splits differ.

    The teacher's training images must not be held out from its student.
    """
    embedded = Embeddings(run.path).index()
    is_same = (
        run.config.images_sha256 == images.fingerprint
        and np.array_equal(embedded.ids, images.ids)
        and np.array_equal(embedded.splits, images.splits)
    )
    if not is_same:
        raise ConfigError(
            "was fitted on other images than these, or on another split",
            field=TEACHER_FIELD,
            value=run.path,
            hint="Give the same `data` and `held_out`.",
        )


def _check_numbers(points: np.ndarray, kernel: np.ndarray) -> None:
    """Raise ValueError unless points and prototypes are finite and of the same dimensions."""
    fit_together = kernel.ndim == 2 and len(kernel) == points.shape[1]
    if not (fit_together and np.isfinite(points).all() and np.isfinite(kernel).all()):
        raise ValueError("points and prototypes do not fit together")


def _digest(run: Run, kernel: np.ndarray) -> np.ndarray:
    record = run.record("embed")
    digests = [output.sha256 for output in record.outputs] if record else []
    digest = hashlib.sha256("".join(digests).encode())
    digest.update(np.ascontiguousarray(kernel, np.float32).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)
