#!/usr/bin/env python3
"""Make reports/bootstrap-coverage: how often the 95% intervals of `latentlab evaluate` hold the
true score, by simulation.

usage: scripts/bootstrap_coverage.py [--cases 500] [--seed 0] [--machine TEXT] [--out FOLDER]

A world is a table of probabilities: images of each cluster by class. From each world, again and
again, a training split and a held-out split are drawn and the interval of every held-out score is
taken as `evaluate` takes it. The true value of a score under the training maps is its value in the
world; that of the others is their mean over many held-out splits of the same size. No image,
network or label of any data set takes part.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from _reports import fill

from latentlab.scoring import intervals, metrics
from latentlab.storage import files

REPORT = Path(__file__).resolve().parent.parent / "reports" / "bootstrap-coverage"
SCORES = ("purity_train_map", "acc_train_map", "purity", "acc", "nmi", "ari")
SIZES = (360, 1000, 10_000)  # held-out images; the training split has four times as many
CLUSTERS = (5, 10, 20)
CLASSES = 10
CONFUSION = (0.1, 0.4, 0.8)
RAREST = (1.0, 0.1)  # share of the rarest class as a part of the commonest
MEAN_OF = 2000  # held-out splits whose mean is the true value


def world(rng: np.random.Generator, k: int, confusion: float, rarest: float) -> np.ndarray:
    """Return probabilities, (k, CLASSES), of clusters that hold one class each, but for a share
    `confusion` of anything.
    """
    own = np.eye(CLASSES)[np.arange(k) % CLASSES]
    mixed = (1 - confusion) * own + confusion * rng.dirichlet(np.full(CLASSES, 0.5), size=k)
    table = mixed * np.geomspace(1, rarest, CLASSES)
    return table / table.sum()


def draw(rng: np.random.Generator, probabilities: np.ndarray, n: int, repeats: int) -> np.ndarray:
    """Return tables of n images, (repeats, k, CLASSES)."""
    return rng.multinomial(n, probabilities.ravel(), size=repeats).reshape(
        repeats, *probabilities.shape
    )


def covered(
    rng: np.random.Generator, probabilities: np.ndarray, n: int, cases: int
) -> dict[str, dict[str, float]]:
    """Return score -> how often its interval held the true value, and the interval's mean width."""
    many = draw(rng, probabilities, n, MEAN_OF)
    means = {name: scorer(many).mean() for name, scorer in intervals.SCORERS.items()}
    hits: dict[str, list[bool]] = {name: [] for name in SCORES}
    widths: dict[str, list[float]] = {name: [] for name in SCORES}
    for case in range(cases):
        training, held_out = (
            draw(rng, probabilities, 4 * n, 1)[0],
            draw(rng, probabilities, n, 1)[0],
        )
        maps = metrics.maps_of(training)
        true = {
            **means,
            "purity_train_map": metrics.mapped_share(probabilities, maps.majority),
            "acc_train_map": metrics.mapped_share(probabilities, maps.matched),
        }
        for name, (low, high) in intervals.of_scores(held_out, maps, seed=case).items():
            hits[name].append(bool(low <= true[name] <= high))
            widths[name].append(high - low)
    return {
        name: {"covered": float(np.mean(hits[name])), "width": float(np.mean(widths[name]))}
        for name in SCORES
    }


def simulate(cases: int, seed: int) -> list[dict[str, Any]]:
    """Return one row a world, size and score."""
    rng, rows = np.random.default_rng(seed), []
    for k in CLUSTERS:
        for confusion in CONFUSION:
            for rarest in RAREST:
                probabilities = world(rng, k, confusion, rarest)
                for n in SIZES:
                    setting = {
                        "k": k,
                        "classes": CLASSES,
                        "confusion": confusion,
                        "rarest": rarest,
                        "n": n,
                        "cases": cases,
                    }
                    rows += [
                        {**setting, "metric": name, **found}
                        for name, found in covered(rng, probabilities, n, cases).items()
                    ]
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of scores by held-out images: share of cases covered, and the worst
    single world.
    """
    sizes = sorted({row["n"] for row in rows})
    lines = [
        "| score | "
        + " | ".join(f"{n:,} images" for n in sizes)
        + " | all | worst world | mean width at 10,000 |",
        "| --- " * (len(sizes) + 4) + "|",
    ]
    for name in SCORES:
        own = [row for row in rows if row["metric"] == name]
        by_size = [np.mean([row["covered"] for row in own if row["n"] == n]) for n in sizes]
        worst = min(own, key=lambda row: row["covered"])
        told = (
            f"{worst['covered']:.1%} (k {worst['k']}, confusion {worst['confusion']},"
            f" rarest {worst['rarest']}, {worst['n']:,} images)"
        )
        width = np.mean([row["width"] for row in own if row["n"] == sizes[-1]])
        lines.append(
            f"| {name} | "
            + " | ".join(f"{x:.1%}" for x in [*by_size, np.mean(by_size)])
            + f" | {told} | {width:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Simulate and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=500, help="simulated splits a world and size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--machine", default="", help="what it runs on, in words")
    parser.add_argument("--out", type=Path, default=REPORT)
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = simulate(arguments.cases, arguments.seed)
    facts = {
        "command": "scripts/bootstrap_coverage.py",
        "seed": arguments.seed,
        "level": intervals.LEVEL,
        "resamples": intervals.REPEATS,
        "cases_a_score": arguments.cases * len(rows) // len(SCORES),
        "machine": arguments.machine,
        "seconds": round(time.perf_counter() - started),
    }
    files.write_json(arguments.out / "results.json", {**facts, "rows": rows})
    fill(arguments.out / "README.md", {"coverage": table(rows)})
    print(json.dumps(facts, indent=2))
    print(table(rows))


if __name__ == "__main__":
    main()
