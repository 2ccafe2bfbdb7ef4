#!/usr/bin/env python3
"""Measure whether the memory that embedding takes grows with the number of images.

usage: scripts/benchmark_embedding.py [--counts 10000,25000,50000] [--json FILE]

For each count, a process of its own opens a .npy file of random 32x32 RGB images, builds conv8
(untrained: the weights' values cost nothing) and embeds all images with
`latentlab.encoders.embedding.Embeddings`, which is what `latentlab embed` calls. The peak is the
largest resident size the operating system saw of that process, the mapped part of the file
included.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (32, 32, 3)
CHUNK = 1000
COMMAND = "scripts/benchmark_embedding.py"


def write_images(path: Path, count: int) -> None:
    """Write `count` random uint8 images, little by little: a child's peak begins with the size of
    the parent that starts it.
    """
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (count, *SHAPE)}
        )
        for start in range(0, count, CHUNK):
            file.write(rng.bytes(min(CHUNK, count - start) * int(np.prod(SHAPE))))


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def embed(images_file: Path, folder: Path) -> None:
    """Be the measured process: embed, then print the figures as JSON."""
    from latentlab.config import DataOptions
    from latentlab.data.opening import open_images
    from latentlab.encoders import networks
    from latentlab.encoders.embedding import Embeddings

    model = networks.build("conv8", SHAPE)
    start = peak_mib()
    images = open_images(DataOptions(data=str(images_file)))
    started = time.perf_counter()
    parts = Embeddings(folder).write(model, images)
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {"start_mib": start, "peak_mib": peak_mib(), "seconds": seconds, "parts": len(parts)}
        )
    )


def measure(count: int) -> dict[str, Any]:
    """Embed `count` images in a new process and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        images_file = Path(folder) / "images.npy"
        write_images(images_file, count)
        command = [sys.executable, __file__, "--worker", str(images_file), folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(
                f"error: embedding {count} images ended with exit code {done.returncode}, see"
                " above."
            )
        return {"images": count, **json.loads(done.stdout.splitlines()[-1])}


def rows_of(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a count, in the form of results.json."""
    common = {
        "dataset": "random",
        "split": "all",
        "metric": "peak_mib",
        "std": None,
        "low": None,
        "high": None,
        "seeds": 1,
        "chance": None,
    }
    device = f"cpu-{os.cpu_count()}"
    return [
        {
            **common,
            "method": "conv8 embedding",
            "images": row["images"],
            "mean": round(row["peak_mib"], 1),
            "seconds": round(row["seconds"], 1),
            "device": device,
            "command": COMMAND,
        }
        for row in measured
    ]


def main() -> None:
    """Measure every count, print a table, and write --json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--counts", default="10000,25000,50000", help="numbers of images, separated by commas"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--worker", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        embed(*arguments.worker)
        return
    print(
        f"{'images':>8} {'their MiB':>10} {'MiB before':>11} {'peak MiB':>9} {'seconds':>8}"
        f" {'images/s':>9}"
    )
    measured = []
    for count in map(int, arguments.counts.split(",")):
        row = measure(count)
        size = count * int(np.prod(SHAPE)) / 2**20
        speed = count / row["seconds"]
        print(
            f"{count:>8} {size:>10.0f} {row['start_mib']:>11.0f} {row['peak_mib']:>9.0f}"
            f" {row['seconds']:>8.1f} {speed:>9.0f}",
            flush=True,
        )
        measured.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows_of(measured), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
