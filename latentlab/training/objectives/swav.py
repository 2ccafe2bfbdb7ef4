"""Learn what views of one image share: swapped prediction of prototypes over several crops (SwAV).

SwAV (Caron et al., NeurIPS 2020): every crop's embedding is projected to the unit sphere and
compared with prototypes. Sinkhorn's iterations share out the images of the two big crops evenly
among the prototypes, and every other crop has to predict that code (equation 2, with the
temperature tau). Crop sizes, prototypes and eps are those of IMC-SwAV for small images (Ntelemis et
al., 2022). Its clustering head sends no gradient to the encoder and comes after the fit:
`latentlab cluster --method imc`.

A light decoder learns to rebuild a big crop from its code. It sends no gradient to the encoder
either, so that reconstructions and decoded centroids work and the encoder is none the worse.

The papers train with SGD and Adam; here it is AdamW or Muon (`latentlab.nets.optimizers`).

    latentlab fit --data cifar10 --recipe strong
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from latentlab.config import FitOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.encoder import embedding_hint
from latentlab.encoders.model import Model
from latentlab.encoders.pretrained.opening import is_pretrained
from latentlab.encoders.ready_made import shipped
from latentlab.errors import ConfigError
from latentlab.features.fitted import through, unit
from latentlab.training.objective import Objective, ObjectiveCapabilities, Trainer
from latentlab.training.snapshot import Arrays
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer
from latentlab.training.swav_weights import HeadWeights

START_FIELD = "objective_options.start"


class SwAV(Objective):
    """Swapped prediction of prototypes."""

    Options: ClassVar[type] = SwAVOptions
    capabilities = ObjectiveCapabilities(mirrors_views=True, has_prototypes=True)

    def start(
        self, model: Model, images: ImageSet, fit_options: FitOptions, options: Any
    ) -> Trainer:
        """Return encoder, projection head, prototypes and decoder in training.

        Raises
        ------
        ConfigError
            If the encoder has no embedding above its code.
        """
        return SwAVTrainer(model, images, fit_options, options)

    def check(self, model: Model, images: ImageSet, options: Any, folder: Path) -> None:
        """Refuse an encoder without an embedding, or other than the one to start from."""
        if model.top is None:
            raise ConfigError(
                "this objective needs an encoder that goes on above its code:"
                f" choose {embedding_hint()}."
            )
        if options.start:
            _check_start(model, options)

    def image_shape(self, options: Any) -> tuple[int, int, int] | None:
        """Return the shape of images of the encoder to start from; None without one."""
        if not options.start:
            return None
        if is_pretrained(options.start):
            raise ConfigError(
                ": this encoder has no projection head and prototypes to train on: start from"
                f" {' or '.join(shipped().names())}, or choose `method=selflabel` or `method=dec`"
                " with a Keras file",
                field=START_FIELD,
                value=options.start,
            )
        return shipped().describe(options.start).image_shape

    def projection_head(self, arrays: Arrays) -> Arrays:
        """Return the projection head as two dense layers."""
        return HeadWeights.of_checkpoint(arrays).dense_layers()

    def prototypes(self, arrays: Arrays) -> np.ndarray:
        """Return the prototypes, float32 (projection, n_prototypes)."""
        return HeadWeights.of_checkpoint(arrays).prototypes

    def prototype_shares(self, arrays: Arrays, options: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Return embeddings -> shares of the prototypes: the prediction of equation 2."""
        weights = HeadWeights.of_checkpoint(arrays)
        head = weights.dense_layers()
        prototypes = weights.unit_prototypes()

        def shares(embeddings: np.ndarray) -> np.ndarray:
            cosines = unit(through(head, embeddings)) @ prototypes
            return softmax(cosines / options.temperature, axis=1).astype(np.float32)

        return shares


def _check_start(model: Model, options: SwAVOptions) -> None:
    """Raise ConfigError if the weights to start from do not fit encoder, head or prototypes."""
    encoders = shipped()
    if _shapes(encoders.weights(options.start)) != _shapes(model.weights()):
        description = encoders.describe(options.start)
        settings = [f"`arch={description.arch}`"]
        for name, value in description.options.items():
            settings.append(f"`arch_options.{name}={value}`")
        raise ConfigError(
            ": its weights are of another encoder than this one",
            field=START_FIELD,
            value=options.start,
            hint=f"Fit with {' '.join(settings)}, and without other options of it.",
        )
    sizes = HeadWeights.of(encoders.objective_weights(options.start)).sizes()
    wrong = []
    for name, size in sizes.items():
        if getattr(options, name) != size:
            wrong.append(f"`objective_options.{name}={size}`")
    if wrong:
        raise ConfigError(f"goes with {' '.join(wrong)}", field=START_FIELD, value=options.start)


def _shapes(weights: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [weight.shape for weight in weights]
