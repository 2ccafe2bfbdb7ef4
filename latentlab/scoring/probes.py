"""How well features separate the classes: k-NN accuracy and a linear probe, on held-out images.

=============== ===============================================================================
knn_accuracy    share of held-out images with the class of most of their 20 nearest training
                images, by the cosine
linear_accuracy share that a logistic regression on standardised training features gets right
=============== ===============================================================================

Probes measure the features, not the clusters: the classifiers see every training label. Papers on
representations report both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.errors import DataError

NEIGHBORS = 20
STEPS = 200  # of the logistic regression's solver
LARGEST = 50_000  # training images that are used
PROBES = ("knn_accuracy", "linear_accuracy")


@dataclass(frozen=True)
class ProbeRow:
    """One probe of one kind of features.

    Attributes
    ----------
    split : str
        "test": probes are scored on held-out images.
    method : str
        The features, or "pixels".
    metric : str
        "knn_accuracy" or "linear_accuracy".
    value : float
        Accuracy, in [0, 1].
    low, high : float
        Ends of Wilson's 95% interval.
    chance : float
        Accuracy of always naming the most frequent class of the training split.
    n : int
        Number of held-out images with a label.
    """

    split: str
    method: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    n: int


@dataclass(frozen=True)
class ProbeReport:
    """What probe/<features>.json holds.

    Attributes
    ----------
    features : str
        The feature spec that was probed.
    neighbors : int
        Number of neighbours of the k-NN classifier.
    rows : tuple of ProbeRow
        Both probes of the features, then of raw pixels.
    """

    features: str
    neighbors: int
    rows: tuple[ProbeRow, ...]


def probe_features(
    vectors: np.ndarray,
    splits: np.ndarray,
    classes: np.ndarray,
    seed: int = 0,
    metrics: Sequence[str] = PROBES,
    method: str = "features",
) -> tuple[ProbeRow, ...]:
    """Train classifiers on the training images and return their accuracy on held-out images.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Feature vector of each image.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.
    seed : int
        Seed of the sample that is drawn from more than `LARGEST` training images.
    metrics : sequence of str
        Which of `PROBES`.
    method : str
        Name of the features in the rows.

    Returns
    -------
    tuple of ProbeRow
        One per metric.

    Raises
    ------
    DataError
        If a split has no labelled image, or the training split a single class.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0]] * 4)
    >>> splits = np.repeat(["train", "test"], 4)
    >>> rows = probe_features(vectors, splits, np.array([0, 1] * 4), metrics=["linear_accuracy"])
    >>> rows[0].value
    1.0
    """
    # The labelled images of both splits.
    is_labelled = classes >= 0
    training = np.flatnonzero((splits == TRAIN) & is_labelled)
    held_out = np.flatnonzero((splits == TEST) & is_labelled)
    _require_classes(classes[training], len(held_out))
    if len(training) > LARGEST:
        rng = np.random.default_rng([seed, 24])
        training = np.sort(rng.choice(training, LARGEST, replace=False))

    # Each classifier names the held-out images.
    truth = classes[held_out]
    chance = float((truth == np.bincount(classes[training]).argmax()).mean())
    rows = []
    for metric in metrics:
        classifier = _CLASSIFIERS[metric]
        named = classifier(vectors[training], classes[training], vectors[held_out])
        rows.append(_row(method, metric, named == truth, chance))
    return tuple(rows)


def _require_classes(training_classes: np.ndarray, n_held_out: int) -> None:
    if not len(training_classes) or not n_held_out:
        raise DataError(
            "a probe needs labelled images in both splits. Fit with `held_out` above 0, or data "
            "with labels."
        )
    if len(np.unique(training_classes)) < 2:
        raise DataError("a probe needs at least two classes among the training images.")


def _row(method: str, metric: str, hits: np.ndarray, chance: float) -> ProbeRow:
    """Return one row; the interval is Wilson's (1927)."""
    from scipy.stats import binomtest

    ends = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    low, high = float(ends.low), float(ends.high)
    return ProbeRow(TEST, method, metric, float(hits.mean()), low, high, chance, len(hits))


def _knn(vectors: np.ndarray, classes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the majority class of the nearest training vectors, by the cosine."""
    from sklearn.neighbors import KNeighborsClassifier

    count = min(NEIGHBORS, len(vectors))
    model = KNeighborsClassifier(count, metric="cosine", algorithm="brute").fit(vectors, classes)
    parts = np.array_split(queries, max(1, len(queries) // 1000))  # bounds the memory
    return np.concatenate([model.predict(part) for part in parts])


def _linear(vectors: np.ndarray, classes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the classes that a logistic regression predicts."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS))
    with warnings.catch_warnings():
        # Stopping after STEPS hardly changes which images it gets right.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(vectors, classes).predict(queries)


_CLASSIFIERS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "knn_accuracy": _knn,
    "linear_accuracy": _linear,
}
