#!/usr/bin/env python3
"""Make reports/trust: is the trust statement right where labels say what is useful?

usage: scripts/bench_trust.py [--shared FOLDER] [--work FOLDER] [--machine TEXT] [--out FOLDER]

Half of the runs are useless by construction: noise, shuffled features, a single class, an encoder
that does not fit, a number of clusters far off. Runs and rule were committed before the trial.
The truth of a run is its adjusted Rand index with the classes: useful from trust_rule.USEFUL on.
"do not trust" is right for useless runs, "trust" and "with care" are right for useful ones. Vectors
are kept in --work and finished runs in results.json, and both are skipped.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _reports import fill
from _trust_data import Encoded, encoded

from latentlab.clustering import structure
from latentlab.clustering.trust import MIRRORED, SAMPLE, Clustered, measure
from latentlab.clustering.trust_rule import USEFUL, Grade, judge
from latentlab.features.fitted import fit_features
from latentlab.features.spec import FeatureSpec
from latentlab.storage import files
from latentlab.storage.json_form import to_json

REPORT = Path(__file__).resolve().parent.parent / "reports" / "trust"
COMMAND = "scripts/bench_trust.py"
SEED = 0
UMAP = "l2+umap10"
CATS, DOGS, PANDAS = (0,), (1,), (2,)
ROSES = (2,)


@dataclass(frozen=True)
class Trial:
    """One run of the trial.

    Attributes
    ----------
    meant : {"useful", "useless"}
        By construction.
    why : str
        What makes it so.
    data, encoder : str
        Of `_trust_data`.
    k : int
        Number of clusters.
    features : str
        Steps from the vectors to k-means.
    classes : tuple of int
        Only these; empty: all.
    shuffled : bool
        Each feature is shuffled among the images.
    """

    meant: str
    why: str
    data: str
    encoder: str
    k: int
    features: str = UMAP
    classes: tuple[int, ...] = ()
    shuffled: bool = False


LITE, SQUEEZE, STRONG = "efficientnet-lite0", "squeezenet", "cifar10-strong"
TRIALS = (
    Trial("useful", "animals", "animals", LITE, 3),
    Trial("useful", "animals", "animals", LITE, 3, "l2"),
    Trial("useful", "animals", "animals", SQUEEZE, 3),
    Trial("useful", "cats and pandas", "animals", LITE, 2, UMAP, (0, 2)),
    Trial("useful", "dogs and pandas", "animals", SQUEEZE, 2, UMAP, (1, 2)),
    Trial("useful", "flowers", "flowers", LITE, 5),
    Trial("useful", "flowers", "flowers", SQUEEZE, 5),
    Trial("useful", "dandelion, sunflower and tulip", "flowers", LITE, 3, UMAP, (1, 3, 4)),
    Trial("useful", "CIFAR-10, ten classes", "cifar10-test", LITE, 10),
    Trial("useful", "CIFAR-10, ten classes", "cifar10-test", LITE, 10, "l2"),
    Trial("useful", "CIFAR-10, its own encoder", "cifar10-test", STRONG, 10),
    Trial("useful", "CIFAR-10, vehicles", "cifar10-test", SQUEEZE, 4, UMAP, (0, 1, 8, 9)),
    Trial("useful", "CIFAR-10, five classes", "cifar10-test", LITE, 5, UMAP, (1, 3, 4, 6, 8)),
    Trial("useful", "MNIST", "mnist-test", "pixels", 10, "umap10"),
    Trial("useful", "digits", "digits", "pixels", 10, "code"),
    Trial("useful", "digits", "digits", "hog", 10, "umap10"),
    Trial("useless", "noise with the spectrum of photos", "clouds", LITE, 5),
    Trial("useless", "noise with the spectrum of photos", "clouds", STRONG, 5),
    Trial("useless", "noise without order", "static", LITE, 3),
    Trial("useless", "shuffled features", "animals", LITE, 3, UMAP, (), True),
    Trial("useless", "shuffled features", "mnist-test", "pixels", 10, "umap10", (), True),
    Trial("useless", "one class: cats", "animals", LITE, 3, UMAP, CATS),
    Trial("useless", "one class: roses", "flowers", SQUEEZE, 5, UMAP, ROSES),
    Trial("useless", "one class: horses", "cifar10-test", LITE, 5, UMAP, (7,)),
    Trial("useless", "wrong encoder", "flowers", STRONG, 5),
    Trial("useless", "untrained encoder", "flowers", "untrained", 5, "umap10"),
    Trial("useless", "untrained encoder", "animals", "untrained", 3, "code"),
    Trial("useless", "untrained encoder", "cifar10-test", "untrained", 10, "umap10"),
    Trial("useless", "pixels of photos", "cifar10-test", "pixels", 10, "code"),
    Trial("useless", "k far too large", "animals", LITE, 40),
    Trial("useless", "k far too small", "cifar10-test", LITE, 2),
    Trial("useless", "k far too small", "digits", "pixels", 2, "code"),
)


def clustered(trial: Trial, data: Encoded) -> tuple[Clustered, np.ndarray]:
    """Cluster the data of a trial with k-means; return clusters and classes of the sample."""
    if trial.classes:
        data = data.of(trial.classes)
    count = min(SAMPLE, len(data.vectors))
    vectors = data.vectors[:count]
    mirrored = data.mirrored[:MIRRORED]
    if trial.shuffled:
        vectors = structure.shuffle(vectors, np.random.default_rng(SEED))
        mirrored = mirrored[:0]
    spec = FeatureSpec.parse(trial.features)
    shape = (vectors.shape[1],)
    features = fit_features(spec, [vectors], shape, SEED).transform(vectors)
    labels = structure.kmeans_labels(features, trial.k, SEED, restarts=10)
    return Clustered(
        vectors=vectors,
        clusters=labels,
        spec=spec,
        shape=shape,
        pictures=data.small[:count],
        mirrored=mirrored if len(mirrored) else None,
    ), data.classes[:count]


def row_of(trial: Trial, shared: Path, work: Path) -> dict[str, Any]:
    """Make the trust statement of one run, and only then look at its classes."""
    from sklearn.metrics import adjusted_rand_score

    clusters, classes = clustered(trial, encoded(shared, work, trial.data, trial.encoder))
    started = time.perf_counter()
    measures = measure(clusters, SEED)
    seconds = time.perf_counter() - started
    verdict = judge(measures)
    ari = float(adjusted_rand_score(classes, clusters.clusters))
    purity = sum(
        np.bincount(classes[clusters.clusters == cluster]).max()
        for cluster in np.unique(clusters.clusters)
    ) / len(classes)
    useful = ari >= USEFUL
    return {
        **to_json(trial),
        "images": len(classes),
        "ari": round(ari, 4),
        "purity": round(float(purity), 4),
        "purity_by_chance": round(float(np.bincount(classes).max() / len(classes)), 4),
        "useful": useful,
        "grade": str(verdict.grade),
        "reasons": list(verdict.reasons),
        "right": useful == (verdict.grade != Grade.DO_NOT_TRUST),
        "measures": to_json(measures),
        "agreement": round(measures.agreement, 4),
        "excess": round(measures.separation.excess, 4),
        "support": round(measures.number.support, 4),
        "seconds": round(seconds, 1),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of all runs."""
    lines = [
        "| run | encoder, features | k | images | meant to be | ARI | purity (chance) | apart"
        " | seeds | k's support | colours, edges, pixels | mirror | verdict | right |",
        "| --- " * 14 + "|",
    ]
    for row in rows:
        repeated = row["measures"]["repetition"]
        mirror = row["measures"].get("familiarity")
        cells = (
            f"{row['data']}: {row['why']}",
            f"{row['encoder']}, {row['features']}",
            row["k"],
            row["images"],
            row["meant"],
            f"{row['ari']:.2f}",
            f"{row['purity']:.2f} ({row['purity_by_chance']:.2f})",
            f"{row['excess']:.2f}",
            f"{row['agreement']:.2f}",
            f"{row['support']:.2f}",
            ", ".join(f"{repeated[name]:.2f}" for name in ("colours", "edges", "pixels")),
            "-" if mirror is None else f"{mirror:.2f}",
            row["grade"],
            "yes" if row["right"] else "**no**",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def summary(rows: list[dict[str, Any]]) -> str:
    """Return hits and misses by the truth and by what was meant."""
    lines = ["| runs | right | trust | with care | do not trust |", "| --- " * 5 + "|"]
    groups = {
        "all": rows,
        "useful by their ARI": [row for row in rows if row["useful"]],
        "useless by their ARI": [row for row in rows if not row["useful"]],
        "meant to be useful": [row for row in rows if row["meant"] == "useful"],
        "useless by construction": [row for row in rows if row["meant"] == "useless"],
    }
    for name, members in groups.items():
        grades = [sum(row["grade"] == grade for row in members) for grade in Grade]
        right = sum(row["right"] for row in members)
        lines.append(f"| {name} | {right} of {len(members)} | {' | '.join(map(str, grades))} |")
    return "\n".join(lines)


def main() -> None:
    """Make every run that is not there yet, and the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    parser.add_argument("--shared", type=Path, default=default, help="folder of data")
    parser.add_argument("--work", type=Path, default=Path("runs/trust"))
    parser.add_argument("--machine", default="", help="what it runs on, in words")
    parser.add_argument("--out", type=Path, default=REPORT)
    arguments = parser.parse_args()
    target = arguments.out / "results.json"
    earlier = json.loads(target.read_text())["rows"] if target.exists() else []
    rows = []
    for trial in TRIALS:
        wanted = to_json(trial)
        same = [row for row in earlier if all(row[key] == wanted[key] for key in wanted)]
        rows.append(same[0] if same else row_of(trial, arguments.shared, arguments.work))
        facts = {"command": COMMAND, "seed": SEED, "machine": arguments.machine}
        files.write_json(target, {**facts, "rows": rows})
        last = rows[-1]
        print(
            f"{last['data']:14s}{last['encoder']:20s}k{last['k']:<3d} {last['meant']:8s}"
            f" ARI {last['ari']:.2f} {last['grade']:13s} {last['right']} {last['seconds']} s",
            flush=True,
        )
    fill(arguments.out / "README.md", {"summary": summary(rows), "runs": table(rows)})
    print(summary(rows))


if __name__ == "__main__":
    main()
