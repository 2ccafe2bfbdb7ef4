"""Find and call the label file of a source."""

import importlib
import importlib.metadata
import importlib.util
from typing import Any

from latentlab.config import DataOptions
from latentlab.data.opening import resolve
from latentlab.errors import ConfigError
from latentlab.plugins import import_file, plugin_folders
from latentlab.scoring.labels._encoding import Labels

_PACKAGE = "latentlab.scoring.labels"
_GROUP = "latentlab.labels"


def read_labels(data: DataOptions) -> Labels | None:
    """Read the held-out labels of a data set.

    Parameters
    ----------
    data : DataOptions
        What to open; `limit` holds for labels too.

    Returns
    -------
    Labels or None
        None if the source has no label file, or the data have no labels.

    Raises
    ------
    DataError
        If the labels are damaged, or their number is not that of the images.

    Examples
    --------
    >>> read_labels(DataOptions(data="digits", limit=2)).labels.tolist()
    [0, 1, 0, 8]
    """
    source = resolve(data)
    reader = _label_file(source)
    if reader is None:
        return None
    if not hasattr(reader, "read_labels"):
        raise ConfigError(f"the label file of the source {source!r} defines no `read_labels`.")
    return reader.read_labels(data)


def _label_file(source: str) -> Any:
    """Return the module with the labels of a source, latentlab's own first; None without one."""
    stem = source.replace("-", "_")
    if importlib.util.find_spec(f"{_PACKAGE}.{stem}") is not None:
        return importlib.import_module(f"{_PACKAGE}.{stem}")
    for folder in plugin_folders():
        path = folder / "labels" / f"{stem}.py"
        if path.is_file():
            return import_file(path, "labels", source)
    for entry in importlib.metadata.entry_points(group=_GROUP):
        if entry.name == source:
            return entry.load()
    return None
