"""Muon for networks with convolutions: steps in which no direction outweighs the others.

Muon (Jordan et al., 2024) replaces the momentum of a matrix by the nearest matrix with orthonormal
rows or columns, so that rare directions move as far as frequent ones. Keras' own Muon leaves
kernels of convolutions to Adam. Here such a kernel (height, width, c, filters) is a matrix (height
width c, filters), as in Jordan's CIFAR-10 speed record.
"""

import re
from typing import Any

import keras
from keras import ops

# Jordan's coefficients: in five steps they bring singular values into 0.7 to 1.2, not to 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
N_STEPS = 5
ADAM_SIZE = 0.2  # root mean square of one of Adam's steps, in learning rates
SMALLEST_NORM = 1e-7


@keras.saving.register_keras_serializable(package="latentlab")
class Muon(keras.optimizers.Optimizer):
    """Momentum made orthonormal for matrices and kernels; Adam for the rest.

        m <- momentum m + g
        W <- W - rate 0.2 sqrt(max(rows, columns)) orthonormal(g + momentum m)

    The factor makes a step as large as one of Adam's (Liu et al., 2025, equation 4), so that both
    take learning rates of the same size.

    Parameters
    ----------
    learning_rate : float
        Learning rate of matrices.
    momentum : float
        Momentum of matrices; it looks ahead as Nesterov's.
    adam_share : float
        Adam's learning rate, as a share of the other.
    beta_1, beta_2, epsilon : float
        Settings of Adam.
    adam_paths : sequence of str
        Regular expressions. Adam also trains matrices of a path that matches one, such as layers at
        the very end.
    iterated_in : str
        Number format of the iteration; "bfloat16" is exact enough (Jordan et al., 2024).
    **settings
        Settings of every Keras optimizer. `weight_decay`, decoupled, is only for matrices that Adam
        does not train.
    """

    def __init__(  # noqa: PLR0913  # a constructor
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
        self.momentum = momentum
        self.adam_share = adam_share
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.adam_paths = tuple(adam_paths)
        self.iterated_in = iterated_in

    def build(self, variables: list[Any]) -> None:
        """Make the momentum of every variable, and Adam's second moment of those that it trains.

        Parameters
        ----------
        variables : list of keras.Variable
            What is trained.
        """
        if self.built:
            return
        # Adam's variables are known only now, and Keras decays all others.
        left_to_adam = [variable for variable in variables if not self._is_matrix(variable)]
        self.exclude_from_weight_decay(left_to_adam)
        super().build(variables)
        self.momentums = []
        for variable in variables:
            self.momentums.append(self.add_variable_from_reference(variable, name="momentum"))
        # A variable without a velocity is a matrix, for `update_step`.
        self.velocities = []
        for variable in variables:
            velocity = None
            if not self._is_matrix(variable):
                velocity = self.add_variable_from_reference(variable, name="velocity")
            self.velocities.append(velocity)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable; Keras calls it.

        Parameters
        ----------
        gradient : tensor
            Its gradient.
        variable : keras.Variable
            The variable.
        learning_rate : tensor of shape ()
            Learning rate of matrices.
        """
        # Keras may hold learning rate and gradient in another number format.
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        momentum, velocity = self.momentums[index], self.velocities[index]
        if velocity is None:
            self._move_matrix(gradient, variable, rate, momentum)
        else:
            self._move_like_adam(gradient, variable, rate * self.adam_share, momentum, velocity)

    def _is_matrix(self, variable: Any) -> bool:
        if len(variable.shape) < 2:
            return False
        return not any(re.search(pattern, variable.path) for pattern in self.adam_paths)

    def _move_matrix(self, gradient: Any, variable: Any, rate: Any, momentum: Any) -> None:
        self.assign(momentum, self.momentum * momentum + gradient)
        matrix = ops.reshape(gradient + self.momentum * momentum, (-1, variable.shape[-1]))
        step = ops.cast(orthonormal(ops.cast(matrix, self.iterated_in)), variable.dtype)
        size = ADAM_SIZE * max(matrix.shape) ** 0.5
        self.assign_sub(variable, rate * size * ops.reshape(step, variable.shape))

    def _move_like_adam(
        self, gradient: Any, variable: Any, rate: Any, first: Any, second: Any
    ) -> None:
        """Move as Kingma and Ba, ICLR 2015, with both corrections in the rate."""
        number = ops.cast(self.iterations + 1, variable.dtype)
        of_first = 1 - ops.power(self.beta_1, number)
        of_second = 1 - ops.power(self.beta_2, number)
        corrected = rate * ops.sqrt(of_second) / of_first
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        self.assign_sub(variable, corrected * first / (ops.sqrt(second) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """Return every setting."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "adam_share": self.adam_share,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "adam_paths": self.adam_paths,
            "iterated_in": self.iterated_in,
        }


def orthonormal(matrix: Any) -> Any:
    """Return about U V' of a matrix U S V', by Newton and Schulz' iteration.

    It brings the singular values near 1.

    Parameters
    ----------
    matrix : tensor of shape (rows, columns)
        A matrix of zeros stays zero.

    Returns
    -------
    tensor of shape (rows, columns)
        In the number format of `matrix`.
    """
    rows, columns = matrix.shape
    x = ops.transpose(matrix) if rows > columns else matrix
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + SMALLEST_NORM)
    a, b, c = QUINTIC
    for _ in range(N_STEPS):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if rows > columns else x
