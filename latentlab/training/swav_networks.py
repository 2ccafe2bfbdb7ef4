"""The networks that SwAV trains, and their optimizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from latentlab.encoders.model import Model
from latentlab.nets import flops
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_weights import NORMALISATION_EPSILON, HeadWeights, split_weights

ADAM_BETAS = {"beta_1": 0.8, "beta_2": 0.999}
LEFT_TO_ADAM = ("^prototypes/", "^reconstruction/")  # the ends of the network, as Jordan advises
MOMENTUM = 0.9  # of the projection head's batch normalisation


@dataclass(frozen=True)
class SwAVNetworks:
    """Encoder, decoder, projection head and prototypes.

    Attributes
    ----------
    model : Model
        The whole autoencoder.
    lower : keras.Model
        Images of any size -> code.
    top : keras.Model
        Code -> embedding (n, d).
    decoder : keras.Model
        Code -> images.
    projector : keras.Model
        Embedding -> point (n, projection), the projection head.
    prototypes : keras.layers.Dense
        Its kernel (projection, n_prototypes) holds the prototypes.
    """

    model: Model
    lower: Any
    top: Any
    decoder: Any
    projector: Any
    prototypes: Any

    @classmethod
    def build(cls, model: Model, options: SwAVOptions) -> Self:
        """Put a new projection head and prototypes on an encoder.

        Parameters
        ----------
        model : Model
            An encoder with an embedding above its code.
        options : SwAVOptions
            Sizes of head and prototypes.
        """
        return cls(
            model=model,
            lower=model.autoencoder.get_layer("lower"),
            top=model.top,
            decoder=model.autoencoder.get_layer("decode"),
            projector=_projector(model.embedder.output_shape[-1], options),
            prototypes=_prototypes(options),
        )

    def normalised(self) -> tuple[Any, ...]:
        """Return the networks that may hold batch normalisation."""
        return (self.lower, self.top, self.decoder, self.projector)

    def trainable_variables(self) -> list[Any]:
        """Return the variables that a step trains, in a fixed order."""
        variables = []
        for part in self._parts():
            variables += part.trainable_variables
        return variables

    def non_trainable_variables(self) -> list[Any]:
        """Return the other variables, in a fixed order."""
        variables = []
        for part in self._parts():
            variables += part.non_trainable_variables
        return variables

    def weights(self) -> list[np.ndarray]:
        """Return all weights as arrays: the model's, then those of `HeadWeights`."""
        return [
            *self.model.weights(),
            *self.projector.get_weights(),
            *self.prototypes.get_weights(),
        ]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Undo `weights`.

        Parameters
        ----------
        weights : sequence of ndarray
            In the order of `weights`.
        """
        of_model, of_head = split_weights(weights)
        self.model.set_weights(list(of_model))
        self.set_head(of_head)

    def set_head(self, weights: HeadWeights) -> None:
        """Set projection head and prototypes.

        Parameters
        ----------
        weights : HeadWeights
            Of the same sizes.
        """
        self.projector.set_weights(weights.projector_weights())
        self.prototypes.set_weights([weights.prototypes])

    def multiply_adds_of_view(self, size: int, channels: int) -> int:
        """Return the multiply-adds of embedding one square view, and comparing it.

        Parameters
        ----------
        size : int
            Its side, in pixels.
        channels : int
            Its channels.
        """
        embedded = flops.multiply_adds(self.lower, (size, size, channels))
        embedded += flops.multiply_adds(self.top, self._code_shape(size, channels))
        projected = flops.multiply_adds(self.projector, self.projector.input_shape[1:])
        dimensions, n_prototypes = self.prototypes.kernel.shape
        return embedded + projected + dimensions * n_prototypes

    def multiply_adds_of_decoding(self, size: int, channels: int) -> int:
        """Return the multiply-adds of decoding one square view.

        Parameters
        ----------
        size : int
            Its side, in pixels.
        channels : int
            Its channels.
        """
        return flops.multiply_adds(self.decoder, self._code_shape(size, channels))

    def _code_shape(self, size: int, channels: int) -> tuple[int, int, int]:
        side = self.lower.compute_output_shape((None, size, size, channels))[1]
        return (side, side, self.lower.output_shape[-1])

    def _parts(self) -> tuple[Any, ...]:
        return (self.lower, self.top, self.decoder, self.projector, self.prototypes)


def build_optimizer(rate: float, options: SwAVOptions) -> Any:
    """Return the optimizer, not yet built.

    Parameters
    ----------
    rate : float
        Learning rate of the first step.
    options : SwAVOptions
        Which optimizer, and its settings.

    Returns
    -------
    keras.optimizers.Optimizer
    """
    import keras

    from latentlab.nets.optimizers import Muon

    if options.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=options.weight_decay, **ADAM_BETAS)
    # Five iterations of Muon are exact enough in bfloat16, where the network computes in it too.
    in_bfloat16 = keras.config.dtype_policy().compute_dtype == "bfloat16"
    return Muon(
        rate,
        weight_decay=options.weight_decay,
        adam_share=options.adam_share,
        adam_paths=LEFT_TO_ADAM,
        iterated_in="bfloat16" if in_bfloat16 else "float32",
        **ADAM_BETAS,
    )


def _projector(n_dims: int, options: SwAVOptions) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((n_dims,)),
            layers.Dense(options.hidden, use_bias=False),
            layers.BatchNormalization(momentum=MOMENTUM, epsilon=NORMALISATION_EPSILON),
            layers.Activation("relu"),
            layers.Dense(options.projection, dtype="float32"),
        ],
        name="projector",
    )


def _prototypes(options: SwAVOptions) -> Any:
    from keras import layers

    layer = layers.Dense(options.prototypes, use_bias=False, dtype="float32", name="prototypes")
    layer.build((None, options.projection))
    return layer
