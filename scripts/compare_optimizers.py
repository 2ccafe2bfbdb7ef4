#!/usr/bin/env python3
"""Make reports/cifar10-optimizers: how far short fits of the strong recipe get with AdamW and with
Muon, at several learning rates.

usage: scripts/compare_optimizers.py [--data-dir FOLDER] [--work FOLDER] [--seeds 0] [--arch NAME]
[--width N] [--epochs N] [--minutes N]
                                     [--only NAME,...] [--machine TEXT]

Every fit has a schedule of its own, and the same crops and prototypes, so that the swapped losses
compare. No label is read. Fits resume and finished ones are kept; --only takes some of the
settings, as the table names them.
"""

import argparse
import logging
import math
from pathlib import Path
from typing import Any

from _reports import (
    REPORTS,
    Clock,
    Parts,
    fill,
    parse,
    parser_of,
    read_parts,
    refuse_others,
    save_part,
)

from latentlab import backend, pipeline, recipes
from latentlab.config import DataOptions, FitOptions
from latentlab.errors import TrainingError
from latentlab.options import recorded_values
from latentlab.reporting import plots
from latentlab.storage import files

REPORT = REPORTS / "cifar10-optimizers"
ADAMW: dict[str, Any] = {"optimizer": "adamw", "adam_share": 1.0, "weight_decay": 1e-5}
SETTINGS: dict[str, tuple[float, dict[str, Any]]] = {
    "adamw-0.001": (0.001, ADAMW),
    "adamw-0.003": (0.003, ADAMW),
    "adamw-0.01": (0.01, ADAMW),
    "muon-0.001": (0.001, {"optimizer": "muon", "adam_share": 1.0, "weight_decay": 0.0}),
    "muon-0.01": (0.01, {"optimizer": "muon", "adam_share": 0.3, "weight_decay": 0.0}),
    "muon-0.01-decay": (0.01, {"optimizer": "muon", "adam_share": 0.3, "weight_decay": 0.1}),
    "muon-0.02-decay": (0.02, {"optimizer": "muon", "adam_share": 0.3, "weight_decay": 0.1}),
}
WATCHED = ("epoch", "swapped_loss", "effective_rank", "used_prototypes", "images_per_second")


def work_through(setting: str, seed: int, arguments: argparse.Namespace) -> None:
    """Fit with one setting and seed, and keep the curve."""
    name = f"{arguments.arch}-{arguments.width}-{arguments.epochs}epochs-{setting}-seed{seed}"
    part = arguments.out / "parts" / f"{name}.json"
    rate, chosen = SETTINGS[setting]
    settings = recipes.fit_settings("strong")
    settings |= {
        "arch": arguments.arch,
        "arch_options": {"width": arguments.width},
        "epochs": arguments.epochs,
        "learning_rate": rate,
    }
    settings["objective_options"] = {**settings["objective_options"], **chosen}
    options = FitOptions(**settings, seed=seed)
    if part.exists():
        refuse_others(name, read_parts(part.parent)[name], options)
        return
    logging.info("%s", name)
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir, limit=arguments.limit or None)
    try:
        run = pipeline.fit(data, options, arguments.work / name)
    except TrainingError as error:  # a result too: the others go on
        files.write_json(
            part, {"config": recorded_values(options), "failed": str(error), "watched": []}
        )
        return
    watched = [
        {key: row[key] for key in WATCHED if key in row} for row in run.metrics() if row["epoch"]
    ]
    save_part(part, run, [], watched=watched, machine=arguments.machine or run.fact("device"))


def table(parts: Parts) -> str:
    """Return the Markdown table of every fit's end, the lowest swapped loss first, those that
    failed last.
    """
    heads = [
        "fit",
        "learning rate",
        "Adam's",
        "weight decay",
        "swapped loss",
        "effective rank",
        "images per second",
        "epochs undone",
    ]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, part in sorted(parts.items(), key=lambda item: last_loss(item[1])):
        own, rate = part["config"]["objective_options"], part["config"]["learning_rate"]
        if part["watched"]:
            last, fit = part["watched"][-1], part["fit"]
            told = (
                f"{last['swapped_loss']:.3f} | {last['effective_rank']:.1f} |"
                f" {fit['images_per_second']:.0f} | {len(fit['recoveries'])}"
            )
        else:
            told = "failed | | | "
        lines.append(
            f"| {name} | {rate:g} | {rate * own['adam_share']:g} | {own['weight_decay']:g} |"
            f" {told} |"
        )
    return "\n".join(lines)


def last_loss(part: dict[str, Any]) -> float:
    """Return the swapped loss at the end of a fit, infinite where it failed."""
    return part["watched"][-1]["swapped_loss"] if part["watched"] else math.inf


def report(out: Path) -> None:
    """Write results.json, the table and the figure."""
    parts = read_parts(out / "parts")
    files.write_json(
        out / "results.json",
        [
            {"fit": name, **(part["watched"] or [{}])[-1], "config": part["config"]}
            for name, part in parts.items()
        ],
    )
    fill(out / "README.md", {"table": table(parts)})
    curves = {
        name: [(row["epoch"], row["swapped_loss"]) for row in part["watched"]]
        for name, part in parts.items()
        if part["watched"]
    }
    figure = plots.lines(curves, "epoch", "swapped loss", "Short fits with other optimizers")
    figure.axes[0].autoscale(axis="y")  # losses end far above 0
    plots.save_png(figure, out / "loss.png")


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORT)
    parser.add_argument("--arch", choices=("fast8", "resnet18"), default="fast8")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--only", default=",".join(SETTINGS), help="of " + ", ".join(SETTINGS))
    arguments = parse(parser)
    if unknown := set(arguments.only.split(",")) - set(SETTINGS):
        parser.error(f"unknown {', '.join(sorted(unknown))}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    clock = Clock(arguments.minutes)
    for seed in map(int, arguments.seeds.split(",")):
        for setting in arguments.only.split(","):
            if clock.may_start():
                work_through(setting, seed, arguments)
    report(arguments.out)
    print(arguments.out / "README.md")


if __name__ == "__main__":
    main()
