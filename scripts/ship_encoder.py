#!/usr/bin/env python3
"""Make a ready-made encoder of a finished run: latentlab/weights/NAME.npz and NAME.json, with what half precision costs.

usage: scripts/ship_encoder.py RUN NAME [--clusters CLUSTERS] [--machine TEXT] [--note TEXT]

What the objective has beside the encoder, as SwAV's prototypes, goes with it. With --clusters the weights are those of a deep
clustering of the run, which trained the whole network, and nothing goes with them. The cost is measured on the
run's own images: k-means with the encoder's own features and both precisions, by the scorer where there are labels.
"""

import argparse
import dataclasses
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

CURVE = ("stage", "epoch", "loss", "val_loss", "swapped_loss", "reconstruction_loss", "effective_rank")


def weights_of(run: Run, clusters: str | None) -> list[np.ndarray]:
    """Return the weights of the run's encoder, or of a deep clustering's network."""
    path = run.path / "clusters" / clusters / "weights.npz" if clusters else run.path / "encoder" / "weights.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return checkpoints.in_order("weight", dict(arrays))


def of_objective(run: Run, n_weights: int) -> list[np.ndarray]:
    """Return what the fit's objective trained beside the encoder, after whose weights it stands in the last checkpoint."""
    checkpoint = checkpoints.folder_of(run.path / "checkpoints", "epoch", run.manifest["fit"]["best_epoch"])
    return checkpoints.in_order("weight", checkpoints.load(checkpoint)[0])[n_weights:]


def scores_with(run: Run, weights: list[np.ndarray], folder: Path) -> dict[str, float]:
    """Return the held-out scores of k-means on the encoder with other weights, in a run of its own."""
    copy = pipeline.with_weights(run, weights, folder)
    options = pipeline.resolve(copy, ClusterOptions(k=10))
    pipeline.cluster(copy, options)
    return held_out_scores(copy, options)


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--clusters")
    parser.add_argument("--machine", default="")
    parser.add_argument("--note", default="")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    backend.select()
    run = Run.open(arguments.run)
    backend.set_precision("float32")
    weights, described = weights_of(run, arguments.clusters), model_files.describe(run)
    halves = [weight.astype(np.float16) for weight in weights]
    with tempfile.TemporaryDirectory() as folder:
        full, half = (scores_with(run, kind, Path(folder) / name) for name, kind in (("full", weights), ("half", halves)))
    data = dataclasses.asdict(DataOptions(**run.manifest["config"]["data"]))
    description: dict[str, Any] = {
        "arch": described["arch"],
        "options": described["options"],
        "image_shape": described["image_shape"],
        "fit": run.manifest["config"]["fit"],
        "summary": run.manifest["fit"],
        "trained": {
            "data": data["data"],
            "images": run.manifest["images"],
            "refined": arguments.clusters,
            "git": run.manifest.get("git"),
            "machine": arguments.machine or run.manifest.get("device"),
            "note": arguments.note,
        },
        "kmeans_on_embedding": {"float32": full, "float16": half},
        "curve": [{key: row[key] for key in CURVE if key in row} for row in run.metrics()],
    }
    above = [] if arguments.clusters else of_objective(run, len(weights))
    print(ready_made.save(arguments.name, weights, description, objective=above), full, half)


if __name__ == "__main__":
    main()
