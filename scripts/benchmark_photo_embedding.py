#!/usr/bin/env python3
"""Time embedding of photo files against ONNX Runtime alone on tensors that are ready.

usage: scripts/benchmark_photo_embedding.py ENCODER.onnx PHOTOS
       [--images N] [--side PIXELS] [--pairs N]

It makes N picture files of SIDE x SIDE pixels from the photos below PHOTOS. Each pair times, one
after the other: decoding the files to the encoder's size in threads; ONNX Runtime on the same
images as tensors, 32 at once on all cores, as it comes; and latentlab's own pass from files to
vectors and thumbnails in a run. The ratio is that of the pass to the other two together. Times are
of the wall, and CPU seconds stand beside them, since other programs disturb the former.

Before the first pair all three run once on a few pictures, so that no pair holds what a process
does once, such as imports. What the pass took there is printed first.
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
from latentlab.data.pictures.picture_pass import thread_count
from latentlab.encoders.pretrained.opening import open_pretrained

BATCH = 32  # images that ONNX Runtime alone sees at once
WARM_UP = 64  # pictures


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall and of all cores together."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Pair:
    """The pass beside its parts."""

    decoding: Cost
    running: Cost
    ours: Cost

    @property
    def ratio(self) -> float:
        """Of the wall."""
        return self.ours.wall / (self.decoding.wall + self.running.wall)

    @property
    def cpu_ratio(self) -> float:
        """Of CPU seconds."""
        return self.ours.cpu / (self.decoding.cpu + self.running.cpu)

    def __str__(self) -> str:
        decoding, running, ours = self.decoding, self.running, self.ours
        return (
            f"decoding {decoding.wall:.1f} s, ONNX Runtime {running.wall:.1f} s,"
            f" latentlab {ours.wall:.1f} s (CPU {decoding.cpu:.1f}, {running.cpu:.1f},"
            f" {ours.cpu:.1f}); ratio {self.ratio:.2f}, of CPU {self.cpu_ratio:.2f}"
        )


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
        compare(options.encoder, folder, Path(root), options.pairs)


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


def compare(encoder: str, folder: Path, root: Path, pairs: int) -> None:
    """Time the pass beside its parts, interleaved."""
    few = root / "few"
    few.mkdir()
    for file in sorted(folder.iterdir())[:WARM_UP]:
        shutil.copy(file, few)
    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    first = cost_of(lambda: embed(encoder, few, root / "first-run"))
    print(f"first pass, {len(list(few.iterdir()))} pictures: {first.wall:.1f} s")
    measured(encoder, session, few, root / "run")
    results = []
    for number in range(pairs):
        results.append(measured(encoder, session, folder, root / "run"))
        print(f"pair {number + 1}: {results[-1]}", flush=True)
    wall = statistics.median(pair.ratio for pair in results)
    cpu = statistics.median(pair.cpu_ratio for pair in results)
    print(f"median ratio {wall:.2f}, of CPU seconds {cpu:.2f}")


def measured(
    encoder: str, session: onnxruntime.InferenceSession, folder: Path, run_folder: Path
) -> Pair:
    """Time the three on the pictures of a folder."""
    size = open_pretrained(encoder).card.preprocessing.size
    tensors = decoded(folder, size).astype(np.float32)
    return Pair(
        decoding=cost_of(lambda: decoded(folder, size)),
        running=cost_of(lambda: run_alone(session, tensors)),
        ours=cost_of(lambda: embed(encoder, folder, run_folder)),
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
