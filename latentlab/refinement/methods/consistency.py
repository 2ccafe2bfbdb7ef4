"""Neighbour consistency with the whole network (SCAN, ECCV 2020, equation 2).

    L = - mean log <p(view of image), p(view of a neighbour)>  -  entropy * H(mean p)

An image and its neighbours are to get the same cluster. Every image is paired with one of its
nearest neighbours at the start, drawn anew in each epoch. Both are seen in strong views, so that
the network learns what neighbours share. `--augment` changes the image only. Training starts from
the head that `--method scan` fits to the vectors as they are, where the paper starts from a random
one. Hence fewer epochs.

    latentlab cluster --run RUN --k 10 --method consistency
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.clustering.methods.scan import scan_loss
from latentlab.options import option
from latentlab.refinement.refiner import Arrays, Refinement, Refiner, RefinerCapabilities, Start
from latentlab.refinement.trained_head import (
    PARTNERS,
    AveragedHeadOptions,
    TrainedHead,
    require_embedding,
)


@dataclass(frozen=True)
class ConsistencyOptions(AveragedHeadOptions):
    """Settings of the method. An image's partner is drawn from its `neighbors` nearest.

    Attributes
    ----------
    entropy : float
        Weight of the entropy of the cluster sizes.
    """

    interval: int = option(195, "Steps between two assignments of all images.", at_least=1)
    max_steps: int = option(1950, "Largest number of steps.", at_least=1)
    entropy: float = option(5.0, "Weight of the entropy of the cluster sizes.", at_least=0)


class Consistency(Refiner):
    """SCAN's loss on the whole network."""

    Options = ConsistencyOptions
    capabilities = RefinerCapabilities(default_features="embedding+l2", evens_sizes=True)

    def start(self, start: Start, options: ConsistencyOptions) -> Refinement:
        """Build the networks around the encoder; ConfigError if it has no embedding."""
        require_embedding(start, self.argument)
        return NeighborConsistency(start, options)


class NeighborConsistency(TrainedHead):
    """Trains encoder and head on pairs of neighbours."""

    def material(self, images: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """Return the images, followed by one neighbour of each."""
        n_neighbors = self._neighbors.shape[1]
        rng = np.random.default_rng([self.seed, PARTNERS, self._steps])
        partners = self._neighbors[positions, rng.integers(0, n_neighbors, len(positions))]
        return np.concatenate([images, self.read(partners)]), {}

    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return SCAN's loss of the assignments of images and neighbours."""
        from keras import ops

        of_images, of_neighbors = ops.split(q, 2)
        return scan_loss(of_images, of_neighbors, self.options.entropy)
