"""Losses and speed of a fit for TensorBoard."""

import itertools
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from latentlab.storage import guard

NAMES = ("loss", "val_loss", "learning_rate", "images_per_second")
FILE_VERSION = "brain.Event:2"  # what TensorBoard looks for in a file's first event


class ScalarLog:
    """Writes scalars in the form of TensorBoard's own package; nothing where that is not installed.

    TensorBoard's writer puts the name of the machine into the name of each file. Runs are passed
    on, so files are named here, by time and number.

    Parameters
    ----------
    folder : pathlib.Path
        Where the event files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records: Any = None

    def __enter__(self) -> Self:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return self
        self._records = RecordWriter(_new_file(self.folder))
        self._write(Event(wall_time=time.time(), file_version=FILE_VERSION))
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Write the scalars of one epoch.

        Parameters
        ----------
        row : dict
            The epoch's row of metrics.jsonl.
        """
        if self._records is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        for name in NAMES:
            self._write(
                Event(
                    wall_time=time.time(),
                    step=row["epoch"],
                    summary=scalar_pb(name, row[name]),
                )
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._records is not None:
            self._records.close()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
        self._records.flush()


def _new_file(folder: Path) -> IO[bytes]:
    """Open a file that is not there yet, by a name that TensorBoard knows as its own."""
    guard.writing(folder)
    folder.mkdir(parents=True, exist_ok=True)
    seconds = int(time.time())
    for number in itertools.count():
        path = folder / f"events.out.tfevents.{seconds:010d}.{number}"
        guard.writing(path)
        try:
            return path.open("xb")
        except FileExistsError:
            continue
    raise AssertionError  # counting does not end
