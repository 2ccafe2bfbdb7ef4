"""What an encoder is trained to do: one file an objective, found by its name.

An objective file defines

    Options                                                 a frozen dataclass, every field defaulted; it may refuse a default
    objective(model, images, fit_options, options) -> Objective
    check(model, images, options, place) -> None            optional: raises what is wrong before anything is done in the run's
                                                            folder `place`
    projection_head(arrays) -> arrays                       optional, with the next one: from what `snapshot` gave, the head in
                                                            whose outputs the loss compares embeddings, as `features.through` takes it
    prototype_shares(arrays, options) -> callable           optional, with the last one: from what `snapshot` gave, embeddings (n, d)
                                                            -> how much of each prototype they are (n, prototypes), for --method imc
    image_shape(options) -> (height, width, channels)       optional: what images have to be brought to; None where any will do
    MIRRORS = True                                          optional: half of the views it trains on are mirrored, so that the embeddings
                                                            of an image and of its mirror image may be averaged; an option
                                                            `mirror` that is false takes it back

and nothing else has to be touched. No argument can carry a label. The loop over epochs, its checkpoints and its guard are
in `latentlab.training.loop` and the same for every objective.
"""

from typing import ClassVar, Protocol

import numpy as np


class Objective(Protocol):
    """One objective at work on one encoder.

    Attributes
    ----------
    keeps_best : bool
        Whether the epoch of the lowest validation loss is kept in the end, and may stop the training early; else the last.
    """

    keeps_best: ClassVar[bool]

    def train_epoch(self, training: np.ndarray, epoch: int) -> dict[str, float]:
        """Train one epoch on the images of these indices: a function of the weights, the seed and `epoch`, and of what `snapshot` tells of.

        Returns
        -------
        dict
            loss, learning_rate, images_per_second (of training alone) and more for the row in metrics.jsonl. A loss that is not
            finite ends the epoch.
        """

    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Return val_loss, the mean squared reconstruction error, and other numbers without labels on these images."""

    def reconstruct(self, batch: np.ndarray) -> np.ndarray:
        """Return what the decoder makes of float32 images in [0, 1]."""

    def settle(self, training: np.ndarray) -> bool:
        """Do what is to be done once, when all is trained, with the training images of these indices; return whether anything was.

        Done twice it gives the same, since a kill may come in between.
        """

    def flops_per_image(self) -> int:
        """Return the operations of training on one image, see `latentlab.nets.flops`."""

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return weights and optimizer state as named arrays; "weight-0000" and on begin with those of the model, in its order."""

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `snapshot`."""

    def slow_down(self, factor: float) -> None:
        """Multiply the learning rate of all further steps by `factor`, after a collapse."""
