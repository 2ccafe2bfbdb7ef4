#!/usr/bin/env python3
"""Make reports/few-images: what the recipes "strong" and "adapt", a plain autoencoder and the
ready-made encoders make of some thousand images.

usage: scripts/few_images.py [--data-dir FOLDER] [--work FOLDER] [--out FOLDER] [--images 2000]
[--steps 0,1000] [--seeds 0]
                             [--minutes N] [--machine TEXT]

Of CIFAR-10's training images some are drawn at random, and 5,000 of its test images. An encoder is
fitted on them with the epochs that are set for data sets of its size, and with as many more as make
so many --steps (FitOptions.least_steps); then clustered and scored. Drawing, fitting and clustering
see no label. It resumes, and keeps what is done.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
from _reports import (
    REPORTS,
    Clock,
    fill,
    parse,
    parser_of,
    read_parts,
    results,
    save_part,
    score,
    score_table,
    write_arrays,
)

from latentlab import backend, pipeline, recipes
from latentlab.config import LEAST_STEPS, ClusterOptions, DataOptions, FitOptions
from latentlab.data import opening
from latentlab.encoders import ready_made
from latentlab.scoring.labels import read_labels
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = REPORTS / "few-images"
COMMAND = "scripts/few_images.py"
HEADS = ({"method": "imc"}, {"method": "scan"}, {"method": "kmeans"})
CLUSTERINGS: dict[str, tuple[dict[str, Any], ...]] = {
    **dict.fromkeys(recipes.FIT, HEADS),
    "autoencoder": ({"features": "pool2+whiten+l2"}, {"features": "code"}),
    **dict.fromkeys(ready_made.shipped().names(), HEADS),
}
TESTED = 5000


def draw(data: DataOptions, path: Path, count: int, seed: int) -> None:
    """Write `count` training images, and TESTED of the others, with the labels that the scorer
    reads, to an .npz file.
    """
    images, labels = opening.open_images(data), read_labels(data)
    assert labels is not None
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for split, wanted in (("train", count), ("test", TESTED)):
        places = np.sort(rng.permutation(images.indices(split))[:wanted])
        arrays |= {f"x_{split}": images.read(places), f"y_{split}": labels.labels[places]}
    write_arrays(path, arrays)


def fitted(kind: str, steps: int, data: DataOptions, seed: int, work: Path) -> tuple[str, Run]:
    """Fit one encoder, or take the ready-made one; return its name in the tables, and the run."""
    if kind in ready_made.shipped().names():
        return kind, pipeline.use_ready_made(data, kind, work / f"{kind}-seed{seed}")
    settings = recipes.fit_settings(kind) if kind in recipes.FIT else {}
    options = FitOptions(**settings, least_steps=steps, seed=seed)
    name = f"{kind}-{steps}steps" if steps else f"{kind}-{options.epochs}epochs"
    return name, pipeline.fit(data, options, work / f"{name}-seed{seed}")


def work_through(
    kind: str, steps: int, data: DataOptions, seed: int, arguments: argparse.Namespace
) -> None:
    """Fit, cluster, score, and keep the scores."""
    part = arguments.out / "parts" / f"{arguments.images}-{kind}-{steps}-seed{seed}.json"
    if part.exists():
        return
    logging.info("%s: %d steps", kind, steps)
    encoder, run = fitted(kind, steps, data, seed, arguments.work / f"{arguments.images}")
    chosen = [
        pipeline.resolve(run, ClusterOptions(**{"k": 10, "seed": seed, **own}))
        for own in CLUSTERINGS[kind]
    ]
    for one in chosen:
        pipeline.cluster(run, one)
    rows = score(
        run,
        chosen,
        encoder,
        shared=arguments.work / f"{arguments.images}" / f"baselines-seed{seed}",
    )
    save_part(
        part,
        run,
        rows,
        encoder=encoder,
        n_images=arguments.images,
        machine=arguments.machine or run.fact("device"),
    )


def time_table(parts: dict[str, Any]) -> str:
    """Return the Markdown table of what was trained, what it took and what is left of the images'
    detail.
    """
    lines = [
        "| images | encoder | epochs | fit, minutes | validation MSE of the reconstructions |"
        " machine |",
        "| --- |" + " --- |" * 5,
    ]
    for name, part in parts.items():
        if not name.split("-", 1)[1].startswith(tuple(ready_made.shipped().names())):
            fit, minutes = part["fit"], part["seconds"]["fit"] / 60
            cells = (
                f"{part['n_images']}",
                part["encoder"],
                f"{fit['epochs']}",
                f"{minutes:.1f}",
                f"{fit['best_val_loss']:.4f}",
                part["machine"],
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def report(out: Path) -> None:
    """Fill the report's tables from its parts."""
    parts = read_parts(out / "parts")
    groups: dict[int, dict[str, Any]] = {}
    for name, part in parts.items():
        groups.setdefault(part["n_images"], {})[name] = part
    rows = {
        count: results(group, f"{count} images of cifar10", COMMAND)
        for count, group in groups.items()
    }
    files.write_json(out / "results.json", [row for found in rows.values() for row in found])
    tables = {f"test, {count} images": score_table(found, "test") for count, found in rows.items()}
    fill(out / "README.md", {**tables, "time": time_table(parts)})
    print(out / "README.md")


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORT)
    parser.add_argument("--images", type=int, default=2000, help="training images that are drawn")
    parser.add_argument(
        "--steps", default="0,1000", help="least training steps; 0 for the epochs alone"
    )
    arguments = parse(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    clock = Clock(arguments.minutes)
    whole = DataOptions(data="cifar10", data_dir=arguments.data_dir, limit=arguments.limit or None)
    for seed in map(int, arguments.seeds.split(",")):
        path = arguments.work / f"{arguments.images}-seed{seed}.npz"
        if not path.exists():
            draw(whole, path, arguments.images, seed)
        for kind, steps in [
            *((name, 0) for name in ready_made.shipped().names()),
            ("adapt", LEAST_STEPS),
            *(
                (kind, int(steps))
                for steps in arguments.steps.split(",")
                for kind in ("strong", "autoencoder")
            ),
        ]:
            if clock.may_start():
                work_through(kind, steps, DataOptions(data=str(path)), seed, arguments)
    report(arguments.out)


if __name__ == "__main__":
    main()
