#!/usr/bin/env python3
"""Make reports/cifar10-imbalanced: what scores are worth where the classes have different sizes.

usage: scripts/imbalanced_cifar10.py [--data-dir FOLDER] [--work FOLDER] [--ratio N] [--epochs N]
[--seed N] [--minutes N]

The classes of both splits are cut to sizes that fall from all images of the first to a --ratio-th
of them for the last, in equal steps of their logarithm, as Cui and others (2019) do; beside it is a
balanced set of as many images. On each an encoder is trained without labels, as the recipe "strong"
does, and clustered. Cutting needs labels, as making any such set does; fitting and clustering see
none. It resumes, and keeps what is done.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
from _reports import REPORTS, Clock, fill, read_parts, results, save_part, score, write_arrays

from latentlab import backend, pipeline, recipes
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.data import opening
from latentlab.scoring.labels import read_labels
from latentlab.storage import files

REPORT = REPORTS / "cifar10-imbalanced"
COMMAND = "scripts/imbalanced_cifar10.py"
METRICS = ("purity", "balanced_purity", "acc", "nmi", "ari")
CLUSTERINGS: tuple[dict[str, Any], ...] = (
    {"k": 10, "method": "kmeans"},
    {"k": 10, "method": "gmm", "features": "embedding+project+l2+pca20", "restarts": 3},
    {"k": 10, "method": "imc"},
    {"k": 10, "method": "scan"},
    {"k": 10, "method": "temi"},
    {"k": 0, "method": "hdbscan"},
)


def sizes_of(largest: int, ratio: float, n_classes: int) -> np.ndarray:
    """Return the images of each class, from `largest` down to largest / ratio."""
    return np.floor(largest * ratio ** (-np.arange(n_classes) / (n_classes - 1))).astype(int)


def cut(data: DataOptions, path: Path, ratio: float, balanced: bool) -> None:
    """Write the imbalanced set, or a balanced one of as many images, to an .npz file."""
    images, labels = opening.open_images(data), read_labels(data)
    assert labels is not None
    arrays: dict[str, Any] = {}
    for split in ("train", "test"):
        places = images.indices(split)
        classes = labels.labels[places]
        wanted = sizes_of(int(np.bincount(classes).max()), ratio, 10)
        if balanced:
            wanted = np.full(10, round(wanted.mean()))
        chosen = np.sort(
            np.concatenate([np.flatnonzero(classes == c)[: wanted[c]] for c in range(10)])
        )
        arrays |= {f"x_{split}": images.read(places[chosen]), f"y_{split}": classes[chosen]}
    write_arrays(path, arrays)


def work_through(name: str, path: Path, arguments: argparse.Namespace, clock: Clock) -> None:
    """Fit, cluster, score, and keep the scores."""
    part = REPORT / "parts" / f"{name}-seed{arguments.seed}.json"
    if part.exists() or not clock.may_start():
        return
    settings = recipes.fit_settings("strong")
    fitted = FitOptions(
        **settings | {"epochs": arguments.epochs or settings["epochs"]}, seed=arguments.seed
    )
    logging.info("%s: fit", name)
    run = pipeline.fit(
        DataOptions(data=str(path)), fitted, arguments.work / f"{name}-seed{arguments.seed}"
    )
    chosen = [
        pipeline.resolve(run, ClusterOptions(**own, seed=arguments.seed)) for own in CLUSTERINGS
    ]
    for one in chosen:
        logging.info("%s: %s", name, one.name)
        pipeline.cluster(run, one)
    # The baselines have the k of what they stand beside: those of the ten clusters are kept.
    of_ten = score(run, [one for one in chosen if one.k], fitted.arch)
    others = [one for one in chosen if not one.k]
    found = [
        row
        for row in score(run, others, fitted.arch)
        if any(row["method"].endswith(f"+{one.title}") for one in others)
    ]
    ks = {one.title: run.clustering(one.name).k for one in others}
    save_part(part, run, of_ten + found, (), machine=arguments.machine, found_k=ks)


def table(parts: dict[str, Any]) -> str:
    """Return the Markdown table of the held-out scores of every set."""
    heads = ["set", "method", *METRICS, "by chance: purity", "balanced purity"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, part in parts.items():
        cells = {
            (row["method"], row["metric"]): row for row in part["rows"] if row["split"] == "test"
        }
        methods = dict.fromkeys(method for method, _ in cells)
        for method in sorted(methods, key=lambda m: -cells[m, "balanced_purity"]["value"]):
            values = []
            for metric in METRICS:
                row = cells.get((method, f"{metric}_train_map"), cells[method, metric])
                between = (
                    f" [{row['low']:.3f}, {row['high']:.3f}]" if row.get("low") is not None else ""
                )
                values.append(f"{row['value']:.3f}{between}")
            chance = [
                f"{cells[method, metric]['chance']:.3f}" for metric in ("purity", "balanced_purity")
            ]
            lines.append(
                f"| {name.rsplit('-', 1)[0]} | {method} | {' | '.join([*values, *chance])} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir", help="where CIFAR-10 lies; default: the Keras cache or a download"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/cifar10-imbalanced"))
    parser.add_argument(
        "--ratio", type=float, default=100, help="of the largest class to the smallest"
    )
    parser.add_argument("--epochs", type=int, default=0, help="of the fits; default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes",
        type=float,
        default=float("inf"),
        help="start no new step after so many minutes",
    )
    parser.add_argument("--machine", default="", help="in words, for the parts")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    clock = Clock(arguments.minutes)
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir)
    for name, balanced in ((f"imbalanced-{arguments.ratio:g}", False), ("balanced", True)):
        path = arguments.work / f"{name}.npz"
        if not path.exists():
            cut(data, path, arguments.ratio, balanced)
        work_through(name, path, arguments, clock)
    parts = read_parts(REPORT / "parts")
    rows = [
        row
        for name, part in parts.items()
        for row in results({name: part}, name.rsplit("-", 1)[0], COMMAND)
    ]
    files.write_json(REPORT / "results.json", rows)
    fill(REPORT / "README.md", {"test": table(parts)})
    print(REPORT / "README.md")


if __name__ == "__main__":
    main()
