"""Where a training stands: its last good state in memory, its checkpoints on disk, and its repairs.

Fitting an encoder (`latentlab.training.loop`) and deep clustering (`latentlab.refinement.loop`)
both use it. The state in memory counts; a checkpoint is its copy for the next process.
See docs/decisions/0010-checkpoints-of-big-states.md for when a checkpoint is written.
"""

import abc
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from latentlab.errors import RunError
from latentlab.progress import log
from latentlab.storage import checkpoints
from latentlab.storage.json_form import from_json, to_json

BIG_STATE = 64 * 2**20  # bytes; larger states are not written after every epoch
SECONDS_BETWEEN_BIG_STATES = 30.0

Arrays = dict[str, np.ndarray]


class Trainee(Protocol):
    """A training method with weights that can be copied and brought back.

    Attributes
    ----------
    rate_factor : float
        Factor of the learning rate of all further steps; below 1 after a repair. It is no part of
        the snapshot.
    """

    rate_factor: float

    def snapshot(self) -> Arrays:
        """Return weights, optimizer state and all else that training depends on."""

    def restore(self, arrays: Arrays) -> None:
        """Undo `snapshot`.

        Parameters
        ----------
        arrays : dict of str to ndarray
            What `snapshot` returned; arrays of other names are ignored.
        """


@dataclass
class Progress(abc.ABC):
    """How far a training is, and its repairs: the state.json of a checkpoint.

    A subclass is a dataclass. Its fields, in their order, are the keys of the file.
    """

    @property
    @abc.abstractmethod
    def number(self) -> int:
        """Number of the last good epoch or round, and of its checkpoint."""

    @property
    @abc.abstractmethod
    def rate_factor(self) -> float:
        """Factor of the learning rate after the repairs so far."""

    def lasting_checkpoints(self) -> Iterable[int]:
        """Return the numbers of older checkpoints that stay on disk; none by default."""
        return ()


ProgressType = TypeVar("ProgressType", bound=Progress)


class TrainingState(Generic[ProgressType]):
    """The progress of one training and the arrays of its last good epoch or round.

    Parameters
    ----------
    trainee : Trainee
        What is trained.
    folder : pathlib.Path
        Where the checkpoints are.
    kind : {"epoch", "round"}
        First part of the checkpoints' names.
    progress : Progress
        Of a training that begins; `resume` replaces it.

    Attributes
    ----------
    progress : Progress
        How far the training is.
    arrays : dict of str to ndarray
        Snapshot of the last good epoch or round; empty before the first `keep`.
    """

    def __init__(self, trainee: Trainee, folder: Path, kind: str, progress: ProgressType) -> None:
        self.trainee = trainee
        self.folder = folder
        self.kind = kind
        self.progress = progress
        self.arrays: Arrays = {}
        self._written_number = -1
        self._written_at = -float("inf")

    @property
    def is_new(self) -> bool:
        """Whether nothing has been kept yet: neither in this process nor on disk."""
        return not self.arrays

    def resume(self) -> bool:
        """Bring progress and trainee to the newest checkpoint, if there is one.

        Returns
        -------
        bool
            Whether there was one.

        Raises
        ------
        RunError
            If the checkpoint is damaged.
        """
        newest = checkpoints.newest(self.folder, self.kind)
        if newest is None:
            return False
        self.arrays, values = checkpoints.load(newest)
        self.progress = self._read_progress(values, newest)
        self._note_written()
        self.roll_back()
        log.info("resuming after %s %d", self.kind, self.progress.number)
        return True

    def keep(self, arrays: Arrays, must_write: bool = True) -> None:
        """Hold a snapshot as the last good state, and write its checkpoint where that is due.

        Parameters
        ----------
        arrays : dict of str to ndarray
            What `Trainee.snapshot` returned, and more that belongs to the state.
        must_write : bool
            Whether the checkpoint is written in any case. Otherwise a big state is written only
            when the last checkpoint is some time ago.
        """
        # A backend may have returned its own memory, which training then changes: hence copies.
        self.arrays = {name: np.array(array) for name, array in arrays.items()}
        is_small = sum(array.nbytes for array in arrays.values()) < BIG_STATE
        waited = time.monotonic() - self._written_at
        if must_write or is_small or waited >= SECONDS_BETWEEN_BIG_STATES:
            self.write()

    def write(self) -> None:
        """Write the checkpoint of the last good state and remove those that need not stay."""
        checkpoints.save(
            self.folder,
            self.kind,
            self.progress.number,
            self.arrays,
            to_json(self.progress),
            keep=self.progress.lasting_checkpoints(),
        )
        self._note_written()

    def write_if_missing(self) -> None:
        """Write the checkpoint of the last good state unless it is on disk."""
        if self._written_number != self.progress.number:
            self.write()

    def roll_back(self) -> None:
        """Bring the trainee back to the last good state, at the learning rate of `progress`."""
        self.trainee.restore(self.arrays)
        self.trainee.rate_factor = self.progress.rate_factor

    def prune(self) -> None:
        """Remove the checkpoints that need not stay; a kill may have left some."""
        numbers = (self.progress.number, *self.progress.lasting_checkpoints())
        checkpoints.prune(self.folder, self.kind, numbers)

    def load_arrays(self, number: int) -> Arrays:
        """Return the arrays of a checkpoint.

        Parameters
        ----------
        number : int
            Number of its epoch or round.

        Raises
        ------
        RunError
            If the checkpoint is missing or damaged.
        """
        return checkpoints.load(checkpoints.folder_of(self.folder, self.kind, number))[0]

    def replace_arrays(self, number: int, arrays: Arrays) -> None:
        """Write other arrays into an older checkpoint, which keeps its progress.

        Parameters
        ----------
        number : int
            Number of its epoch or round.
        arrays : dict of str to ndarray
            The new arrays.
        """
        folder = checkpoints.folder_of(self.folder, self.kind, number)
        values = checkpoints.load(folder)[1]
        others = (self.progress.number, *self.progress.lasting_checkpoints())
        checkpoints.save(self.folder, self.kind, number, arrays, values, keep=others)

    def _read_progress(self, values: object, folder: Path) -> ProgressType:
        try:
            return from_json(type(self.progress), values)
        except ValueError as error:
            raise RunError(
                f"the checkpoint {folder} is of another version of latentlab ({error})."
                " Fit or cluster again."
            ) from error

    def _note_written(self) -> None:
        self._written_number = self.progress.number
        self._written_at = time.monotonic()
