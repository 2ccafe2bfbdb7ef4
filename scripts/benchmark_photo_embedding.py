#!/usr/bin/env python3
"""Time embedding of photo files against ONNX Runtime alone on tensors that are ready.

usage: scripts/benchmark_photo_embedding.py ENCODER.onnx PHOTOS
       [--images N] [--side PIXELS] [--pairs N]

It makes N picture files of SIDE x SIDE pixels from the photos below PHOTOS. Each pair times, one
after the other: decoding the files to the encoder's size in threads; ONNX Runtime on the same
images as tensors; and latentlab's own pass from files to vectors and thumbnails in a run. The
ratio is that of the pass to the other two together. Times are of the wall, and CPU seconds stand
beside them, since other programs disturb the former.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

from latentlab import pipeline
from latentlab.config import DataOptions
from latentlab.data.picture_pass import thread_count
from latentlab.encoders.pretrained.opening import open_pretrained

BATCH = 32  # images that ONNX Runtime sees at once, as in latentlab


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall and of all cores together."""

    wall: float
    cpu: float


def main() -> None:
    """Print each pair and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoder")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=348)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "pictures"
        make_pictures(options.photos, folder, options.images, options.side)
        compare(options.encoder, folder, Path(root) / "run", options.pairs)


def make_pictures(photos: Path, folder: Path, count: int, side: int) -> None:
    """Write `count` JPEG files of one size, made of the photos in turn."""
    sources = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not sources:
        raise SystemExit(f"{photos} holds no .jpg files")
    folder.mkdir(parents=True)
    for number in range(count):
        with Image.open(sources[number % len(sources)]) as photo:
            picture = ImageOps.fit(photo.convert("RGB"), (side, side))
        picture.save(folder / f"{number:05d}.jpg", quality=90)


def compare(encoder: str, folder: Path, run_folder: Path, pairs: int) -> None:
    """Time the pass beside its parts, interleaved."""
    size = open_pretrained(encoder).card.preprocessing.size
    tensors = decoded(folder, size).astype(np.float32)
    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    ratios = []
    cpu_ratios = []
    for number in range(pairs):
        decoding = cost_of(lambda: decoded(folder, size))
        running = cost_of(lambda: run_alone(session, tensors))
        ours = cost_of(lambda: embed(encoder, folder, run_folder))
        ratios.append(ours.wall / (decoding.wall + running.wall))
        cpu_ratios.append(ours.cpu / (decoding.cpu + running.cpu))
        print(
            f"pair {number + 1}: decoding {decoding.wall:.1f} s, ONNX Runtime {running.wall:.1f} s,"
            f" latentlab {ours.wall:.1f} s (CPU {decoding.cpu:.1f}, {running.cpu:.1f},"
            f" {ours.cpu:.1f}); ratio {ratios[-1]:.2f}, of CPU {cpu_ratios[-1]:.2f}"
        )
    print(
        f"median ratio {statistics.median(ratios):.2f}, of CPU seconds"
        f" {statistics.median(cpu_ratios):.2f}"
    )


def decoded(folder: Path, size: int) -> np.ndarray:
    """Return all pictures, uint8 (n, size, size, 3), decoded in threads."""

    def pixels(path: Path) -> np.ndarray:
        with Image.open(path) as picture:
            fitted = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
        return np.asarray(fitted)

    with ThreadPoolExecutor(thread_count()) as pool:
        return np.stack(list(pool.map(pixels, sorted(folder.iterdir()))))


def run_alone(session: onnxruntime.InferenceSession, tensors: np.ndarray) -> None:
    """Run the network on float32 tensors that are ready."""
    name = session.get_inputs()[0].name
    output = [session.get_outputs()[0].name]
    for start in range(0, len(tensors), BATCH):
        session.run(output, {name: tensors[start : start + BATCH]})


def embed(encoder: str, folder: Path, run_folder: Path) -> None:
    """Make a run of the files and embed them."""
    if run_folder.exists():
        shutil.rmtree(run_folder)
    pipeline.embed(pipeline.use_encoder(DataOptions(data=str(folder)), encoder, run_folder))


def cost_of(work: Callable[[], object]) -> Cost:
    """Return what a piece of work costs."""
    wall = time.perf_counter()
    cpu = time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()
