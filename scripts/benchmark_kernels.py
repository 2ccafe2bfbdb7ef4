#!/usr/bin/env python3
"""Measure how much faster the strong recipe trains with latentlab's kernels than with Keras' own,
on the processor.

usage: scripts/benchmark_kernels.py [--rounds 5] [--steps 10] [--widths 48,64] [--precision
auto|float32|mixed_bfloat16]

Both networks train in one process on the same random images of 32x32, one round of steps in turn,
so that a change in the machine's speed meets both; pair i is round i of each. Images a second and
the pairs' ratios are printed.
"""

import argparse
import contextlib
import statistics
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

from latentlab import backend, recipes
from latentlab.backend import kernels
from latentlab.config import FitOptions
from latentlab.encoders import networks
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer

SHAPE = (32, 32, 3)


class RandomImages:
    """As much of an `ImageSet` as training reads."""

    image_shape = SHAPE

    def __init__(self, count: int) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (count, *SHAPE), dtype=np.uint8)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return images."""
        return self.pixels[indices]


@contextlib.contextmanager
def keras_own() -> Iterator[None]:
    """Build networks without latentlab's kernels."""
    with mock.patch.object(kernels, "hasten"):
        yield


def trainer(width: int, settings: dict[str, Any], images: Any) -> SwAVTrainer:
    """Return the recipe's objective on a new network."""
    model = networks.build("fast8", SHAPE, {"width": width})
    fit = FitOptions(batch_size=settings["batch_size"], epochs=10_000)
    return SwAVTrainer(model, images, fit, SwAVOptions(**settings["objective_options"]))


def compare(width: int, settings: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print one width's figures."""
    images: Any = RandomImages(settings["batch_size"] * arguments.steps)
    everything = np.arange(len(images.pixels))
    with keras_own():
        theirs = trainer(width, settings, images)
        theirs.train_epoch(everything, 1)
    ours = trainer(width, settings, images)
    ours.train_epoch(everything, 1)
    speeds: dict[str, list[float]] = {"keras": [], "latentlab": []}
    for epoch in range(2, arguments.rounds + 2):
        for name, one in (("keras", theirs), ("latentlab", ours)):
            speeds[name].append(one.train_epoch(everything, epoch).images_per_second)
    ratios = [
        mine / other for mine, other in zip(speeds["latentlab"], speeds["keras"], strict=True)
    ]
    medians = ", ".join(
        f"{name} {statistics.median(values):.0f} images/s" for name, values in speeds.items()
    )
    print(
        f"width {width}: {medians}; ratio {statistics.median(ratios):.2f} (pairs"
        f" {min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def main() -> None:
    """Run the pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="a round, of the recipe's batch")
    parser.add_argument("--widths", default="48,64", help="of fast8")
    parser.add_argument(
        "--precision", default="auto", help="auto is what the recipe takes on this machine"
    )
    arguments = parser.parse_args()
    backend.start()
    settings = recipes.fit_settings("strong")
    precision = settings["precision"] if arguments.precision == "auto" else arguments.precision
    print(
        f"{precision}, {backend.versions()['device']}, {settings['batch_size']} images a"
        f" step, {arguments.steps} steps a round"
    )
    backend.set_precision(precision)
    for width in map(int, arguments.widths.split(",")):
        compare(width, settings, arguments)


if __name__ == "__main__":
    main()
