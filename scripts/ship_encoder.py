#!/usr/bin/env python3
"""Make a ready-made encoder of a finished run: latentlab/weights/NAME.npz and NAME.json, with what
fewer bits cost.

usage: scripts/ship_encoder.py RUN NAME [--bits 16] [--machine TEXT] [--note TEXT]

What the objective has beside the encoder, as SwAV's prototypes, goes with it. The cost is measured
on the run's own images, with the encoder's own features: by the scorer, of the clusters of the run
and of those of the shipped encoder.
"""

import argparse
import contextlib
import dataclasses
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _reports import held_out_scores

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders import model_files, ready_made
from latentlab.storage import checkpoints
from latentlab.storage.run import Run
from latentlab.training import prototypes

CURVE = (
    "stage",
    "epoch",
    "loss",
    "val_loss",
    "swapped_loss",
    "distillation_loss",
    "agreement",
    "reconstruction_loss",
    "effective_rank",
)


def weights_of(run: Run) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the weights of the run's encoder, and what its objective trained beside it: in the
    last checkpoint they follow it.
    """
    with np.load(run.path / "encoder" / "weights.npz", allow_pickle=False) as arrays:
        own = checkpoints.in_order("weight", dict(arrays))
    checkpoint = checkpoints.folder_of(
        run.path / "checkpoints", "epoch", run.fact("fit")["best_epoch"]
    )
    return own, checkpoints.in_order("weight", checkpoints.load(checkpoint)[0])[len(own) :]


def scores(run: Run) -> dict[str, dict[str, float]]:
    """Cluster a run, in its own folder, and return the held-out scores by method."""
    methods = ("kmeans", "imc") if prototypes.are_there(run) else ("kmeans",)
    chosen = {
        method: pipeline.resolve(run, ClusterOptions(k=10, method=method)) for method in methods
    }
    for options in chosen.values():
        pipeline.cluster(run, options)
    return {method: held_out_scores(run, options) for method, options in chosen.items()}


def taught(fit: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fit's options with its teacher's name in the place of the path, and how the
    teacher was trained: nothing without one.
    """
    if not (path := fit["objective_options"].get("teacher")):
        return fit, {}
    teacher_run = Run.open(path)
    own = {**fit, "objective_options": {**fit["objective_options"], "teacher": Path(path).name}}
    if name := ready_made.shipped().name_of(teacher_run):  # whose own description tells the rest
        return own, {
            "teacher": {"ready_made": name, "sha256": ready_made.shipped().describe(name).sha256}
        }
    told = {
        "fit": teacher_run.recorded_config["fit"],
        "summary": teacher_run.fact("fit"),
        "git": teacher_run.fact("git"),
        "device": teacher_run.fact("device"),
    }
    return own, {"teacher": told}


@contextlib.contextmanager
def restored_on_failure(name: str) -> Iterator[None]:
    """Bring back the encoder of that name, or its absence, where what is done fails or is
    interrupted.
    """
    files = [ready_made.FOLDER / f"{name}{ending}" for ending in (".npz", ".json")]
    with tempfile.TemporaryDirectory() as folder:
        before = {path: Path(shutil.copy(path, folder)) for path in files if path.exists()}
        try:
            yield
        except BaseException:
            for path in files:
                shutil.copy(before[path], path) if path in before else path.unlink(missing_ok=True)
            raise


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--bits", type=int, choices=ready_made.BITS, default=16)
    parser.add_argument("--machine", default="")
    parser.add_argument("--note", default="")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    backend.start()
    run = Run.open(arguments.run)
    (weights, above), described = weights_of(run), model_files.describe(run)
    data = DataOptions(**run.recorded_config["data"])
    fit, teacher = taught(run.recorded_config["fit"])
    description = ready_made.ShippedEncoder(
        described.arch,
        described.options,
        described.image_shape,
        fit=fit,
        summary=run.fact("fit"),
        trained={
            "data": data.data,
            "images": run.fact("images"),
            "git": run.fact("git"),
            "machine": arguments.machine or run.fact("device"),
            "note": arguments.note,
            **teacher,
        },
        curve=tuple({key: row[key] for key in CURVE if key in row} for row in run.metrics()),
    )
    with restored_on_failure(arguments.name), tempfile.TemporaryDirectory() as folder:
        ready_made.shipped().save(
            arguments.name, weights, description, objective_weights=above, bits=arguments.bits
        )
        shipped = pipeline.use_ready_made(data, arguments.name, Path(folder) / "run")
        cost = {"trained": scores(run), "stored": scores(shipped)}
        description = dataclasses.replace(description, cost=cost)
        print(
            ready_made.shipped().save(
                arguments.name, weights, description, objective_weights=above, bits=arguments.bits
            ),
            cost,
        )


if __name__ == "__main__":
    main()
