#!/usr/bin/env python3
"""Make reports/other-pictures: what the encoders that come with latentlab, trained on CIFAR-10, make of pictures of another kind.

usage: scripts/other_pictures.py [--data-dir FOLDER] [--work FOLDER] [--out FOLDER] [--data digits,mnist] [--encoders NAMES]
                                 [--seeds 0] [--minutes N] [--machine TEXT]

It is `latentlab cluster --encoder ENCODER --data DATA --k 10 --method METHOD --seed SEED` for each set, encoder and method, and its scores
beside those of pixels. The encoders saw none of these pictures. It resumes, and keeps what is done; --data-dir is MNIST's.
"""

import argparse
import logging
from pathlib import Path

from _reports import REPORTS, Clock, Parts, fill, parse, parser_of, read_parts, results, save_part, score, score_table

from latentlab import backend, files, pipeline, ready_made
from latentlab.config import ClusterOptions
from latentlab.sources import DataOptions

REPORT = REPORTS / "other-pictures"
COMMAND = "scripts/other_pictures.py"
METHODS = ("imc", "scan", "kmeans", "n2d")


def work_through(name: str, encoder: str, seed: int, arguments: argparse.Namespace) -> None:
    """Cluster one set on one encoder, score, and keep the scores."""
    part = arguments.out / "parts" / f"{name}-{encoder}-seed{seed}.json"
    if part.exists():
        return
    logging.info("%s: %s, seed %d", name, encoder, seed)
    data = DataOptions(data=name, data_dir=arguments.data_dir if name == "mnist" else None, limit=arguments.limit or None)
    run = pipeline.use_ready_made(data, encoder, arguments.work / f"{name}-{encoder}")
    chosen = [pipeline.resolve(run, ClusterOptions(k=10, method=method, seed=seed)) for method in METHODS]
    for one in chosen:
        pipeline.cluster(run, one)
    rows = score(run, chosen, encoder, shared=arguments.work / f"{name}-baselines-seed{seed}")
    save_part(part, run, rows, data=name, machine=arguments.machine or run.manifest["device"])


def report(out: Path) -> None:
    """Fill the report's tables from its parts."""
    groups: dict[str, Parts] = {}
    for name, told in read_parts(out / "parts").items():
        groups.setdefault(told["data"], {})[name] = told
    rows = {name: results(group, name, COMMAND) for name, group in groups.items()}
    files.write_json(out / "results.json", [row for found in rows.values() for row in found])
    fill(out / "README.md", {f"test, {name}": score_table(found, "test") for name, found in rows.items()})
    print(out / "README.md")


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORT)
    parser.add_argument("--data", default="digits,mnist", help="sets of ten classes")
    parser.add_argument("--encoders", default=",".join(ready_made.names()))
    arguments = parse(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.select()
    clock = Clock(arguments.minutes)
    for seed in map(int, arguments.seeds.split(",")):
        for name in arguments.data.split(","):
            for encoder in arguments.encoders.split(","):
                if clock.may_start():
                    work_through(name, encoder, seed, arguments)
    report(arguments.out)


if __name__ == "__main__":
    main()
