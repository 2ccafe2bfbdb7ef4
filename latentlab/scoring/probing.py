"""How well features separate the classes, asked with labels: k-NN accuracy and a linear probe, as papers on representations do.

knn_accuracy        share of held-out images whose class most of their 20 nearest training images have, by the cosine
linear_accuracy     share that a logistic regression gets right, fitted on the training images' standardised features

These say what the features hold, not what the clusters are: here the classifier is given every training label. Part of the
judge: it reads labels, after everything is written.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.errors import DataError

NEIGHBORS = 20
STEPS = 200  # of the logistic regression's solver
LARGEST = 50_000  # training images that are used


def probe(
    vectors: np.ndarray,
    splits: np.ndarray,
    classes: np.ndarray,
    seed: int = 0,
    metrics: Iterable[str] = ("knn_accuracy", "linear_accuracy"),
) -> list[dict[str, Any]]:
    """Return {"metric", "value", "low", "high", "chance", "n"} of both probes, or the one that is asked for, on the held-out images.

    The interval is Wilson's (95%), the chance that of always naming the commonest class of the training split.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Features.
    classes : ndarray of shape (n,), int
        -1 where an image has no label.

    Raises
    ------
    DataError
        If a split has no labelled image, or the training split one class alone.
    """
    training, held_out = (
        np.flatnonzero((splits == split) & (classes >= 0)) for split in (TRAIN, TEST)
    )
    if not len(training) or not len(held_out):
        raise DataError(
            "a probe needs labelled images in both splits. Fit with --held-out above 0, or data with labels."
        )
    if len(np.unique(classes[training])) < 2:
        raise DataError("a probe needs at least two classes among the training images.")
    if len(training) > LARGEST:
        training = np.sort(
            np.random.default_rng([seed, 24]).choice(training, LARGEST, replace=False)
        )
    known, asked = (vectors[training], classes[training]), (vectors[held_out], classes[held_out])
    chance = float((asked[1] == np.bincount(known[1]).argmax()).mean())
    answers = {"knn_accuracy": _knn, "linear_accuracy": _linear}
    right = {name: answers[name](*known, asked[0]) == asked[1] for name in metrics}
    return [
        {"metric": name, **_share(hits), "chance": chance, "n": len(hits)}
        for name, hits in right.items()
    ]


def _share(hits: np.ndarray) -> dict[str, float]:
    from scipy.stats import binomtest

    between = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return {"value": float(hits.mean()), "low": float(between.low), "high": float(between.high)}


def _knn(vectors: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(
        min(NEIGHBORS, len(vectors)), metric="cosine", algorithm="brute"
    ).fit(vectors, classes)
    return np.concatenate(
        [model.predict(part) for part in np.array_split(asked, max(1, len(asked) // 1000))]
    )


def _linear(vectors: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # stopped after STEPS: hardly changes what it gets right
        return model.fit(vectors, classes).predict(asked)


def text(found: dict[str, Any]) -> str:
    """Return the table for the terminal."""
    lines = [f"{'features':<28}{'k-NN accuracy':<26}{'linear probe':<26}chance"]
    methods = dict.fromkeys(row["method"] for row in found["rows"])
    for method in methods:
        own = {row["metric"]: row for row in found["rows"] if row["method"] == method}
        cells = [
            f"{own[name]['value']:.3f} [{own[name]['low']:.3f}, {own[name]['high']:.3f}]"
            for name in ("knn_accuracy", "linear_accuracy")
        ]
        lines.append(f"{method:<28}{cells[0]:<26}{cells[1]:<26}{own['knn_accuracy']['chance']:.3f}")
    return "\n".join(
        [
            *lines,
            "",
            "held-out images; here the classifiers, not the clusters, were given the training labels",
        ]
    )
