"""Clusters by a linear head on fixed vectors, trained on pairs of neighbours.

A head is softmax(z kernel + bias). Several are trained side by side, and the one of the lowest
loss on the training images is the result. A method file brings its own `HeadObjective`: see
scan.py, temi.py and imc.py. No label takes part.

Half of SCAN's and TEMI's heads start at random, as in the papers, and half from k-means, see
docs/decisions/0030-heads-from-kmeans.md.
"""

import abc
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from latentlab import backend
from latentlab.backend.steps import Batch, CompiledSteps
from latentlab.clustering.assigned import Assigned, canonical_order, distances_to
from latentlab.clustering.clusterer import (
    Clusterer,
    ClustererCapabilities,
    FittedClusters,
    check_enough_images,
    number_of_clusters,
)
from latentlab.clustering.means import cluster_means
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.features.neighbors import nearest_others
from latentlab.options import CheckedOptions, option
from latentlab.progress import log, track

STEPS_PER_CALL = 10
SMALLEST_SHARE = 0.1  # of an even share; a head with a smaller cluster has collapsed
MOST_TRIES = 3
LEAST_STEPS = 1000  # few images have epochs of a step or two; they get more epochs
SAMPLE = 50_000  # images that k-means starts from, at most

# Heads from k-means take its clusters for Gaussians of SOFTNESS times the variance within clusters.
# With that variance itself hardly any image would be unsure, and heads would learn slowly.
SOFTNESS = 10.0
LEAST_VARIANCE = 0.01  # within clusters, of all: a head that is sure of everything does not learn

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class HeadOptions(CheckedOptions):
    """How heads are trained.

    Attributes
    ----------
    heads : int
        Heads trained side by side from different initial weights. With scan and temi the first
        half (or the only one) starts from k-means.
    neighbors : int
        Number of nearest neighbours that an image's partner is drawn from.
    epochs, batch_size : int
    learning_rate : float
        Adam's.
    entropy : float
        Weight of the term that keeps the clusters even in size.
    """

    heads: int = option(10, "Heads that are trained; the best is used.", at_least=1)
    neighbors: int = option(20, "Nearest neighbours that partners are drawn from.", at_least=1)
    epochs: int = option(50, "Passes over the images, at least 1,000 steps.", at_least=1)
    batch_size: int = option(1000, "Images per step.", at_least=1)
    learning_rate: float = option(0.003, "Learning rate of Adam.", more_than=0)
    entropy: float = option(5.0, "Weight of even cluster sizes.", at_least=0)


@dataclass(frozen=True)
class Head(FittedClusters):
    """Clusters by a fitted head.

    Attributes
    ----------
    kernel, bias : ndarray of shape (d, k) and (k,), float32
    """

    kernel: np.ndarray
    bias: np.ndarray

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors`, of shape (n, d), to their most probable clusters."""
        from scipy.special import softmax

        soft = softmax(vectors @ self.kernel + self.bias, axis=1)
        return Assigned.from_probabilities(soft, distances_to(self.centers, vectors))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return kernel, bias and centers by name."""
        return {"kernel": self.kernel, "bias": self.bias, "centers": self.centers}


class HeadObjective(abc.ABC):
    """The loss of several heads, trained at once.

    Parameters
    ----------
    n_dims : int
        Numbers in a vector.
    k : int
        Number of clusters.
    settings : HeadOptions
    seed : int
        Of the initial weights.

    Attributes
    ----------
    kernel, bias : keras.Variable
        Of all heads: (heads, d, k) and (heads, 1, k).
    trainable, frozen : list of keras.Variable
        Variables that are trained, and variables that `losses` assigns or only reads.
    starts_from_kmeans : bool
        Whether half of the heads start from k-means.
    """

    starts_from_kmeans: ClassVar[bool] = True

    def __init__(self, n_dims: int, k: int, settings: Any, seed: int) -> None:
        import keras

        rng = np.random.default_rng([seed, 9])
        shape = (settings.heads, n_dims, k)
        self.settings = settings
        self.kernel = keras.Variable(rng.normal(0, n_dims**-0.5, shape).astype(np.float32))
        self.bias = keras.Variable(np.zeros((settings.heads, 1, k), np.float32))
        self.trainable: list[Any] = [self.kernel, self.bias]
        self.frozen: list[Any] = []

    def logits(self, vectors: Any) -> Any:
        """Return the logits, of shape (heads, n, k), of `vectors` of shape (n, d)."""
        return vectors @ self.kernel + self.bias

    @abc.abstractmethod
    def losses(self, vectors: Any, partners: Any) -> Any:
        """Return the loss of each head, (heads,).

        Parameters
        ----------
        vectors : tensor of shape (n, d)
        partners : tensor of shape (n, ...)
            Partner data of a neighbour of each vector, see `HeadClusterer.partner_data`.
        """

    def start(self, kernels: np.ndarray, biases: np.ndarray) -> None:
        """Set the initial weights of the first m heads.

        Parameters
        ----------
        kernels : ndarray of shape (m, d, k)
        biases : ndarray of shape (m, 1, k)
        """
        for variable, first in ((self.kernel, kernels), (self.bias, biases)):
            variable.assign(np.concatenate([first, np.asarray(variable)[len(first) :]]))

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Return kernels (heads, d, k) and biases (heads, k); their softmax gives probabilities."""
        return np.asarray(self.kernel), np.asarray(self.bias)[:, 0]


class HeadClusterer(Clusterer):
    """Base of the methods that train a head.

    Attributes
    ----------
    Objective : type
        The method's loss.
    """

    Objective: ClassVar[type[HeadObjective]]
    # Their losses reward clusters of one size, by the entropy of the shares.
    capabilities: ClassVar[ClustererCapabilities] = ClustererCapabilities(evens_sizes=True)

    def partner_data(self, vectors: Vectors) -> np.ndarray | None:
        """Return the data of an image that losses of its neighbours read, (n_images, ...).

        None stands for its scaled vector.

        Parameters
        ----------
        vectors : Vectors
            Features of the training images.
        """
        return None

    def fit(self, vectors: Vectors, options: ClusterOptions, settings: Any) -> Head:
        """Train `settings.heads` heads and return the best one without a collapsed cluster.

        If every head has lost a cluster, all are trained again with twice the weight of the
        entropy; `facts` records it. Arguments and errors as in `Clusterer.fit`.
        """
        k = number_of_clusters(options)
        check_enough_images(k, vectors.n_images, at_least=2)
        backend.current()

        # Heads are trained on centered vectors of a spread of about 1.
        matrix = vectors.matrix()
        scaling = _Scaling.of(matrix)
        pairs = _Pairs.of(scaling.apply(matrix), self.partner_data(vectors), settings.neighbors)
        with warnings.catch_warnings():
            # Of a single cluster, whose share is 1 whatever is trained.
            warnings.filterwarnings("ignore", message="You are using a softmax over axis")
            trained, recoveries = self._train_until_alive(pairs, k, settings, options.seed)

        # The best head, for the vectors as they are, with its largest cluster first.
        best = trained.best()
        order = canonical_order(trained.labels[best], k)
        kernel = trained.kernels[best][:, order] / scaling.scale
        bias = trained.biases[best][order] - scaling.mean @ kernel
        means = cluster_means(matrix, trained.labels[best], np.zeros((k, matrix.shape[1])))
        return Head(
            means[order],
            kernel.astype(np.float32),
            bias.astype(np.float32),
            facts={
                "algorithm": options.method,
                "losses": [round(float(loss), 5) for loss in trained.losses],
                "head": best,
                "alive": len(trained.alive()),
                "recoveries": recoveries,
            },
        )

    def load(self, arrays: Arrays) -> Head:
        """Return a fitted head from its saved arrays."""
        return Head(arrays["centers"], arrays["kernel"], arrays["bias"])

    def _train_until_alive(
        self, pairs: "_Pairs", k: int, settings: Any, seed: int
    ) -> tuple["_TrainedHeads", list[dict[str, object]]]:
        """Train heads until one has all clusters; return them and the repairs of collapses."""
        recoveries: list[dict[str, object]] = []
        for attempt in range(MOST_TRIES):
            # Train heads from new initial weights.
            objective = self._objective(pairs.vectors, k, settings, seed + 1000 * attempt)
            losses = _HeadTraining(objective, pairs, settings, seed).run()
            trained = _TrainedHeads.of(objective, losses, pairs.vectors)
            if trained.alive() or attempt == MOST_TRIES - 1:
                break
            # Every head has collapsed: even sizes shall count for more.
            recoveries.append(
                {
                    "what": "trained again",
                    "because": "every head had lost a cluster",
                    "entropy": settings.entropy,
                }
            )
            settings = replace(settings, entropy=2 * settings.entropy)
            log.warning(
                "every head has lost a cluster: training again with entropy=%g", settings.entropy
            )
        return trained, recoveries

    def _objective(self, vectors: np.ndarray, k: int, settings: Any, seed: int) -> HeadObjective:
        """Return untrained heads."""
        objective = self.Objective(vectors.shape[1], k, settings, seed)
        if objective.starts_from_kmeans:
            n_from_kmeans = math.ceil(settings.heads / 2)
            objective.start(*heads_from_kmeans(vectors, k, n_from_kmeans, seed))
        return objective


@dataclass(frozen=True)
class _Scaling:
    """Shift and scale that give vectors a mean of 0 and a mean standard deviation of 1.

    Attributes
    ----------
    mean : ndarray of shape (d,), float32
    scale : float
    """

    mean: np.ndarray
    scale: float

    @classmethod
    def of(cls, matrix: np.ndarray) -> "_Scaling":
        return cls(matrix.mean(axis=0), float(matrix.std(axis=0).mean()) or 1.0)

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        return (matrix - self.mean) / self.scale


@dataclass(frozen=True)
class _Pairs:
    """Vectors and the neighbours that they are paired with.

    Attributes
    ----------
    vectors : ndarray of shape (n, d), float32
    partner_data : ndarray of shape (n, ...)
        The data that the loss reads for a partner.
    neighbors : ndarray of shape (n, m), int32
        Positions of each vector's nearest others.
    """

    vectors: np.ndarray
    partner_data: np.ndarray
    neighbors: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, partner_data: np.ndarray | None, n_neighbors: int) -> "_Pairs":
        if partner_data is None:
            partner_data = vectors
        return cls(vectors, partner_data, nearest_others(vectors, n_neighbors))

    def batches(self, rng: np.random.Generator, n_steps: int, size: int) -> Iterator[Batch]:
        """Yield one epoch's batches, `STEPS_PER_CALL` stacked at a time."""
        positions = rng.permutation(len(self.vectors))[: n_steps * size].reshape(n_steps, size)
        drawn = rng.integers(0, self.neighbors.shape[1], positions.shape)
        partners = self.neighbors[positions, drawn]
        for first in range(0, n_steps, STEPS_PER_CALL):
            steps = slice(first, first + STEPS_PER_CALL)
            yield {
                "vectors": self.vectors[positions[steps]],
                "partners": self.partner_data[partners[steps]],
            }


@dataclass(frozen=True)
class _TrainedHeads:
    """Heads after training.

    Attributes
    ----------
    kernels, biases : ndarray of shape (heads, d, k) and (heads, k)
    losses : ndarray of shape (heads,)
    labels : list of ndarray of shape (n,)
        Cluster of each training vector by each head.
    """

    kernels: np.ndarray
    biases: np.ndarray
    losses: np.ndarray
    labels: list[np.ndarray]

    @classmethod
    def of(
        cls, objective: HeadObjective, losses: np.ndarray, vectors: np.ndarray
    ) -> "_TrainedHeads":
        kernels, biases = objective.linear()
        labels = []
        for kernel, bias in zip(kernels, biases, strict=True):
            labels.append((vectors @ kernel + bias).argmax(axis=1))
        return cls(kernels, biases, losses, labels)

    def alive(self) -> list[int]:
        """Return the positions of the heads without a collapsed cluster."""
        k = self.kernels.shape[2]
        positions = []
        for position, labels in enumerate(self.labels):
            smallest = np.bincount(labels, minlength=k).min()
            if smallest >= SMALLEST_SHARE * len(labels) / k:
                positions.append(position)
        return positions

    def best(self) -> int:
        """Return the position of the living head of the lowest loss."""
        candidates = self.alive() or range(len(self.losses))
        return min(candidates, key=lambda position: self.losses[position])


class _HeadTraining:
    """Trains the heads of an objective."""

    def __init__(
        self, objective: HeadObjective, pairs: _Pairs, settings: HeadOptions, seed: int
    ) -> None:
        import keras

        self.objective = objective
        self.pairs = pairs
        self.settings = settings
        self.seed = seed
        # An epoch takes whole batches only.
        self.batch_size = min(settings.batch_size, len(pairs.vectors))
        self.steps_per_epoch = len(pairs.vectors) // self.batch_size
        self.loss_names = [f"head{number}" for number in range(settings.heads)]
        self.steps = CompiledSteps(
            self._loss,
            self.loss_names,
            objective.trainable,
            objective.frozen,
            keras.optimizers.Adam(settings.learning_rate),
        )

    def run(self) -> np.ndarray:
        """Return the loss of each head, (heads,), averaged over the last epoch."""
        n_epochs = max(self.settings.epochs, math.ceil(LEAST_STEPS / self.steps_per_epoch))
        with track(f"{self.settings.heads} heads", n_epochs, "epochs") as bar:
            for epoch in range(n_epochs):
                losses = self._train_epoch(epoch)
                bar.update(epoch + 1, f"loss {losses.min():.4f}")
        return losses

    def _train_epoch(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 10, epoch])
        sums = np.zeros(len(self.loss_names))
        for batches in self.pairs.batches(rng, self.steps_per_epoch, self.batch_size):
            means = self.steps(batches)
            losses = np.array([means[name] for name in self.loss_names])
            sums += losses * len(batches["vectors"])
        return sums / self.steps_per_epoch

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        from keras import ops

        losses = self.objective.losses(batch["vectors"], batch["partners"])
        by_name = {name: losses[number] for number, name in enumerate(self.loss_names)}
        return ops.sum(losses), by_name


def heads_from_kmeans(
    vectors: np.ndarray, k: int, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return heads that give the clusters of k-means, each from its own start.

    A head gives the probability of each center for Gaussians around the centers. Their variance is
    `SOFTNESS` times the mean variance within clusters.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    k : int
        Number of clusters.
    count : int
        Number of heads.
    seed : int

    Returns
    -------
    kernels : ndarray of shape (count, d, k), float32
    biases : ndarray of shape (count, 1, k), float32
    """
    kernels = []
    biases = []
    for number in range(count):
        rng = np.random.default_rng([seed, 14, number])
        sample = _sample(vectors, max(SAMPLE, k), rng)
        model = _kmeans_once(sample, k, int(rng.integers(1 << 31)))
        variance = max(model.inertia_ / sample.size, LEAST_VARIANCE)
        precision = 1 / (SOFTNESS * variance)
        kernels.append(precision * model.cluster_centers_.T)
        biases.append(-precision / 2 * np.square(model.cluster_centers_).sum(axis=1)[None])
    return np.array(kernels, np.float32), np.array(biases, np.float32)


def _sample(vectors: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most `size` of the vectors."""
    if len(vectors) <= size:
        return vectors
    return vectors[rng.choice(len(vectors), size, replace=False)]


def _kmeans_once(sample: np.ndarray, k: int, seed: int) -> Any:
    """Return scikit-learn's k-means of one start."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), backend.ordered_sums():
        # Of fewer different vectors than clusters: random heads may do better.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(k, n_init=1, random_state=seed).fit(sample)
