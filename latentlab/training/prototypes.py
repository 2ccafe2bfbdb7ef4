"""What a fit has learnt beside its encoder: the projection head above the embedding, and the prototypes that its outputs are compared with.

From the run's last checkpoint, or from the file of an encoder that comes with latentlab.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import plugins
from latentlab.config import FitOptions, plugin_options, recorded
from latentlab.data.images import TRAIN
from latentlab.encoders import embedding, ready_made
from latentlab.errors import ConfigError, RunError
from latentlab.features import feature_steps
from latentlab.storage import checkpoints
from latentlab.storage.run import Run

DAMAGES = (
    RunError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
)  # what weights of other shapes or number end in
PROTOTYPES = ("IMC-SwAV's head (imc) needs the prototypes", "choose --method scan")
HEAD = ("the feature step project needs the projection head", "choose --features embedding+l2")


def check(run: Run, needed: tuple[str, str] = PROTOTYPES) -> None:
    """Raise ConfigError where the run has no projection head and prototypes, with what needs them and what to do instead."""
    _source(run, needed)


def are_there(run: Run) -> bool:
    """Return whether the run has a projection head and prototypes of its fit."""
    try:
        _source(run, PROTOTYPES)
    except ConfigError:
        return False
    return True


def head(run: Run) -> Callable[[], feature_steps.Arrays]:
    """Return what gives the projection head, as `features.through` takes it.

    It raises ConfigError where the run has none, and RunError where its checkpoint is damaged.
    """
    return functools.partial(_head, run)


def kernel(run: Run) -> np.ndarray:
    """Return the prototypes, float32 (d, prototypes), as the fit left them: not of length 1.

    Raises
    ------
    ConfigError
        If the run has none.
    RunError
        If its checkpoint is damaged.
    """
    _, _, path = _source(run, PROTOTYPES)
    try:
        return checkpoints.in_order("weight", _arrays(path))[-1]
    except IndexError as error:
        raise RunError(f"{path}, where the prototypes are, is damaged: fit again.") from error


def training_shares(run: Run, column: str = "embedding") -> Callable[[], np.ndarray]:
    """Return what gives the training images' shares of the prototypes, float32 (n, prototypes), in the order of their embeddings.

    They are of the embeddings, or of the "averaged" ones where these are clustered. It raises as `head` does.
    """
    return functools.partial(
        _training_shares, run, column if column in feature_steps.ABOVE else "embedding"
    )


def _head(run: Run) -> feature_steps.Arrays:
    _, objective, path = _source(run, HEAD)
    try:
        found: feature_steps.Arrays = objective.projection_head(_arrays(path))
        feature_steps.through(
            found, np.zeros((1, len(found["kernel0"])), np.float32)
        )  # whose shapes fit together
    except DAMAGES as error:
        raise RunError(
            f"{path}, where the projection head is, is damaged: fit again, or remove it: then the embedding below the head is clustered."
        ) from error
    return found


def _training_shares(run: Run, column: str) -> np.ndarray:
    fit, objective, path = _source(run, PROTOTYPES)
    options = plugin_options(
        objective.Options, fit.objective_options, f"--objective {fit.objective}"
    )
    parts = [
        part for part in embedding.read_parts(run.path / "embeddings", TRAIN, column) if len(part)
    ]
    try:
        shares = objective.prototype_shares(_arrays(path), options)
        return np.concatenate([shares(part) for part in parts])
    except DAMAGES as error:
        raise RunError(
            f"{path}, where the prototypes are, is damaged: fit again, or choose --method scan."
        ) from error


def _source(run: Run, needed: tuple[str, str]) -> tuple[FitOptions, Any, Path]:
    """Return the settings of the fit, its objective and where its weights are: the checkpoint of the encoder's epoch, or the shipped file."""
    what, instead = needed
    fit = recorded(FitOptions, run.manifest["config"]["fit"], run.path)
    objective = plugins.load("objectives", fit.objective)
    if not hasattr(objective, "prototype_shares"):
        raise ConfigError(
            f"{what} of the run's own fit, and --objective {fit.objective} has none: fit with --recipe strong, or {instead}."
        )
    if (name := ready_made.name_of(run.manifest)) and ready_made.of_objective(name):
        return fit, objective, ready_made.FOLDER / f"{name}.npz"
    checkpoint = checkpoints.folder_of(
        run.path / "checkpoints", "epoch", run.manifest["fit"]["best_epoch"]
    )
    if not checkpoint.exists():
        raise ConfigError(
            f"{what} of the run's own fit, which are in the checkpoint of its last epoch, and {run.path} has none: its encoder was trained"
            f" elsewhere, or the checkpoint was removed. To go on, {instead}."
        )
    return fit, objective, checkpoint


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Return weights, numbered, of which the objective's own are the last, from what `_source` found."""
    return (
        checkpoints.load(path)[0]
        if path.is_dir()
        else checkpoints.numbered("weight", ready_made.of_objective(path.stem))
    )
