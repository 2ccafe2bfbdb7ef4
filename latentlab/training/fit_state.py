"""Where a fit stands: its last good epoch, in memory and as checkpoints, the best one, and what was repaired.

What counts is the state in memory; a checkpoint is its copy for the next process. Each epoch gets one, unless the state is so big
that writing it would take a good part of a fast epoch (ResNet-18 and Adam: 134 MB, beside seconds of training on a GPU) and no
epoch is better than another: where the best is kept, it may be any.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentlab.config import recorded
from latentlab.errors import TrainingError
from latentlab.progress import log
from latentlab.storage import checkpoints
from latentlab.storage.run import Run

MOST_RECOVERIES = 3
BIG = 64 * 2**20  # bytes of a state from which on it is not written after every epoch
REST = 30.0  # seconds between the checkpoints of a big state

Arrays = dict[str, np.ndarray]


@dataclass
class Standing:
    """What a checkpoint tells beside weights and optimizer state."""

    keep_every: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best_val_loss: float = math.inf
    recoveries: list[dict[str, Any]] = field(default_factory=list)


class FitState:
    """The standing of one fit and the arrays of its last good epoch.

    Parameters
    ----------
    objective
        See `latentlab.training.objective`; it is brought to where the run's newest checkpoint stands.
    epochs : int
        To train in all.
    keep_every : int
        The checkpoints of every so many epochs stay, beside the newest and the best; 0 for none.
    """

    def __init__(self, objective: Any, run: Run, epochs: int, keep_every: int = 0) -> None:
        self.objective, self.place, self.epochs = objective, run.path / "checkpoints", epochs
        self.now = Standing(keep_every)
        self.arrays: Arrays = {}
        self.written, self.written_at = -1, -math.inf
        self._resume(keep_every)

    def _resume(self, keep_every: int) -> None:
        folder = checkpoints.newest(self.place, "epoch")
        if not folder:
            return
        self.arrays, values = checkpoints.load(folder)
        self.now = recorded(Standing, values, folder)
        self.now.keep_every = keep_every or self.now.keep_every
        self.written, self.written_at = self.now.epoch, time.monotonic()
        checkpoints.prune(self.place, "epoch", (self.now.epoch, *self._kept()))
        self.objective.restore(self.arrays)
        for _ in self.now.recoveries:
            self.objective.slow_down(0.5)
        log.info("resuming after epoch %d", self.now.epoch)

    def goes_on(self, patience: int) -> bool:
        """Return whether another epoch is to be trained: `patience` is how many may pass without a better one, 0 any number."""
        gave_up = (
            self.objective.keeps_best
            and patience > 0
            and self.now.epoch - self.now.best_epoch >= patience
        )
        return self.now.epoch < self.epochs and not gave_up

    def advance(self, row: dict[str, Any]) -> None:
        """Take the epoch of a row of metrics for the last good one."""
        self.now.epoch = row["epoch"]
        if row["val_loss"] < self.now.best_val_loss or not self.objective.keeps_best:
            self.now.best_epoch, self.now.best_val_loss = self.now.epoch, row["val_loss"]

    def keep(self, arrays: Arrays) -> None:
        """Hold the arrays of the last good epoch, and write its checkpoint where it is due; the best and those to stay always are."""
        self.arrays = {
            name: np.array(array) for name, array in arrays.items()
        }  # a backend may have handed out its own memory
        small = sum(array.nbytes for array in arrays.values()) < BIG
        wanted = self.objective.keeps_best or self.now.epoch in (
            self.epochs,
            *self._kept_for_good(),
        )
        if small or wanted or time.monotonic() - self.written_at >= REST:
            self.write()

    def write(self) -> None:
        """Write the checkpoint of the last good epoch."""
        checkpoints.save(
            self.place, "epoch", self.now.epoch, self.arrays, vars(self.now), keep=self._kept()
        )
        self.written, self.written_at = self.now.epoch, time.monotonic()

    def go_back(self) -> None:
        """Undo what was trained since the last good epoch, and make sure that its checkpoint is there."""
        self.objective.restore(self.arrays)
        if self.written != self.now.epoch:
            self.write()

    def recover(self, row: dict[str, Any]) -> None:
        """Undo a collapsed epoch and slow down; TrainingError where that has not helped."""
        if len(self.now.recoveries) == MOST_RECOVERIES:
            self.go_back()
            raise TrainingError(
                f"the embedding has collapsed in epoch {row['epoch']} (effective rank {row['effective_rank']:.2f}), with a smaller learning rate too:"
                " lower --learning-rate, or use more images. The last good epoch is in the run's checkpoints."
            )
        self.objective.restore(self.arrays)
        self.objective.slow_down(0.5)
        self.now.recoveries.append(
            {"epoch": row["epoch"], "what": "rolled back", "effective_rank": row["effective_rank"]}
        )
        self.write()
        log.warning(
            "the embedding has collapsed in epoch %d: back to the epoch before, with half the learning rate",
            row["epoch"],
        )

    def finish(self, training: np.ndarray) -> None:
        """Bring the objective to the best epoch, whose checkpoint is always there (the last one, where it has no loss to go by), and settle it.

        `training` holds the indices (n,) of the training images.
        """
        best = checkpoints.folder_of(self.place, "epoch", self.now.best_epoch)
        arrays, values = checkpoints.load(best)
        self.objective.restore(arrays)
        if self.objective.settle(training):
            checkpoints.save(
                self.place,
                "epoch",
                self.now.best_epoch,
                self.objective.snapshot(),
                values,
                keep=(self.now.epoch, *self._kept()),
            )

    def summary(self, run: Run) -> dict[str, Any]:
        """Return what `train` tells of the fit, its speed from the run's metrics."""
        speeds = [
            row["images_per_second"]
            for row in run.metrics()
            if row.get("stage") == "fit" and row["epoch"] > 0
        ]
        return {
            "epochs": self.now.epoch,
            "best_epoch": self.now.best_epoch,
            "best_val_loss": self.now.best_val_loss,
            "stopped_early": self.now.epoch < self.epochs,
            "images_per_second": float(np.median(speeds)) if speeds else None,
            "recoveries": self.now.recoveries,
        }

    def _kept(self) -> list[int]:
        return [self.now.best_epoch, *self._kept_for_good()]

    def _kept_for_good(self) -> range | tuple[int, ...]:
        return range(0, self.now.epoch + 1, self.now.keep_every) if self.now.keep_every else ()
