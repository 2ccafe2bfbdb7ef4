"""The contract of methods that train the encoder and the clusters together: one file per method.

A method file defines one subclass of `Refiner`. Its `start` returns a `Refinement`: the network
and the clusters in training. Nothing else has to be touched, and `latentlab.testing.check_refiner`
says whether the method keeps the contract. No argument can carry a label. The loop over rounds,
its checkpoints and its guards are in `latentlab.refinement.loop` and the same for every method.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.encoders.model import Model
from latentlab.features.fitted import FittedFeatures
from latentlab.plugins import Plugin
from latentlab.refinement.options import LoopOptions
from latentlab.training.snapshot import restore, snapshot

EXTRA = "extra-"  # prefix of a method's own arrays in a checkpoint

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class RefinerCapabilities:
    """Facts about a method that the rest of the package needs.

    Attributes
    ----------
    default_features : str
        Feature steps of a clustering that names none. Empty: whatever the encoder gives.
    needs_decoder : bool
        The method reads reconstructions, which a pretrained network does not give.
    evens_sizes : bool
        See `latentlab.clustering.clusterer.ClustererCapabilities`.
    """

    default_features: str = ""
    needs_decoder: bool = False
    evens_sizes: bool = False


def _no_images(positions: np.ndarray) -> np.ndarray:
    raise LookupError("this start was made without its images")


@dataclass(frozen=True)
class Start:
    """The trained encoder and the initial clusters from which a method starts.

    Attributes
    ----------
    model : Model
        The trained autoencoder; refinement changes its weights.
    features : FittedFeatures
        Fitted steps between the code and the clusters: of "project", "pool", "pca", "whiten", "l2".
    centers : ndarray of shape (k, d), float32
        Mean feature vector of each initial cluster.
    spread : float
        Mean squared distance of the training images to the centers of their clusters.
    squared : ndarray of shape (n, k)
        Squared distances of the training images to every center.
    seed : int
        Seed of everything random in the method.
    soft : ndarray of shape (n, k), float32, or None
        Probabilities of the initial clusters for the training images, if the start has them.
    head : tuple of ndarray, or None
        Kernel (d, k) and bias (k,), if a linear head made the initial clusters.
    error : float
        Mean squared reconstruction error of some training images, in squared units of [0, 1].
    read : callable
        read(positions) returns the training images at these positions, float32
        (m, height, width, channels) in [0, 1].
    """

    model: Model
    features: FittedFeatures
    centers: np.ndarray
    spread: float
    squared: np.ndarray
    seed: int
    soft: np.ndarray | None = None
    head: tuple[np.ndarray, np.ndarray] | None = None
    error: float = 1.0
    read: Callable[[np.ndarray], np.ndarray] = _no_images


class Refinement(abc.ABC):
    """A method at work: its network, its clusters, and one step of training.

    Trainer and assigner share their layers. `latentlab.refinement.feature_layers.vectors_of` gives
    the tensor that the clusters stand on. State outside the trainer belongs into `extras`.

    Attributes
    ----------
    trainer : keras.Model
        The compiled model in training. It holds every weight that training changes.
    assigner : keras.Model
        Maps images to [z (n, d), q (n, k)]: their vectors and soft assignments.
    learning_rate : float
        Initial learning rate of the method.
    """

    trainer: Any
    assigner: Any
    learning_rate: float
    _rate_factor = 1.0

    @abc.abstractmethod
    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Prepare the steps of a round.

        Parameters
        ----------
        z : ndarray of shape (n, d), float32
            Vectors of all training images.
        q : ndarray of shape (n, k), float32
            Their soft assignments.
        """

    @abc.abstractmethod
    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch.

        Parameters
        ----------
        batch : tensor of shape (m, height, width, channels), float32
            Images in [0, 1], augmented.
        positions : ndarray of shape (m,), int
            Their places among the training images.

        Returns
        -------
        dict of str to float
            The losses, such as "clustering_loss" and "reconstruction_loss".
        """

    @abc.abstractmethod
    def centers(self) -> np.ndarray:
        """Return the cluster centers, float32 (k, d)."""

    @abc.abstractmethod
    def set_centers(self, centers: np.ndarray) -> None:
        """Move the clusters, for example after a collapsed one was refilled.

        Parameters
        ----------
        centers : ndarray of shape (k, d), float32
            New centers of all clusters.
        """

    @abc.abstractmethod
    def reorder(self, order: np.ndarray) -> None:
        """Renumber the clusters.

        Parameters
        ----------
        order : ndarray of shape (k,), int
            The old number of each new cluster.
        """

    @abc.abstractmethod
    def extras(self) -> Arrays:
        """Return the state that checkpoints need beyond the trainer's weights and optimizer."""

    @abc.abstractmethod
    def set_extras(self, arrays: Arrays) -> None:
        """Restore the state from what `extras` gave.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Arrays by name.
        """

    def go_back_if_worse(self, z: np.ndarray, q: np.ndarray) -> str:
        """Return to the network and clusters of the start if they were better, and say why.

        Called once after the last round. A method that cannot judge keeps what it has trained.

        Parameters
        ----------
        z : ndarray of shape (n, d), float32
            Vectors of all training images after the last round.
        q : ndarray of shape (n, k), float32
            Their soft assignments.

        Returns
        -------
        str
            Why the start was better, in words; "" if it was not.
        """
        return ""

    @property
    def rate_factor(self) -> float:
        """Share of the learning rate to train with; below 1 after the loss diverged."""
        return self._rate_factor

    @rate_factor.setter
    def rate_factor(self, factor: float) -> None:
        self._rate_factor = factor
        self.trainer.optimizer.learning_rate = self.learning_rate * factor

    def snapshot(self) -> Arrays:
        """Return weights, optimizer state and extras as named arrays, for checkpoints."""
        arrays = snapshot(self.trainer)
        for name, array in self.extras().items():
            arrays[EXTRA + name] = array
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """Return to the state that `snapshot` gave.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Arrays by name; unknown names are ignored.
        """
        restore(self.trainer, arrays)
        extras = {}
        for name, array in arrays.items():
            if name.startswith(EXTRA):
                extras[name.removeprefix(EXTRA)] = array
        self.set_extras(extras)


class Refiner(Plugin, abc.ABC):
    """A method that trains the encoder and the clusters together.

    Attributes
    ----------
    name : str
        Name of its file, with dashes.
    Options : type
        Frozen dataclass of the method's settings, a subclass of `LoopOptions`.
    capabilities : RefinerCapabilities
    """

    kind: ClassVar[str] = "refinement"
    Options: ClassVar[type] = LoopOptions
    capabilities: ClassVar[RefinerCapabilities] = RefinerCapabilities()

    @abc.abstractmethod
    def start(self, start: Start, options: Any) -> Refinement:
        """Build the networks of the method around an encoder and its initial clusters.

        Parameters
        ----------
        start : Start
            The trained encoder and the initial clusters.
        options : Options
            The method's own settings, already parsed.

        Returns
        -------
        Refinement
            The method, ready for its first round.

        Raises
        ------
        ConfigError
            If the method cannot refine this encoder or these features.
        """
