"""Lay a sample of the codes out in two dimensions with UMAP: for looking at, never for clustering or scores.

Distances between groups of the map, and the sizes of groups, mean nothing; who is whose neighbour mostly does, and the
trustworthiness (Venna and Kaski 2001) says how far.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab import backend, embedding, tables
from latentlab.errors import DataError
from latentlab.files import write_json
from latentlab.progress import log
from latentlab.run import Run

PCA_DIMS = 50
NEIGHBORS = 15
MIN_DIST = 0.1
CHECKED = 2000


def write(run: Run, sample: int, seed: int) -> list[Path]:
    """Write projection/umap.parquet (id, split, x, y) and projection/umap.json (the facts of the map); return both paths.

    Parameters
    ----------
    sample : int
        At most this many images, drawn at random from both splits; umap.json keeps the number.
    seed : int
        Of the sample and of UMAP.

    Raises
    ------
    DataError
        If there are fewer than 5 images, of which no map can be made.
    """
    folder = run.path / "embeddings"
    ids, splits = embedding.read_index(folder)
    chosen = sample_indices(len(ids), sample, seed)
    if len(chosen) < 5:
        raise DataError(f"{run.path}: a map needs at least 5 images, there are {len(chosen)}.")
    vectors = _reduce(_read_codes(folder, chosen), seed)
    log.info("project: UMAP of %d of %d images", len(chosen), len(ids))
    xy = lay_out(vectors, seed)
    facts = _facts(vectors, xy, len(ids), seed)
    table = pa.table({"id": ids[chosen].tolist(), "split": splits[chosen].tolist(), "x": xy[:, 0], "y": xy[:, 1]})
    write_json(run.path / "projection" / "umap.json", facts)
    return [tables.write(run.path / "projection" / "umap.parquet", table), run.path / "projection" / "umap.json"]


def sample_indices(n_images: int, sample: int, seed: int) -> np.ndarray:
    """Return at most `sample` of the positions 0..n_images-1, drawn without replacement, in order."""
    if n_images <= sample:
        return np.arange(n_images)
    return np.sort(np.random.default_rng([seed, 30]).choice(n_images, sample, replace=False))


def lay_out(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return UMAP's two coordinates, float32 (n, 2), of vectors (n, d): 15 neighbours, minimal distance 0.1."""
    with backend.frameworks_hidden():
        import umap

    few = len(vectors) <= 2 * NEIGHBORS  # the spectral start needs more points than that
    mapper = umap.UMAP(
        n_neighbors=min(NEIGHBORS, len(vectors) - 1), min_dist=MIN_DIST, init="random" if few else "spectral", random_state=seed, n_jobs=1
    )
    return mapper.fit_transform(vectors).astype(np.float32)


def _read_codes(folder: Path, chosen: np.ndarray) -> np.ndarray:
    """Return the codes, or embeddings where there are, at the sorted positions `chosen`, part by part, so that memory holds the sample only."""
    kept, start = [], 0
    for codes in embedding.read_parts(folder, column=embedding.columns(folder)[-1]):
        inside = chosen[(chosen >= start) & (chosen < start + len(codes))] - start
        kept.append(codes[inside])
        start += len(codes)
    return np.concatenate(kept)


def _reduce(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return the leading principal components: neighbours cost less to find, and hardly change."""
    from sklearn.decomposition import PCA

    if vectors.shape[1] <= PCA_DIMS:
        return vectors
    return PCA(min(PCA_DIMS, len(vectors)), svd_solver="randomized", random_state=seed).fit_transform(vectors).astype(np.float32)


def _facts(vectors: np.ndarray, xy: np.ndarray, n_images: int, seed: int) -> dict[str, Any]:
    from sklearn.manifold import trustworthiness

    checked = sample_indices(len(xy), CHECKED, seed)
    neighbors = min(NEIGHBORS, (len(checked) - 1) // 2)
    return {
        "method": "UMAP",
        "images": len(xy),
        "of": n_images,
        "n_neighbors": NEIGHBORS,
        "min_dist": MIN_DIST,
        "pca_dims": vectors.shape[1],
        "seed": seed,
        "trustworthiness": round(float(trustworthiness(vectors[checked], xy[checked], n_neighbors=neighbors)), 4),
        "trustworthiness_images": len(checked),
    }
