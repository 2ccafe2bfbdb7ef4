"""TEMI on vectors: neighbours share information about their cluster.

Adaloglou et al., BMVC 2023, equation 7:

    L = - w log sum_c (q_s(c|x) q_t(c|x'))^beta / q_t(c),    symmetric,
    w = mean over heads of sum_c q_t(c|x) q_t(c|x')

Student q_s and teacher q_t are cosine heads with temperature 0.1. The teacher is the student's
moving average, q_t(c) the moving average of its shares, and w trusts the pairs that the heads put
together. beta below 1 keeps clusters from swallowing others. The paper's heads have two hidden
layers; these are linear. The head of the lowest loss is used.

    latentlab cluster --run RUN --k 10 --method temi
    latentlab cluster --embeddings vectors.parquet --k 10 --method temi
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.clustering.heads import HeadClusterer, HeadObjective, HeadOptions
from latentlab.options import option


@dataclass(frozen=True)
class TEMIOptions(HeadOptions):
    """Settings of TEMI; `entropy` is not used.

    Attributes
    ----------
    beta : float
        Power of the joint probability, in (0.5, 1]; smaller is more even.
    temperature : float
        Of the softmax over cosines.
    teacher : float
        Momentum of the teacher's weights.
    shares : float
        Momentum of the teacher's shares.
    """

    heads: int = option(16, "Heads that are trained; the best is used.", at_least=1)
    neighbors: int = option(50, "Nearest neighbours that partners are drawn from.", at_least=1)
    learning_rate: float = option(0.001, "Learning rate of Adam.", more_than=0)
    beta: float = option(0.6, "Power of the joint probability.", more_than=0.5, at_most=1)
    temperature: float = option(0.1, "Temperature of the softmax.", more_than=0)
    teacher: float = option(0.996, "Momentum of the teacher's weights.", at_least=0, less_than=1)
    shares: float = option(0.9, "Momentum of the teacher's shares.", at_least=0, less_than=1)


class MutualInformation(HeadObjective):
    """TEMI's loss for several heads at once."""

    def __init__(self, n_dims: int, k: int, settings: TEMIOptions, seed: int) -> None:
        import keras

        super().__init__(n_dims, k, settings, seed)
        even_shares = np.full((settings.heads, 1, k), 1 / k, np.float32)
        self.teacher_kernel = keras.Variable(np.asarray(self.kernel), trainable=False)
        self.teacher_shares = keras.Variable(even_shares, trainable=False)
        self.trainable = [self.kernel]
        self.frozen = [self.bias, self.teacher_kernel, self.teacher_shares]

    def start(self, kernels: np.ndarray, biases: np.ndarray) -> None:
        """Let the first heads and their teachers start from the directions of kernels (m, d, k).

        That is near the clusters of k-means. A center in the very middle has no direction, so its
        place keeps the random one.
        """
        lengths = np.linalg.norm(kernels, axis=1, keepdims=True)
        has_direction = lengths > 1e-3 * lengths.max(axis=2, keepdims=True)
        random_kernels = np.asarray(self.kernel)[: len(kernels)]
        super().start(np.where(has_direction, kernels, random_kernels), np.zeros_like(biases))
        # A copy: JAX gives away the memory of trained variables.
        self.teacher_kernel.assign(np.asarray(self.kernel).copy())

    def losses(self, vectors: Any, partners: Any) -> Any:
        """Return the loss of each head, (heads,), and move the teacher."""
        from keras import ops

        # The teacher follows the student, and its shares follow the teacher.
        self._move_teacher()
        teacher = ops.stop_gradient(self._soft(vectors, self.teacher_kernel))
        teacher_partners = ops.stop_gradient(self._soft(partners, self.teacher_kernel))
        self._move_shares(teacher, teacher_partners)

        # Pairs that the heads put together weigh more.
        weight = ops.mean(ops.sum(teacher * teacher_partners, axis=2), axis=0)
        student = self._soft(vectors, self.kernel)
        student_partners = self._soft(partners, self.kernel)
        forward = self._loss(student, teacher_partners, weight)
        backward = self._loss(student_partners, teacher, weight)
        return (forward + backward) / 2

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the teacher's kernels (heads, d, k) and biases (heads, k) of 0.

        The cosine's length of z is the same for all clusters, so its usual length stands for it.
        """
        kernel = np.asarray(self.teacher_kernel)
        unit = kernel / np.linalg.norm(kernel, axis=1, keepdims=True)
        scaled = unit / (self.settings.temperature * np.sqrt(kernel.shape[1]))
        return scaled, np.zeros(kernel.shape[::2], np.float32)

    def _move_teacher(self) -> None:
        from keras import ops

        momentum = self.settings.teacher
        kernel = ops.stop_gradient(ops.convert_to_tensor(self.kernel))
        self.teacher_kernel.assign(momentum * self.teacher_kernel + (1 - momentum) * kernel)

    def _move_shares(self, teacher: Any, teacher_partners: Any) -> None:
        from keras import ops

        momentum = self.settings.shares
        shares = ops.mean(teacher, axis=1, keepdims=True)
        partner_shares = ops.mean(teacher_partners, axis=1, keepdims=True)
        both = (shares + partner_shares) / 2
        self.teacher_shares.assign(momentum * self.teacher_shares + (1 - momentum) * both)

    def _loss(self, student: Any, teacher: Any, weight: Any) -> Any:
        """Return one side of the symmetric loss, (heads,)."""
        from keras import ops

        shares = ops.convert_to_tensor(self.teacher_shares)
        joint = ops.power(student * teacher + 1e-12, self.settings.beta) / shares
        return ops.mean(-weight * ops.log(ops.sum(joint, axis=2)), axis=1)

    def _soft(self, vectors: Any, kernel: Any) -> Any:
        """Return the soft assignments (heads, n, k) of a cosine head."""
        from keras import ops

        cosines = ops.normalize(vectors, axis=1) @ ops.normalize(
            ops.convert_to_tensor(kernel), axis=1
        )
        return ops.softmax(cosines / self.settings.temperature)


class TEMI(HeadClusterer):
    """Heads that share information about neighbours."""

    Options = TEMIOptions
    Objective = MutualInformation
