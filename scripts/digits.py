#!/usr/bin/env python3
"""Make reports/digits: deep clustering on scikit-learn's digits, which every machine has, over five
seeds.

usage: scripts/digits.py [--work FOLDER] [--seeds 0,1,2,3,4]

The settings are those of scripts/quickstart. Every step resumes: fits and clusterings are kept in
--work, finished scores in parts/ of --out, and both are skipped. Labels are read after all fitting
and clustering of a run is done, by the scorer alone, and take part in no choice.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from _reports import (
    Parts,
    agreement,
    agreement_table,
    facts_table,
    fill,
    read_parts,
    results,
    save_part,
    score,
    score_table,
    short_name,
)

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.refinement.run_methods import run_method
from latentlab.storage import files

REPORT = Path(__file__).resolve().parent.parent / "reports" / "digits"
COMMAND = "scripts/digits.py"
DATA = DataOptions(data="digits", size=16)
ENCODER = "dcec"
BEST = "n2d+dcec-augmented"
FIT: dict[str, Any] = {"arch": "dcec", "epochs": 60, "batch_size": 50}
LOOP: dict[str, Any] = {"interval": 35, "batch_size": 128, "max_steps": 1050}
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "kmeans"},
    {"method": "n2d"},
    {"method": "dcec", "settings": LOOP},
    {"method": "dcec", "settings": LOOP, "augment": "affine"},
    {"method": "dcec", "settings": {**LOOP, "start": "n2d", "warm_up": 15}, "augment": "affine"},
)


def clusterings(seed: int) -> list[ClusterOptions]:
    """Return what is clustered with one seed."""
    options = [ClusterOptions(k=10, seed=seed, **method) for method in METHODS]
    return [run_method(wanted.method).resolve(wanted) for wanted in options]


def work_through(work: Path, parts: Path, seed: int) -> None:
    """Fit with one seed, cluster with every method and keep the scores."""
    part = parts / f"{ENCODER}-seed{seed}.json"
    if part.exists():
        return
    run = pipeline.fit(DATA, FitOptions(**FIT, seed=seed), work / part.stem)
    for options in clusterings(seed):
        logging.info("%s: %s", part.stem, options.name)
        pipeline.cluster(run, options)
    save_part(
        part, run, score(run, clusterings(seed), ENCODER, work / "baselines"), clusterings(seed)
    )


def seconds_table(parts: Parts) -> str:
    """Return the Markdown table of the seconds that DCEC took with its fit, and of its purity, one
    row a seed.
    """
    lines = [
        "| seed | fit | embedding | DCEC | together | held-out purity | all stages |",
        "| --- |" + " --- |" * 6,
    ]
    for name, part in parts.items():
        stages, dcec = part["seconds"], part["facts"][BEST]["seconds"]
        purity = next(
            r["value"]
            for r in part["rows"]
            if (r["method"], r["split"], r["metric"]) == (f"{ENCODER}+{BEST}", "test", "purity")
        )
        numbers = [stages["fit"], stages["embed"], dcec, stages["fit"] + stages["embed"] + dcec]
        everything = sum(stages.values())
        lines.append(
            f"| {name.rsplit('seed', 1)[1]} | "
            + " | ".join(f"{n:.0f} s" for n in numbers)
            + f" | {purity:.3f} | {everything:.0f} s |"
        )
    return "\n".join(lines)


def report(work: Path, out: Path, seeds: list[int]) -> None:
    """Write results.json and the tables between the page's markers."""
    parts = read_parts(out / "parts")
    rows = results(parts, "digits", COMMAND)
    files.write_json(out / "results.json", rows)
    kept = out / "parts" / "agreement.json"
    if between := agreement(
        (short_name(one), work / f"{ENCODER}-seed{seed}", one)
        for seed in seeds
        for one in clusterings(seed)
    ):
        files.write_json(kept, between)
    tables = {
        "test": score_table(rows, "test", median=True),
        "train": score_table(rows, "train", median=True),
        "seconds": seconds_table(parts),
        "facts": facts_table(parts),
        "agreement": agreement_table(
            {"digits": json.loads(kept.read_text()) if kept.exists() else []}
        ),
    }
    fill(out / "README.md", tables)


def main() -> None:
    """Run what is missing and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/digits-report"))
    parser.add_argument(
        "--out", type=Path, default=REPORT, help="for the report; default: reports/digits"
    )
    parser.add_argument("--seeds", default="0,1,2,3,4")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    for seed in seeds:
        work_through(arguments.work, arguments.out / "parts", seed)
    report(arguments.work, arguments.out, seeds)


if __name__ == "__main__":
    main()
