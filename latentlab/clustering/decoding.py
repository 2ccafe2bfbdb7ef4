"""What the decoder makes of the mean code of each cluster, and of the ways from one to the next: clusters/<name>/decoded.npz."""

from pathlib import Path

import numpy as np

from latentlab.encoders import embedding
from latentlab.encoders.networks import Model
from latentlab.storage import tables
from latentlab.storage.files import atomic_path
from latentlab.storage.run import Run

PATH_STEPS = 8


def write(run: Run, name: str, k: int, model: Model) -> Path:
    """Write decoded.npz of clusters that stand on the run's own codes; return its path.

    Clusters of methods that train the encoder too have other codes: `latentlab.refinement.refined` writes theirs.
    """
    folder = run.path / "clusters" / name
    cluster = np.asarray(tables.read(folder / "assignments.parquet", ["cluster"])["cluster"])
    sums, counts, start = np.zeros((k, int(np.prod(model.code_shape)))), np.zeros(k), 0
    for codes in embedding.read_parts(run.path / "embeddings", column="code"):
        own = cluster[start : start + len(codes)]
        np.add.at(sums, own, codes)
        np.add.at(counts, own, 1)
        start += len(codes)
    return save(folder / "decoded.npz", model, sums / np.maximum(counts, 1)[:, None])


def save(path: Path, model: Model, means: np.ndarray) -> Path:
    """Write "centroids", uint8 (k, height, width, channels), of mean codes (k, d), and "paths" (k, steps, ...) to the next one's."""
    share = np.linspace(0, 1, PATH_STEPS)[None, :, None]
    paths = (1 - share) * means[:, None] + share * np.roll(means, -1, axis=0)[:, None]
    flat = np.concatenate([means, paths.reshape(-1, means.shape[1])]).astype(np.float32)
    pictures = np.asarray(model.decoder.predict_on_batch(flat.reshape(-1, *model.code_shape)))  # type: ignore[union-attr]
    pixels = (pictures.clip(0, 1) * 255).round().astype(np.uint8)
    k = len(means)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file, centroids=pixels[:k], paths=pixels[k:].reshape(k, PATH_STEPS, *pixels.shape[1:])
        )
    return path
