"""Speed and remaining time of an epoch, shown while it runs."""

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from latentlab.config import FitOptions
from latentlab.progress import track
from latentlab.training.batches import steps_per_epoch


class EpochMeter:
    """Counts steps and images of one epoch and feeds its progress bar.

    Parameters
    ----------
    options : FitOptions
        Number of epochs and images per step.
    epoch : int
        Number of this epoch, from 1.
    n_images : int
        Images to train on in one epoch.
    """

    def __init__(self, options: FitOptions, epoch: int, n_images: int) -> None:
        self._epoch = epoch
        self._title = f"epoch {epoch}/{options.epochs}"
        self._n_steps = steps_per_epoch(n_images, options.batch_size)
        self._images_to_train = (options.epochs - epoch + 1) * n_images
        self._steps_done = 0
        self._images_done = 0
        self._started = time.perf_counter()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        is_first = self._epoch == 1
        self._bar = self._stack.enter_context(
            track(self._title, self._n_steps, "steps", is_announced=is_first)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, loss: float, n_images: int, n_steps: int = 1) -> None:
        """Count steps that are done.

        Parameters
        ----------
        loss : float
            Their loss, which the bar shows.
        n_images : int
            Images of all these steps.
        n_steps : int
            Number of steps.
        """
        self._steps_done += n_steps
        self._images_done += n_images
        speed = self.images_per_second
        seconds_left = max(0.0, self._images_to_train / speed - self._elapsed())
        text = f"loss {loss:.5f}, {speed:.0f} images/s, {seconds_left / 60:.1f} min left in all"
        self._bar.update(self._steps_done, text)

    @property
    def images_per_second(self) -> float:
        """Speed of the epoch so far."""
        return self._images_done / self._elapsed()

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started
