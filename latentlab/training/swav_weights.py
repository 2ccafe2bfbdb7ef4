"""SwAV's weights above the encoder by name, in the order in which files hold them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from latentlab.storage import checkpoints

Arrays = dict[str, np.ndarray]

NORMALISATION_EPSILON = 1e-3  # the projection head's batch normalisation adds it to variances
SHORTEST_PROTOTYPE = 1e-12


@dataclass(frozen=True)
class HeadWeights:
    """Weights of the projection head and the prototypes.

    The head is: dense without bias, batch normalisation, relu, dense. The fields are in the order
    of checkpoints and of the encoders that come with latentlab, where they are the last weights.

    Attributes
    ----------
    hidden_kernel : ndarray of shape (d, hidden)
        Of the first dense layer, on embeddings of d dimensions.
    scale, offset, mean, variance : ndarray of shape (hidden,)
        Of batch normalisation.
    kernel : ndarray of shape (hidden, projection)
        Of the second dense layer.
    bias : ndarray of shape (projection,)
        Of the second dense layer.
    prototypes : ndarray of shape (projection, n_prototypes)
        Not normalised.
    """

    hidden_kernel: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    prototypes: np.ndarray

    @classmethod
    def count(cls) -> int:
        """Return the number of arrays."""
        return len(dataclasses.fields(cls))

    @classmethod
    def of(cls, weights: Sequence[np.ndarray]) -> Self:
        """Name the last of some weights.

        Parameters
        ----------
        weights : sequence of ndarray
            All weights of a training in their order, or only those above the encoder.

        Raises
        ------
        ValueError
            If they are too few.
        """
        if len(weights) < cls.count():
            raise ValueError(f"{len(weights)} weights are no projection head and prototypes")
        return cls(*weights[-cls.count() :])

    @classmethod
    def of_checkpoint(cls, arrays: Arrays) -> Self:
        """Name the last weights of a checkpoint; errors as for `of`.

        Parameters
        ----------
        arrays : dict of str to ndarray
            "weight-0000" and on, and more.
        """
        return cls.of(checkpoints.in_order("weight", arrays))

    def projector_weights(self) -> list[np.ndarray]:
        """Return the weights of the projection head in Keras' order."""
        return [getattr(self, field.name) for field in dataclasses.fields(self)[:-1]]

    def sizes(self) -> dict[str, int]:
        """Return the values of the options `hidden`, `projection` and `prototypes`."""
        return {
            "hidden": self.hidden_kernel.shape[1],
            "projection": self.prototypes.shape[0],
            "prototypes": self.prototypes.shape[1],
        }

    def dense_layers(self) -> Arrays:
        """Return the head as two dense layers; batch normalisation is in the first.

        Returns
        -------
        dict of str to ndarray
            "kernel0", "bias0", "kernel1", "bias1": see `latentlab.features.fitted.through`.
        """
        scale = self.scale / np.sqrt(self.variance + NORMALISATION_EPSILON)
        return {
            "kernel0": self.hidden_kernel * scale,
            "bias0": self.offset - self.mean * scale,
            "kernel1": self.kernel,
            "bias1": self.bias,
        }

    def unit_prototypes(self) -> np.ndarray:
        """Return the prototypes scaled to length 1."""
        lengths = np.linalg.norm(self.prototypes, axis=0)
        return self.prototypes / np.maximum(lengths, SHORTEST_PROTOTYPE)


def split_weights(weights: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], HeadWeights]:
    """Split the weights of a checkpoint into those of the encoder's `Model` and those above it.

    Parameters
    ----------
    weights : sequence of ndarray
        All weights in their order.

    Returns
    -------
    sequence of ndarray, HeadWeights

    Raises
    ------
    ValueError
        If they are too few.
    """
    return weights[: -HeadWeights.count()], HeadWeights.of(weights)
