"""SCAN's clustering step on vectors: neighbours belong to the same cluster.

Van Gansbeke et al., ECCV 2020, equation 2:

    L = - mean log <p(z), p(neighbour of z)>  -  entropy * H(mean p)

The paper trains the whole network with it. Here the vectors stay, which takes seconds, and
`--method consistency` goes on from there with the network. Of ten heads the one of the lowest loss
is used, as in the paper; half of them start from k-means. The entropy term favours even clusters.

    latentlab cluster --run RUN --k 10 --method scan
    latentlab cluster --embeddings vectors.parquet --k 10 --method scan
"""

from dataclasses import dataclass
from typing import Any

from latentlab.clustering.heads import HeadClusterer, HeadObjective, HeadOptions


@dataclass(frozen=True)
class SCANOptions(HeadOptions):
    """As for every head; 5 is the paper's weight of the entropy."""


def scan_loss(p: Any, p_neighbors: Any, entropy: float) -> Any:
    """Return SCAN's loss of each head, (...).

    Parameters
    ----------
    p, p_neighbors : tensor of shape (..., n, k)
        Soft assignments of vectors, and of a neighbour of each.
    entropy : float
        Weight of the entropy of the clusters' shares.
    """
    from keras import ops

    same_cluster = ops.sum(p * p_neighbors, axis=-1)
    agreement = ops.mean(ops.log(same_cluster + 1e-8), axis=-1)
    shares = ops.mean(p, axis=-2)
    return -agreement + entropy * ops.sum(shares * ops.log(shares + 1e-8), axis=-1)


class NeighborConsistency(HeadObjective):
    """SCAN's loss for several heads at once."""

    def losses(self, vectors: Any, partners: Any) -> Any:
        """Return the loss of each head, (heads,)."""
        from keras import ops

        p = ops.softmax(self.logits(vectors))
        p_neighbors = ops.softmax(self.logits(partners))
        return scan_loss(p, p_neighbors, self.settings.entropy)


class SCAN(HeadClusterer):
    """Heads that agree on neighbours."""

    Options = SCANOptions
    Objective = NeighborConsistency
