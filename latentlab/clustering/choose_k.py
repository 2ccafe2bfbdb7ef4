"""How many clusters: five criteria without labels over a range of k, and a recommendation.

silhouette          mean of (b - a) / max(a, b): the image's cluster against the nearest other
                    (Rousseeuw 1987); largest
davies-bouldin      mean ratio of spreads to distances of the most alike clusters (Davies and
                    Bouldin 1979); smallest
calinski-harabasz   ratio of the variances between and within clusters (Calinski and Harabasz
                    1974); largest
gap                 log dispersion below that of uniform reference data in the box of the principal
                    components (Tibshirani, Walther and Hastie 2001); the smallest k whose gap
                    reaches the next one's less its standard error
stability           mean adjusted Rand index of k-means on two random subsamples, on the images
                    that they share (the scheme of Ben-Hur, Elisseeff and Guyon 2002); the largest
                    k that is nearly as stable as the most stable one

All look at k-means of at most `SAMPLE` images and `DIMENSIONS` principal components, the first
three at the same one. Each criterion is blind to something, so all are reported and none is
believed alone.

They name a number even where there are no groups. So the clusters of the recommended k are compared
with data that have none (`latentlab.clustering.structure`); if they stand apart hardly more, the
answer is that no structure was found, and k is 1.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from latentlab.clustering import structure
from latentlab.clustering.k_agreement import NEAR, recommend
from latentlab.clustering.structure import Separation
from latentlab.clustering.threads import threads_for
from latentlab.clustering.trust_rule import LEAST_EXCESS
from latentlab.clustering.vectors import Vectors
from latentlab.errors import ConfigError, DataError
from latentlab.storage.json_form import json_field

__all__ = ["NEAR", "KChoice", "KScores", "choose", "parse_range", "recommend", "sample"]

FORMAT = 2  # of what is stored; 2 says whether there is structure
RANGE = "2:15"
BEYOND = (20, 25, 30, 40, 50, 60, 80, 100)  # looked at where 15 clusters may be too few
LEAST_PER_CLUSTER = 10  # images a cluster has on average in the largest number beyond
CRITERIA = ("silhouette", "davies-bouldin", "calinski-harabasz", "gap", "stability")
FEWEST_CLUSTERS = 2  # that a choice is between
STABLE = 0.05  # stability this close to the best counts as the same
REFERENCES = 10  # uniform data sets of the gap statistic
PAIRS = 10  # pairs of subsamples
SHARE = 0.8  # of the images in a subsample
SAMPLE = 5000  # images looked at: the silhouette needs all distances between them
STRUCTURE_SAMPLE = 1000  # images looked at in the search for any structure
DIMENSIONS = 128  # principal components that hold what k-means sees of longer vectors
RESTARTS = 3  # of k-means on subsamples, which are many


@dataclass(frozen=True, kw_only=True)
class KScores:
    """The criteria of one number of clusters.

    Attributes
    ----------
    k : int
        Number of clusters.
    silhouette, davies_bouldin, calinski_harabasz, gap, stability : float
        The criteria, see the module.
    gap_s : float
        Standard error of the gap.
    stability_sd : float
        Standard deviation of the stability over the pairs of subsamples.
    """

    k: int
    silhouette: float
    davies_bouldin: float = json_field(key="davies-bouldin")
    calinski_harabasz: float = json_field(key="calinski-harabasz")
    gap: float
    gap_s: float
    stability: float
    stability_sd: float

    def value(self, criterion: str) -> float:
        """Return the value of `criterion`, one of `CRITERIA`."""
        return getattr(self, criterion.replace("-", "_"))


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Whether there are groups at all.

    Attributes
    ----------
    is_present : bool
        Whether clusters stand apart more than those of data without groups.
    k : int
        The number of clusters that this was seen at: what the criteria recommend.
    excess : float
        How far they stand apart above the null, of what is to be had.
    least : float
        The excess from which on there is structure.
    separation : Separation
        The clusters and the nulls.
    """

    is_present: bool
    k: int
    excess: float
    least: float
    separation: Separation


@dataclass(frozen=True, kw_only=True)
class KChoice:
    """Every criterion over a range of k, and a recommendation.

    Attributes
    ----------
    features : str or None
        Feature steps of the vectors, if they are a run's.
    images : int or None
        How many images were looked at, if they are a run's.
    seed : int or None
        Seed of the sample and of k-means, if the vectors are a run's.
    rows : tuple of KScores
        One per k, in growing order.
    choices : mapping
        Criterion -> the k that it chooses.
    k : int
        The recommended number of clusters; 1 if there is no structure.
    reason : str
        Why, in a sentence.
    structure : Structure or None
        Whether there are groups at all; None in the results of older versions.
    chance : float or None
        How often as many criteria would agree by chance; None if they disagree, or there is no
        structure.
    is_hint : bool
        Whether chance would often agree as much, so that the number is no more than a hint.
    """

    features: str | None = json_field(optional=True)
    images: int | None = json_field(optional=True)
    seed: int | None = json_field(optional=True)
    rows: tuple[KScores, ...]
    choices: Mapping[str, int] = json_field(key="chosen")
    k: int
    reason: str
    structure: Structure | None = json_field(optional=True)
    chance: float | None = json_field(optional=True)
    is_hint: bool = json_field(key="hint", default=False)

    @property
    def has_structure(self) -> bool:
        """Whether any groups were found; True if an older version did not look."""
        return self.structure is None or self.structure.is_present


def choose(  # noqa: PLR0913  # two more, for vectors of which some steps are known
    vectors: np.ndarray,
    ks: Sequence[int],
    seed: int = 0,
    restarts: int = 10,
    step: Callable[[int], None] = lambda k: None,
    *,
    before_umap: np.ndarray | None = None,
    extend: bool = False,
) -> KChoice:
    """Compute every criterion for each k and recommend one, or say that there is no structure.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Feature vectors.
    ks : sequence of int
        Each at least 2 and below n, in growing order.
    seed : int
        Of k-means, of the subsamples and of the reference data.
    restarts : int
        Of k-means on the data themselves.
    step : callable
        Called with each k that is done.
    before_umap : ndarray of shape (n, D) or None
        The vectors before UMAP, in which structure is looked for; None: `vectors` did not go
        through it.
    extend : bool
        Look beyond the last of `ks` as long as the best criteria are at the upper edge.

    Returns
    -------
    KChoice

    Raises
    ------
    DataError
        If there are too few different vectors for the largest k.
    """
    check_enough_vectors(vectors, ks)
    before_umap = vectors if before_umap is None else before_umap
    looked_at = _shortened(vectors)
    references = reference_data(looked_at, seed)

    # Every criterion looks at each k.
    rows: list[KScores] = []
    beyond = _numbers_beyond(ks, len(vectors)) if extend else ()
    for k in _while_rising(ks, beyond, rows):
        with threads_for(looked_at.shape, k):
            rows.append(_scores_of(looked_at, references, k, seed, restarts))
        step(k)
    with threads_for(looked_at.shape, ks[-1]):
        return _choice(rows, len(rows) > len(ks), looked_at, before_umap, seed)


def _choice(
    rows: list[KScores],
    extended: bool,
    vectors: np.ndarray,
    before_umap: np.ndarray,
    seed: int,
) -> KChoice:
    """Return what the rows recommend, if there is any structure."""
    choices = choices_of(rows)
    advice = recommend(choices, [row.k for row in rows], extended)
    verdict = find_structure(vectors, before_umap, advice.k, seed)
    choice = KChoice(
        rows=tuple(rows),
        choices=choices,
        k=advice.k,
        reason=advice.reason,
        structure=verdict,
        chance=advice.chance,
        is_hint=advice.is_hint,
    )
    if verdict.is_present:
        return choice
    reason = (
        f"no structure was found: {verdict.k} clusters, the criteria's choice, stand apart hardly"
        " more than clusters of data without groups (neighbours in the same cluster, above chance:"
        f" {verdict.separation.neighbours:.2f}, and {verdict.separation.null:.2f} without groups)"
    )
    return replace(choice, k=1, reason=reason, chance=None, is_hint=False)


def find_structure(vectors: np.ndarray, before_umap: np.ndarray, k: int, seed: int) -> Structure:
    """Compare the clusters of k-means with those of data without groups.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        What is clustered.
    before_umap : ndarray of shape (n, D)
        The same images, where they are compared.
    k : int
        Number of clusters.
    seed : int
        Of k-means, of the sample and of the nulls.
    """
    rng = np.random.default_rng([seed, 24])
    rows = np.sort(rng.permutation(len(vectors))[:STRUCTURE_SAMPLE])
    labels = _kmeans(vectors, k, seed, RESTARTS).labels_[rows]
    separation = structure.separation(before_umap[rows], labels, seed)
    return Structure(
        is_present=separation.excess >= LEAST_EXCESS,
        k=k,
        excess=separation.excess,
        least=LEAST_EXCESS,
        separation=separation,
    )


def _scores_of(
    vectors: np.ndarray, references: list[np.ndarray], k: int, seed: int, restarts: int
) -> KScores:
    labels = _kmeans(vectors, k, seed, restarts).labels_
    return KScores(
        k=int(k),
        **_indices(vectors, labels),
        **_gap(vectors, references, k, seed),
        **_stability(vectors, k, seed),
    )


def _numbers_beyond(ks: Sequence[int], n_vectors: int) -> tuple[int, ...]:
    most = n_vectors // LEAST_PER_CLUSTER
    return tuple(k for k in BEYOND if ks[-1] < k <= most)


def _while_rising(
    ks: Sequence[int], beyond: Sequence[int], rows: Sequence[KScores]
) -> Iterator[int]:
    """Yield `ks`, and then those beyond while the best of `rows`, which grow, are at the edge."""
    yield from ks
    for k in beyond:
        if not _may_need_more(rows):
            return
        yield k


def _may_need_more(rows: Sequence[KScores]) -> bool:
    """Return whether the silhouette or Davies-Bouldin chooses one of the two largest k."""
    choices = choices_of(rows)
    edge = [row.k for row in rows[-2:]]
    return choices["silhouette"] in edge or choices["davies-bouldin"] in edge


def _shortened(vectors: np.ndarray) -> np.ndarray:
    """Return long vectors as their strongest principal components; short ones as they are."""
    if vectors.shape[1] <= DIMENSIONS:
        return vectors
    return structure.Principal.of(vectors, DIMENSIONS).coordinates


def sample(vectors: Vectors, seed: int) -> np.ndarray:
    """Return at most `SAMPLE` of the vectors, drawn at random, float32 (m, d).

    Parameters
    ----------
    vectors : Vectors
    seed : int
        With the same seed and number of vectors it is the same images.
    """
    order = np.random.default_rng([seed, 20]).permutation(vectors.n_images)
    return vectors.matrix()[np.sort(order[:SAMPLE])]


def parse_range(text: str) -> list[int]:
    """Return numbers of clusters in growing order.

    Parameters
    ----------
    text : str
        "2:15" (both ends included) or "2,5,10".

    Raises
    ------
    ConfigError
        If the text is neither, or names a number below 2 or fewer than three.

    Examples
    --------
    >>> parse_range("2:5")
    [2, 3, 4, 5]
    """
    try:
        ks = _parse_numbers(text)
    except ValueError:
        raise ConfigError(
            "must be a range such as 2:15, or numbers such as 2,5,10", field="ks", value=repr(text)
        ) from None
    if len(ks) < 3 or ks[0] < 2:
        raise ConfigError(
            "must name at least three numbers of clusters, each at least 2",
            field="ks",
            value=repr(text),
        )
    return ks


def usual_range(vectors: np.ndarray) -> list[int]:
    """Return the numbers of clusters to begin with: `RANGE`, or as far as few images allow.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    """
    numbers = parse_range(RANGE)
    most = int(SHARE * len(np.unique(vectors, axis=0))) - 1
    return [k for k in numbers if k <= most] or numbers


def check_enough_vectors(vectors: np.ndarray, ks: Sequence[int]) -> None:
    """Check that there are enough different vectors; subsamples need some to spare.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    ks : sequence of int
        In growing order.

    Raises
    ------
    DataError
        If there are too few for the largest k.
    """
    n_different = len(np.unique(vectors, axis=0))
    most = int(SHARE * n_different) - 1
    if most < FEWEST_CLUSTERS:
        fewest = math.ceil((FEWEST_CLUSTERS + 1) / SHARE)
        raise DataError(
            f"choosing a number of clusters takes at least {fewest} different training images:"
            f" there are {n_different}",
            hint="Give a number as `k`.",
        )
    if ks[-1] > most:
        raise DataError(
            f"`ks` up to {ks[-1]} is too many for {n_different} different training images: at most"
            f" {most}."
        )


def choices_of(rows: Sequence[KScores]) -> dict[str, int]:
    """Return the k that each criterion chooses.

    Parameters
    ----------
    rows : sequence of KScores
        In the order of k.

    Returns
    -------
    dict
        Criterion -> k.
    """
    stability = np.array([row.stability for row in rows])
    nearly_most_stable = np.flatnonzero(stability >= stability.max() - STABLE)
    choices = {
        "silhouette": max(rows, key=lambda row: row.silhouette),
        "davies-bouldin": min(rows, key=lambda row: row.davies_bouldin),
        "calinski-harabasz": max(rows, key=lambda row: row.calinski_harabasz),
        "gap": _choice_of_gap(rows),
        "stability": rows[nearly_most_stable[-1]],
    }
    return {criterion: row.k for criterion, row in choices.items()}


def reference_data(vectors: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return uniform data in the box of the principal components: the paper's choice (b).

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    seed : int

    Returns
    -------
    list of ndarray of shape (n, d)
        The data sets, rotated back.
    """
    rng = np.random.default_rng([seed, 21])
    mean = vectors.mean(axis=0)
    directions = np.linalg.svd(vectors - mean, full_matrices=False)[2]
    rotated = (vectors - mean) @ directions.T
    low = rotated.min(axis=0)
    high = rotated.max(axis=0)
    references = []
    for _ in range(REFERENCES):
        references.append(rng.uniform(low, high, rotated.shape) @ directions + mean)
    return references


def _parse_numbers(text: str) -> list[int]:
    low, colon, high = text.partition(":")
    if colon:
        return list(range(int(low), int(high) + 1))
    return sorted({int(part) for part in text.split(",")})


def _choice_of_gap(rows: Sequence[KScores]) -> KScores:
    """Return the first row that reaches the next gap less its standard error, or the last row."""
    for row, following in zip(rows, rows[1:], strict=False):
        if row.gap >= following.gap - following.gap_s:
            return row
    return rows[-1]


def _kmeans(vectors: np.ndarray, k: int, seed: int, restarts: int) -> Any:
    """Return a fitted scikit-learn KMeans."""
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=restarts, random_state=seed).fit(vectors)


def _indices(vectors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    return {
        "silhouette": float(metrics.silhouette_score(vectors, labels)),
        "davies_bouldin": float(metrics.davies_bouldin_score(vectors, labels)),
        "calinski_harabasz": float(metrics.calinski_harabasz_score(vectors, labels)),
    }


def _gap(vectors: np.ndarray, references: list[np.ndarray], k: int, seed: int) -> dict[str, float]:
    dispersion = np.log(_kmeans(vectors, k, seed, RESTARTS).inertia_)
    uniform = np.log([_kmeans(reference, k, seed, 1).inertia_ for reference in references])
    return {
        "gap": float(uniform.mean() - dispersion),
        "gap_s": float(uniform.std() * np.sqrt(1 + 1 / len(references))),
    }


def _stability(vectors: np.ndarray, k: int, seed: int) -> dict[str, float]:
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng([seed, 22])
    size = max(int(SHARE * len(vectors)), k)
    values = []
    for pair in range(PAIRS):
        first = np.sort(rng.choice(len(vectors), size, replace=False))
        second = np.sort(rng.choice(len(vectors), size, replace=False))
        first_labels = _kmeans(vectors[first], k, seed + pair, RESTARTS).labels_
        second_labels = _kmeans(vectors[second], k, seed + pair, RESTARTS).labels_
        # Compare both on the images that they share.
        _, in_first, in_second = np.intersect1d(first, second, return_indices=True)
        values.append(adjusted_rand_score(first_labels[in_first], second_labels[in_second]))
    return {"stability": float(np.mean(values)), "stability_sd": float(np.std(values, ddof=1))}
