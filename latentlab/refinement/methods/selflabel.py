"""Self-labelling: the network learns its own confident clusters (SCAN, ECCV 2020, section 2.3).

It starts from a head on the vectors as they are: "scan", "temi" or "imc". Once per round the
network assigns all training images. It is then trained to assign a strong view of each image alike:
cropped, in other colours, with a square missing. Two things differ from the paper:

- An image's assignment is averaged with those of its nearest neighbours at the start. Optimal
  transport to clusters of equal size then balances all images at once (Sinkhorn's scaling, as in
  self-labelling by Asano and others, ICLR 2020). Without it a cluster that once grew attracts ever
  more images. The paper thresholds single predictions batch by batch, at a value that often lets
  nothing pass.
- Each cluster's most confident images are used. Their share grows from `first_share` to
  `last_share`, so that no cluster goes without and no threshold depends on how sharp the head is.

    latentlab cluster --run RUN --k 10 --method selflabel
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.options import option
from latentlab.refinement.refiner import Arrays, Refinement, Refiner, RefinerCapabilities, Start
from latentlab.refinement.trained_head import AveragedHeadOptions, TrainedHead, require_embedding

SCALINGS = 50  # of rows and columns, until clusters are nearly equal in size
SMALLEST_PROBABILITY = 1e-12  # before scaling, so that no column is empty
LOG_OFFSET = 1e-8  # keeps the logarithm of a probability finite


@dataclass(frozen=True)
class SelfLabelOptions(AveragedHeadOptions):
    """Settings of the method. Assignments are averaged with those of the `neighbors` nearest.

    Attributes
    ----------
    first_share : float
        Share of each cluster's images that the first round uses, the most confident ones.
    last_share : float
        The same share in the last round.
    """

    interval: int = option(195, "Steps between two assignments of all images.", at_least=1)
    max_steps: int = option(2340, "Largest number of steps.", at_least=1)
    first_share: float = option(
        0.5, "Share of each cluster's images used in the first round.", more_than=0, at_most=1
    )
    last_share: float = option(
        0.9, "Share of each cluster's images used in the last round.", more_than=0, at_most=1
    )

    @property
    def least_rounds(self) -> int:
        """Half of all rounds: while few images are used, labels may stand still too early."""
        return max(1, self.max_steps // self.interval // 2)


class SelfLabel(Refiner):
    """Training on the network's own confident clusters."""

    Options = SelfLabelOptions
    capabilities = RefinerCapabilities(default_features="embedding+l2", evens_sizes=True)

    def start(self, start: Start, options: SelfLabelOptions) -> Refinement:
        """Build the networks around the encoder; ConfigError if it has no embedding."""
        require_embedding(start, self.argument)
        return SelfLabelling(start, options)


class SelfLabelling(TrainedHead):
    """Trains encoder and head on the clusters' most confident images.

    Parameters
    ----------
    start : Start
        An encoder with an embedding, and initial clusters.
    options : SelfLabelOptions
        Settings of the method.
    """

    def __init__(self, start: Start, options: SelfLabelOptions) -> None:
        super().__init__(start, options)
        self._target = np.zeros(0, np.float32)
        self._weight = np.zeros(0, np.float32)

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Set targets (n, k) and weights (n,) of the training images for the round."""
        share = self._share()
        super().begin_round(z, q)
        self._target, self._weight = pseudo_labels(q, self._neighbors, share)

    def material(self, images: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """Return the images as they are, with their targets and weights."""
        return images, {"target": self._target[positions], "weight": self._weight[positions]}

    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return the weighted mean cross-entropy of targets and assignments."""
        from keras import ops

        weight = batch["weight"]
        divergence = -ops.sum(batch["target"] * ops.log(q + LOG_OFFSET), axis=1) * weight
        return ops.sum(divergence) / (ops.sum(weight) + LOG_OFFSET)

    def _share(self) -> float:
        """Return the share of images that the round about to begin uses."""
        first = self.options.first_share
        last_round = max(1, self.options.max_steps // self.options.interval - 1)
        progress = min(1.0, self._rounds / last_round)
        return first + (self.options.last_share - first) * progress


def pseudo_labels(
    q: np.ndarray, neighbors: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Turn assignments into targets and weights of the training images.

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Assignments of the images as they are.
    neighbors : ndarray of shape (n, m), int
        Positions of each image's neighbours. Their mean assignment counts as much as the image's.
    share : float
        Share of each cluster's images that get a weight, the most confident ones.

    Returns
    -------
    targets : ndarray of shape (n, k), float32
        The cluster of each image, one-hot.
    weights : ndarray of shape (n,), float32
        0 for images not used. They are equal within a cluster, have the same sum in every cluster,
        and are 1 on average.
    """
    # Average each image with its neighbours and balance the clusters.
    smooth = (q + q[neighbors].mean(axis=1)) / 2
    p = balanced(smooth)
    labels = p.argmax(axis=1)
    confidence = p.max(axis=1)

    # Give each cluster's most confident images an equal part of its weight.
    n_images, n_clusters = q.shape
    weight = np.zeros(n_images, np.float32)
    for cluster in range(n_clusters):
        members = np.flatnonzero(labels == cluster)
        count = int(np.ceil(share * len(members)))
        most_confident = np.argsort(-confidence[members], kind="stable")[:count]
        weight[members[most_confident]] = 1 / max(1, count)

    targets = np.eye(n_clusters, dtype=np.float32)[labels]
    n_used = (weight > 0).sum()
    return targets, (weight * (n_used / weight.sum())).astype(np.float32)


def balanced(q: np.ndarray) -> np.ndarray:
    """Scale probabilities until all clusters have nearly the same sum (Sinkhorn and Knopp 1967).

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Probabilities of the clusters.

    Returns
    -------
    ndarray of shape (n, k), float64
        Scaled probabilities; rows sum to 1.

    Examples
    --------
    >>> balanced(np.array([[0.9, 0.1], [0.6, 0.4]])).sum(axis=0).round(6).tolist()
    [1.0, 1.0]
    """
    p = np.maximum(q.astype(np.float64), SMALLEST_PROBABILITY)
    n_images, n_clusters = p.shape
    for _ in range(SCALINGS):
        p *= n_images / n_clusters / p.sum(axis=0)
        p /= p.sum(axis=1, keepdims=True)
    return p
