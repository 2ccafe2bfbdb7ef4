"""What a fit has learnt beside its encoder: prototypes, and how much of each an embedding is.

From the run's last checkpoint, or from the file of an encoder that comes with latentlab.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import backend, checkpoints, embedding, plugins, ready_made
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
    fit, objective, path = _source(run)
    options = plugin_options(objective.Options, fit.objective_options, f"--objective {fit.objective}")
    backend.select()
    try:
        shares = objective.prototype_shares(_arrays(path), options)
    except (RunError, ValueError, IndexError, KeyError) as error:
        raise RunError(f"{path}, where the prototypes are, is damaged: fit again, or choose --method scan.") from error
    parts = embedding.read_parts(run.path / "embeddings", TRAIN, "embedding")
    return np.concatenate([shares(part) for part in parts if len(part)])


def _source(run: Run) -> tuple[FitOptions, Any, Path]:
    """Return the settings of the fit, its objective and where its weights are: the checkpoint of the encoder's epoch, or the shipped file."""
    fit = recorded(FitOptions, run.manifest["config"]["fit"], run.path)
    objective = plugins.load("objectives", fit.objective)
    if not hasattr(objective, "prototype_shares"):
        raise ConfigError(f"{NEEDED}, and --objective {fit.objective} has none: fit with --recipe strong, or choose --method scan.")
    config = run.manifest["config"]
    if (
        (name := config.get("ready_made"))
        and "weights_sha256" not in config  # whose encoder was given others since
        and run.manifest["fit"] == ready_made.describe(name)["summary"]
        and ready_made.of_objective(name)
    ):
        return fit, objective, ready_made.FOLDER / f"{name}.npz"  # of the same fit: a newer version may ship another one by that name
    checkpoint = checkpoints.folder_of(run.path / "checkpoints", "epoch", run.manifest["fit"]["best_epoch"])
    if not checkpoint.exists():
        raise ConfigError(
            f"{NEEDED}, which are in the checkpoint of its last epoch, and {run.path} has none: its encoder was trained elsewhere, or the"
            " checkpoint was removed. Choose --method scan."
        )
    return fit, objective, checkpoint


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Return weights, numbered, of which the objective's own are the last, from what `_source` found."""
    return checkpoints.load(path)[0] if path.is_dir() else checkpoints.numbered("weight", ready_made.of_objective(path.stem))
