"""Many training steps in one compiled call, on every backend: gradients and compilation only.

A loss is written in `keras.ops` and reads, and may assign, Keras variables. TensorFlow takes its
gradients from a tape inside one graph that loops. JAX takes them from `value_and_grad` of the same
function without state, inside one `scan`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.errors import ConfigError

Batch = dict[str, Any]
Reports = dict[str, Any]  # scalar tensors by name
Loss = Callable[[Batch], tuple[Any, Reports]]
Call = Callable[[Batch, Batch], Reports]
RATE = "rate"  # name of the array that holds the learning rate of each step


class CompiledSteps:
    """Training of Keras variables by a Keras optimizer.

    Parameters
    ----------
    loss : callable
        loss(batch) -> (scalar tensor, dict of scalar tensors to report). `batch` holds tensors by
        name. What the loss assigns to non-trainable variables stays.
    names : sequence of str
        Keys of that dict.
    trainable, non_trainable : list of keras.Variable
        Every variable that the loss reads; the first are trained.
    optimizer : keras.optimizers.Optimizer
        It is built here.

    Raises
    ------
    ConfigError
        If the backend is neither TensorFlow nor JAX.
    """

    def __init__(
        self,
        loss: Loss,
        names: Sequence[str],
        trainable: list[Any],
        non_trainable: list[Any],
        optimizer: Any,
    ) -> None:
        # The compiled steps need the optimizer's variables.
        optimizer.build(trainable)
        self.optimizer = optimizer
        self.trainable = trainable
        task = _Task(loss, ("loss", *names), trainable, non_trainable, optimizer)
        name = backend.current()
        if name not in _COMPILERS:
            raise ConfigError(
                f"this objective runs on {' and '.join(_COMPILERS)}, not on {name}:"
                " choose `backend`."
            )
        self._call = _COMPILERS[name](task)

    def send(self, batches: Mapping[str, Any]) -> Batch:
        """Return arrays on the device; those that are there stay.

        Another thread may send the next ones while the device computes.

        Parameters
        ----------
        batches : mapping of str to array
            Arrays of any shapes.

        Returns
        -------
        dict of str to tensor
        """
        if backend.current() == "jax":
            import jax

            return jax.device_put(dict(batches))
        import tensorflow as tf

        return {name: tf.convert_to_tensor(value) for name, value in batches.items()}

    def __call__(self, batches: Mapping[str, Any], shared: Batch | None = None) -> dict[str, float]:
        """Train one step on each of `batches`.

        Parameters
        ----------
        batches : mapping of str to array of shape (n_steps, ...)
            Stacked inputs of the loss, or the result of `send` for them. "rate", of shape
            (n_steps,), sets the learning rate of each step and does not reach the loss.
        shared : dict, optional
            More that the loss takes, from `send`: every step sees all of it, and it stays on the
            device from call to call.

        Returns
        -------
        dict of str to float
            Means over the steps: "loss" and the loss's own reports.
        """
        reports = self._call(self.send(batches), shared or {})
        means = {}
        for name, values in reports.items():
            means[name] = float(np.mean(np.asarray(values, np.float32)))
        return means


@dataclass(frozen=True)
class _Task:
    """What is compiled: see `CompiledSteps`."""

    loss: Loss
    names: tuple[str, ...]
    trainable: list[Any]
    non_trainable: list[Any]
    optimizer: Any


def _compile_tensorflow(task: _Task) -> Call:
    """Return one graph that loops over the steps."""
    import tensorflow as tf

    signature = dict.fromkeys(task.names, tf.TensorSpec((), tf.float32))

    def step(batch: Batch) -> Reports:
        # The learning rate is a variable of the optimizer; the loss does not see it.
        if RATE in batch:
            task.optimizer.learning_rate.assign(batch.pop(RATE))
        with tf.GradientTape() as tape:
            loss, reports = task.loss(batch)
        gradients = tape.gradient(loss, _values(task.trainable))
        task.optimizer.apply(gradients, task.trainable)
        reports = {"loss": loss, **reports}
        return {name: tf.cast(value, tf.float32) for name, value in reports.items()}

    @tf.function(jit_compile=backend.jit_compile())
    def call(batches: Batch, shared: Batch) -> Reports:
        def step_number(i: Any) -> Reports:
            return step({name: value[i] for name, value in batches.items()} | shared)

        numbers = tf.range(len(next(iter(batches.values()))))
        return tf.map_fn(step_number, numbers, fn_output_signature=signature, parallel_iterations=1)

    return call


def _compile_jax(task: _Task) -> Call:
    """Return one scan over the steps, as a function without state, and assign its results."""
    import jax

    step = _stateless_step(task)

    def steps(state: Any, batches: Batch, shared: Batch) -> Any:
        return jax.lax.scan(lambda state, batch: step(state, batch | shared), state, batches)

    compiled = jax.jit(steps, donate_argnums=0)
    groups = (task.trainable, task.non_trainable, task.optimizer.variables)

    def call(batches: Batch, shared: Batch) -> Reports:
        state, reports = compiled(tuple(map(_values, groups)), batches, shared)
        # The steps ran without state: bring their results back into the variables.
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return reports

    return call


def _stateless_step(task: _Task) -> Callable[[Any, Batch], tuple[Any, Reports]]:
    """Return one step for JAX: (state, batch) -> (state, reports).

    The state is the values of the trainable, the other and the optimizer's variables.
    """
    import jax
    import keras

    optimizer = task.optimizer
    rate_position = _position_of(optimizer.learning_rate, optimizer.variables)

    def loss_of(values: Any, others: Any, batch: Batch) -> tuple[Any, Any]:
        """Return the loss, and with it the new values of the other variables and the reports."""
        mapping = [
            *zip(task.trainable, values, strict=True),
            *zip(task.non_trainable, others, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            loss, reports = task.loss(batch)
        changed = [scope.get_current_value(variable) for variable in task.non_trainable]
        return loss, (changed, reports)

    gradient_of = jax.value_and_grad(loss_of, has_aux=True)

    def step(state: Any, batch: Batch) -> tuple[Any, Reports]:
        trainable, others, of_optimizer = state
        # The learning rate is a variable of the optimizer; the loss does not see it.
        if RATE in batch:
            of_optimizer[rate_position] = batch.pop(RATE)
        (loss, (others, reports)), gradients = gradient_of(trainable, others, batch)
        trainable, of_optimizer = optimizer.stateless_apply(of_optimizer, gradients, trainable)
        return (trainable, others, of_optimizer), {"loss": loss, **reports}

    return step


def _values(variables: Sequence[Any]) -> list[Any]:
    return [variable.value for variable in variables]


def _position_of(variable: Any, variables: Sequence[Any]) -> int:
    for position, candidate in enumerate(variables):
        if candidate is variable:
            return position
    raise LookupError(variable.path)


_COMPILERS: dict[str, Callable[[_Task], Call]] = {
    "tensorflow": _compile_tensorflow,
    "jax": _compile_jax,
}
