"""A small fit by SwAV, as the recipe strong has it, for the tests of what stands on one."""

import numpy as np

from helpers.runs import small_fit
from latentlab.encoders import model_files, ready_made
from latentlab.storage import checkpoints

SMALL = {
    "arch": "fast8",
    "arch_options": {"width": 8, "code_channels": 4},
    "objective": "swav",
    "patience": 0,
}
SWAV = {
    "prototypes": 16,
    "projection": 16,
    "hidden": 16,
    "n_small": 0,
    "optimizer": "muon",
    "steps_per_call": 4,
}


def strong_fit(**changes):
    return small_fit(
        **{
            **SMALL,
            "objective_options": SWAV,
            "epochs": 3,
            "batch_size": 27,
            "learning_rate": 3e-3,
            **changes,
        }
    )


def weights_of(run):
    with np.load(run.path / "encoder" / "weights.npz") as arrays:
        return [arrays[name] for name in sorted(arrays.files)]


def to_ship(run):
    """Return a run's weights, those of its objective, and the description to ship them with."""
    arrays = checkpoints.in_order(
        "weight", checkpoints.load(checkpoints.newest(run.path / "checkpoints", "epoch"))[0]
    )
    described = model_files.describe(run)
    n_weights = len(weights_of(run))
    description = ready_made.ShippedEncoder(
        described.arch,
        described.options,
        described.image_shape,
        fit=run.recorded_config["fit"],
        summary=run.fact("fit"),
        curve=tuple(run.metrics()),
    )
    return arrays[:n_weights], arrays[n_weights:], description
