"""Muon for networks with convolutions, a plain Keras optimizer: steps in which no direction of a weight matrix outweighs the others.

Muon (Jordan et al., 2024) replaces the momentum of a matrix by the nearest one whose rows or columns are orthonormal, so that rare
directions move as far as frequent ones. Keras' own Muon leaves kernels of convolutions to Adam; here such a kernel (height, width, c,
filters) is a matrix (height width c, filters), as in Jordan's CIFAR-10 speed record.
"""

import re
from typing import Any

import keras
from keras import ops

QUINTIC = (
    3.4445,
    -4.7750,
    2.0315,
)  # Jordan's coefficients: they bring singular values into 0.7 to 1.2 in five steps, not to 1
N_STEPS = 5
ADAM_SIZED = 0.2  # root mean square of one of Adam's steps, in learning rates


@keras.saving.register_keras_serializable(package="latentlab")
class Muon(keras.optimizers.Optimizer):
    """Momentum made orthonormal for matrices and kernels; Adam for the rest.

        m <- momentum m + g,    W <- W - rate 0.2 sqrt(max(rows, columns)) orthonormal(g + momentum m)

    The factor makes the step as large as one of Adam's (Liu et al., 2025, equation 4), so that both take learning rates of one kind.

    Parameters
    ----------
    learning_rate : float
        Of matrices.
    momentum : float
        Of matrices; with Nesterov's look ahead.
    adam_share : float
        Adam's learning rate, as a share of the other.
    beta_1, beta_2, epsilon : float
        Adam's.
    adam_paths : sequence of str
        Regular expressions; a variable whose path matches one is Adam's though it is a matrix, as layers at the very end are.
    iterated_in : str
        Type of the iteration's products; "bfloat16" is exact enough for it (Jordan et al., 2024).
    **settings
        Of every Keras optimizer; `weight_decay`, decoupled, is of the matrices that are not Adam's.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        momentum: float = 0.95,
        adam_share: float = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        adam_paths: tuple[str, ...] = (),
        iterated_in: str = "float32",
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **{"name": "muon", **settings})
        self.momentum, self.adam_share = momentum, adam_share
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.adam_paths, self.iterated_in = tuple(adam_paths), iterated_in

    def build(self, variables: list[Any]) -> None:
        """Make the momentum of every variable, and Adam's second moment where it is Adam's."""
        if self.built:
            return
        self.exclude_from_weight_decay([one for one in variables if not self._is_matrix(one)])
        super().build(variables)
        self.momentums = [
            self.add_variable_from_reference(one, name="momentum") for one in variables
        ]
        self.velocities = [
            None if self._is_matrix(one) else self.add_variable_from_reference(one, name="velocity")
            for one in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable."""
        index = self._get_variable_index(variable)
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        if self.velocities[index] is None:
            self._move_matrix(gradient, variable, rate, self.momentums[index])
        else:
            self._move_like_adam(
                gradient,
                variable,
                rate * self.adam_share,
                self.momentums[index],
                self.velocities[index],
            )

    def _is_matrix(self, variable: Any) -> bool:
        return len(variable.shape) > 1 and not any(
            re.search(pattern, variable.path) for pattern in self.adam_paths
        )

    def _move_matrix(self, gradient: Any, variable: Any, rate: Any, momentum: Any) -> None:
        self.assign(momentum, self.momentum * momentum + gradient)
        matrix = ops.reshape(gradient + self.momentum * momentum, (-1, variable.shape[-1]))
        step = ops.cast(orthonormal(ops.cast(matrix, self.iterated_in)), variable.dtype)
        size = ADAM_SIZED * max(matrix.shape) ** 0.5
        self.assign_sub(variable, rate * size * ops.reshape(step, variable.shape))

    def _move_like_adam(
        self, gradient: Any, variable: Any, rate: Any, first: Any, second: Any
    ) -> None:
        """Kingma and Ba, ICLR 2015, with both corrections in the rate."""
        number = ops.cast(self.iterations + 1, variable.dtype)
        corrected = (
            rate
            * ops.sqrt(1 - ops.power(self.beta_2, number))
            / (1 - ops.power(self.beta_1, number))
        )
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        self.assign_sub(variable, corrected * first / (ops.sqrt(second) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """Return every setting."""
        own = ("momentum", "adam_share", "beta_1", "beta_2", "epsilon", "adam_paths", "iterated_in")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def orthonormal(matrix: Any) -> Any:
    """Return about U V' of a matrix (rows, columns) = U S V': its singular values brought near 1 by Newton and Schulz' iteration.

    In the matrix' own type; a matrix of zeros stays one.
    """
    rows, columns = matrix.shape
    x = ops.transpose(matrix) if rows > columns else matrix
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    a, b, c = QUINTIC
    for _ in range(N_STEPS):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if rows > columns else x
