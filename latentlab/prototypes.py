"""What a fit has learnt beside its encoder: prototypes, and how much of each an embedding is. From the run's last checkpoint."""

import functools
from collections.abc import Callable

import numpy as np

from latentlab import checkpoints, embedding, plugins
from latentlab.config import plugin_options
from latentlab.images import TRAIN
from latentlab.run import Run


def training_shares(run: Run) -> Callable[[], np.ndarray] | None:
    """Return what gives the training images' shares of the prototypes, float32 (n, prototypes), in the order of their embeddings.

    None where the encoder was trained elsewhere, or by an objective without prototypes.
    """
    fit = run.manifest["config"]["fit"]
    objective, checkpoint = plugins.load("objectives", fit["objective"]), checkpoints.newest(run.path / "checkpoints", "epoch")
    if checkpoint is None or not hasattr(objective, "prototype_shares"):
        return None
    options = plugin_options(objective.Options, fit["objective_options"], f"--objective {fit['objective']}")
    vectors = functools.partial(embedding.read_parts, run.path / "embeddings", TRAIN, "embedding")

    def shares() -> np.ndarray:
        of = objective.prototype_shares(checkpoints.load(checkpoint)[0], options)
        return np.concatenate([of(part) for part in vectors() if len(part)])

    return shares
