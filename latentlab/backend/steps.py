"""Many training steps in one compiled call, the same for every backend: gradients and compilation, nothing else.

A loss is written in `keras.ops` and reads, and may assign, Keras variables. TensorFlow takes its gradients from a tape
inside one graph that loops; JAX from `value_and_grad` of the same function without state inside one `scan`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.errors import ConfigError

Batch = dict[str, Any]
Loss = Callable[[Batch], tuple[Any, dict[str, Any]]]
Run = Callable[[Batch, Batch], dict[str, Any]]
RATE = "rate"  # the learning rate of each step among the batches' arrays


class CompiledSteps:
    """Training of Keras variables by a Keras optimizer.

    Parameters
    ----------
    loss : callable
        loss(batch) -> (scalar tensor, dict of scalar tensors to report); batch holds tensors by name. What the loss
        assigns to non-trainable variables is kept.
    names : sequence of str
        Keys of that dict.
    trainable, non_trainable : list of keras.Variable
        Every variable that the loss reads; the first are trained.
    optimizer : keras.optimizers.Optimizer
        Built here.

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
        self.loss, self.names = loss, ("loss", *names)
        self.trainable, self.non_trainable, self.optimizer = trainable, non_trainable, optimizer
        optimizer.build(trainable)
        makers = {"tensorflow": self._tensorflow, "jax": self._jax}
        name = backend.select()
        if name not in makers:
            raise ConfigError(
                f"this objective runs on {' and '.join(makers)}, not on {name}: choose --backend."
            )
        self._run = makers[name]()

    def send(self, batches: dict[str, Any]) -> dict[str, Any]:
        """Return the arrays, of any shapes, on the device: another thread may so send them while the device computes. Those there stay."""
        if backend.select() == "jax":
            import jax

            return jax.device_put(batches)
        import tensorflow as tf

        return {name: tf.convert_to_tensor(value) for name, value in batches.items()}

    def __call__(
        self, batches: dict[str, Any], shared: dict[str, Any] | None = None
    ) -> dict[str, float]:
        """Train one step on each of `batches` and return the means of the loss and of what it reports.

        Parameters
        ----------
        batches : dict of ndarray of shape (n_steps, ...), or what `send` made of them
            What the loss takes, stacked; "rate", of shape (n_steps,), where there is one, is the learning rate, and does not
            reach the loss.
        shared : dict, optional
            What the loss takes beside that, from `send`: every step sees all of it, and from call to call it stays on the device.
        """
        told = self._run(self.send(batches), shared or {})
        return {
            name: float(np.mean(np.asarray(values, np.float32))) for name, values in told.items()
        }

    def _tensorflow(self) -> Run:
        import tensorflow as tf

        signature = dict.fromkeys(self.names, tf.TensorSpec((), tf.float32))

        def step(batch: Batch) -> dict[str, Any]:
            if RATE in batch:
                self.optimizer.learning_rate.assign(batch.pop(RATE))
            with tf.GradientTape() as tape:
                loss, told = self.loss(batch)
            self.optimizer.apply(
                tape.gradient(loss, [variable.value for variable in self.trainable]), self.trainable
            )
            return {
                name: tf.cast(value, tf.float32) for name, value in {"loss": loss, **told}.items()
            }

        @tf.function(jit_compile=backend.jit_compile())
        def run(batches: Batch, shared: Batch) -> dict[str, Any]:
            def numbered(i: Any) -> dict[str, Any]:
                return step({name: value[i] for name, value in batches.items()} | shared)

            numbers = tf.range(len(next(iter(batches.values()))))
            return tf.map_fn(
                numbered, numbers, fn_output_signature=signature, parallel_iterations=1
            )

        return run

    def _jax(self) -> Run:
        import jax
        import keras

        rate_at = next(
            i
            for i, variable in enumerate(self.optimizer.variables)
            if variable is self.optimizer.learning_rate
        )

        def step(state: Any, batch: Batch) -> tuple[Any, dict[str, Any]]:
            trainable, others, own = state
            if RATE in batch:
                own[rate_at] = batch.pop(RATE)

            def stateless(values: Any) -> tuple[Any, Any]:
                mapping = [
                    *zip(self.trainable, values, strict=True),
                    *zip(self.non_trainable, others, strict=True),
                ]
                with keras.StatelessScope(state_mapping=mapping) as scope:
                    loss, told = self.loss(batch)
                return loss, (
                    [scope.get_current_value(variable) for variable in self.non_trainable],
                    told,
                )

            (loss, (others, told)), gradients = jax.value_and_grad(stateless, has_aux=True)(
                trainable
            )
            trainable, own = self.optimizer.stateless_apply(own, gradients, trainable)
            return (trainable, others, own), {"loss": loss, **told}

        def steps(state: Any, batches: Batch, shared: Batch) -> Any:
            return jax.lax.scan(lambda state, batch: step(state, batch | shared), state, batches)

        run = jax.jit(steps, donate_argnums=0)
        groups = (self.trainable, self.non_trainable, self.optimizer.variables)

        def call(batches: Batch, shared: Batch) -> dict[str, Any]:
            state, told = run(
                tuple([variable.value for variable in group] for group in groups), batches, shared
            )
            for group, values in zip(groups, state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)
            return told

        return call
