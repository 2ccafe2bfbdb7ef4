#!/usr/bin/env python3
"""Measure the encoders at hand for `latentlab encoders`: speed, feature size, purity.

usage: scripts/measure_encoders.py [--table FILE] [--images N]

Speed is that of embedding N images of the encoder's size that are in memory, on all cores; each
encoder is measured three times in turn, and the median counts. Purities are those of the default
head in the table of scripts/bench_folders.py, means over its seeds; shipped encoders have that of
their own description on CIFAR-10 too. It writes latentlab/encoders/measured.json.
"""

import argparse
import csv
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _reports import REPORTS

from latentlab import backend
from latentlab.encoders.at_hand import MEASURED, EncoderEntry, encoders_at_hand
from latentlab.encoders.embedding import encode
from latentlab.encoders.pretrained.opening import is_pretrained, open_pretrained
from latentlab.encoders.ready_made import shipped
from latentlab.storage.files import write_json

ROUNDS = 3
DEFAULT_HEAD = "default"
NOISE = "noise"  # a folder of the bench, whose classes mean nothing
CIFAR10 = "CIFAR-10"

Encode = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Measure all encoders and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--table", type=Path, default=REPORTS / "photos" / "table.csv")
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    backend.set_precision("float32")

    entries = [entry for entry in encoders_at_hand() if entry.is_at_hand]
    encodings = {entry.name: encoding_of(entry) for entry in entries}
    seconds: dict[str, list[float]] = defaultdict(list)
    sizes = {}
    for _ in range(ROUNDS):
        for entry in entries:
            pixels = random_images(options.images, entry.input_size)
            encodings[entry.name](pixels[:32])  # networks are compiled at their first use
            started = time.perf_counter()
            sizes[entry.name] = int(encodings[entry.name](pixels).shape[1])
            seconds[entry.name].append(time.perf_counter() - started)

    purities = purities_in(options.table)
    measured = {}
    for entry in entries:
        speed = options.images / statistics.median(seconds[entry.name])
        measured[entry.name] = {
            "feature_size": sizes[entry.name],
            "images_per_second": round(speed, 1),
            "purity": own_purity(entry.name) | purities.get(entry.name, {}),
        }
        print(f"{entry.name}: {measured[entry.name]}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    write_json(MEASURED, {"machine": machine, "encoders": measured})


def encoding_of(entry: EncoderEntry) -> Encode:
    """Return the function from uint8 images to features."""
    if is_pretrained(entry.name):
        return open_pretrained(entry.name).encode
    network = shipped().load(entry.name)[0].embedder
    return lambda pixels: encode(network, pixels)


def random_images(count: int, size: int) -> np.ndarray:
    """Return random images; the speed of a network does not depend on what they show."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def own_purity(name: str) -> dict[str, float]:
    """Return the held-out purity that a shipped encoder's description has measured on CIFAR-10."""
    if is_pretrained(name):
        return {}
    cost = shipped().describe(name).cost or {}
    scores = cost.get("stored", {}).get("imc")
    return {CIFAR10: scores["purity"]} if scores else {}


def purities_in(table: Path) -> dict[str, dict[str, float]]:
    """Return encoder -> folder -> mean purity of the default head."""
    by_encoder: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["head"] == DEFAULT_HEAD and row["folder"] != NOISE:
                by_encoder[row["encoder"]][row["folder"]].append(float(row["purity"]))
    return {
        encoder: {folder: round(statistics.mean(values), 3) for folder, values in folders.items()}
        for encoder, folders in by_encoder.items()
    }


if __name__ == "__main__":
    main()
