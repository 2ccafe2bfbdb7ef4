"""Self-labelling: the network learns its own confident clusters from strongly changed views (SCAN, ECCV 2020, section 2.3).

It starts from a head on the vectors as they are ("scan" or "temi", see latentlab/clustering). Then, once a round, all training
images are assigned as they are, and the network is trained to say the same of a strongly changed view of each image:
cropped, in other colours, with a square missing. What differs from the paper:

- An image's assignment is averaged with that of its nearest neighbours in the first embedding, and balanced over all images at
  once by optimal transport to clusters of equal size (Sinkhorn's scaling, as self-labelling by Asano and others, ICLR 2020,
  does): without it a cluster that once grew attracts ever more images. The paper thresholds single predictions batch by
  batch, at a value that its users often find nothing to pass.
- The images trained on are each cluster's most confident share, which grows from `first_share` to `last_share`; so no cluster
  goes without, and no threshold depends on how sharp the head happens to be.

The decoder goes on learning the code, with its gradient stopped.

    latentlab cluster --run RUN --k 10 --recipe strong
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import views
from latentlab.backend.steps import Batch, CompiledSteps
from latentlab.clustering import cluster_means
from latentlab.clustering._heads import nearest
from latentlab.errors import ConfigError
from latentlab.refinement import LoopOptions, Refiner, Start
from latentlab.refinement._network import vectors_of

FEATURES = "embedding+l2"
SCALINGS = 50
REPORTED = ("clustering_loss", "reconstruction_loss")


@dataclass(frozen=True)
class Options(LoopOptions):
    """Settings of the method, beside those of the loop.

    Attributes
    ----------
    learning_rate : float
        Adam's.
    first_share, last_share : float
        Share of each cluster's images that is trained on in the first and in the last round, the most confident ones.
    smallest_crop : float
        Smallest share of the image in a strong view.
    cutout : float
        Largest side of the missing square, as a share of the view's.
    neighbors : int
        Whose assignments are averaged.
    """

    interval: int = 195
    max_steps: int = 2340
    start: str = "scan"
    learning_rate: float = 3e-4
    first_share: float = 0.5
    last_share: float = 0.9
    smallest_crop: float = 0.3
    cutout: float = 0.5
    POSITIVE = ("learning_rate", "first_share", "last_share", "smallest_crop")

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.first_share, self.last_share, self.smallest_crop) > 1 or not 0 <= self.cutout <= 1:
            raise ConfigError("--set first_share, last_share, smallest_crop and cutout must be at most 1.")

    @property
    def least_rounds(self) -> int:
        """Half of all rounds: while few images are trained on, labels may stand still before the training is done."""
        return max(1, self.max_steps // self.interval // 2)


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`.

    Raises
    ------
    ConfigError
        If the encoder ends with its code.
    """
    if start.model.top is None:
        raise ConfigError("--method selflabel needs an encoder with an embedding above its code: fit with --recipe strong.")
    return SelfLabelling(start, options)


class SelfLabelling:
    """Trains encoder and head on the clusters' most confident images."""

    def __init__(self, start: Start, options: Options) -> None:
        import keras

        self.model, self.options, self.seed = start.model, options, start.seed
        image = self.model.encoder.input
        z = vectors_of(self.model, start.features)
        kernel, bias = start.head if start.head is not None else _head_of(start)
        self.head = keras.layers.Dense(len(start.centers), activation="softmax", dtype="float32", name="clusters")
        q = self.head(z)
        self.head.set_weights([kernel, bias])
        self.lower, self.decoder = self.model.autoencoder.get_layer("lower"), self.model.autoencoder.get_layer("decode")
        self.assigner = keras.Model(image, [z, q], name="assigner")
        self.trainer = keras.Model(image, [self.model.autoencoder.output, q], name="trainer")
        self.trainer.compile(optimizer=keras.optimizers.Adam(options.learning_rate))
        side = image.shape[1]
        self.kind = views.ViewKind(side, (options.smallest_crop, 1.0), (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, cutout=options.cutout)
        variables = self.trainer.trainable_variables, self.trainer.non_trainable_variables
        self._train = CompiledSteps(self._loss, REPORTED, *variables, self.trainer.optimizer)
        self._above = keras.Model(self.model.encoder.output, q)
        self._centers = start.centers
        self._neighbors = np.zeros((0, 0), np.int32)
        self._rounds = self._steps = 0
        self._target = self._weight = np.zeros(0, np.float32)

    def networks(self) -> tuple[Any, Any]:
        """Return the trained model and images -> [z, q]."""
        return self.trainer, self.assigner

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Set targets (n, k) and weights (n,) of the training images for the next steps."""
        if not len(self._neighbors):
            self._neighbors = nearest(z, self.options.neighbors)
        self._target, self._weight = pseudo_labels(q, self._neighbors, self._share())
        self._centers = cluster_means(z, q.argmax(axis=1), self._centers)
        self._rounds += 1

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on strong views of one batch and return the losses."""
        images = np.asarray(batch, np.float32)
        rng = np.random.default_rng([self.seed, 11, self._steps])
        self._steps += 1
        told = self._train(
            {
                "images": images[None],
                "views": views.draw(self.kind, len(images), images.shape[1:], rng)[None],
                "target": self._target[positions][None],
                "weight": self._weight[positions][None],
            }
        )
        return {name: told[name] for name in REPORTED}

    def centers(self) -> np.ndarray:
        """Return the mean vector of each cluster's training images before the last round, float32 (k, d)."""
        return self._centers

    def set_centers(self, centers: np.ndarray) -> None:
        """Move the head so that clusters lie around new centers, where a collapsed one was filled again."""
        kernel, bias = self.head.get_weights()
        changed = np.flatnonzero(np.abs(centers - self._centers).max(axis=1) > 1e-7)
        scale = np.linalg.norm(kernel, axis=0).mean()
        kernel[:, changed] = (scale * centers[changed] / np.linalg.norm(centers[changed], axis=1, keepdims=True)).T
        bias[changed] = bias.mean()
        self.head.set_weights([kernel, bias])
        self._centers = centers

    def reorder(self, order: np.ndarray) -> None:
        """Number the clusters anew."""
        kernel, bias = self.head.get_weights()
        self.head.set_weights([kernel[:, order], bias[order]])
        self._centers = self._centers[order]

    def extras(self) -> dict[str, np.ndarray]:
        """Return how far training is, the centers, and the neighbours in the first embedding."""
        return {"counts": np.array([self._rounds, self._steps]), "centers": self._centers, "neighbors": self._neighbors}

    def set_extras(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `extras`."""
        self._rounds, self._steps = map(int, arrays["counts"])
        self._centers, self._neighbors = arrays["centers"], arrays["neighbors"]

    def _share(self) -> float:
        last = max(1, self.options.max_steps // self.options.interval - 1)
        return self.options.first_share + (self.options.last_share - self.options.first_share) * min(1.0, self._rounds / last)

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        from keras import ops

        strong = views.apply(batch["images"], batch["views"], self.kind.size)
        code = self.lower(strong, training=True)
        q = self._above(code, training=True)
        divergence = -ops.sum(batch["target"] * ops.log(q + 1e-8), axis=1) * batch["weight"]
        loss = ops.sum(divergence) / (ops.sum(batch["weight"]) + 1e-8)
        rebuilt = self.decoder(ops.stop_gradient(code), training=True)
        error = ops.mean(ops.square(rebuilt - strong))
        return loss + error, {"clustering_loss": loss, "reconstruction_loss": error}


def pseudo_labels(q: np.ndarray, neighbors: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return targets, float32 one-hot (n, k), and weights, float32 (n,), of the training images.

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Assignments of the images as they are.
    neighbors : ndarray of shape (n, m), int
        Positions of each image's neighbours, whose mean assignment counts as much as its own.
    share : float
        Of each cluster's images, how many get a weight: the most confident. Weights are the same in a cluster, sum to the
        same in every cluster, and are 1 on average.
    """
    smooth = (q + q[neighbors].mean(axis=1)) / 2
    p = balanced(smooth)
    labels, confidence = p.argmax(axis=1), p.max(axis=1)
    weight = np.zeros(len(q), np.float32)
    for cluster in range(q.shape[1]):
        members = np.flatnonzero(labels == cluster)
        chosen = members[np.argsort(-confidence[members], kind="stable")[: int(np.ceil(share * len(members)))]]
        weight[chosen] = 1 / max(1, len(chosen))
    return np.eye(q.shape[1], dtype=np.float32)[labels], (weight * ((weight > 0).sum() / weight.sum())).astype(np.float32)


def balanced(q: np.ndarray) -> np.ndarray:
    """Return probabilities (n, k) scaled until every cluster has the same sum and every row the sum 1, nearly (Sinkhorn and Knopp 1967)."""
    p = np.maximum(q.astype(np.float64), 1e-12)
    for _ in range(SCALINGS):
        p *= len(p) / p.shape[1] / p.sum(axis=0)
        p /= p.sum(axis=1, keepdims=True)
    return p


def _head_of(start: Start) -> tuple[np.ndarray, np.ndarray]:
    """Return a linear head whose clusters are the cells of the starting centers, for starts that have none of their own."""
    sharpness = 10 / max(start.spread, 1e-6)
    return sharpness * start.centers.T, -sharpness * np.square(start.centers).sum(axis=1) / 2
