"""DCN, "Towards k-means-friendly spaces" (Yang, Fu, Sidiropoulos and Hong, ICML 2017).

The code is pulled to its center, and the decoder keeps it from collapsing (equation 5)::

    L = |x - x'|^2 + penalty / 2 |z - m_s|^2,     s the nearest center

Network and centers take turns. A step trains the network with centers and assignments fixed. Then
each center moves to the images just assigned to it, by 1 / (number of images it has seen)
(equations 6 to 8). The method has no soft assignments; Student's t kernel at the same centers
provides them. On features of unit length (l2) clusters still collapse.

    latentlab cluster --run RUN --k 10 --method dcn
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.clustering.assigned import distances_to
from latentlab.options import option
from latentlab.refinement.feature_layers import vectors_of
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Arrays, Refinement, Refiner, RefinerCapabilities, Start

LEAST_SPREAD = 1e-12  # keeps the kernel's scale above 0 for identical vectors


@dataclass(frozen=True)
class DCNOptions(LoopOptions):
    """Settings of DCN.

    Attributes
    ----------
    penalty : float
        Weight of the distance to the center. Both terms of the loss are in units of their mean at
        the start. The weight therefore suits any scale of code and any size of image.
    learning_rate : float
        Learning rate of Adam.
    """

    penalty: float = option(0.1, "Weight of the distance to the center.", more_than=0)
    learning_rate: float = option(0.001, "Learning rate of Adam.", more_than=0)


class DCN(Refiner):
    """Pulls codes towards k-means centers."""

    Options = DCNOptions
    capabilities = RefinerCapabilities(needs_decoder=True)

    def start(self, start: Start, options: DCNOptions) -> Refinement:
        """Build the networks around the encoder."""
        return KMeansFriendly(start, options)


class KMeansFriendly(Refinement):
    """Alternates network steps and center updates.

    Parameters
    ----------
    start : Start
        Encoder and initial clusters.
    options : DCNOptions
        Settings of the method.
    """

    def __init__(self, start: Start, options: DCNOptions) -> None:
        import keras

        from latentlab.nets.layers import ClusteringLayer

        # The kernel layer only reports soft assignments; its centers are set, not trained.
        spread = max(start.spread, LEAST_SPREAD)
        image = start.model.encoder.input
        z = vectors_of(start.model, start.features)
        self.layer = ClusteringLayer(
            len(start.centers), scale=spread, trainable=False, name="clustering"
        )
        self.assigner = keras.Model(image, [z, self.layer(z)], name="assigner")
        self.layer.set_centers(start.centers)

        # Keras' error is a mean over the d numbers of z, the paper's a sum: hence the factor d. The
        # pixel error is a mean too, far below 1. Without the factor start.error the pull wins, the
        # code shrinks, and a single center gets all images.
        n_dims = start.centers.shape[1]
        weight = options.penalty / 2 * n_dims * start.error / spread
        self.trainer = keras.Model(image, [start.model.autoencoder.output, z], name="trainer")
        self.learning_rate = options.learning_rate
        self.trainer.compile(
            optimizer=keras.optimizers.Adam(options.learning_rate),
            loss=["mse", "mse"],
            loss_weights=[1.0, weight],
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self._centers = start.centers.copy()
        self._counts = np.zeros(len(start.centers))

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Count the images of each center, once: the first centers are the means of them all."""
        if not self._counts.any():
            self._counts = np.bincount(q.argmax(axis=1), minlength=q.shape[1]).astype(float)

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train the network on one batch, then move the centers; return the losses."""
        # Pull each image to the center that is nearest before the step.
        z, _ = self.assigner.predict_on_batch(batch)
        nearest = distances_to(self._centers, np.asarray(z)).argmin(axis=1)
        self.trainer.reset_metrics()
        values = self.trainer.train_on_batch(batch, [batch, self._centers[nearest]])

        # Move the centers to where the step has put their images.
        moved, _ = self.assigner.predict_on_batch(batch)
        self._move_centers(np.asarray(moved), nearest)
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def _move_centers(self, z: np.ndarray, nearest: np.ndarray) -> None:
        """Move each center by the mean step of equation 8, for all its images at once."""
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
        """Replace the centers, (k, d)."""
        self._centers = np.asarray(centers, np.float32)
        self.layer.set_centers(self._centers)

    def reorder(self, order: np.ndarray) -> None:
        """Renumber the clusters."""
        self._counts = self._counts[order]
        self.set_centers(self._centers[order])

    def extras(self) -> Arrays:
        """Return centers and counts, which the trained network does not hold."""
        return {"centers": self._centers, "counts": self._counts}

    def set_extras(self, arrays: Arrays) -> None:
        """Restore centers and counts."""
        self._counts = arrays["counts"]
        self.set_centers(arrays["centers"])
