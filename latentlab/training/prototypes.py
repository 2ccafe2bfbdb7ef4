"""The parts that a fit trains above its encoder: projection head and prototypes.

They come from the run's last checkpoint, or from the file of an encoder that ships with latentlab.
"""

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.data.images import TRAIN
from latentlab.encoders import ready_made
from latentlab.encoders.embedding import Embeddings
from latentlab.errors import ConfigError, RunError
from latentlab.features.fitted import through
from latentlab.features.spec import STARTS_ABOVE_CODE
from latentlab.storage import checkpoints, guard
from latentlab.storage.run import Run
from latentlab.training.objective import Objective
from latentlab.training.snapshot import Arrays

# What reading damaged weights, or weights of other shapes or number, may raise.
DAMAGES = (RunError, ValueError, IndexError, KeyError, TypeError)


class Purpose(enum.Enum):
    """Who needs prototypes or projection head; errors name it, and what to do without them."""

    IMC_METHOD = enum.auto()
    PROJECT_STEP = enum.auto()
    TEACHER = enum.auto()


_NEEDS = {
    Purpose.IMC_METHOD: "IMC-SwAV's head (imc) needs the prototypes",
    Purpose.PROJECT_STEP: "the feature step project needs the projection head",
    Purpose.TEACHER: "a teacher needs the projection head and prototypes",
}
_ALTERNATIVES = {
    Purpose.IMC_METHOD: "choose `method=scan`",
    Purpose.PROJECT_STEP: "choose `features=embedding+l2`",
    Purpose.TEACHER: "choose another `objective_options.teacher`",
}


def require(run: Run, purpose: Purpose = Purpose.IMC_METHOD) -> None:
    """Raise ConfigError if a run has no projection head and prototypes.

    Parameters
    ----------
    run : Run
        The run.
    purpose : Purpose
        The use that needs them.

    Raises
    ------
    ConfigError
        The message says what needs them, and what to do instead.
    """
    _find(run, purpose)


def are_there(run: Run) -> bool:
    """Return whether a run has the projection head and prototypes of its fit.

    Parameters
    ----------
    run : Run
        The run.
    """
    try:
        _find(run, Purpose.IMC_METHOD)
    except ConfigError:
        return False
    return True


def head(run: Run) -> Callable[[], Arrays]:
    """Return a function that reads the projection head; nothing is read before it is called.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    callable
        () -> dense layers, as `latentlab.features.fitted.through` takes them. It raises ConfigError
        if the run has none, and RunError if its checkpoint is damaged.
    """
    return functools.partial(_read_head, run)


def kernel(run: Run) -> np.ndarray:
    """Return the trained prototypes.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    ndarray of shape (d, n_prototypes), float32
        Not normalised.

    Raises
    ------
    ConfigError
        If the run has none.
    RunError
        If its checkpoint is damaged.
    """
    source = _find(run, Purpose.IMC_METHOD)
    try:
        return source.objective.prototypes(source.read())
    except DAMAGES as error:
        raise RunError(
            f"{source.path}, where the prototypes are, is damaged: fit again."
        ) from error


def training_shares(run: Run, column: str = "embedding") -> Callable[[], np.ndarray]:
    """Return a function that computes the training images' shares of the prototypes.

    Parameters
    ----------
    run : Run
        The run; its images are embedded already.
    column : str
        Start of the features that are clustered: the shares of "averaged" embeddings are computed
        for these, otherwise those of the embeddings.

    Returns
    -------
    callable
        () -> shares, float32 (n, n_prototypes), in the order of the embeddings. It raises the
        errors of `head`.
    """
    start = column if column in STARTS_ABOVE_CODE else "embedding"
    return functools.partial(_compute_shares, run, start)


@dataclass(frozen=True)
class _Source:
    """Where the weights are: the checkpoint of the encoder's epoch, or a shipped file."""

    objective: Objective
    objective_options: dict[str, Any]
    path: Path
    shipped_name: str = ""

    def read(self) -> Arrays:
        """Return weights, numbered; those above the encoder are the last."""
        if not self.shipped_name:
            return checkpoints.load(self.path)[0]
        weights = ready_made.shipped().objective_weights(self.shipped_name)
        return checkpoints.numbered("weight", weights)


def _find(run: Run, purpose: Purpose) -> _Source:
    # Does the objective train prototypes?
    fit = run.config.fit
    if fit is None:
        raise ConfigError(
            f"{_NEEDS[purpose]} of a fit, and the encoder of {run.path} is from elsewhere:"
            f" {_ALTERNATIVES[purpose]}."
        )
    objective = Objective.named(fit.objective)
    if not objective.capabilities.has_prototypes:
        raise ConfigError(
            f"{_NEEDS[purpose]} of the run's own fit, and {objective.argument} has none:"
            f" fit with `recipe=strong`, or {_ALTERNATIVES[purpose]}."
        )
    # A shipped encoder may come with them.
    shipped = ready_made.shipped()
    name = shipped.name_of(run)
    if name and shipped.objective_weights(name):
        return _Source(objective, fit.objective_options, shipped.weights_file(name), name)
    # Otherwise they are in the checkpoint of the epoch that is the result.
    folder = run.path / "checkpoints"
    checkpoint = checkpoints.folder_of(folder, "epoch", run.fit_summary.best_epoch)
    guard.listing(folder)
    if not checkpoint.exists():
        raise ConfigError(
            f"{_NEEDS[purpose]} of the run's own fit, which are in the checkpoint of its last"
            f" epoch, and {run.path} has none: its encoder was trained elsewhere, or the checkpoint"
            f" was removed. To go on, {_ALTERNATIVES[purpose]}."
        )
    return _Source(objective, fit.objective_options, checkpoint)


def _read_head(run: Run) -> Arrays:
    source = _find(run, Purpose.PROJECT_STEP)
    try:
        layers = source.objective.projection_head(source.read())
        # Fails if the shapes of the layers do not fit together.
        through(layers, np.zeros((1, len(layers["kernel0"])), np.float32))
    except DAMAGES as error:
        raise RunError(
            f"{source.path}, where the projection head is, is damaged: fit again, or remove it:"
            " then the embedding below the head is clustered."
        ) from error
    return layers


def _compute_shares(run: Run, column: str) -> np.ndarray:
    source = _find(run, Purpose.IMC_METHOD)
    options = source.objective.parse_options(source.objective_options)
    parts = list(Embeddings(run.path).parts(TRAIN, column))
    try:
        shares_of = source.objective.prototype_shares(source.read(), options)
        return np.concatenate([shares_of(part) for part in parts])
    except DAMAGES as error:
        raise RunError(
            f"{source.path}, where the prototypes are, is damaged: fit again, or choose"
            " `method=scan`."
        ) from error
