"""DEC, "Unsupervised deep embedding for clustering analysis" (Xie, Girshick and Farhadi, ICML 2016).

The encoder and the centers are trained on the Kullback-Leibler divergence KL(P || Q) of the soft assignment Q, by
Student's t kernel, from its sharpened target P, taken over all training images and refreshed every `interval` steps:

    p_ij  proportional to  q_ij^2 / f_j,    f_j = sum_i q_ij        (equation 3)

There is no decoder in the loss, which may corrupt the code; IDEC and DCEC keep it. The paper's optimizer is SGD, 0.01.

    latentlab cluster --run RUN --k 10 --method dec
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.errors import ConfigError
from latentlab.refinement.base import LoopOptions, Refiner, Start
from latentlab.refinement.feature_layers import vectors_of
from latentlab.refinement.kernel import kernel_for

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Options(LoopOptions):
    """Settings of the method, beside those of the loop; the paper's where it has them.

    Attributes
    ----------
    reconstruction, gamma : float
        Weights of the reconstruction error and of the divergence in the loss.
    optimizer : {"sgd", "adam"}
        SGD has momentum 0.9.
    learning_rate : float
    alpha, scale : float or None
        Degrees of freedom of the kernel, and the squared distance that counts as 1 in it. None: 1 and 1 for a dense code of
        at most 32 numbers, as published; for a larger code d - 1 degrees of freedom and the scale at which q starts as unsure
        as the published kernel is on ten numbers; for features 1 and their mean squared distance to the centers. See
        `latentlab.refinement.kernel`. With a scale that is given, alpha is 1.
    warm_up : int
        With start "n2d", rounds of training towards N2D's own assignments, before the first target P: the nearest mean is
        not yet the cluster, and the code has to become round first.
    """

    reconstruction: float = 0.0
    gamma: float = 1.0
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    alpha: float | None = None
    scale: float | None = None
    warm_up: int = 10
    POSITIVE = ("learning_rate", "alpha", "scale")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(
                f"--set optimizer={self.optimizer}: must be one of {', '.join(OPTIMIZERS)}."
            )
        if self.warm_up < 0:
            raise ConfigError("--set warm_up must be at least 0.")

    @property
    def least_rounds(self) -> int:
        """The warm-up and one round."""
        return self.warm_up + 1 if self.start == "n2d" else 1


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`."""
    return SelfTraining(start, options)


def target_distribution(q: np.ndarray) -> np.ndarray:
    """Return P, float32 (n, k), of soft assignments Q (n, k) of all training images."""
    weights = np.square(q, dtype=np.float64) / q.sum(axis=0, dtype=np.float64)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


class SelfTraining:
    """Trains network and centers on KL(P || Q), with or without the reconstruction error."""

    def __init__(self, start: Start, options: Options) -> None:
        import keras

        from latentlab import backend
        from latentlab.nets.layers import ClusteringLayer

        image = start.model.encoder.input
        z = vectors_of(start.model, start.features)
        alpha, scale = kernel_for(
            start.squared,
            start.spread,
            start.centers.shape[1],
            start.features.spec == "code",
            options.alpha,
            options.scale,
        )
        self.layer = ClusteringLayer(len(start.centers), alpha, scale, name="clustering")
        q = self.layer(z)
        self.layer.set_centers(start.centers)
        self.reconstructs = options.reconstruction > 0
        outputs = [start.model.autoencoder.output, q] if self.reconstructs else [q]
        self.trainer = keras.Model(image, outputs, name="trainer")
        optimizer = (
            keras.optimizers.SGD(options.learning_rate, momentum=0.9)
            if options.optimizer == "sgd"
            else keras.optimizers.Adam(options.learning_rate)
        )
        losses, weights = (
            (["mse", "kl_divergence"], [options.reconstruction, options.gamma])
            if self.reconstructs
            else (["kl_divergence"], [options.gamma])
        )
        self.trainer.compile(
            optimizer=optimizer,
            loss=losses,
            loss_weights=weights,
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self.assigner = keras.Model(image, [z, q], name="assigner")
        self.target: np.ndarray | None = None
        self.first_target, self.warm_up = start.soft, options.warm_up
        self._rounds = 0

    def networks(self) -> tuple[Any, Any]:
        """Return the trained model and images -> [z, q]."""
        return self.trainer, self.assigner

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Set the target of the next steps: N2D's assignments while warming up from them, then P."""
        warming = self.first_target is not None and self._rounds < self.warm_up
        self.target = self.first_target if warming else target_distribution(q)
        self._rounds += 1

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch and return its losses."""
        assert self.target is not None
        target = self.target[positions]
        self.trainer.reset_metrics()
        values = self.trainer.train_on_batch(
            batch, [batch, target] if self.reconstructs else [target]
        )
        if not self.reconstructs:
            return {"clustering_loss": float(np.ravel(values)[0])}
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def centers(self) -> np.ndarray:
        """Return the centers, float32 (k, d)."""
        return np.asarray(self.layer.get_weights()[0])

    def set_centers(self, centers: np.ndarray) -> None:
        """Replace the centers."""
        self.layer.set_centers(centers)

    def reorder(self, order: np.ndarray) -> None:
        """Number the clusters anew."""
        self.layer.set_centers(self.centers()[order])

    def extras(self) -> dict[str, np.ndarray]:
        """Return how far training is; the target is made anew each round."""
        return {"rounds": np.array(self._rounds)}

    def set_extras(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `extras`."""
        self._rounds = int(arrays["rounds"])
