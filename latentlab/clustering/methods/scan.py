"""SCAN's clustering step on vectors (Van Gansbeke et al., ECCV 2020, equation 2): neighbours belong to the same cluster.

    L = - mean log <p(z), p(neighbour of z)>  -  entropy * H(mean p)

The paper trains the whole network with it; here the vectors stay, which takes seconds, and `--method consistency` goes on from
there with the network. Ten heads, the one of the lowest loss is kept, as the paper does; half of them start from k-means. The
entropy term favours clusters of even size.

    latentlab cluster --run RUN --k 10 --method scan
    latentlab cluster --embeddings vectors.parquet --k 10 --method scan
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.clustering import heads
from latentlab.clustering.base import Clusterer, Vectors
from latentlab.config import ClusterOptions, plugin_options


@dataclass(frozen=True)
class Options(heads.HeadOptions):
    """As for every head; 5 is the paper's weight of the entropy."""


class NeighborConsistency(heads.Objective):
    """SCAN's loss for several heads at once."""

    def losses(self, one: Any, other: Any) -> Any:
        """Return each head's loss, (heads,)."""
        from keras import ops

        return loss(
            ops.softmax(self.logits(one)), ops.softmax(self.logits(other)), self.own.entropy
        )


def loss(one: Any, other: Any, entropy: float) -> Any:
    """Return SCAN's loss, (...), of assignments (..., n, k) and of their neighbours'."""
    from keras import ops

    agreement = ops.mean(ops.log(ops.sum(one * other, axis=-1) + 1e-8), axis=-1)
    shares = ops.mean(one, axis=-2)
    return -agreement + entropy * ops.sum(shares * ops.log(shares + 1e-8), axis=-1)


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Cluster `vectors` into options.k groups; errors as in `_heads.fit`."""
    return heads.fit(
        vectors,
        options,
        plugin_options(Options, options.settings, "--method scan"),
        NeighborConsistency,
    )


def load(arrays: dict[str, np.ndarray]) -> Clusterer:
    """Return the fitted clusters from their saved arrays."""
    return heads.load(arrays)
