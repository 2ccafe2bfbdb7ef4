"""Batch normalisation after training: statistics of the final weights on the final inputs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

SETTLING_BATCHES = 20  # from which the statistics are taken


def settle(
    networks: Sequence[Any],
    inputs: Iterable[Any],
    forward: Callable[[Any], object],
    equal_weights: bool = True,
) -> None:
    """Take the statistics of batch normalisation anew, over some batches of inputs.

    Training keeps the statistics of its own inputs, such as crops, and of weights before an
    average.

    Parameters
    ----------
    networks : sequence of keras.Model
        The layers of batch normalisation are searched among their layers.
    inputs : iterable
        One item per batch, in whatever form `forward` takes it; see SETTLING_BATCHES.
    forward : callable
        forward(item) passes one batch through all networks with ``training=True``.
    equal_weights : bool
        Whether every batch counts the same and the old statistics nothing. Otherwise the layers'
        own momentum decides, and later batches count more.
    """
    layers = _normalising_layers(networks) if equal_weights else []
    momenta = [layer.momentum for layer in layers]
    for number, item in enumerate(inputs):
        # The mean of n + 1 batches is the mean of n batches, moved by a share of 1 / (n + 1).
        for layer in layers:
            layer.momentum = number / (number + 1)
        forward(item)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _normalising_layers(networks: Sequence[Any]) -> list[Any]:
    from keras.layers import BatchNormalization

    layers = [layer for network in networks for layer in network.layers]
    return [layer for layer in layers if isinstance(layer, BatchNormalization)]
