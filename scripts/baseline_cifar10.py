#!/usr/bin/env python3
"""Make reports/cifar10-baseline: plain autoencoder codes against raw pixels on all of CIFAR-10, over three seeds.

usage: scripts/baseline_cifar10.py [--data-dir FOLDER] [--work FOLDER] [--only fit|score|report]

Every step is resumable: finished runs and scores are kept in --work and skipped, a killed one goes on where it
stopped. No label is read before all fitting and clustering of a run is done, and none takes part in a choice.
"""

import argparse
import logging
from pathlib import Path

from latentlab import backend

backend.select()

from latentlab import pipeline  # noqa: E402
from latentlab.config import FitOptions  # noqa: E402
from latentlab.sources import DataOptions  # noqa: E402

SEEDS = (0, 1, 2)
ENCODERS = {
    "conv8": {"arch": "conv8", "epochs": 15},
    "blog": {"arch": "blog", "epochs": 10, "schedule": "constant"},
    "pool-unpool": {"arch": "pool-unpool", "epochs": 10},
    "pool-unpool-switches": {"arch": "pool-unpool", "epochs": 10, "arch_options": {"switches": True}},
}
RATES = (0.01, 0.0001)


def fits(data: DataOptions, work: Path) -> None:
    """Train every encoder with every seed, then the blog's network with its two other learning rates."""
    for seed in SEEDS:
        for name, settings in ENCODERS.items():
            logging.info("%s, seed %d", name, seed)
            pipeline.fit(data, FitOptions(**settings, seed=seed), work / f"{name}-seed{seed}")
    for rate in RATES:
        pipeline.fit(data, FitOptions(**ENCODERS["blog"], learning_rate=rate), work / f"blog-rate{rate:g}-seed0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where CIFAR-10 lies; default: the Keras cache or a download")
    parser.add_argument("--work", type=Path, default=Path("runs/cifar10-baseline"))
    parser.add_argument("--only", choices=["fit", "score", "report"])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir)
    if arguments.only in (None, "fit"):
        fits(data, arguments.work)


if __name__ == "__main__":
    main()
