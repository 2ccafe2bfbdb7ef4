"""Measure our k-means against scikit-learn's ten restarts: CPU-seconds and inertia, in turns.

usage: python scripts/benchmark_kmeans.py VECTORS.npy --k 10,100 [--restarts 10] [--out FILE]

VECTORS.npy holds float32 (n, d). scikit-learn's KMeans(n_init=10) is its restarts one after the
other, of which the best stays: they run here one by one, with our k-means before them in each
seed. Where ten would take hours, --restarts runs fewer: CPU-seconds are then the mean of those
times ten, and the inertia is the best of those that ran. All run on one thread.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from latentlab.clustering import sampled_kmeans

RESTARTS = 10


@dataclass(frozen=True)
class Row:
    """One seed: CPU-seconds and inertia of both; `restarts` is how many of scikit-learn's ran."""

    n: int
    d: int
    k: int
    seed: int
    restarts: int
    seconds: float
    peer_seconds: float
    inertia: float
    peer_inertia: float
    ratio_to_peer: float
    inertia_ratio: float
    peer: str = "scikit-learn KMeans(n_init=10)"


def measure(vectors: np.ndarray, k: int, seed: int, restarts: int) -> Row:
    """Cluster with both and return what they took and reached.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
    k : int
        Number of clusters.
    seed : int
        Of ours; scikit-learn's restarts have seeds of their own that follow from it.
    restarts : int
        Restarts of scikit-learn that run.
    """
    start = time.process_time()
    ours = sampled_kmeans.fit(vectors, k, RESTARTS, seed)
    seconds = time.process_time() - start
    start = time.process_time()
    models = []
    for restart in range(restarts):
        models.append(KMeans(k, n_init=1, random_state=1000 * seed + restart).fit(vectors))
    peer_seconds = (time.process_time() - start) * RESTARTS / restarts
    best = min(float(model.inertia_) for model in models)
    return Row(
        n=vectors.shape[0],
        d=vectors.shape[1],
        k=k,
        seed=seed,
        restarts=restarts,
        seconds=round(seconds, 2),
        peer_seconds=round(peer_seconds, 2),
        inertia=ours.inertia,
        peer_inertia=best,
        ratio_to_peer=round(peer_seconds / seconds, 2),
        inertia_ratio=round(ours.inertia / best, 6),
    )


def main() -> None:
    """Measure every k and seed; print each row, and add it to the file."""
    parser = argparse.ArgumentParser(description="k-means against scikit-learn's.")
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--k", default="10,100")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    vectors = np.load(arguments.vectors).astype(np.float32)
    sampled_kmeans.THREADS = 1
    with threadpool_limits(1):
        KMeans(2, n_init=1).fit(vectors[:100])  # imports are not measured
        for k in map(int, arguments.k.split(",")):
            for seed in range(arguments.seeds):
                row = asdict(measure(vectors, k, seed, arguments.restarts))
                print(json.dumps(row), flush=True)
                if arguments.out:
                    before = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
                    arguments.out.write_text(json.dumps([*before, row], indent=1) + "\n")


if __name__ == "__main__":
    main()
