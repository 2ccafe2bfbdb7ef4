"""IMC-SwAV's clusters (Ntelemis et al., 2022): the head that says most about the prototypes that the encoder was trained with.

    L = - (entropy * H(C) - H(C | J)) + 0.01 mean sum_c relu(|logit_c| - 5),    P(c, j) = mean p(c | z) q(j | neighbour of z)

C is the cluster by a linear head, J the prototype by SwAV's own prediction, so that with entropy = 1 the loss is minus their
mutual information; a larger weight keeps the clusters even in size. The paper trains a head with two hidden layers beside the
encoder, without a gradient to it, on all pairs of an image's views. Here it is linear and comes after the fit, when k is known, and
a near neighbour stands for the other view. Several heads, the one of the lowest loss is kept. The run's own fit must have been with
--objective swav or distill, or its encoder a ready-made one whose prototypes are shipped.

    latentlab cluster --run RUN --k 10 --method imc
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from latentlab.clustering import heads
from latentlab.clustering.base import Clusterer, Vectors
from latentlab.config import ClusterOptions, plugin_options
from latentlab.errors import ConfigError

NEEDS_PROTOTYPES = True
STEEPEST = 5.0  # logits beyond it are pulled back, by this share of what is above:
PULL = 0.01


@dataclass(frozen=True)
class Options(heads.HeadOptions):
    """As for every head; 4 is the paper's weight of the entropy. The joint shares are means over a batch, hence a large one."""

    heads: int = 20
    batch_size: int = 2000
    entropy: float = 4.0


class PrototypeInformation(heads.Objective):
    """The loss for several heads at once."""

    from_kmeans: ClassVar[bool] = (
        False  # seeds of random heads agree as it is, and on a weaker encoder more than with k-means' starts
    )

    def losses(self, one: Any, other: Any) -> Any:
        """Return each head's loss, (heads,), on vectors (n, d) and their neighbours' shares of the prototypes (n, m)."""
        from keras import ops

        logits = self.logits(one)
        joint = ops.einsum("hnk,nm->hkm", ops.softmax(logits), other) / one.shape[0]
        of_clusters = -_negentropy(ops.sum(joint, axis=2), axis=-1)
        given_prototypes = _negentropy(ops.sum(joint, axis=1), axis=-1) - _negentropy(
            joint, axis=(1, 2)
        )
        steep = ops.mean(ops.sum(ops.relu(ops.abs(logits) - STEEPEST), axis=2), axis=1)
        return given_prototypes - self.own.entropy * of_clusters + PULL * steep


def _negentropy(shares: Any, axis: Any) -> Any:
    from keras import ops

    return ops.sum(shares * ops.log(shares + 1e-12), axis=axis)


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Cluster `vectors` into options.k groups; errors as in `_heads.fit`.

    Raises
    ------
    ConfigError
        If there are no prototypes.
    """
    own = plugin_options(Options, options.settings, "--method imc")
    if vectors.prototype_shares is None:
        raise ConfigError(
            "IMC-SwAV's head (imc) needs the prototypes of a run's own fit, which vectors alone do not have: choose the method scan."
        )
    return heads.fit(vectors, options, own, PrototypeInformation, vectors.prototype_shares())


def load(arrays: dict[str, Any]) -> Clusterer:
    """Return the fitted clusters from their saved arrays."""
    return heads.load(arrays)
