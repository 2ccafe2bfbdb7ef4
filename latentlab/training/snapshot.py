"""Weights and optimizer state of Keras models as named arrays, for checkpoints."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from latentlab.errors import RunError
from latentlab.storage import checkpoints

Arrays = dict[str, np.ndarray]


def snapshot(network: Any) -> Arrays:
    """Return weights and optimizer state of a compiled Keras model.

    Parameters
    ----------
    network : keras.Model
        A compiled model with a built optimizer.

    Returns
    -------
    dict of str to ndarray
        "weight-0000" and on in the order of `network.weights`, then "optimizer-0000" and on.
    """
    weights = checkpoints.numbered("weight", network.get_weights())
    return weights | optimizer_state(network.optimizer)


def restore(network: Any, arrays: Arrays) -> None:
    """Undo `snapshot` on a model of the same layers and optimizer.

    Parameters
    ----------
    network : keras.Model
        A compiled model with a built optimizer.
    arrays : dict of str to ndarray
        What `snapshot` returned; arrays of other names are ignored.

    Raises
    ------
    RunError
        If the optimizer's state belongs to another optimizer.
    """
    network.set_weights(checkpoints.in_order("weight", arrays))
    restore_optimizer(network.optimizer, arrays)


def optimizer_state(optimizer: Any) -> Arrays:
    """Return the state of a built Keras optimizer.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer

    Returns
    -------
    dict of str to ndarray
        "optimizer-0000" and on: step number, learning rate, moments.
    """
    variables: Arrays = {}
    optimizer.save_own_variables(variables)
    in_order = [variables[str(number)] for number in range(len(variables))]
    return checkpoints.numbered("optimizer", in_order)


def restore_optimizer(optimizer: Any, arrays: Arrays) -> None:
    """Undo `optimizer_state`.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Built for the same variables.
    arrays : dict of str to ndarray
        What `optimizer_state` returned; arrays of other names are ignored.

    Raises
    ------
    RunError
        If the state belongs to another optimizer, as that of an older version may.
    """
    values = checkpoints.in_order("optimizer", arrays)
    if len(values) != len(optimizer.variables):
        raise RunError(
            "the checkpoint is of another version of latentlab, and training cannot go on from it."
            " To begin again, remove the folder checkpoints of the run, or of the clustering in its"
            " folder clusters."
        )
    optimizer.load_own_variables({str(number): value for number, value in enumerate(values)})


def all_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Return whether every number of some arrays is finite.

    Parameters
    ----------
    arrays : iterable of ndarray
        Of any shapes.

    Returns
    -------
    bool

    Examples
    --------
    >>> all_finite([np.zeros(3), np.array([1.0, np.nan])])
    False
    """
    return all(bool(np.isfinite(array).all()) for array in arrays)
