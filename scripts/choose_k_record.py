#!/usr/bin/env python3
"""Make reports/choose-k: how often `latentlab choose-k` finds a number of clusters that is known,
on 20 synthetic data sets.

usage: scripts/choose_k_record.py [--close] [--seed 0] [--machine TEXT] [--out FOLDER]

Each set is a mixture of round Gaussians of unit variance in a code space of 8 or 16 dimensions, its
centers at least SEPARATION apart; in every other set the largest cluster has five times the images
of the smallest. Most centers are much further apart than that; with --close the mean distance is
1.5 times the least. Every set is searched over the same range of k. Finished sets are kept in
results.json, or results-close.json, and skipped.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from _reports import fill

from latentlab.clustering import choose_k
from latentlab.storage import files

REPORT = Path(__file__).resolve().parent.parent / "reports" / "choose-k"
TRUE = (2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 22, 25, 28, 30)
KS = range(2, 37)
SEPARATION = (4.5, 6.0, 8.0)  # standard deviations of a cluster: from touching to apart
IMAGES = 25  # a cluster on average, and at least 400 in all
IMBALANCE = 5


def blobs(number: int, seed: int, close: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Return set `number`: vectors, float32 (n, d), and what they are."""
    rng = np.random.default_rng([seed, number])
    k, dims, apart, uneven = (
        TRUE[number],
        (8, 16)[number // 2 % 2],
        SEPARATION[number % len(SEPARATION)],
        number % 2 == 1,
    )
    spread = 1.5 * apart / np.sqrt(2 * dims) if close else apart
    centers: list[np.ndarray] = []
    while len(centers) < k:
        center = rng.normal(0, spread, dims)
        if all(np.linalg.norm(center - other) >= apart for other in centers):
            centers.append(center)
    shares = np.geomspace(1, 1 / IMBALANCE if uneven else 1, k)
    sizes = np.round(shares / shares.sum() * max(400, IMAGES * k)).astype(int)
    vectors = np.concatenate(
        [rng.normal(center, 1, (size, dims)) for center, size in zip(centers, sizes, strict=True)]
    )
    facts = {
        "set": number,
        "k": k,
        "dims": dims,
        "separation": apart,
        "uneven": uneven,
        "images": len(vectors),
    }
    return rng.permutation(vectors).astype(np.float32), facts


def record(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of how often each criterion and the recommendation come near the
    known k.
    """
    lines = [
        "| | exact | within 1 | within 1, even | within 1, uneven | within 1, k above 15 |",
        "| --- " * 6 + "|",
    ]
    for name in ("recommended", *choose_k.CRITERIA):
        errors = {row["set"]: abs(row["chosen"][name] - row["k"]) for row in rows}

        def near(
            kept: list[dict[str, Any]], most: int = choose_k.NEAR, errors: dict[int, int] = errors
        ) -> str:
            return f"{sum(errors[row['set']] <= most for row in kept)} of {len(kept)}"

        parts = [
            [row for row in rows if not row["uneven"]],
            [row for row in rows if row["uneven"]],
            [row for row in rows if row["k"] > 15],
        ]
        lines.append(
            f"| {name} | {near(rows, 0)} | {near(rows)} | "
            + " | ".join(near(part) for part in parts)
            + " |"
        )
    return "\n".join(lines)


def sets(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of all sets."""
    names = ("recommended", *choose_k.CRITERIA)
    lines = [
        "| known k | images | dimensions | separation | sizes | " + " | ".join(names) + " |",
        "| --- " * (5 + len(names)) + "|",
    ]
    for row in rows:
        facts = (
            row["k"],
            row["images"],
            row["dims"],
            row["separation"],
            "uneven" if row["uneven"] else "even",
        )
        lines.append(
            f"| {' | '.join(map(str, facts))} | "
            + " | ".join(str(row["chosen"][name]) for name in names)
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Search every set that is not done yet, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--close", action="store_true", help="centers close together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--machine", default="", help="what it runs on, in words")
    parser.add_argument("--out", type=Path, default=REPORT)
    arguments = parser.parse_args()
    suffix = "-close" if arguments.close else ""
    target = arguments.out / f"results{suffix}.json"
    facts = {
        "command": f"scripts/choose_k_record.py{' --close' if arguments.close else ''}",
        "seed": arguments.seed,
        "machine": arguments.machine,
        "ks": [KS[0], KS[-1]],
    }
    kept = json.loads(target.read_text()) if target.exists() else {}
    rows = kept["rows"] if {name: kept.get(name) for name in facts} == facts else []
    for number in range(len(rows), len(TRUE)):
        started = time.perf_counter()
        vectors, what = blobs(number, arguments.seed, arguments.close)
        found = choose_k.choose(vectors, KS, arguments.seed)
        rows.append(
            {
                **what,
                "chosen": {"recommended": found.k, **found.choices},
                "reason": found.reason,
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
        files.write_json(target, {**facts, "rows": rows})
        print(rows[-1], flush=True)
    fill(
        arguments.out / "README.md", {f"record{suffix}": record(rows), f"sets{suffix}": sets(rows)}
    )
    print(record(rows))


if __name__ == "__main__":
    main()
