"""How many clusters: five criteria without labels over a range of k, what each would choose, and a recommendation.

silhouette          mean of (b - a) / max(a, b), own cluster against the nearest other one (Rousseeuw 1987); largest
davies-bouldin      mean ratio of spreads to distances of the most alike clusters (Davies and Bouldin 1979); smallest
calinski-harabasz   ratio of the variances between and within clusters (Calinski and Harabasz 1974); largest
gap                 log dispersion below that of uniform reference data in the box of the principal components
                    (Tibshirani, Walther and Hastie 2001); the smallest k whose gap reaches the next one's less its s
stability           mean adjusted Rand index, on the images that they share, of k-means on two random subsamples (the scheme
                    of Ben-Hur, Elisseeff and Guyon 2002); the largest k that is as stable as the most stable one, nearly

All look at k-means, the first three at one and the same, of at most `SAMPLE` images. Each is blind to something, which is
why all are told and none is believed alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from latentlab.clustering.base import Vectors
from latentlab.errors import ConfigError, DataError

RANGE = "2:15"
CRITERIA = ("silhouette", "davies-bouldin", "calinski-harabasz", "gap", "stability")
NEAR = 1  # choices of k that lie this close together agree
STABLE = 0.05  # stability this close to the best counts as the same
REFERENCES = 10  # uniform data sets of the gap statistic
PAIRS = 10  # pairs of subsamples
SHARE = 0.8  # of the images in a subsample
SAMPLE = 5000  # images looked at: the silhouette needs all distances between them
RESTARTS = 3  # of k-means on references and subsamples, which are many


class Choice(NamedTuple):
    """What a range of k looks like.

    Attributes
    ----------
    rows : list of dict
        One a k: "k", a value a criterion, "gap_s" (the standard error of the gap) and "stability_sd".
    chosen : dict
        criterion -> k.
    k : int
        The recommended one.
    reason : str
        Why, in one sentence.
    """

    rows: list[dict[str, Any]]
    chosen: dict[str, int]
    k: int
    reason: str


def choose(
    vectors: np.ndarray,
    ks: Sequence[int],
    seed: int = 0,
    restarts: int = 10,
    step: Callable[[int], None] = lambda k: None,
) -> Choice:
    """Return every criterion for each k, and the recommendation.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Feature vectors.
    ks : sequence of int
        Each at least 2 and below n, in growing order.
    restarts : int
        Of k-means on the data themselves.
    step : callable
        Called with each k that is done.

    Raises
    ------
    DataError
        If there are too few different vectors for the largest k.
    """
    check(vectors, ks)
    references = _references(vectors, seed)
    rows = []
    for k in ks:
        rows.append(
            {
                "k": int(k),
                **_indices(vectors, k, seed, restarts),
                **_gap(vectors, references, k, seed),
                **_stability(vectors, k, seed),
            }
        )
        step(k)
    chosen = choices(rows)
    k, reason = recommend(chosen)
    return Choice(rows, chosen, k, reason)


def sample(vectors: Vectors, seed: int) -> np.ndarray:
    """Return at most `SAMPLE` of the vectors, drawn at random, float32 (m, d)."""
    chosen = np.random.default_rng([seed, 20]).permutation(vectors.n_images)[:SAMPLE]
    return vectors.matrix()[np.sort(chosen)]


def parse_range(text: str) -> list[int]:
    """Return the numbers of clusters that "2:15" (both ends) or "2,5,10" name, in growing order.

    Raises
    ------
    ConfigError
        If the text is neither, or names a number below 2 or fewer than three.
    """
    try:
        low, colon, high = text.partition(":")
        ks = (
            list(range(int(low), int(high) + 1))
            if colon
            else sorted({int(part) for part in text.split(",")})
        )
    except ValueError:
        raise ConfigError(
            f"--ks {text!r} must be a range such as 2:15, or numbers such as 2,5,10."
        ) from None
    if len(ks) < 3 or ks[0] < 2:
        raise ConfigError(
            f"--ks {text!r} must name at least three numbers of clusters, each at least 2."
        )
    return ks


def check(vectors: np.ndarray, ks: Sequence[int]) -> None:
    """Raise DataError where there are too few different vectors for the largest k; subsamples need some to spare."""
    different = len(np.unique(vectors, axis=0))
    most = int(SHARE * different) - 1
    if ks[-1] > most:
        raise DataError(
            f"--ks up to {ks[-1]} is too many for {different} different training images: at most {most}."
        )


def choices(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return criterion -> the k it chooses among rows in the order of k."""
    ks = [row["k"] for row in rows]
    column = {name: np.array([row[name] for row in rows]) for name in CRITERIA}
    reached = [
        i
        for i in range(len(rows) - 1)
        if column["gap"][i] >= column["gap"][i + 1] - rows[i + 1]["gap_s"]
    ]
    stable = np.flatnonzero(column["stability"] >= column["stability"].max() - STABLE)
    places = {
        "silhouette": column["silhouette"].argmax(),
        "davies-bouldin": column["davies-bouldin"].argmin(),
        "calinski-harabasz": column["calinski-harabasz"].argmax(),
        "gap": reached[0] if reached else len(rows) - 1,
        "stability": stable[-1],
    }
    return {name: ks[int(place)] for name, place in places.items()}


def recommend(chosen: dict[str, int]) -> tuple[int, str]:
    """Return the k that most criteria come within 1 of, and the reason; where as many stand behind two, the silhouette's side.

    Within the winning group it is the k most chosen, the silhouette's before others.
    """
    groups = {
        k: [name for name, other in chosen.items() if abs(other - k) <= NEAR]
        for k in chosen.values()
    }

    def rank(k: int) -> tuple[int, int, bool]:
        return len(groups[k]), list(chosen.values()).count(k), chosen["silhouette"] == k

    k = max(groups, key=rank)
    others = {name: other for name, other in chosen.items() if name not in groups[k]}
    told = (
        f"; {', '.join(f'{name} says {other}' for name, other in others.items())}" if others else ""
    )
    if len(groups[k]) == 1:
        return (
            chosen["silhouette"],
            f"the criteria disagree, so that this is the silhouette's choice and no more than a hint{told}",
        )
    return (
        k,
        f"{len(groups[k])} of {len(chosen)} criteria choose it or a neighbour ({', '.join(groups[k])}){told}",
    )


def text(found: dict[str, Any]) -> str:
    """Return rows, choices and recommendation as text; a star marks each criterion's choice."""
    lines = [f"{'k':>4}" + "".join(f"{name:>20}" for name in CRITERIA)]
    for row in found["rows"]:
        cells = (
            f"{row[name]:.3f}{'*' if found['chosen'][name] == row['k'] else ' '}"
            for name in CRITERIA
        )
        lines.append(f"{row['k']:>4}" + "".join(f"{cell:>20}" for cell in cells))
    chosen = ", ".join(f"{name} {k}" for name, k in found["chosen"].items())
    return "\n".join(
        [*lines, "", f"chosen: {chosen}", f"recommended: --k {found['k']}, since {found['reason']}"]
    )


def kmeans(vectors: np.ndarray, k: int, seed: int, restarts: int) -> Any:
    """Return a fitted scikit-learn KMeans."""
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=restarts, random_state=seed).fit(vectors)


def _indices(vectors: np.ndarray, k: int, seed: int, restarts: int) -> dict[str, float]:
    from sklearn import metrics as sk

    labels = kmeans(vectors, k, seed, restarts).labels_
    return {
        "silhouette": float(sk.silhouette_score(vectors, labels)),
        "davies-bouldin": float(sk.davies_bouldin_score(vectors, labels)),
        "calinski-harabasz": float(sk.calinski_harabasz_score(vectors, labels)),
    }


def _references(vectors: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return uniform data in the box that the principal components span, rotated back: the paper's choice (b)."""
    rng = np.random.default_rng([seed, 21])
    mean = vectors.mean(axis=0)
    directions = np.linalg.svd(vectors - mean, full_matrices=False)[2]
    turned = (vectors - mean) @ directions.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return [rng.uniform(low, high, turned.shape) @ directions + mean for _ in range(REFERENCES)]


def _gap(vectors: np.ndarray, references: list[np.ndarray], k: int, seed: int) -> dict[str, float]:
    own = np.log(kmeans(vectors, k, seed, RESTARTS).inertia_)
    uniform = np.log([kmeans(reference, k, seed, 1).inertia_ for reference in references])
    return {
        "gap": float(uniform.mean() - own),
        "gap_s": float(uniform.std() * np.sqrt(1 + 1 / len(references))),
    }


def _stability(vectors: np.ndarray, k: int, seed: int) -> dict[str, float]:
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng([seed, 22])
    size = max(int(SHARE * len(vectors)), k)
    values = []
    for pair in range(PAIRS):
        drawn = [np.sort(rng.choice(len(vectors), size, replace=False)) for _ in range(2)]
        labels = [kmeans(vectors[part], k, seed + pair, RESTARTS).labels_ for part in drawn]
        _, first, second = np.intersect1d(drawn[0], drawn[1], return_indices=True)
        values.append(adjusted_rand_score(labels[0][first], labels[1][second]))
    return {"stability": float(np.mean(values)), "stability_sd": float(np.std(values, ddof=1))}
