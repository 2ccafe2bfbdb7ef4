"""The contract of training objectives. One file per objective.

An objective file in latentlab/training/objectives defines one subclass of `Objective`. Nothing
else has to be touched, and `latentlab.testing.check_objective` says whether it keeps the contract.
No argument can carry a label. The loop over epochs, its checkpoints and its repairs are in
`latentlab.training.loop`, the same for every objective.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from latentlab.config import FitOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError
from latentlab.plugins import Plugin

Arrays = dict[str, np.ndarray]


class NonFiniteLossError(ArithmeticError):
    """The loss of a training step is not finite.

    Parameters
    ----------
    step : int
        Number of the step in its epoch, from 1.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"the loss of step {step} is not finite")


@dataclass(frozen=True)
class EpochResult:
    """What training one epoch gave.

    Attributes
    ----------
    losses : dict of str to float
        "loss", then the objective's own parts and measures of it.
    learning_rate : float
        After the last step.
    images_per_second : float
        Of training alone.
    """

    losses: dict[str, float]
    learning_rate: float
    images_per_second: float


class Trainer(abc.ABC):
    """One objective at work on one encoder.

    Attributes
    ----------
    keeps_best : bool
        Whether the epoch of the lowest validation loss is the result, and may end the training
        early; otherwise the last epoch is.
    rate_factor : float
        Factor of the learning rate of all further steps. The loop lowers it after a collapse.
    """

    keeps_best: ClassVar[bool] = True
    rate_factor: float = 1.0

    @abc.abstractmethod
    def train_epoch(
        self, training: np.ndarray, epoch: int, check_weights: bool = False
    ) -> EpochResult:
        """Train one epoch, which depends on the snapshot, the seed and `epoch` only.

        Parameters
        ----------
        training : ndarray of shape (n,)
            Positions of the images to train on.
        epoch : int
            Number of the epoch, from 1.
        check_weights : bool
            Look at the weights after every step too, to find the very step that damages them.

        Returns
        -------
        EpochResult

        Raises
        ------
        NonFiniteLossError
            If the loss is not finite, or, with `check_weights`, a weight.
        """

    @abc.abstractmethod
    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Measure images that are not trained on.

        Parameters
        ----------
        validation : ndarray of shape (n,)
            Positions of the validation images; there may be a single one.

        Returns
        -------
        dict of str to float
            "val_loss", the mean squared reconstruction error, and other measures without labels.
            With "effective_rank" the loop watches for a collapse of the embedding.
        """

    @abc.abstractmethod
    def reconstruct(self, batch: np.ndarray) -> np.ndarray:
        """Return the decoder's reconstructions of images.

        Parameters
        ----------
        batch : ndarray of shape (n, height, width, channels), float32
            Images in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """

    @abc.abstractmethod
    def flops_per_image(self) -> int:
        """Return the operations of training on one image, see `latentlab.nets.flops`."""

    @abc.abstractmethod
    def snapshot(self) -> Arrays:
        """Return weights and optimizer state; "weight-0000" and on begin with the model's."""

    @abc.abstractmethod
    def restore(self, arrays: Arrays) -> None:
        """Undo `snapshot`.

        Parameters
        ----------
        arrays : dict of str to ndarray
            What `snapshot` returned; arrays of other names are ignored.
        """

    def settle(self, training: np.ndarray) -> bool:
        """Finish the training once, after the last epoch; nothing to do by default.

        Doing it twice gives the same, since the process may be killed in between.

        Parameters
        ----------
        training : ndarray of shape (n,)
            Positions of the images that were trained on.

        Returns
        -------
        bool
            Whether a weight changed.
        """
        return False


@dataclass(frozen=True)
class ObjectiveCapabilities:
    """Facts about an objective that the rest of the package needs.

    Attributes
    ----------
    mirrors_views : bool
        Half of the views that it trains on are mirrored, so that the embeddings of an image and of
        its mirror image may be averaged. An option `mirror` that is false overrides it.
    has_prototypes : bool
        It trains a projection head and prototypes: `projection_head`, `prototypes` and
        `prototype_shares` work.
    """

    mirrors_views: bool = False
    has_prototypes: bool = False


class Objective(Plugin, abc.ABC):
    """A training objective for encoders.

    Attributes
    ----------
    name : str
        Name of its file, with dashes.
    Options : type
        Frozen dataclass of the objective's settings, with a default for every field. It may
        refuse a default.
    capabilities : ObjectiveCapabilities
    """

    kind: ClassVar[str] = "objectives"
    capabilities: ClassVar[ObjectiveCapabilities] = ObjectiveCapabilities()

    @abc.abstractmethod
    def start(
        self, model: Model, images: ImageSet, fit_options: FitOptions, options: Any
    ) -> Trainer:
        """Return the objective at work on an encoder.

        Parameters
        ----------
        model : Model
            The encoder; training changes its weights.
        images : ImageSet
            Where training images are read.
        fit_options : FitOptions
            Epochs, batch size, learning rate, seed and more.
        options : Options
            The objective's own settings, already parsed.

        Returns
        -------
        Trainer

        Raises
        ------
        ConfigError
            If encoder, images and settings do not go together.
        """

    def check(self, model: Model, images: ImageSet, options: Any, folder: Path) -> None:
        """Raise what `start` would raise, before anything is done; nothing by default.

        Parameters
        ----------
        model : Model
            The encoder that is to be trained.
        images : ImageSet
            Its images.
        options : Options
            The objective's own settings, already parsed.
        folder : pathlib.Path
            Folder of the run, which may be cleared afterwards.

        Raises
        ------
        ConfigError
            If encoder, images and settings do not go together.
        """

    def image_shape(self, options: Any) -> tuple[int, int, int] | None:
        """Return the height, width and channels that images have to have; None: any.

        Parameters
        ----------
        options : Options
            The objective's own settings, already parsed.
        """
        return None

    def projection_head(self, arrays: Arrays) -> Arrays:
        """Return the dense layers between embedding and prototypes.

        Parameters
        ----------
        arrays : dict of str to ndarray
            A snapshot of a `Trainer`, or its weights only.

        Returns
        -------
        dict of str to ndarray
            "kernel0", "bias0", "kernel1" and on, as `latentlab.features.fitted.through` takes them.

        Raises
        ------
        ConfigError
            If the objective trains no prototypes.
        ValueError
            If the arrays belong to another objective.
        """
        raise self._no_prototypes()

    def prototypes(self, arrays: Arrays) -> np.ndarray:
        """Return the trained prototypes, float32 (d, n_prototypes), not normalised.

        Parameters
        ----------
        arrays : dict of str to ndarray
            As for `projection_head`; it raises the same errors.
        """
        raise self._no_prototypes()

    def prototype_shares(self, arrays: Arrays, options: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from embeddings to their shares of the prototypes.

        Parameters
        ----------
        arrays : dict of str to ndarray
            As for `projection_head`; it raises the same errors.
        options : Options
            The objective's settings of the fit.

        Returns
        -------
        callable
            Embeddings (n, d) -> shares, float32 (n, n_prototypes); rows sum to 1.
        """
        raise self._no_prototypes()

    def _no_prototypes(self) -> ConfigError:
        return ConfigError(f"{self.argument} trains no projection head and no prototypes.")
