#!/usr/bin/env python3
"""Make reports/cifar10-ready-made: clusters of CIFAR-10 on the encoders that come with latentlab,
over seeds of the clustering.

usage: scripts/ready_made_cifar10.py [--encoder cifar10-strong] [--data-dir FOLDER] [--work FOLDER]
[--out FOLDER] [--seeds 0,1,2]
                                     [--minutes N] [--machine TEXT]

It is `latentlab cluster --encoder ENCODER --k 10 --method METHOD --seed SEED` for each method and
seed, with `--features averaged+project+l2` too, their scores, and how far the seeds of each agree
with each other, which takes no label. Runs are kept in --work, finished scores in parts/ of --out.
"""

import argparse
import logging

from _reports import (
    AVERAGED,
    REPORTS,
    Clock,
    Row,
    agreement,
    agreement_table,
    fill,
    parse,
    parser_of,
    read_parts,
    results,
    save_part,
    score_table,
)

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders import ready_made
from latentlab.scoring.evaluate import read_labels, scores_of
from latentlab.storage import files
from latentlab.storage.json_form import to_json
from latentlab.storage.run import Run, find_runs

METHODS = ("imc", "scan", "temi", "kmeans")
COMMAND = "scripts/ready_made_cifar10.py"


def chosen_of(run: Run, seed: int) -> dict[str, ClusterOptions]:
    """Return the clusterings of one seed, by method; those with the mirror images by method and
    "-averaged".
    """
    wanted = {method: ClusterOptions(k=10, method=method, seed=seed) for method in METHODS}
    wanted |= {
        f"{method}-averaged": ClusterOptions(k=10, method=method, seed=seed, features=AVERAGED)
        for method in METHODS
    }
    return {name: pipeline.resolve(run, options) for name, options in wanted.items()}


def work_through(run: Run, seed: int, arguments: argparse.Namespace) -> None:
    """Cluster with one seed, score and keep the scores."""
    part = arguments.out / "parts" / f"{arguments.encoder}-seed{seed}.json"
    if part.exists():
        return
    chosen = chosen_of(run, seed)
    for name, options in chosen.items():
        logging.info("seed %d: %s", seed, name)
        pipeline.cluster(run, options)
    labels = read_labels(run)
    assert labels is not None
    found = {
        f"{arguments.encoder}+{name}": run.clustering(options.name).assignments
        for name, options in chosen.items()
    }
    took = {name: run.seconds(f"cluster/{options.name}") for name, options in chosen.items()}
    rows: list[Row] = to_json(scores_of(run.data_name, labels, found, 10).rows)
    save_part(part, run, rows, took=took, machine=arguments.machine or run.fact("device"))


def time_table(parts: dict[str, Row]) -> str:
    """Return the Markdown table of the seconds that embedding and clusters took."""
    lines = [
        "| encoder and seed | machine | embedding 60,000 images | mirror images | "
        + " | ".join(METHODS)
        + " |",
        "| --- |" + " --- |" * (3 + len(METHODS)),
    ]
    for name, part in parts.items():
        seconds = " | ".join(f"{part['took'][method]:.0f} s" for method in METHODS)
        lines.append(
            f"| {name} | {part['machine']} | {part['seconds']['embed']:.0f} s |"
            f" {part['seconds']['average']:.0f} s | {seconds} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORTS / "cifar10-ready-made", seeds="0,1,2")
    parser.add_argument("--encoder", choices=ready_made.shipped().names(), default="cifar10-strong")
    arguments = parse(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    clock = Clock(arguments.minutes)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir, limit=arguments.limit or None)
    run = pipeline.use_ready_made(data, arguments.encoder, arguments.work / arguments.encoder)
    for seed in seeds:
        if clock.may_start():
            work_through(run, seed, arguments)
    parts = read_parts(arguments.out / "parts")
    rows = results(parts, "cifar10", COMMAND)
    files.write_json(arguments.out / "results.json", rows)
    tables = {
        "test": score_table(rows, "test"),
        "train": score_table(rows, "train"),
        "time": time_table(parts),
    }
    runs = {
        str(one.recorded_config.get("ready_made")): one
        for one in find_runs(arguments.work)
        if "embed" in one.stage_names()
    }
    clusterings = (
        (f"{name}+{method}", one.path, options)
        for name, one in runs.items()
        for seed in seeds
        for method, options in chosen_of(one, seed).items()
    )
    if agreed := agreement(clusterings):
        files.write_json(arguments.out / "agreement.json", agreed)
        tables["agreement"] = agreement_table({"CIFAR-10": agreed})
    fill(arguments.out / "README.md", tables)
    print(arguments.out / "README.md")


if __name__ == "__main__":
    main()
