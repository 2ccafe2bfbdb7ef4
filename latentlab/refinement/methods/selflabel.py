"""Self-labelling: the network learns its own confident clusters from strongly changed views (SCAN, ECCV 2020, section 2.3).

It starts from a head on the vectors as they are ("scan", "temi" or "imc", see latentlab/clustering). Then, once a round, all training
images are assigned as they are, and the network is trained to say the same of a strongly changed view of each image:
cropped, in other colours, with a square missing. What differs from the paper:

- An image's assignment is averaged with that of its nearest neighbours at the start, and balanced over all images at
  once by optimal transport to clusters of equal size (Sinkhorn's scaling, as self-labelling by Asano and others, ICLR 2020,
  does): without it a cluster that once grew attracts ever more images. The paper thresholds single predictions batch by
  batch, at a value that its users often find nothing to pass.
- The images trained on are each cluster's most confident share, which grows from `first_share` to `last_share`; so no cluster
  goes without, and no threshold depends on how sharp the head happens to be.

    latentlab cluster --run RUN --k 10 --method selflabel
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.errors import ConfigError
from latentlab.refinement.base import Refiner, Start
from latentlab.refinement.trained_head import TrainedHead, TrainedHeadOptions

FEATURES = "embedding+l2"
SCALINGS = 50


@dataclass(frozen=True)
class Options(TrainedHeadOptions):
    """Settings of the method, beside those of `TrainedHeadOptions`. An image's assignment is averaged with those of its `neighbors` nearest.

    Attributes
    ----------
    first_share, last_share : float
        Share of each cluster's images that is trained on in the first and in the last round, the most confident ones.
    """

    interval: int = 195
    max_steps: int = 2340
    first_share: float = 0.5
    last_share: float = 0.9
    POSITIVE: ClassVar[tuple[str, ...]] = (
        *TrainedHeadOptions.POSITIVE,
        "first_share",
        "last_share",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.first_share, self.last_share) > 1:
            raise ConfigError("--set first_share and last_share must be at most 1.")

    @property
    def least_rounds(self) -> int:
        """Half of all rounds: while few images are trained on, labels may stand still before the training is done."""
        return max(1, self.max_steps // self.interval // 2)


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`; errors as in `TrainedHead`."""
    return SelfLabelling(start, options)


class SelfLabelling(TrainedHead):
    """Trains encoder and head on the clusters' most confident images."""

    def __init__(self, start: Start, options: Options) -> None:
        super().__init__(start, options, "selflabel")
        self._target = self._weight = np.zeros(0, np.float32)

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Set targets (n, k) and weights (n,) of the training images for the next steps."""
        share = self._share()
        super().begin_round(z, q)
        self._target, self._weight = pseudo_labels(q, self._neighbors, share)

    def material(
        self, images: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the images as they are, and their targets and weights."""
        return images, {"target": self._target[positions], "weight": self._weight[positions]}

    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return the weighted mean cross-entropy of targets and assignments."""
        from keras import ops

        divergence = -ops.sum(batch["target"] * ops.log(q + 1e-8), axis=1) * batch["weight"]
        return ops.sum(divergence) / (ops.sum(batch["weight"]) + 1e-8)

    def _share(self) -> float:
        last = max(1, self.options.max_steps // self.options.interval - 1)
        return self.options.first_share + (
            self.options.last_share - self.options.first_share
        ) * min(1.0, self._rounds / last)


def pseudo_labels(
    q: np.ndarray, neighbors: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
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
        chosen = members[
            np.argsort(-confidence[members], kind="stable")[: int(np.ceil(share * len(members)))]
        ]
        weight[chosen] = 1 / max(1, len(chosen))
    return np.eye(q.shape[1], dtype=np.float32)[labels], (
        weight * ((weight > 0).sum() / weight.sum())
    ).astype(np.float32)


def balanced(q: np.ndarray) -> np.ndarray:
    """Return probabilities (n, k) scaled until every cluster has the same sum and every row the sum 1, nearly (Sinkhorn and Knopp 1967)."""
    p = np.maximum(q.astype(np.float64), 1e-12)
    for _ in range(SCALINGS):
        p *= len(p) / p.shape[1] / p.sum(axis=0)
        p /= p.sum(axis=1, keepdims=True)
    return p
