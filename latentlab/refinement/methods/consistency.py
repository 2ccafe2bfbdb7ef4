"""Neighbour consistency with the whole network (SCAN, ECCV 2020, equation 2): an image and its neighbours get the same cluster.

    L = - mean log <p(view of image), p(view of a neighbour)>  -  entropy * H(mean p)

As the paper trains it: every image is paired with one of its nearest neighbours at the start, anew in each epoch, and
both are seen in strongly changed views (`--augment` changes the image only), so that the network learns to see what neighbours
share. It starts from the
head that `--method scan` fits to the vectors as they are, where the paper starts from a random one; hence fewer epochs.

    latentlab cluster --run RUN --k 10 --method consistency
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.clustering.methods import scan
from latentlab.errors import ConfigError
from latentlab.refinement.base import Refiner, Start
from latentlab.refinement.trained_head import TrainedHead, TrainedHeadOptions

FEATURES = "embedding+l2"


@dataclass(frozen=True)
class Options(TrainedHeadOptions):
    """Settings of the method, beside those of `TrainedHeadOptions`. An image's partner is drawn from its `neighbors` nearest.

    Attributes
    ----------
    entropy : float
        Weight of the entropy of the clusters' sizes.
    """

    interval: int = 195
    max_steps: int = 1950
    entropy: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.entropy < 0:
            raise ConfigError(f"--set entropy={self.entropy}: must be at least 0.")


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`; errors as in `TrainedHead`."""
    return NeighborConsistency(start, options, "consistency")


class NeighborConsistency(TrainedHead):
    """Trains encoder and head on pairs of neighbours."""

    def material(
        self, images: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the images, and after them one neighbour of each."""
        rng = np.random.default_rng([self.seed, 12, self._steps])
        partners = self._neighbors[
            positions, rng.integers(0, self._neighbors.shape[1], len(positions))
        ]
        return np.concatenate([images, self.read(partners)]), {}

    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return SCAN's loss of the assignments of images and neighbours."""
        from keras import ops

        one, other = ops.split(q, 2)
        return scan.loss(one, other, self.options.entropy)
