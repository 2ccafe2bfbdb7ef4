"""Find and call the label file of a source."""

import importlib
import importlib.metadata
import importlib.util
from typing import Any

from latentlab.config import DataOptions
from latentlab.data.layouts.policies import FOLDER, NAME, NONE, TABLE, class_policy
from latentlab.data.opening import resolve
from latentlab.data.source import Source
from latentlab.errors import ConfigError
from latentlab.plugins import import_file, is_installed, plugin_folders
from latentlab.scoring.labels._encoding import Labels
from latentlab.scoring.labels._policy import read_arranged

NO_LABELS = "the data has no labels"
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
        None if the source has no label file, the data have no labels, or none that say anything:
        a single class, or a class for each image.

    Raises
    ------
    DataError
        If the labels are damaged, or their number is not that of the images.

    Examples
    --------
    >>> read_labels(DataOptions(data="digits", limit=2)).labels.tolist()
    [0, 1, 0, 8]
    """
    labels = _read(data)[0]
    return None if labels is None or labels.obstacle else labels


def why_unlabelled(data: DataOptions) -> str:
    """Return why `read_labels` gives none, in a clause.

    Parameters
    ----------
    data : DataOptions
        What to open.

    Examples
    --------
    >>> why_unlabelled(DataOptions(data="digits", labels="none"))
    'no labels, as asked'
    """
    labels, text = _read(data)
    if labels is not None and labels.obstacle:
        return f"{labels.obstacle}; {text}" if text else labels.obstacle
    return text or NO_LABELS


def _read(data: DataOptions) -> tuple[Labels | None, str]:
    """Return labels, and where they come from or why there are none; "" for a source's own."""
    policy = class_policy(data)
    if policy.kind == NONE:
        return None, "no labels, as asked"
    source = resolve(data)
    reader = label_file(source)
    if policy.kind in (TABLE, NAME, FOLDER):
        return read_arranged(Source.named(source), data)
    if reader is None:
        return None, ""
    if not hasattr(reader, "read_labels"):
        raise ConfigError(f"the label file of the source {source!r} defines no `read_labels`.")
    labels = reader.read_labels(data)
    if labels is not None:
        return labels, labels.origin
    return None, reader.why_unlabelled(data) if hasattr(reader, "why_unlabelled") else ""


def label_file(source: str) -> Any:
    """Return the module with the labels of a source, latentlab's own first; None without one.

    Parameters
    ----------
    source : str
        Name of the source.
    """
    stem = source.replace("-", "_")
    if importlib.util.find_spec(f"{_PACKAGE}.{stem}") is not None:
        return importlib.import_module(f"{_PACKAGE}.{stem}")
    for folder in plugin_folders():
        path = folder / "labels" / f"{stem}.py"
        if path.is_file():
            return import_file(path, "labels", source)
    for entry in importlib.metadata.entry_points(group=_GROUP):
        if entry.name == source and is_installed(entry):
            return entry.load()
    return None
