"""How far a fit is: the state.json of its checkpoints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from latentlab.storage.json_form import json_field
from latentlab.training.state import Progress

ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class Collapse:
    """An epoch that was undone, since the embedding had collapsed in it.

    Attributes
    ----------
    epoch : int
        Number of the epoch.
    repair : str
        What was done; "what" in JSON.
    effective_rank : float
        Effective dimensions of the embedding after the epoch.
    """

    epoch: int
    repair: str = json_field(key="what", default=ROLLED_BACK)
    effective_rank: float = math.nan


@dataclass
class FitProgress(Progress):
    """The last good epoch, the best one, and the repairs.

    Attributes
    ----------
    keep_every : int
        Checkpoints of the epochs 0, n, 2n and on stay on disk; 0: none.
    epoch, best_epoch : int
        Number of the last good epoch, and of the best.
    best_val_loss : float
        Its validation loss.
    recoveries : list of Collapse
    """

    keep_every: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best_val_loss: float = math.inf
    recoveries: list[Collapse] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The last good epoch."""
        return self.epoch

    @property
    def rate_factor(self) -> float:
        """Half for every collapse."""
        return 0.5 ** len(self.recoveries)

    def lasting_checkpoints(self) -> list[int]:
        """Return the best epoch and those of `keep_every`."""
        return [self.best_epoch, *self.regular_epochs()]

    def regular_epochs(self) -> Sequence[int]:
        """Return the epochs so far that `keep_every` keeps on disk."""
        if self.keep_every == 0:
            return ()
        return range(0, self.epoch + 1, self.keep_every)

    def advance(self, val_loss: float, keeps_best: bool) -> None:
        """Count one more good epoch.

        Parameters
        ----------
        val_loss : float
            Its validation loss.
        keeps_best : bool
            Whether the epoch of the lowest loss is the best; otherwise the newest is.
        """
        self.epoch += 1
        if val_loss < self.best_val_loss or not keeps_best:
            self.best_epoch = self.epoch
            self.best_val_loss = val_loss
