"""IMC-SwAV's clusters: the head that says most about the prototypes of the encoder's training.

Ntelemis et al., 2022:

    L = - (entropy * H(C) - H(C | J)) + 0.01 mean sum_c relu(|logit_c| - 5),
    P(c, j) = mean p(c | z) q(j | neighbour of z)

C is the cluster by a linear head, J the prototype by SwAV's prediction. With entropy = 1 the loss
is minus their mutual information; a larger weight keeps the clusters even in size. The paper
trains a head with two hidden layers along with the encoder, without a gradient to it, on all pairs
of an image's views. Here the head is linear and comes after the fit, when k is known, and a near
neighbour stands for the other view. The head of the lowest loss is used.

The encoder must have been fitted with --objective swav or distill, or be a ready-made one whose
prototypes are shipped.

    latentlab cluster --run RUN --k 10 --method imc
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.clustering.clusterer import ClustererCapabilities
from latentlab.clustering.heads import HeadClusterer, HeadObjective, HeadOptions
from latentlab.clustering.vectors import Vectors
from latentlab.errors import ConfigError
from latentlab.options import option

STEEPEST_LOGIT = 5.0  # larger logits, of either sign, are pulled back
PULL = 0.01  # weight of that pull


@dataclass(frozen=True)
class IMCOptions(HeadOptions):
    """As for every head; 4 is the paper's weight of the entropy.

    The joint shares are means over a batch, hence a large one.
    """

    heads: int = option(20, "Heads that are trained; the best is used.", at_least=1)
    batch_size: int = option(2000, "Images per step.", at_least=1)
    entropy: float = option(4.0, "Weight of even cluster sizes.", at_least=0)


class PrototypeInformation(HeadObjective):
    """The loss for several heads at once.

    All heads start at random: their seeds agree, and on a weaker encoder more than with starts
    from k-means.
    """

    starts_from_kmeans = False

    def losses(self, vectors: Any, partners: Any) -> Any:
        """Return the loss of each head, (heads,); `partners` are shares of prototypes (n, m)."""
        from keras import ops

        logits = self.logits(vectors)
        n_images = vectors.shape[0]
        joint = ops.einsum("hnk,nm->hkm", ops.softmax(logits), partners) / n_images
        cluster_entropy = -_negentropy(ops.sum(joint, axis=2), axis=-1)
        prototype_negentropy = _negentropy(ops.sum(joint, axis=1), axis=-1)
        conditional_entropy = prototype_negentropy - _negentropy(joint, axis=(1, 2))
        excess = ops.relu(ops.abs(logits) - STEEPEST_LOGIT)
        steepness = ops.mean(ops.sum(excess, axis=2), axis=1)
        return conditional_entropy - self.settings.entropy * cluster_entropy + PULL * steepness


def _negentropy(shares: Any, axis: int | tuple[int, ...]) -> Any:
    from keras import ops

    return ops.sum(shares * ops.log(shares + 1e-12), axis=axis)


class IMC(HeadClusterer):
    """Heads that say most about the prototypes."""

    Options = IMCOptions
    Objective = PrototypeInformation
    capabilities = ClustererCapabilities(needs_prototypes=True, evens_sizes=True)

    def partner_data(self, vectors: Vectors) -> np.ndarray:
        """Return the images' shares of the prototypes, (n_images, prototypes).

        Raises
        ------
        ConfigError
            If there are no prototypes.
        """
        if vectors.prototype_shares is None:
            raise ConfigError(
                "IMC-SwAV's head (imc) needs the prototypes of a run's own fit, which vectors alone"
                " do not have: choose the method scan."
            )
        return vectors.prototype_shares()
