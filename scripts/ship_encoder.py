#!/usr/bin/env python3
"""Make a ready-made encoder of a finished run: latentlab/weights/NAME.npz and NAME.json, with what fewer bits cost.

usage: scripts/ship_encoder.py RUN NAME [--bits 16] [--machine TEXT] [--note TEXT]

What the objective has beside the encoder, as SwAV's prototypes, goes with it. The cost is measured on the run's own images, with the
encoder's own features: by the scorer, of the clusters of the run and of those of the shipped encoder.
"""

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _reports import held_out_scores

from latentlab import backend, checkpoints, model_files, pipeline, ready_made
from latentlab.config import ClusterOptions
from latentlab.run import Run
from latentlab.sources import DataOptions

METHODS = ("kmeans", "imc")
CURVE = ("stage", "epoch", "loss", "val_loss", "swapped_loss", "distillation_loss", "agreement", "reconstruction_loss", "effective_rank")


def weights_of(run: Run) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the weights of the run's encoder, and what its objective trained beside it: in the last checkpoint they follow it."""
    with np.load(run.path / "encoder" / "weights.npz", allow_pickle=False) as arrays:
        own = checkpoints.in_order("weight", dict(arrays))
    checkpoint = checkpoints.folder_of(run.path / "checkpoints", "epoch", run.manifest["fit"]["best_epoch"])
    return own, checkpoints.in_order("weight", checkpoints.load(checkpoint)[0])[len(own) :]


def scores(run: Run) -> dict[str, dict[str, float]]:
    """Return the held-out scores of the clusters of a run, by method."""
    chosen = {method: pipeline.resolve(run, ClusterOptions(k=10, method=method)) for method in METHODS}
    for options in chosen.values():
        pipeline.cluster(run, options)
    return {method: held_out_scores(run, options) for method, options in chosen.items()}


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--bits", type=int, choices=ready_made.BITS, default=16)
    parser.add_argument("--machine", default="")
    parser.add_argument("--note", default="")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    backend.select()
    run = Run.open(arguments.run)
    backend.set_precision("float32")
    (weights, above), described = weights_of(run), model_files.describe(run)
    data = DataOptions(**run.manifest["config"]["data"])
    description: dict[str, Any] = {
        "arch": described["arch"],
        "options": described["options"],
        "image_shape": described["image_shape"],
        "fit": run.manifest["config"]["fit"],
        "summary": run.manifest["fit"],
        "trained": {
            "data": data.data,
            "images": run.manifest["images"],
            "git": run.manifest.get("git"),
            "machine": arguments.machine or run.manifest.get("device"),
            "note": arguments.note,
        },
        "curve": [{key: row[key] for key in CURVE if key in row} for row in run.metrics()],
    }
    ready_made.save(arguments.name, weights, description, objective=above, bits=arguments.bits)
    with tempfile.TemporaryDirectory() as folder:
        description["cost"] = {"float32": scores(run), "shipped": scores(pipeline.use_ready_made(data, arguments.name, Path(folder) / "run"))}
    print(ready_made.save(arguments.name, weights, description, objective=above, bits=arguments.bits), description["cost"])


if __name__ == "__main__":
    main()
