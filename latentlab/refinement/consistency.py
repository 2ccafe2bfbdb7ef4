"""Neighbour consistency with the whole network (SCAN, ECCV 2020, equation 2): an image and its neighbours get the same cluster.

    L = - mean log <p(view of image), p(view of a neighbour)>  -  entropy * H(mean p)

As the paper trains it: every image is paired with one of its nearest neighbours in the first embedding, anew in each epoch, and
both are seen in strongly changed views, so that the network learns to see what neighbours share. It starts from the
head that `--method scan` fits to the vectors as they are, where the paper starts from a random one; hence fewer epochs.

    latentlab cluster --run RUN --k 10 --method consistency
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.refinement import Refiner, Start
from latentlab.refinement._head import HeadOptions, HeadTraining

FEATURES = "embedding+l2"


@dataclass(frozen=True)
class Options(HeadOptions):
    """Settings of the method, beside those of `HeadOptions`, of whose neighbours each image's partner is drawn.

    Attributes
    ----------
    entropy : float
        Weight of the entropy of the clusters' sizes.
    """

    interval: int = 195
    max_steps: int = 1950
    entropy: float = 5.0
    POSITIVE: ClassVar[tuple[str, ...]] = (*HeadOptions.POSITIVE, "entropy")


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`; errors as in `HeadTraining`."""
    return NeighborConsistency(start, options)


class NeighborConsistency(HeadTraining):
    """Trains encoder and head on pairs of neighbours."""

    def __init__(self, start: Start, options: Options) -> None:
        super().__init__(start, options, "consistency")
        self.read = start.read

    def material(self, images: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the images, and after them one neighbour of each."""
        rng = np.random.default_rng([self.seed, 12, self._steps])
        partners = self._neighbors[positions, rng.integers(0, self._neighbors.shape[1], len(positions))]
        return np.concatenate([images, self.read(partners)]), {}

    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return SCAN's loss of the assignments of images and neighbours."""
        from keras import ops

        one, other = ops.split(q, 2)
        agreement = ops.mean(ops.log(ops.sum(one * other, axis=1) + 1e-8))
        shares = ops.mean(one, axis=0)
        return -agreement + self.options.entropy * ops.sum(shares * ops.log(shares + 1e-8))
