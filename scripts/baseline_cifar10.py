#!/usr/bin/env python3
"""Make reports/cifar10-baseline: plain autoencoder codes against raw pixels on all of CIFAR-10,
over three seeds.

usage: scripts/baseline_cifar10.py [--data-dir FOLDER] [--work FOLDER] [--only seeds|rates|report]
[--seeds 0,1,2] [--minutes N]

Every step resumes: finished fits are kept in --work, finished scores in
reports/cifar10-baseline/parts, and both are skipped; a killed fit goes on where it stopped.
--minutes starts no new step after that time, so that the whole can be made in parts. A run's labels
are read after all its fitting and clustering is done, and take part in no choice.
"""

import argparse
import dataclasses
import json
import logging
import shutil
import statistics
from pathlib import Path
from typing import Any

from _reports import (
    REPORTS,
    Clock,
    Parts,
    Row,
    fill,
    is_fitted,
    mean_text,
    read_parts,
    results,
    save_part,
    score,
    score_table,
)

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = REPORTS / "cifar10-baseline"
PARTS = REPORT / "parts"
COMMAND = "scripts/baseline_cifar10.py"
SEEDS = (0, 1, 2)
ENCODERS: dict[str, dict[str, Any]] = {
    "conv8": {"arch": "conv8", "epochs": 20},
    "blog": {"arch": "blog", "epochs": 10, "schedule": "constant"},
    "pool-unpool": {"arch": "pool-unpool", "epochs": 10},
    "pool-unpool-switches": {
        "arch": "pool-unpool",
        "epochs": 10,
        "arch_options": {"switches": True},
    },
}
RATES = (0.01, 0.0001)
RESTARTS = 4
TREATMENTS = ("code", "l2", "whiten", "whiten+l2")
SPATIAL_TREATMENTS = ("pool", "pool+whiten+l2", "pool2+whiten+l2")
UMAP = "pca50+umap10"
UMAP_ENCODERS = ("conv8",)


def run_folder(work: Path, name: str, seed: int) -> Path:
    """Return the run folder of an encoder and a seed."""
    return work / f"{name}-seed{seed}"


def fit_and_score(data: DataOptions, work: Path, seeds: list[int], clock: Clock) -> None:
    """Train and score every encoder with every seed."""
    for seed in seeds:
        for name, settings in ENCODERS.items():
            folder = run_folder(work, name, seed)
            if not (PARTS / f"{folder.name}.json").exists() and clock.may_start():
                logging.info("%s: fit", folder.name)
                run = pipeline.fit(data, FitOptions(**settings, seed=seed), folder)
                save_part(
                    PARTS / f"{folder.name}.json",
                    run,
                    score_run(run, name, seed, work / "shared-baselines"),
                )


def fit_rates(data: DataOptions, work: Path, clock: Clock) -> None:
    """Train the blog's network with its two other learning rates."""
    for rate in RATES:
        folder = run_folder(work, f"blog-rate{rate:g}", 0)
        if not (PARTS / f"{folder.name}.json").exists() and clock.may_start():
            logging.info("%s: fit", folder.name)
            save_part(
                PARTS / f"{folder.name}.json",
                pipeline.fit(data, FitOptions(**ENCODERS["blog"], learning_rate=rate), folder),
                [],
            )


def score_run(run: Run, name: str, seed: int, shared: Path) -> list[Row]:
    """Return the scores of a run under every treatment of its code, with those of its baselines."""
    spatial = name in ("conv8", "blog")
    treatments = (
        *TREATMENTS,
        *(SPATIAL_TREATMENTS if spatial else ()),
        *((UMAP,) if name in UMAP_ENCODERS else ()),
    )
    options = [
        ClusterOptions(k=10, features=features, restarts=RESTARTS, seed=seed)
        for features in treatments
    ]
    for one in options:
        logging.info("  %s", one.features)
        pipeline.cluster(run, one)
    rows = score(run, options, name, shared)
    errors = json.loads((run.path / "reconstructions" / "mse.json").read_text())
    return rows + [
        {"split": s, "method": name, "metric": "mse", "value": v, "chance": None}
        for s, v in errors.items()
    ]


def fit_table(parts: Parts) -> str:
    """Return a Markdown table of the fits."""
    lines = [
        "| run | epochs | best epoch | validation MSE | held-out MSE | images/s (median) |"
        " minutes |",
        "| --- |" + " --- |" * 6,
    ]
    for name, part in parts.items():
        mse = [
            row["value"]
            for row in part["rows"]
            if row["metric"] == "mse" and row["split"] == "test"
        ]
        fitted = part["fit"]
        trained = part["images"]["train"] * (
            1 - part["config"]["validation"]
        )  # images an epoch; a resumed fit has several processes
        minutes = (
            sum(trained / row["images_per_second"] for row in part["curve"] if row["epoch"]) / 60
        )
        lines.append(
            f"| {name} | {fitted['epochs']} | {fitted['best_epoch']} |"
            f" {fitted['best_val_loss']:.5f} | {f'{mse[0]:.5f}' if mse else '-'}"
            f" | {fitted['images_per_second']:.0f} | {minutes:.1f} |"
        )
    return "\n".join(lines)


def summary_table(rows: list[Row]) -> str:
    """Return the plain methods and the best treatment of each encoder on the held-out split, for
    the README.
    """
    cells = {(row["method"], row["metric"]): row for row in rows if row["split"] == "test"}
    encoders = ["pixels", "pca", "untrained-conv8", *ENCODERS]
    lines = ["| clustered | purity | ACC | NMI | ARI |", "| --- |" + " --- |" * 4]
    for encoder in encoders:
        plain = f"{encoder}+kmeans"
        treated = [
            method
            for method, metric in cells
            if metric == "purity" and method.startswith(f"{encoder}+") and method != plain
        ]
        best = max(treated, key=lambda method: cells[method, "purity"]["mean"], default=None)
        for method in filter(None, (plain, best)):
            if (method, "purity") in cells:
                values = [cells[method, metric] for metric in ("purity", "acc", "nmi", "ari")]
                lines.append(f"| {method} | " + " | ".join(map(mean_text, values)) + " |")
    chance = [
        statistics.mean(
            row["chance"] for row in rows if row["metric"] == name and row["split"] == "test"
        )
        for name in ("purity", "acc")
    ]
    return "\n".join([*lines, f"| chance | {chance[0]:.3f} | {chance[1]:.3f} | | 0 |"])


def report(work: Path) -> None:
    """Write results.json, the tables between the pages' markers, and the pictures whose runs are in
    --work.
    """
    parts = read_parts(PARTS)
    rows = results(parts, "cifar10", COMMAND)
    files.write_json(REPORT / "results.json", rows)
    splits = {"test": "Held-out split (10,000 images)", "train": "Training split (50,000 images)"}
    tables = "\n\n".join(
        f"### {title}\n\n{score_table(rows, split)}" for split, title in splits.items()
    )
    fill(REPORT / "README.md", {"scores": tables, "fits": fit_table(parts)})
    fill(REPORT.parent.parent / "README.md", {"summary": summary_table(rows)})
    pictures(parts, work)


def pictures(parts: Parts, work: Path) -> None:
    """Draw the learning rates from the parts; reconstructions and maps from the runs in --work."""
    from latentlab.reporting import plots, report

    named = {
        "blog-rate0.01-seed0": "0.01",
        "blog-seed0": "0.001",
        "blog-rate0.0001-seed0": "0.0001",
    }
    curves = {
        f"learning rate {rate}": parts[name]["curve"]
        for name, rate in named.items()
        if name in parts
    }
    if curves:
        plots.save_png(plots.loss_curves(curves), REPORT / "learning-rates.png")
    for name in ENCODERS:
        folder = run_folder(work, name, 0)
        if f"{name}-seed0" in parts and is_fitted(folder):
            figure = report.training_figures(Run.open(folder))["reconstructions"]
            plots.save_png(figure, REPORT / f"{name}-reconstructions.png")
    if is_fitted(run_folder(work, "conv8", 0)):
        page = pipeline.report(Run.open(run_folder(work, "conv8", 0)), ClusterOptions(k=10).name)
        for picture in ("umap-clusters", "umap-labels", "contingency"):
            shutil.copy(page.parent / f"{picture}.png", REPORT / f"conv8-{picture}.png")


def main() -> None:
    """Run the steps that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir", help="where CIFAR-10 lies; default: the Keras cache or a download"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/cifar10-baseline"))
    parser.add_argument("--only", choices=["seeds", "rates", "report"])
    parser.add_argument(
        "--seeds",
        default=",".join(map(str, SEEDS)),
        help="do these only; several processes can share the work",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=float("inf"),
        help="start no new step after so many minutes",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    data = dataclasses.replace(DataOptions(), data="cifar10", data_dir=arguments.data_dir)
    clock = Clock(arguments.minutes)
    if arguments.only in (None, "seeds"):
        fit_and_score(
            data, arguments.work, [int(seed) for seed in arguments.seeds.split(",")], clock
        )
    if arguments.only in (None, "rates"):
        fit_rates(data, arguments.work, clock)
    if arguments.only in (None, "report"):
        report(arguments.work)


if __name__ == "__main__":
    main()
