"""Vectors of another program, with and without their images."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASSES = "abcd"
DIMS = 8


def make_vectors(count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return vectors (count, 8) in four groups, and the name of each one's group."""
    groups = np.arange(count) % len(CLASSES)
    noise = np.random.default_rng(seed).normal(size=(count, DIMS))
    vectors = (noise + 6 * np.eye(DIMS)[groups]).astype(np.float32)
    return vectors, [CLASSES[group] for group in groups]


def write_vectors(target, vectors, **columns):
    """Write a parquet file of vectors and other columns."""
    pq.write_table(pa.table({**columns, "embedding": list(vectors)}), target)
    return target


def write_pictures(folder, groups: list[str]) -> list[str]:
    """Write a picture for each vector, in a folder for each group; return their paths in it."""
    paths = []
    rng = np.random.default_rng(1)
    for number, group in enumerate(groups):
        path = f"{group}/{number:04d}.png"
        (folder / group).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (24, 20, 3)) + 45 * CLASSES.index(group)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / path)
        paths.append(path)
    return paths
