"""Summary of a fit, as run.json records it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FitSummary:
    """Summary of a fit.

    Attributes
    ----------
    epochs : int
        Trained epochs.
    best_epoch : int
        The epoch that is the result.
    best_val_loss : float
        Its validation loss.
    stopped_early : bool
        Whether the validation loss ended the training before the last epoch.
    images_per_second : float or None
        Median over the epochs.
    recoveries : tuple of mapping
        Epochs that were undone after a collapse, as JSON objects.
    flops_per_image : int or None
        Operations of training on one image; None if they cannot be counted.
    peak_memory : int or None
        Bytes, of the process that ended the fit; None if the system does not say.
    """

    epochs: int
    best_epoch: int
    best_val_loss: float
    stopped_early: bool = False
    images_per_second: float | None = None
    recoveries: tuple[Mapping[str, Any], ...] = ()
    flops_per_image: int | None = None
    peak_memory: int | None = None
