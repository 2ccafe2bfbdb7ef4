"""What a fit has learnt beside its encoder: prototypes, and how much of each an embedding is. From the run's last checkpoint."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import backend, checkpoints, embedding, plugins
from latentlab.config import FitOptions, plugin_options, recorded
from latentlab.errors import ConfigError, RunError
from latentlab.images import TRAIN
from latentlab.run import Run

NEEDED = "IMC-SwAV's head (imc) needs the prototypes of the run's own fit"


def check(run: Run) -> None:
    """Raise ConfigError where the run has no prototypes."""
    _source(run)


def training_shares(run: Run) -> Callable[[], np.ndarray]:
    """Return what gives the training images' shares of the prototypes, float32 (n, prototypes), in the order of their embeddings.

    It raises ConfigError where the run has no prototypes, and RunError where their checkpoint is damaged.
    """
    return functools.partial(_training_shares, run)


def _training_shares(run: Run) -> np.ndarray:
    fit, objective, checkpoint = _source(run)
    options = plugin_options(objective.Options, fit.objective_options, f"--objective {fit.objective}")
    backend.select()
    try:
        shares = objective.prototype_shares(checkpoints.load(checkpoint)[0], options)
    except (RunError, ValueError, IndexError, KeyError) as error:
        raise RunError(f"the checkpoint {checkpoint}, where the prototypes are, is damaged: fit again, or choose --method scan.") from error
    parts = embedding.read_parts(run.path / "embeddings", TRAIN, "embedding")
    return np.concatenate([shares(part) for part in parts if len(part)])


def _source(run: Run) -> tuple[FitOptions, Any, Path]:
    """Return the settings of the fit, its objective and the checkpoint of the epoch that the encoder is of."""
    fit = recorded(FitOptions, run.manifest["config"]["fit"], run.path)
    objective = plugins.load("objectives", fit.objective)
    if not hasattr(objective, "prototype_shares"):
        raise ConfigError(f"{NEEDED}, and --objective {fit.objective} has none: fit with --recipe strong, or choose --method scan.")
    checkpoint = checkpoints.folder_of(run.path / "checkpoints", "epoch", run.manifest["fit"]["best_epoch"])
    if not checkpoint.exists():
        raise ConfigError(
            f"{NEEDED}, which are in the checkpoint of its last epoch, and {run.path} has none: its encoder was trained elsewhere, or the"
            " checkpoint was removed. Choose --method scan."
        )
    return fit, objective, checkpoint
