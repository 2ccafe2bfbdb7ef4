"""The encoder that was opened last, which the next step of a run needs once more."""

import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from latentlab.encoders.pretrained.card import PretrainedEncoder

Opened = TypeVar("Opened", bound=PretrainedEncoder)
State = tuple[int, int, int, int]  # inode, bytes, times of the last change of content and of entry


class LastOpened(Generic[Opened]):
    """One encoder, for as long as its files stay as they were when it was opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entry: tuple[Hashable, list[State | None], Opened] | None = None

    def of(self, key: Hashable, files: Sequence[Path], open_it: Callable[[], Opened]) -> Opened:
        """Return the last encoder if it is the same one, or else open it.

        Parameters
        ----------
        key : hashable
            What tells encoders apart, beside the content of their files.
        files : sequence of Path
            Files that decide what it is, also those that are not there. An encoder that turns out
            to have more files is not kept.
        open_it : callable
            Opens the encoder.
        """
        states = [_state(file) for file in files]
        with self._lock:
            if self._entry is not None and self._entry[:2] == (key, states):
                return self._entry[2]
            self._entry = None  # its memory is free before the next one is opened
        encoder = open_it()
        if {file.path for file in encoder.card.files} <= {str(file.resolve()) for file in files}:
            with self._lock:
                self._entry = (key, states, encoder)
        return encoder


def _state(file: Path) -> State | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
