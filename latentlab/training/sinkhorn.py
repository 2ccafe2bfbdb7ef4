"""Sinkhorn's iterations: assignments that share out images evenly among prototypes."""

from typing import Any


def sinkhorn(scores: Any, epsilon: float, steps: int) -> Any:
    """Return soft assignments of images to prototypes that use all prototypes about equally.

    Cuturi, "Sinkhorn distances", NeurIPS 2013, as in algorithm 1 of SwAV. The work is done on
    logarithms, so that a small `epsilon` does not overflow.

    Parameters
    ----------
    scores : tensor of shape (n, n_prototypes), float32
        Similarity of each image to each prototype.
    epsilon : float
        Smaller is sharper.
    steps : int
        Iterations; more make the columns more even.

    Returns
    -------
    tensor of shape (n, n_prototypes), float32
        Rows sum to 1.
    """
    from keras import ops

    logs = scores / epsilon
    for _ in range(steps):
        logs = logs - ops.logsumexp(logs, axis=0, keepdims=True)
        logs = logs - ops.logsumexp(logs, axis=1, keepdims=True)
    return ops.exp(logs)
