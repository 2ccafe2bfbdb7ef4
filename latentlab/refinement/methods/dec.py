"""DEC, "Unsupervised deep embedding for clustering analysis" (Xie et al., ICML 2016).

The encoder and the centers are trained on the Kullback-Leibler divergence KL(P || Q). Q holds the
soft assignments by Student's t kernel. P is their sharpened target (equation 3), computed from all
training images and refreshed every `interval` steps::

    p_ij  proportional to  q_ij^2 / f_j,    f_j = sum_i q_ij

The loss has no decoder, which may corrupt the code; IDEC and DCEC keep it. The paper's optimizer is
SGD with learning rate 0.01.

    latentlab cluster --run RUN --k 10 --method dec
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.errors import ConfigError
from latentlab.options import option
from latentlab.refinement.feature_layers import vectors_of
from latentlab.refinement.kernel import kernel_for
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Arrays, Refinement, Refiner, Start

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class DECOptions(LoopOptions):
    """Settings of DEC; the defaults are the paper's where it gives them.

    Attributes
    ----------
    reconstruction : float
        Weight of the reconstruction error in the loss.
    gamma : float
        Weight of the divergence in the loss.
    optimizer : {"sgd", "adam"}
        SGD uses momentum 0.9.
    learning_rate : float
        Learning rate of the optimizer.
    alpha : float or None
        Degrees of freedom of the kernel. None chooses them, see `latentlab.refinement.kernel`; with
        a `scale` it is 1.
    scale : float or None
        Squared distance that counts as 1 in the kernel. None chooses it, see
        `latentlab.refinement.kernel`.
    warm_up : int
        For an N2D start, rounds of training towards N2D's own assignments before the first target
        P. The code has to become round before the nearest mean is the cluster.
    """

    reconstruction: float = option(
        0.0, "Weight of the reconstruction error in the loss.", at_least=0
    )
    gamma: float = option(1.0, "Weight of the divergence in the loss.")
    optimizer: str = option("sgd", "Optimizer; SGD uses momentum 0.9.", choices=OPTIMIZERS)
    learning_rate: float = option(0.01, "Learning rate.", more_than=0)
    alpha: float | None = option(None, "Degrees of freedom of the kernel.", more_than=0)
    scale: float | None = option(None, "Squared distance that counts as 1.", more_than=0)
    warm_up: int = option(10, "Rounds towards N2D's assignments, for an N2D start.", at_least=0)

    @property
    def least_rounds(self) -> int:
        """The rounds of the warm-up, and one more."""
        return self.warm_up + 1 if self.start == "n2d" else 1


class DEC(Refiner):
    """Self-training on sharpened assignments."""

    Options = DECOptions

    def start(self, start: Start, options: DECOptions) -> Refinement:
        """Build the networks around the encoder."""
        if options.reconstruction > 0 and not start.model.reconstructs:
            raise ConfigError(
                "needs a decoder, which this encoder does not have: leave it out",
                field="settings.reconstruction",
                value=options.reconstruction,
            )
        return SelfTraining(start, options)


def target_distribution(q: np.ndarray) -> np.ndarray:
    """Sharpen soft assignments into targets, equation 3 of the paper.

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Soft assignments of all training images.

    Returns
    -------
    ndarray of shape (n, k), float32
        The targets P.

    Examples
    --------
    >>> target_distribution(np.array([[0.8, 0.2], [0.2, 0.8]])).round(3)
    array([[0.941, 0.059],
           [0.059, 0.941]], dtype=float32)
    """
    weights = np.square(q, dtype=np.float64) / q.sum(axis=0, dtype=np.float64)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


class SelfTraining(Refinement):
    """Trains network and centers on KL(P || Q), with or without the reconstruction error.

    Parameters
    ----------
    start : Start
        Encoder and initial clusters.
    options : DECOptions
        Settings of DEC, or of IDEC.
    """

    def __init__(self, start: Start, options: DECOptions) -> None:
        import keras

        from latentlab.nets.layers import ClusteringLayer

        # Soft assignments by the kernel; its centers are weights of the layer.
        alpha, scale = kernel_for(
            start.squared,
            start.spread,
            n_dims=start.centers.shape[1],
            is_code=start.features.spec.is_code,
            alpha=options.alpha,
            scale=options.scale,
        )
        image = start.model.encoder.input
        z = vectors_of(start.model, start.features)
        self.layer = ClusteringLayer(len(start.centers), alpha, scale, name="clustering")
        q = self.layer(z)
        self.layer.set_centers(start.centers)

        # The trainer has the reconstruction as an output only if the loss needs it.
        self.reconstructs = options.reconstruction > 0
        outputs = [start.model.autoencoder.output, q] if self.reconstructs else [q]
        self.trainer = keras.Model(image, outputs, name="trainer")
        self.assigner = keras.Model(image, [z, q], name="assigner")
        self.learning_rate = options.learning_rate
        self._compile(options)

        self.target: np.ndarray | None = None
        self.first_target = start.soft
        self.warm_up = options.warm_up
        self._rounds = 0

    def _compile(self, options: DECOptions) -> None:
        losses = ["kl_divergence"]
        weights = [options.gamma]
        if self.reconstructs:
            losses.insert(0, "mse")
            weights.insert(0, options.reconstruction)
        self.trainer.compile(
            optimizer=_optimizer(options),
            loss=losses,
            loss_weights=weights,
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Set the round's target: N2D's assignments during the warm-up, then P."""
        is_warming_up = self.first_target is not None and self._rounds < self.warm_up
        self.target = self.first_target if is_warming_up else target_distribution(q)
        self._rounds += 1

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch and return its losses."""
        assert self.target is not None
        target = self.target[positions]
        targets = [batch, target] if self.reconstructs else [target]
        self.trainer.reset_metrics()
        values = self.trainer.train_on_batch(batch, targets)
        if not self.reconstructs:
            return {"clustering_loss": float(np.ravel(values)[0])}
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def centers(self) -> np.ndarray:
        """Return the centers, float32 (k, d)."""
        return np.asarray(self.layer.get_weights()[0])

    def set_centers(self, centers: np.ndarray) -> None:
        """Replace the centers, (k, d)."""
        self.layer.set_centers(centers)

    def reorder(self, order: np.ndarray) -> None:
        """Renumber the clusters."""
        self.layer.set_centers(self.centers()[order])

    def extras(self) -> Arrays:
        """Return the number of rounds; the target is computed anew each round."""
        return {"rounds": np.array(self._rounds)}

    def set_extras(self, arrays: Arrays) -> None:
        """Restore the number of rounds."""
        self._rounds = int(arrays["rounds"])


def _optimizer(options: DECOptions) -> Any:
    import keras

    if options.optimizer == "sgd":
        return keras.optimizers.SGD(options.learning_rate, momentum=0.9)
    return keras.optimizers.Adam(options.learning_rate)
