#!/usr/bin/env python3
"""Print a digest of the assignments that fixed seeds give, to compare two checkouts on one machine.

usage: scripts/assignment_digests.py WORK_FOLDER [DATA_FOLDER]

Runs small fits and clusterings through the command line, on scikit-learn's digits and, with
DATA_FOLDER, on parts of MNIST and CIFAR-10 (a folder with mnist.npz and cifar-10-batches-bin). Each
line names a clustering and the SHA-256 of its ids and clusters. Two checkouts agree where their
lines are the same; other machines may round differently.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
SMALL_SWAV = {
    "width": 8,
    "code_channels": 4,
    "prototypes": 16,
    "projection": 16,
    "hidden": 16,
    "n_small": 0,
    "optimizer": "muon",
    "steps_per_call": 4,
}
FEW_STEPS = ("--set", "max_steps=20", "--set", "interval=10")
ON_CODES = (
    ("--method", "kmeans"),
    ("--method", "kmeans", "--features", "whiten+l2"),
    ("--method", "kmeans", "--features", "umap5", "--seed", "3"),
    ("--method", "kmeans", "--minibatch-above", "1000", "--name", "minibatch"),
    ("--method", "gmm"),
    ("--method", "n2d"),
    ("--method", "scan"),
    ("--method", "temi"),
    ("--method", "dec", *FEW_STEPS),
    ("--method", "idec", *FEW_STEPS),
    ("--method", "dcec", "--set", "start=n2d", *FEW_STEPS),
    ("--method", "dcn", *FEW_STEPS),
    ("--method", "vade", *FEW_STEPS),
    ("--method", "kmeans", "--seeds", "3"),
)
ON_MAPS = ("--method", "kmeans", "--features", "pool+whiten+l2")
ON_EMBEDDINGS = (
    ("--method", "kmeans"),
    ("--method", "imc"),
    ("--method", "scan", "--features", "averaged+project+l2"),
    ("--method", "selflabel", "--set", "start=imc", *FEW_STEPS),
    ("--method", "consistency", *FEW_STEPS),
)


def latentlab(*arguments: str) -> None:
    """Run one command line of this checkout."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "latentlab", "-q", *arguments]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def digest(path: Path) -> str:
    """Return the SHA-256 of ids and clusters in an assignments file."""
    table = pq.read_table(path, columns=["id", "cluster"], partitioning=None)
    text = repr((table["id"].to_pylist(), table["cluster"].to_pylist()))
    return hashlib.sha256(text.encode()).hexdigest()


def print_digests(run: Path) -> None:
    """Print a line for each clustering of a run."""
    for path in sorted(run.glob("clusters/*/assignments.parquet")):
        print(run.name, path.parent.name, digest(path), flush=True)


def cluster_all(run: Path, clusterings: Iterable[tuple[str, ...]]) -> None:
    """Make clusterings of ten clusters and print their digests."""
    for arguments in clusterings:
        latentlab("cluster", "--run", str(run), "--k", "10", *arguments)
    print_digests(run)


def digits(work: Path) -> None:
    """Cluster the digits by every method, on the code and on SwAV's embedding."""
    code = work / "digits-code"
    arguments = "--data digits --size 16 --arch dcec --epochs 3 --batch-size 50".split()
    latentlab("fit", *arguments, "--run", str(code))
    cluster_all(code, ON_CODES)
    latentlab("cluster", "--run", str(code), "--method", "hdbscan")
    swav = work / "digits-swav"
    settings: list[str] = []
    for name, value in SMALL_SWAV.items():
        settings += ["--set", f"{name}={value}"]
    arguments = "--data digits --size 16 --arch fast8 --objective swav".split()
    arguments += "--epochs 3 --batch-size 64 --patience 0".split()
    latentlab("fit", *arguments, *settings, "--run", str(swav))
    cluster_all(swav, ON_EMBEDDINGS)
    shipped = work / "digits-shipped"
    arguments = "--encoder cifar10-strong --data digits --recipe strong --k 10".split()
    latentlab("cluster", *arguments, "--run", str(shipped))
    print_digests(shipped)


def real(work: Path, data: Path) -> None:
    """Cluster parts of MNIST and CIFAR-10."""
    for name in ("mnist", "cifar10"):
        run = work / name
        fit = ("--data", name, "--data-dir", str(data), "--limit", "600", "--epochs", "2")
        latentlab("fit", *fit, "--batch-size", "50", "--run", str(run))
        cluster_all(run, (ON_CODES[0], ON_MAPS, ON_CODES[8]))


def main() -> None:
    """Do what the command line says."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    work = Path(sys.argv[1])
    digits(work)
    if len(sys.argv) == 3:
        real(work, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
