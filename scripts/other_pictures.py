#!/usr/bin/env python3
"""Make reports/other-pictures: what the encoders that come with latentlab, trained on CIFAR-10,
make of pictures of another kind, as they are and trained on.

usage: scripts/other_pictures.py [--data-dir FOLDER] [--work FOLDER] [--out FOLDER] [--data
digits,mnist] [--encoders NAMES]
                                 [--seeds 0] [--minutes N] [--machine TEXT]

It is `latentlab cluster --encoder ENCODER --data DATA --k 10 --method METHOD --seed SEED` for each
set, encoder and method, and its scores beside those of pixels. The encoders saw none of these
pictures. "adapted" is `latentlab fit --data DATA --recipe adapt --set mirror=false --seed SEED`
instead, and "own" the same for random weights, at the learning rate of the recipe strong. It
resumes, and keeps what is done; --data-dir is MNIST's.
"""

import argparse
import dataclasses
import logging
from pathlib import Path

from _reports import (
    REPORTS,
    Clock,
    Parts,
    fill,
    parse,
    parser_of,
    read_parts,
    results,
    save_part,
    score,
    score_table,
)

from latentlab import backend, pipeline, recipes
from latentlab.config import LEAST_STEPS, ClusterOptions, DataOptions, FitOptions
from latentlab.encoders import ready_made
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = REPORTS / "other-pictures"
COMMAND = "scripts/other_pictures.py"
METHODS = ("imc", "scan", "kmeans", "n2d")
TRAINED = ("adapted", "own")  # beside the ready-made encoders


def fit_options(encoder: str, seed: int) -> FitOptions:
    """Return the recipe adapt for pictures that have no mirror images; for "own" from random
    weights.
    """
    settings = recipes.fit_settings("adapt")
    settings["objective_options"] = {**settings["objective_options"], "mirror": False}
    if encoder == "own":
        del settings["objective_options"]["start"]
        settings["learning_rate"] = recipes.fit_settings("strong")["learning_rate"]
    return FitOptions(**settings, seed=seed, least_steps=LEAST_STEPS)


def run_of(data: DataOptions, encoder: str, seed: int, folder: Path) -> Run:
    """Return the run of a set whose encoder is the ready-made one of that name, or is trained."""
    if encoder not in TRAINED:
        return pipeline.use_ready_made(data, encoder, folder)
    if encoder == "own":
        data = dataclasses.replace(data, size=32)
    return pipeline.fit(
        data, fit_options(encoder, seed), folder.with_name(f"{folder.name}-seed{seed}")
    )


def work_through(name: str, encoder: str, seed: int, arguments: argparse.Namespace) -> None:
    """Cluster one set on one encoder, score, and keep the scores."""
    part = arguments.out / "parts" / f"{name}-{encoder}-seed{seed}.json"
    if part.exists():
        return
    logging.info("%s: %s, seed %d", name, encoder, seed)
    data = DataOptions(
        data=name,
        data_dir=arguments.data_dir if name == "mnist" else None,
        limit=arguments.limit or None,
    )
    run = run_of(data, encoder, seed, arguments.work / f"{name}-{encoder}")
    chosen = [
        pipeline.resolve(run, ClusterOptions(k=10, method=method, seed=seed)) for method in METHODS
    ]
    for one in chosen:
        pipeline.cluster(run, one)
    rows = score(run, chosen, encoder, shared=arguments.work / f"{name}-baselines-seed{seed}")
    save_part(part, run, rows, data=name, machine=arguments.machine or run.fact("device"))


def time_table(groups: dict[str, Parts]) -> str:
    """Return the Markdown table of the minutes that training took, by its median speed, and the
    clusters of `imc`.
    """
    lines = [
        "| set and encoder | machine | epochs | images per second | fit, minutes | imc, seconds |",
        "| --- |" + " --- |" * 5,
    ]
    for parts in groups.values():
        for name, part in parts.items():
            if "-adapted-" in name or "-own-" in name:
                fit, seconds = (
                    part["fit"],
                    next(
                        took
                        for stage, took in part["seconds"].items()
                        if stage.startswith("cluster/imc")
                    ),
                )
                minutes = fit["epochs"] * part["images"]["train"] / fit["images_per_second"] / 60
                lines.append(
                    f"| {name} | {part['machine']} | {fit['epochs']} |"
                    f" {fit['images_per_second']:.0f} | {minutes:.1f} | {seconds:.0f} |"
                )
    return "\n".join(lines)


def report(out: Path) -> None:
    """Fill the report's tables from its parts."""
    groups: dict[str, Parts] = {}
    for name, told in read_parts(out / "parts").items():
        groups.setdefault(told["data"], {})[name] = told
    rows = {name: results(group, name, COMMAND) for name, group in groups.items()}
    files.write_json(out / "results.json", [row for found in rows.values() for row in found])
    tables = {f"test, {name}": score_table(found, "test") for name, found in rows.items()}
    fill(out / "README.md", {**tables, "time": time_table(groups)})
    print(out / "README.md")


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORT)
    parser.add_argument("--data", default="digits,mnist", help="sets of ten classes")
    parser.add_argument("--encoders", default=",".join([*ready_made.shipped().names(), *TRAINED]))
    arguments = parse(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    clock = Clock(arguments.minutes)
    for seed in map(int, arguments.seeds.split(",")):
        for name in arguments.data.split(","):
            for encoder in arguments.encoders.split(","):
                if clock.may_start():
                    work_through(name, encoder, seed, arguments)
    report(arguments.out)


if __name__ == "__main__":
    main()
