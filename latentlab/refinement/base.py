"""Deep clustering: the encoder and the clusters are trained together, from k-means on the code. One file a method.

A method file defines

    Options                                   a frozen dataclass on top of `LoopOptions`, every field defaulted
    refiner(start: Start, options) -> Refiner
    FEATURES                                  optional: the feature steps where --features is not given

and nothing else has to be touched. No argument can carry a label. The loop, its checkpoints, guards and stop are in
`latentlab.refinement.loop` and the same for every method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from latentlab.encoders.networks import Model
from latentlab.errors import ConfigError
from latentlab.features.feature_steps import Features

STARTS = ("kmeans", "n2d", "scan", "temi", "imc")


@dataclass(frozen=True)
class LoopOptions:
    """What the loop needs of every method's options.

    Attributes
    ----------
    interval, batch_size, max_steps : int
        Steps between two looks at all images; images a step; steps at most.
    tolerance : float
        Stop where a smaller share of the training images has changed its cluster between two looks.
    start : {"kmeans", "n2d", "scan", "temi", "imc"}
        Whose clusters the method starts from: k-means' on the features, as published; N2D's (UMAP of the features, then
        a Gaussian mixture), which follows clusters that are not round; or those of a head on the features.
    neighbors : int
        Of UMAP in N2D's start; 20 in its paper.
    """

    interval: int = 140
    batch_size: int = 256
    max_steps: int = 20_000
    tolerance: float = 0.001
    start: str = "kmeans"
    neighbors: int = 20
    POSITIVE: ClassVar[tuple[str, ...]] = ()  # a method's numbers that must be above 0

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ConfigError(f"--set start={self.start}: must be one of {', '.join(STARTS)}.")
        if min(self.interval, self.batch_size, self.max_steps) < 1:
            raise ConfigError("--set interval, batch_size and max_steps must be at least 1.")
        for name in self.POSITIVE:
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ConfigError(f"--set {name}={value}: must be above 0.")
        if self.neighbors < 2:
            raise ConfigError("--set neighbors must be at least 2.")

    @property
    def least_rounds(self) -> int:
        """Rounds before which settled labels do not end the training."""
        return 1


def _no_images(positions: np.ndarray) -> np.ndarray:
    raise LookupError("this start was made without its images")


@dataclass(frozen=True)
class Start:
    """What a method starts from.

    Attributes
    ----------
    model : Model
        The trained autoencoder; its weights will change.
    features : Features
        Fitted steps between code and clusters: of "pool", "pca", "whiten" and "l2".
    centers : ndarray of shape (k, d), float32
        Means of the starting clusters' features.
    spread : float
        Mean squared distance of the training images to their centers.
    squared : ndarray of shape (n, k)
        Squared distances of the training images to every center.
    seed : int
    soft : ndarray of shape (n, k), float32, or None
        Probabilities of the starting clusters for the training images, where the start has them.
    head : tuple of ndarray, or None
        Kernel (d, k) and bias (k,) of the starting clusters, where they are a head's.
    error : float
        Mean squared reconstruction error of some training images, in squared units of [0, 1].
    read : callable
        read(positions) -> the training images at these positions, float32 (m, height, width, channels) in [0, 1].
    """

    model: Model
    features: Features
    centers: np.ndarray
    spread: float
    squared: np.ndarray
    seed: int
    soft: np.ndarray | None = None
    head: tuple[np.ndarray, np.ndarray] | None = None
    error: float = 1.0
    read: Callable[[np.ndarray], np.ndarray] = _no_images


class Refiner(Protocol):
    """One method at work: its network, and what a step of training is."""

    def networks(self) -> tuple[Any, Any]:
        """Return (trainer, assigner): the compiled Keras model that is trained, and images -> [z (n, d), q (n, k)].

        The trainer holds every weight that changes.
        """

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Take note of the training images' vectors (n, d) and soft assignments (n, k), before the next steps."""

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch of float32 images; `positions` are theirs among the training images. Return the losses."""

    def centers(self) -> np.ndarray:
        """Return the centers, float32 (k, d)."""

    def set_centers(self, centers: np.ndarray) -> None:
        """Replace the centers, (k, d)."""

    def reorder(self, order: np.ndarray) -> None:
        """Number the clusters anew; `order` holds the old number of each new cluster."""

    def extras(self) -> dict[str, np.ndarray]:
        """Return state beyond weights and optimizer, for checkpoints."""

    def set_extras(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `extras`."""
