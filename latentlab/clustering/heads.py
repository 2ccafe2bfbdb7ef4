"""Linear heads on vectors that stay as they are, trained on pairs of neighbours: several at once, and one is chosen by its loss.

A head is softmax(z kernel + bias). Its objective is a file's own, see scan.py, temi.py and imc.py; no label takes part, and the
choice among the heads goes by the loss on all training images. Half of SCAN's and TEMI's heads start at random, as the papers' do, and
half from k-means: those that start at random often put two groups together and split a third, and training seldom undoes it.
"""

import abc
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from latentlab import backend
from latentlab.backend.steps import Batch, CompiledSteps
from latentlab.clustering.base import (
    Assigned,
    Clusterer,
    Vectors,
    assigned_softly,
    canonical_order,
    cluster_means,
    distances_to,
)
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError
from latentlab.progress import log, track

STEPS_PER_CALL = 10
SMALLEST = 0.1  # of an even share; a head with a smaller cluster has collapsed
MOST_TRIES = 3
LEAST_STEPS = 1000  # few images have epochs of a step or two; they get more epochs
EXACT_NEIGHBORS = 100_000  # images; above, neighbours are approximate
SAMPLE = 50_000  # images that k-means starts from, at most
LEAST_VARIANCE = 0.01  # within clusters, of all: a head that is sure of everything does not learn
SOFTNESS = 10.0  # times the variance within clusters: with that variance itself hardly any image would be unsure, and heads would learn slowly


@dataclass(frozen=True)
class HeadOptions:
    """How heads are trained.

    Attributes
    ----------
    heads : int
        Trained side by side from different initial weights; of scan and temi the first half (or the only one) from k-means.
    neighbors : int
        Nearest neighbours of which an image's partner is drawn.
    epochs, batch_size : int
    learning_rate : float
        Adam's.
    entropy : float
        Weight of what keeps the clusters even in size.
    """

    heads: int = 10
    neighbors: int = 20
    epochs: int = 50
    batch_size: int = 1000
    learning_rate: float = 0.003
    entropy: float = 5.0

    def __post_init__(self) -> None:
        if (
            min(self.heads, self.neighbors, self.epochs, self.batch_size) < 1
            or self.learning_rate <= 0
            or self.entropy < 0
        ):
            raise ConfigError(
                "--set heads, neighbors, epochs and batch_size must be at least 1, learning_rate above 0, entropy at least 0."
            )


@dataclass(frozen=True)
class Head:
    """Clusters by a fitted head.

    Attributes
    ----------
    kernel, bias : ndarray of shape (d, k) and (k,), float32
    centers : ndarray of shape (k, d), float32
        Mean of each cluster's training vectors.
    """

    kernel: np.ndarray
    bias: np.ndarray
    centers: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign feature vectors of shape (n, d) to their most probable clusters."""
        from scipy.special import softmax

        return assigned_softly(
            softmax(vectors @ self.kernel + self.bias, axis=1), distances_to(self.centers, vectors)
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return kernel, bias and centers by name."""
        return {"kernel": self.kernel, "bias": self.bias, "centers": self.centers}


class Objective(abc.ABC):
    """What heads are trained to do; a method file has one of its own.

    Attributes
    ----------
    kernel, bias : keras.Variable
        Of all heads, (heads, d, k) and (heads, 1, k).
    trainable, frozen : list of keras.Variable
        What is trained, and what `losses` assigns.
    from_kmeans : bool
        Whether half of the heads start from k-means.
    """

    from_kmeans: ClassVar[bool] = True

    def __init__(self, n_dims: int, k: int, own: Any, seed: int) -> None:
        import keras

        rng = np.random.default_rng([seed, 9])
        self.own = own
        self.kernel = keras.Variable(
            rng.normal(0, n_dims**-0.5, (own.heads, n_dims, k)).astype(np.float32)
        )
        self.bias = keras.Variable(np.zeros((own.heads, 1, k), np.float32))
        self.trainable: list[Any] = [self.kernel, self.bias]
        self.frozen: list[Any] = []

    def logits(self, z: Any) -> Any:
        """Return (heads, n, k) for vectors z, (n, d)."""
        return z @ self.kernel + self.bias

    @abc.abstractmethod
    def losses(self, one: Any, other: Any) -> Any:
        """Return each head's loss, (heads,), on vectors (n, d) and what `fit` was given of their partners, (n, ...)."""

    def start(self, kernels: np.ndarray, biases: np.ndarray) -> None:
        """Let the first m heads start from kernels (m, d, k) and biases (m, 1, k)."""
        for variable, first in ((self.kernel, kernels), (self.bias, biases)):
            variable.assign(np.concatenate([first, np.asarray(variable)[len(first) :]]))

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Return kernel (heads, d, k) and bias (heads, k) whose softmax gives the probabilities."""
        return np.asarray(self.kernel), np.asarray(self.bias)[:, 0]


def fit(
    vectors: Vectors,
    options: ClusterOptions,
    own: Any,
    make: Callable[[int, int, Any, int], Objective],
    others: np.ndarray | None = None,
) -> Clusterer:
    """Train own.heads heads and return the one of the lowest loss among those whose clusters all live.

    Where none does, all are trained again with twice the weight of the entropy; `facts` tells of it.

    Parameters
    ----------
    others : ndarray of shape (n_images, ...) or None
        What the loss takes of an image's partner; None for its vector.

    Raises
    ------
    DataError
        If there are fewer images than clusters.
    """
    if vectors.n_images < max(options.k, 2):
        raise DataError(
            f"--k {options.k} is more than the {vectors.n_images} training images. Choose a smaller --k."
        )
    backend.select()
    matrix = vectors.matrix()
    mean, scale = matrix.mean(axis=0), float(matrix.std(axis=0).mean()) or 1.0
    z = (matrix - mean) / scale
    partners = nearest(z, own.neighbors)
    recoveries: list[dict[str, Any]] = []
    for number in range(MOST_TRIES):
        objective = make(z.shape[1], options.k, own, options.seed + 1000 * number)
        if objective.from_kmeans:
            objective.start(
                *_from_kmeans(z, options.k, -(-own.heads // 2), options.seed + 1000 * number)
            )
        losses = _train(objective, z, z if others is None else others, partners, own, options.seed)
        kernels, biases = objective.linear()
        labels = [
            (z @ kernel + bias).argmax(axis=1) for kernel, bias in zip(kernels, biases, strict=True)
        ]
        alive = [
            i
            for i, one in enumerate(labels)
            if np.bincount(one, minlength=options.k).min() >= SMALLEST * len(z) / options.k
        ]
        if alive or number == MOST_TRIES - 1:
            break
        recoveries.append(
            {
                "what": "trained again",
                "because": "every head had lost a cluster",
                "entropy": own.entropy,
            }
        )
        own = replace(own, entropy=2 * own.entropy)
        log.warning("every head has lost a cluster: training again with entropy=%g", own.entropy)
    best = min(alive or range(len(losses)), key=lambda i: losses[i])
    order = canonical_order(labels[best], options.k)
    kernel = kernels[best][:, order] / scale
    told = [round(float(loss), 5) for loss in losses]
    facts = {
        "algorithm": options.method,
        "losses": told,
        "head": int(best),
        "alive": len(alive),
        "recoveries": recoveries,
    }
    return Head(
        kernel.astype(np.float32),
        (biases[best][order] - mean @ kernel).astype(np.float32),
        cluster_means(matrix, labels[best], np.zeros((options.k, matrix.shape[1])))[order],
        facts,
    )


def load(arrays: dict[str, np.ndarray]) -> Head:
    """Return a fitted head from its saved arrays."""
    return Head(arrays["kernel"], arrays["bias"], arrays["centers"])


def nearest(z: np.ndarray, count: int) -> np.ndarray:
    """Return the positions, int32 (n, count), of each vector's nearest others."""
    count = min(count, len(z) - 1)
    if len(z) <= EXACT_NEIGHBORS:
        from sklearn.neighbors import NearestNeighbors

        found = (
            NearestNeighbors(n_neighbors=count, algorithm="brute")
            .fit(z)
            .kneighbors(return_distance=False)
        )
    else:
        with backend.frameworks_hidden():
            from pynndescent import NNDescent
        found = NNDescent(z, n_neighbors=count + 1, random_state=0).neighbor_graph[0][:, 1:]
    return np.asarray(found, np.int32)


def _from_kmeans(z: np.ndarray, k: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return kernels (count, d, k) and biases (count, 1, k) of heads whose clusters are k-means', each from a start of its own.

    A head says how probable each center is for Gaussians around them, of SOFTNESS times the mean variance within clusters.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    kernels, biases, size = [], [], max(SAMPLE, k)
    for number in range(count):
        rng = np.random.default_rng([seed, 14, number])
        sample = z if len(z) <= size else z[rng.choice(len(z), size, replace=False)]
        with warnings.catch_warnings(), backend.ordered_sums():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # of fewer different vectors than clusters: random heads may do better
            model = KMeans(k, n_init=1, random_state=int(rng.integers(1 << 31))).fit(sample)
        precision = 1 / (SOFTNESS * max(model.inertia_ / sample.size, LEAST_VARIANCE))
        kernels.append(precision * model.cluster_centers_.T)
        biases.append(-precision / 2 * np.square(model.cluster_centers_).sum(axis=1)[None])
    return np.array(kernels, np.float32), np.array(biases, np.float32)


def _train(
    objective: Objective,
    z: np.ndarray,
    others: np.ndarray,
    partners: np.ndarray,
    own: Any,
    seed: int,
) -> np.ndarray:
    """Train the heads and return the loss of each, (heads,), averaged over the last epoch."""
    import keras
    from keras import ops

    def loss(batch: Batch) -> tuple[Any, dict[str, Any]]:
        each = objective.losses(batch["one"], batch["other"])
        return ops.sum(each), {f"head{i}": each[i] for i in range(own.heads)}

    names = [f"head{i}" for i in range(own.heads)]
    steps = CompiledSteps(
        loss, names, objective.trainable, objective.frozen, keras.optimizers.Adam(own.learning_rate)
    )
    size = min(own.batch_size, len(z))
    per_epoch = len(z) // size
    told: dict[str, float] = {}
    epochs = max(own.epochs, -(-LEAST_STEPS // per_epoch))
    with track(f"{own.heads} heads", epochs) as bar:
        for epoch in range(epochs):
            rng = np.random.default_rng([seed, 10, epoch])
            order = rng.permutation(len(z))[: per_epoch * size].reshape(per_epoch, size)
            picked = partners[order, rng.integers(0, partners.shape[1], order.shape)]
            sums = np.zeros(own.heads)
            for first in range(0, per_epoch, STEPS_PER_CALL):
                part = slice(first, first + STEPS_PER_CALL)
                told = steps({"one": z[order[part]], "other": others[picked[part]]})
                sums += np.array([told[name] for name in names]) * len(order[part])
            bar.update(epoch + 1, f"loss {sums.min() / per_epoch:.4f}")
    return sums / per_epoch
