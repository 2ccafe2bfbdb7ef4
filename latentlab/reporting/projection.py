"""Lay a sample of the codes out in two dimensions with UMAP: for looking at, never for clustering or scores.

Where the encoder goes on above its code it is the embeddings, and where the fit has trained a projection head above them, what that makes
of them, scaled to length 1: what is clustered.

Distances between groups of the map, and the sizes of groups, mean nothing; who is whose neighbour mostly does, and the
trustworthiness and the continuity (Venna and Kaski 2001) say how far, and how much of it another seed changes.
"""

import io
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab import backend
from latentlab.encoders import embedding, model_files
from latentlab.errors import DataError
from latentlab.features import feature_steps
from latentlab.progress import bars_shown, log, track
from latentlab.storage import tables
from latentlab.storage.files import write_json
from latentlab.storage.run import Run
from latentlab.training import prototypes

PCA_DIMS = 50
NEIGHBORS = 15
MIN_DIST = 0.1
CHECKED = 2000  # images whose neighbours are looked at
SPREAD = 1000  # of them are laid out again with other seeds
SEEDS = 3


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
    with track("project", 100) as bar:
        bar.update(0, "principal components")
        vectors = _reduce(vectors_at(run, chosen), seed)
        log.info("project: UMAP of %d of %d images", len(chosen), len(ids))
        bar.update(3, "UMAP: nearest neighbours")
        epochs = (
            _Epochs(lambda share, text: bar.update(25 + round(60 * share), f"UMAP: epoch {text}"))
            if bars_shown()
            else None
        )
        xy = lay_out(vectors, seed, epochs)
        bar.update(85, "how faithful the map is")
        facts = {**_facts(vectors, xy, len(ids), seed), "features": mapped(run)}
    table = pa.table(
        {"id": ids[chosen].tolist(), "split": splits[chosen].tolist(), "x": xy[:, 0], "y": xy[:, 1]}
    )
    write_json(run.path / "projection" / "umap.json", facts)
    return [
        tables.write(run.path / "projection" / "umap.parquet", table),
        run.path / "projection" / "umap.json",
    ]


def sample_indices(n_images: int, sample: int, seed: int) -> np.ndarray:
    """Return at most `sample` of the positions 0..n_images-1, drawn without replacement, in order."""
    if n_images <= sample:
        return np.arange(n_images)
    return np.sort(np.random.default_rng([seed, 30]).choice(n_images, sample, replace=False))


class _Epochs(io.TextIOBase):
    """The file that UMAP's progress bar is written to: it takes "3/200" and tells the share."""

    def __init__(self, tell: Callable[[float, str], None]) -> None:
        self._told = tell

    def write(self, text: str) -> int:
        if found := re.search(r"(\d+)/(\d+)", text):
            self._told(int(found[1]) / int(found[2]), f"{found[1]} of {found[2]}")
        return len(text)


def lay_out(vectors: np.ndarray, seed: int, epochs: _Epochs | None = None) -> np.ndarray:
    """Return UMAP's two coordinates, float32 (n, 2), of vectors (n, d): 15 neighbours, minimal distance 0.1; `epochs` is told of its progress."""
    with backend.frameworks_hidden():
        import umap

    few = len(vectors) <= 2 * NEIGHBORS  # the spectral start needs more points than that
    mapper = umap.UMAP(
        n_neighbors=min(NEIGHBORS, len(vectors) - 1),
        min_dist=MIN_DIST,
        init="random" if few else "spectral",
        random_state=seed,
        n_jobs=1,
        tqdm_kwds=None
        if epochs is None
        else {
            "disable": False,
            "file": epochs,
            "bar_format": "{n_fmt}/{total_fmt}",
            "mininterval": 0.3,
        },
    )
    return mapper.fit_transform(vectors).astype(np.float32)


def mapped(run: Run) -> str:
    """Return what of an image is mapped, as `--features` names it."""
    return (
        feature_steps.PROJECTED
        if prototypes.are_there(run)
        else "embedding"
        if model_files.has_embedding(run)
        else "code"
    )


def vectors_at(run: Run, chosen: np.ndarray) -> np.ndarray:
    """Return what is mapped, float32 (n, d), at sorted positions, read part by part, so that memory holds these only."""
    folder, spec = run.path / "embeddings", mapped(run)
    kept, start = [], 0
    for codes in embedding.read_parts(folder, column=feature_steps.column(spec)):
        inside = chosen[(chosen >= start) & (chosen < start + len(codes))] - start
        kept.append(codes[inside])
        start += len(codes)
    codes = np.concatenate(kept)
    return feature_steps.fit(spec, [], codes.shape[1:], 0, head=prototypes.head(run)).transform(
        codes
    )


def _reduce(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return the leading principal components: neighbours cost less to find, and hardly change."""
    from sklearn.decomposition import PCA

    if vectors.shape[1] <= PCA_DIMS:
        return vectors
    return (
        PCA(min(PCA_DIMS, len(vectors)), svd_solver="randomized", random_state=seed)
        .fit_transform(vectors)
        .astype(np.float32)
    )


def faithfulness(vectors: np.ndarray, xy: np.ndarray) -> dict[str, float]:
    """Return trustworthiness and continuity of a map (n, 2) of vectors (n, d), in [0, 1] (Venna and Kaski 2001, 2006).

    Trustworthiness falls where images are near in the map that are not among the nearest by their vectors, continuity where
    near ones were torn apart: it is the trustworthiness with the roles of map and vectors exchanged.
    """
    from sklearn.manifold import trustworthiness

    neighbors = min(NEIGHBORS, (len(xy) - 1) // 2)
    told = {
        "trustworthiness": trustworthiness(vectors, xy, n_neighbors=neighbors),
        "continuity": trustworthiness(xy, vectors, n_neighbors=neighbors),
    }
    return {name: round(float(value), 4) for name, value in told.items()}


def kept_neighbors(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of each point's nearest ones in one map, (n, 2), that are so in another one too, on average."""
    from sklearn.neighbors import NearestNeighbors

    count = min(NEIGHBORS, len(first) - 1)
    one, other = (
        NearestNeighbors(n_neighbors=count).fit(xy).kneighbors(return_distance=False)
        for xy in (first, second)
    )
    return float(
        np.mean([len(np.intersect1d(a, b)) / count for a, b in zip(one, other, strict=True)])
    )


def spread_over_seeds(vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """Lay the same vectors out with `SEEDS` seeds; return mean and standard deviation of both measures, and the kept neighbours."""
    maps = [lay_out(vectors, seed + step) for step in range(SEEDS)]
    told = [faithfulness(vectors, xy) for xy in maps]
    kept = [kept_neighbors(one, other) for one, other in itertools.combinations(maps, 2)]
    found: dict[str, Any] = {
        "seeds": SEEDS,
        "images": len(vectors),
        "kept_neighbors": round(float(np.mean(kept)), 4),
    }
    for name in told[0]:
        values = [one[name] for one in told]
        found[name] = {
            "mean": round(float(np.mean(values)), 4),
            "std": round(float(np.std(values, ddof=1)), 4),
        }
    return found


def _facts(vectors: np.ndarray, xy: np.ndarray, n_images: int, seed: int) -> dict[str, Any]:
    checked = sample_indices(len(xy), CHECKED, seed)
    return {
        "method": "UMAP",
        "images": len(xy),
        "of": n_images,
        "n_neighbors": NEIGHBORS,
        "min_dist": MIN_DIST,
        "pca_dims": vectors.shape[1],
        "seed": seed,
        **faithfulness(vectors[checked], xy[checked]),
        "checked_images": len(checked),
        "over_seeds": spread_over_seeds(vectors[checked[:SPREAD]], seed),
    }
