"""Losses and speed of a fit for TensorBoard."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("loss", "val_loss", "learning_rate", "images_per_second")


class ScalarLog:
    """Writes scalars by TensorBoard's own small package; nothing where that is not installed.

    Parameters
    ----------
    folder : pathlib.Path
        Where the event files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None

    def __enter__(self) -> Self:
        try:
            from tensorboard.summary import Writer
        except ImportError:
            return self
        self._writer = Writer(str(self.folder))
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Write the scalars of one epoch.

        Parameters
        ----------
        row : dict
            The epoch's row of metrics.jsonl.
        """
        if self._writer is None:
            return
        for name in NAMES:
            self._writer.add_scalar(name, row[name], row["epoch"])
        self._writer.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
