"""DCN, "Towards k-means-friendly spaces" (Yang, Fu, Sidiropoulos and Hong, ICML 2017).

The code is pulled to its center, and the decoder keeps it from collapsing (equation 5):

    L = |x - x'|^2 + penalty / 2 |z - m_s|^2,     s the nearest center

Network and centers take turns: a step trains the network with centers and assignment fixed, then each center moves to the
images just assigned to it, by 1 / (images it has seen) (equations 6 to 8). Soft assignments, which the method does not
have, are those of Student's t kernel at the same centers. On features of unit length (l2) clusters still collapse.

    latentlab cluster --run RUN --k 10 --method dcn
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.clustering.base import distances_to
from latentlab.refinement.base import LoopOptions, Refiner, Start
from latentlab.refinement.feature_layers import vectors_of


@dataclass(frozen=True)
class Options(LoopOptions):
    """Settings of the method, beside those of the loop.

    Attributes
    ----------
    penalty : float
        Weight of the distance to the center. Both terms of the loss are in units of their mean at the start, so that it
        means the same for codes of any scale and images of any size.
    learning_rate : float
        Adam's.
    """

    penalty: float = 0.1
    learning_rate: float = 0.001
    POSITIVE = ("penalty", "learning_rate")


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`."""
    return KMeansFriendly(start, options)


class KMeansFriendly:
    """Alternates network steps and center updates."""

    def __init__(self, start: Start, options: Options) -> None:
        import keras

        from latentlab import backend
        from latentlab.nets.layers import ClusteringLayer

        image = start.model.encoder.input
        z = vectors_of(start.model, start.features)
        self.layer = ClusteringLayer(
            len(start.centers), scale=max(start.spread, 1e-12), trainable=False, name="clustering"
        )
        self.assigner = keras.Model(image, [z, self.layer(z)], name="assigner")
        self.layer.set_centers(start.centers)
        self.trainer = keras.Model(image, [start.model.autoencoder.output, z], name="trainer")
        # Keras' error is a mean over the d numbers of z, the paper's a sum: hence the factor d. An error of the pixels is a mean
        # too, far below 1; without the factor start.error the pull wins, the code shrinks, and one center has all images.
        weight = (
            options.penalty / 2 * start.centers.shape[1] * start.error / max(start.spread, 1e-12)
        )
        optimizer = keras.optimizers.Adam(options.learning_rate)
        self.trainer.compile(
            optimizer=optimizer,
            loss=["mse", "mse"],
            loss_weights=[1.0, weight],
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self._centers = start.centers.copy()
        self._counts = np.zeros(len(start.centers))

    def networks(self) -> tuple[Any, Any]:
        """Return the trained model and images -> [z, q]."""
        return self.trainer, self.assigner

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Count the images of each center, once: the first centers are the means of them all."""
        if not self._counts.any():
            self._counts = np.bincount(q.argmax(axis=1), minlength=q.shape[1]).astype(float)

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train the network on one batch, then move the centers; return the losses."""
        z, _ = self.assigner.predict_on_batch(batch)
        nearest = distances_to(self._centers, np.asarray(z)).argmin(axis=1)
        self.trainer.reset_metrics()
        values = self.trainer.train_on_batch(batch, [batch, self._centers[nearest]])
        moved, _ = self.assigner.predict_on_batch(batch)
        self._move(np.asarray(moved), nearest)
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def _move(self, z: np.ndarray, nearest: np.ndarray) -> None:
        """Move each center by the mean step of equation 8, taken for all its images of the batch at once."""
        seen = np.bincount(nearest, minlength=len(self._counts))
        sums = np.zeros_like(self._centers, dtype=np.float64)
        np.add.at(sums, nearest, z)
        self._counts = self._counts + seen
        step = (sums - seen[:, None] * self._centers) / np.maximum(self._counts, 1)[:, None]
        self.set_centers(self._centers + step)

    def centers(self) -> np.ndarray:
        """Return the centers, float32 (k, d)."""
        return self._centers

    def set_centers(self, centers: np.ndarray) -> None:
        """Replace the centers."""
        self._centers = np.asarray(centers, np.float32)
        self.layer.set_centers(self._centers)

    def reorder(self, order: np.ndarray) -> None:
        """Number the clusters anew."""
        self._counts = self._counts[order]
        self.set_centers(self._centers[order])

    def extras(self) -> dict[str, np.ndarray]:
        """Return centers and counts, which the trained network does not hold."""
        return {"centers": self._centers, "counts": self._counts}

    def set_extras(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `extras`."""
        self._counts = arrays["counts"]
        self.set_centers(arrays["centers"])
