"""The UMAP map of a sample of the images: for looking at, never for clustering or scores.

It shows the encoder's codes; the embeddings if the encoder goes on above its code; and what the
projection head makes of them, scaled to length 1, if the fit trained one.

Distances between groups of the map and the sizes of groups mean nothing. Neighbours mostly do:
trustworthiness and continuity (Venna and Kaski 2001) tell how far.
"""

import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.backend.umap_import import import_umap
from latentlab.encoders import model_files
from latentlab.encoders.embedding import EmbeddedImages, Embeddings
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.neighbors import nearest
from latentlab.features.spec import CODE, PROJECTED, FeatureSpec
from latentlab.progress import Reporter, bars_shown, log, track
from latentlab.storage import json_form, tables
from latentlab.storage.json_form import json_field
from latentlab.storage.run import Run
from latentlab.training import prototypes

PCA_DIMS = 50
NEIGHBORS = 15
MIN_DIST = 0.1
FEWEST_IMAGES = 5  # of a map; fewer stand in a row
UMAP, ROW = "UMAP", "row"  # methods
CHECKED = 2000  # number of images for the comparison of neighbours
SPREAD = 1000  # of them are laid out again with other seeds
SEEDS = 3
FACTS_NAME = "umap.json"


# Facts


@dataclass(frozen=True)
class Faithfulness:
    """How far a map can be trusted, in [0, 1] (Venna and Kaski 2001).

    Attributes
    ----------
    trustworthiness : float
        Falls if images are near in the map and not among the nearest by their vectors.
    continuity : float
        Falls if near images were torn apart. It is the trustworthiness with the roles of map and
        vectors exchanged.
    """

    trustworthiness: float
    continuity: float


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of a measure over seeds.

    Attributes
    ----------
    mean : float
    std : float
    """

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least two `values`, rounded to four digits."""
        mean = round(float(np.mean(values)), 4)
        return cls(mean, round(float(np.std(values, ddof=1)), 4))


@dataclass(frozen=True)
class SeedSpread:
    """How much a map changes with the seed of UMAP.

    Attributes
    ----------
    seeds : int
        Number of seeds.
    images : int
        Images that were laid out with each.
    kept_neighbors : float
        Share of an image's nearest neighbours in one map that are so in another too.
    trustworthiness : Spread
        Over the seeds.
    continuity : Spread
        Over the seeds.
    """

    seeds: int
    images: int
    kept_neighbors: float
    trustworthiness: Spread
    continuity: Spread


@dataclass(frozen=True)
class MapFacts:
    """What umap.json tells of a map. Maps of older runs lack the last fields.

    Attributes
    ----------
    method : str
        "UMAP"; "row" for images that are too few for a map, whose measures are 0.
    images : int
        Images on the map.
    of : int
        Images of the run.
    n_neighbors : int
        Neighbours of UMAP.
    min_dist : float
        Minimal distance of UMAP.
    pca_dims : int
        Dimensions that were laid out.
    seed : int
        Seed of the sample and of UMAP.
    trustworthiness : float
        See `Faithfulness`.
    continuity : float or None
        See `Faithfulness`.
    checked_images : int or None
        Number of images in the comparison of neighbours.
    over_seeds : SeedSpread or None
        What another seed changes.
    features : str or None
        What is laid out, such as "embedding".
    """

    method: str
    images: int
    of: int
    n_neighbors: int
    min_dist: float
    pca_dims: int
    seed: int
    trustworthiness: float
    continuity: float | None = json_field(optional=True)
    checked_images: int | None = json_field(optional=True)
    over_seeds: SeedSpread | None = json_field(optional=True)
    features: str | None = json_field(optional=True)

    @property
    def is_map(self) -> bool:
        """Whether places say anything; too few images stand in a row instead."""
        return self.method == UMAP

    @property
    def note(self) -> str:
        """One sentence about the map: its images, its settings and how faithful it is."""
        if not self.is_map:
            return (
                f"no map, which takes at least {FEWEST_IMAGES} images: these {self.images} stand in"
                " a row, in their order"
            )
        images = f"{self.images:,} of {self.of:,} images, drawn at random"
        if self.images == self.of:
            images = f"all {self.images:,} images"
        settings = f"UMAP, {self.n_neighbors} neighbours, seed {self.seed}"
        return f"{images}; {settings}; {self._faithfulness()}"

    def _faithfulness(self) -> str:
        spread = self.over_seeds
        if self.continuity is None or spread is None:
            return f"trustworthiness {self.trustworthiness:.3f}"
        seeds = f"over {spread.seeds} seeds"
        trust = f"{self.trustworthiness:.3f} (± {spread.trustworthiness.std:.3f} {seeds})"
        continuity = f"{self.continuity:.3f} (± {spread.continuity.std:.3f} {seeds})"
        return (
            f"trustworthiness {trust}, continuity {continuity};"
            f" another seed keeps {spread.kept_neighbors:.0%} of an image's nearest ones"
        )


def read_facts(run: Run) -> MapFacts:
    """Read the facts of a run's map.

    Parameters
    ----------
    run : Run
        A run with a map.

    Returns
    -------
    MapFacts

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    return json_form.read(MapFacts, run.path / "projection" / FACTS_NAME)


# Writing


def write_map(run: Run, sample: int, seed: int) -> list[Path]:
    """Lay out a sample of a run's images and write the map with its facts.

    Parameters
    ----------
    run : Run
        A run with embedded images.
    sample : int
        At most this many images, drawn at random from both splits.
    seed : int
        Seed of the sample and of UMAP.

    Returns
    -------
    list of pathlib.Path
        projection/umap.parquet (id, split, x, y) and projection/umap.json.
    """
    index = Embeddings(run.path).index()
    positions = sample_indices(len(index.ids), sample, seed)
    if len(positions) < FEWEST_IMAGES:
        return _write_row(run, index, positions, seed)
    with track("project", 100, is_announced=False) as bar:
        bar.update(0, "principal components")
        vectors = _reduce(mapped_vectors(run, positions), seed)
        log.info("project: UMAP of %d of %d images", len(positions), len(index.ids))
        bar.update(3, "UMAP: nearest neighbours")
        xy = lay_out(vectors, seed, _epoch_meter(bar))
        bar.update(85, "how faithful the map is")
        facts = _facts(run, vectors, xy, len(index.ids), seed)
    folder = run.path / "projection"
    facts_path = json_form.write(folder / FACTS_NAME, facts)
    map_path = tables.write(folder / "umap.parquet", _map_table(index, positions, xy))
    return [map_path, facts_path]


def _write_row(run: Run, index: EmbeddedImages, positions: np.ndarray, seed: int) -> list[Path]:
    """Write a row of images instead of a map, which takes more of them."""
    count = len(positions)
    log.info("project: no map, which takes at least %d images; there are %d", FEWEST_IMAGES, count)
    facts = MapFacts(ROW, count, len(index.ids), 0, 0.0, 0, seed, 0.0, None, None, None, None)
    xy = np.column_stack([np.arange(count), np.zeros(count)]).astype(np.float32)
    folder = run.path / "projection"
    facts_path = json_form.write(folder / FACTS_NAME, facts)
    return [tables.write(folder / "umap.parquet", _map_table(index, positions, xy)), facts_path]


def sample_indices(n_images: int, sample: int, seed: int) -> np.ndarray:
    """Draw images without replacement.

    Parameters
    ----------
    n_images : int
        Number of images to draw from.
    sample : int
        At most this many.
    seed : int
        Seed of the choice.

    Returns
    -------
    ndarray of int
        Positions from 0 to n_images - 1, in order.
    """
    if n_images <= sample:
        return np.arange(n_images)
    return np.sort(np.random.default_rng([seed, 30]).choice(n_images, sample, replace=False))


def mapped_features(run: Run) -> FeatureSpec:
    """Return what of an image the map shows.

    Parameters
    ----------
    run : Run
        A run with a trained encoder.

    Returns
    -------
    FeatureSpec
    """
    if prototypes.are_there(run):
        return PROJECTED
    if model_files.describe(run).has_embedding:
        return FeatureSpec("embedding")
    return CODE


def mapped_vectors(run: Run, positions: np.ndarray) -> np.ndarray:
    """Return the vectors that the map shows, for some images.

    They are read part by part, so that memory holds only these.

    Parameters
    ----------
    run : Run
        A run with embedded images.
    positions : ndarray of shape (n,), int
        Positions of the images, in order.

    Returns
    -------
    ndarray of shape (n, d), float32
    """
    spec = mapped_features(run)
    parts = []
    start = 0
    for codes in Embeddings(run.path).parts(column=spec.start):
        is_inside = (positions >= start) & (positions < start + len(codes))
        parts.append(codes[positions[is_inside] - start])
        start += len(codes)
    codes = np.concatenate(parts)
    # No step needs fitting: the only ones are the projection head and the scaling.
    features = fit_features(spec, [], codes.shape[1:], 0, head=prototypes.head(run))
    return features.transform(codes)


def mapped_parts(run: Run) -> Iterator[np.ndarray]:
    """Yield the vectors that the map shows, of all images in order, part by part.

    Parameters
    ----------
    run : Run
        A run with embedded images.

    Yields
    ------
    ndarray of shape (part, d), float32

    Raises
    ------
    RunError
        If the run holds no vectors.
    """
    spec = mapped_features(run)
    features: FittedFeatures | None = None
    for codes in Embeddings(run.path).parts(column=spec.start):
        if features is None:  # no step needs fitting, as above
            features = fit_features(spec, [], codes.shape[1:], 0, head=prototypes.head(run))
        yield features.transform(codes)


def _map_table(index: EmbeddedImages, positions: np.ndarray, xy: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "id": index.ids[positions].tolist(),
            "split": index.splits[positions].tolist(),
            "x": xy[:, 0],
            "y": xy[:, 1],
        }
    )


# Layout


def lay_out(vectors: np.ndarray, seed: int, epochs: "EpochMeter | None" = None) -> np.ndarray:
    """Return UMAP's coordinates, with 15 neighbours and a minimal distance of 0.1.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    seed : int
        Seed of UMAP.
    epochs : EpochMeter or None
        Follows UMAP's progress.

    Returns
    -------
    ndarray of shape (n, 2), float32
    """
    umap = import_umap()
    # The spectral start needs more points than two neighbourhoods have.
    start = "random" if len(vectors) <= 2 * NEIGHBORS else "spectral"
    mapper = umap.UMAP(
        n_neighbors=min(NEIGHBORS, len(vectors) - 1),
        min_dist=MIN_DIST,
        init=start,
        random_state=seed,
        n_jobs=1,
        tqdm_kwds=None if epochs is None else epochs.tqdm_settings,
    )
    return mapper.fit_transform(vectors).astype(np.float32)


class EpochMeter(io.TextIOBase):
    """The file that UMAP writes its progress bar to, such as "3/200".

    Parameters
    ----------
    show : callable
        show(share of the epochs that are done, text such as "3 of 200").
    """

    def __init__(self, show: Callable[[float, str], None]) -> None:
        self._show = show

    @property
    def tqdm_settings(self) -> dict[str, object]:
        """Settings of tqdm, which UMAP uses, for this file."""
        return {
            "disable": False,
            "file": self,
            "bar_format": "{n_fmt}/{total_fmt}",
            "mininterval": 0.3,
        }

    def write(self, text: str) -> int:
        """Read the numbers of a line of tqdm."""
        match = re.search(r"(\d+)/(\d+)", text)
        if match:
            done, total = match.groups()
            self._show(int(done) / int(total), f"{done} of {total}")
        return len(text)


def _epoch_meter(bar: Reporter) -> EpochMeter | None:
    """Return a meter that moves the bar from 25 to 85 of 100; None if no bar is shown."""
    if not bars_shown():
        return None
    return EpochMeter(lambda share, text: bar.update(25 + round(60 * share), f"UMAP: epoch {text}"))


def _reduce(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return the leading principal components: neighbours hardly change and cost less to find."""
    from sklearn.decomposition import PCA

    if vectors.shape[1] <= PCA_DIMS:
        return vectors
    n_components = min(PCA_DIMS, len(vectors))
    components = PCA(n_components, svd_solver="randomized", random_state=seed)
    return components.fit_transform(vectors).astype(np.float32)


# How faithful a map is


def measure_faithfulness(vectors: np.ndarray, xy: np.ndarray) -> Faithfulness:
    """Return trustworthiness and continuity of a map (Venna and Kaski 2001, 2006).

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        The vectors that were laid out.
    xy : ndarray of shape (n, 2)
        The map.

    Returns
    -------
    Faithfulness
        Rounded to four digits.
    """
    from sklearn.manifold import trustworthiness

    neighbors = min(NEIGHBORS, (len(xy) - 1) // 2)
    trust = trustworthiness(vectors, xy, n_neighbors=neighbors)
    continuity = trustworthiness(xy, vectors, n_neighbors=neighbors)
    return Faithfulness(round(float(trust), 4), round(float(continuity), 4))


def kept_neighbors(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of a point's neighbours in one map that it has in another too.

    Parameters
    ----------
    first : ndarray of shape (n, 2)
        One map.
    second : ndarray of shape (n, 2)
        Another map of the same points.

    Returns
    -------
    float
        Mean over the points, in [0, 1].
    """
    count = min(NEIGHBORS, len(first) - 1)
    pairs = zip(_nearest_others(first, count), _nearest_others(second, count), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / count for a, b in pairs]))


def _nearest_others(xy: np.ndarray, count: int) -> np.ndarray:
    """Return each point's neighbours (n, count) without the point itself."""
    _, positions = nearest(xy, xy, count + 1)
    is_other = positions != np.arange(len(xy))[:, None]
    # A point with many twins need not be among its own neighbours: one twin is dropped.
    is_other[is_other.all(axis=1), 0] = False
    return positions[is_other].reshape(len(xy), count)


def spread_over_seeds(vectors: np.ndarray, seed: int) -> SeedSpread:
    """Lay the same vectors out with several seeds and compare the maps.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    seed : int
        The first of the `SEEDS` seeds.

    Returns
    -------
    SeedSpread
    """
    maps = [lay_out(vectors, seed + step) for step in range(SEEDS)]
    measures = [measure_faithfulness(vectors, xy) for xy in maps]
    kept_shares = [kept_neighbors(*pair) for pair in itertools.combinations(maps, 2)]
    return SeedSpread(
        seeds=SEEDS,
        images=len(vectors),
        kept_neighbors=round(float(np.mean(kept_shares)), 4),
        trustworthiness=Spread.of([measure.trustworthiness for measure in measures]),
        continuity=Spread.of([measure.continuity for measure in measures]),
    )


def _facts(run: Run, vectors: np.ndarray, xy: np.ndarray, n_images: int, seed: int) -> MapFacts:
    checked = sample_indices(len(xy), CHECKED, seed)
    faithfulness = measure_faithfulness(vectors[checked], xy[checked])
    laid_out_again = checked[sample_indices(len(checked), SPREAD, seed)]
    return MapFacts(
        method=UMAP,
        images=len(xy),
        of=n_images,
        n_neighbors=NEIGHBORS,
        min_dist=MIN_DIST,
        pca_dims=vectors.shape[1],
        seed=seed,
        trustworthiness=faithfulness.trustworthiness,
        continuity=faithfulness.continuity,
        checked_images=len(checked),
        over_seeds=spread_over_seeds(vectors[laid_out_again], seed),
        features=str(mapped_features(run)),
    )
