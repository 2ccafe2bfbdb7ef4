"""A teacher whose weights are the running average of a network's (Tarvainen and Valpola 2017)."""

from typing import Any


class AveragedTeacher:
    """Averages of a network's trainable weights, and its predictions by them.

    Batch normalisation uses the statistics of the batch, so that the teacher needs none of its own.

    Parameters
    ----------
    network : keras.Model
        The network in training, its student.
    momentum : float
        Share of the average that stays at each step.

    Attributes
    ----------
    weights : list of keras.Variable
        The averages.
    """

    def __init__(self, network: Any, momentum: float) -> None:
        import keras

        self.network = network
        self.momentum = momentum
        self.weights = [
            keras.Variable(weight, dtype=weight.dtype, trainable=False, name=f"teacher_{number}")
            for number, weight in enumerate(network.trainable_variables)
        ]

    def follow(self) -> None:
        """Move the averages one step; part of a compiled loss."""
        pairs = zip(self.weights, self.network.trainable_variables, strict=True)
        for average, weight in pairs:
            average.assign(self.momentum * average + (1 - self.momentum) * weight)

    def predict(self, images: Any) -> Any:
        """Return the teacher's outputs without a gradient; part of a compiled loss.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Values in [0, 1].
        """
        from keras import ops

        weights = [ops.convert_to_tensor(weight) for weight in self.weights]
        others = [ops.convert_to_tensor(other) for other in self.network.non_trainable_variables]
        outputs, _ = self.network.stateless_call(weights, others, images, training=True)
        return ops.stop_gradient(outputs)

    def start_anew(self) -> None:
        """Take the network's weights as they are; the average begins anew."""
        pairs = zip(self.weights, self.network.trainable_variables, strict=True)
        for average, weight in pairs:
            average.assign(weight)

    def replace_student(self) -> None:
        """Give the network the averages as its weights."""
        pairs = zip(self.weights, self.network.trainable_variables, strict=True)
        for average, weight in pairs:
            weight.assign(average)
