"""TEMI on vectors (Adaloglou et al., BMVC 2023, equation 7): neighbours share information about their cluster.

    L = - w log sum_c (q_s(c|x) q_t(c|x'))^beta / q_t(c),    symmetric,    w = mean over heads of sum_c q_t(c|x) q_t(c|x')

Student q_s and teacher q_t are cosine heads with temperature 0.1; the teacher is the student's moving average, q_t(c) the
moving average of its shares, and w trusts those pairs that the heads put together. beta below 1 keeps clusters from
swallowing others. The paper's heads have two hidden layers; these are linear. Heads whose loss is lowest are kept.

    latentlab cluster --run RUN --k 10 --method temi
    latentlab cluster --embeddings vectors.parquet --k 10 --method temi
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.clustering import heads
from latentlab.clustering.base import Clusterer, Vectors
from latentlab.config import ClusterOptions, plugin_options
from latentlab.errors import ConfigError


@dataclass(frozen=True)
class Options(heads.HeadOptions):
    """Settings of TEMI; `entropy` is not used.

    Attributes
    ----------
    beta : float
        Power of the joint probability, in (0.5, 1]: smaller is more even.
    temperature : float
    teacher : float
        Momentum of the teacher's weights.
    shares : float
        Momentum of the teacher's shares.
    """

    heads: int = 16
    neighbors: int = 50
    learning_rate: float = 0.001
    beta: float = 0.6
    temperature: float = 0.1
    teacher: float = 0.996
    shares: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            not 0.5 < self.beta <= 1
            or self.temperature <= 0
            or not (0 <= self.teacher < 1 and 0 <= self.shares < 1)
        ):
            raise ConfigError(
                "--set beta must be above 0.5 and at most 1, temperature above 0, teacher and shares at least 0 and below 1."
            )


class MutualInformation(heads.Objective):
    """TEMI's loss for several heads at once."""

    def __init__(self, n_dims: int, k: int, own: Any, seed: int) -> None:
        import keras

        super().__init__(n_dims, k, own, seed)
        self.teacher_kernel = keras.Variable(np.asarray(self.kernel), trainable=False)
        self.teacher_shares = keras.Variable(
            np.full((own.heads, 1, k), 1 / k, np.float32), trainable=False
        )
        self.trainable = [self.kernel]
        self.frozen = [self.bias, self.teacher_kernel, self.teacher_shares]

    def start(self, kernels: np.ndarray, biases: np.ndarray) -> None:
        """Let the first m heads, and their teachers, start from the directions of kernels (m, d, k): a start near k-means' clusters.

        A center in the very middle has no direction: its place keeps the random one.
        """
        lengths = np.linalg.norm(kernels, axis=1, keepdims=True)
        directed = lengths > 1e-3 * lengths.max(axis=2, keepdims=True)
        super().start(
            np.where(directed, kernels, np.asarray(self.kernel)[: len(kernels)]),
            np.zeros_like(biases),
        )
        self.teacher_kernel.assign(
            np.asarray(self.kernel).copy()
        )  # a copy: JAX gives the memory of what it trains away

    def losses(self, one: Any, other: Any) -> Any:
        """Return each head's loss, (heads,), and move the teacher."""
        from keras import ops

        own = self.own
        kernel = ops.stop_gradient(ops.convert_to_tensor(self.kernel))
        self.teacher_kernel.assign(own.teacher * self.teacher_kernel + (1 - own.teacher) * kernel)
        teacher, teacher_other = (
            ops.stop_gradient(self._soft(z, self.teacher_kernel)) for z in (one, other)
        )
        both = (
            ops.mean(teacher, axis=1, keepdims=True)
            + ops.mean(teacher_other, axis=1, keepdims=True)
        ) / 2
        self.teacher_shares.assign(own.shares * self.teacher_shares + (1 - own.shares) * both)
        shares = ops.convert_to_tensor(self.teacher_shares)
        weight = ops.mean(ops.sum(teacher * teacher_other, axis=2), axis=0)
        student, student_other = self._soft(one, self.kernel), self._soft(other, self.kernel)
        pairs = ((student, teacher_other), (student_other, teacher))
        each = [
            ops.mean(
                -weight * ops.log(ops.sum(ops.power(s * t + 1e-12, own.beta) / shares, axis=2)),
                axis=1,
            )
            for s, t in pairs
        ]
        return (each[0] + each[1]) / 2

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the teacher's kernel (heads, d, k), by the temperature and the usual length of z: the cosine's own is the same for all clusters."""
        kernel = np.asarray(self.teacher_kernel)
        unit = kernel / np.linalg.norm(kernel, axis=1, keepdims=True)
        return unit / (self.own.temperature * np.sqrt(kernel.shape[1])), np.zeros(
            kernel.shape[::2], np.float32
        )

    def _soft(self, z: Any, kernel: Any) -> Any:
        from keras import ops

        return ops.softmax(
            ops.normalize(z, axis=1)
            @ ops.normalize(ops.convert_to_tensor(kernel), axis=1)
            / self.own.temperature
        )


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Cluster `vectors` into options.k groups; errors as in `_heads.fit`."""
    return heads.fit(
        vectors,
        options,
        plugin_options(Options, options.settings, "--method temi"),
        MutualInformation,
    )


def load(arrays: dict[str, np.ndarray]) -> Clusterer:
    """Return the fitted clusters from their saved arrays."""
    return heads.load(arrays)
