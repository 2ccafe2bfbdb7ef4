"""Labels that a run knows by itself: those that scoring has read before, or that ids tell."""

from collections.abc import Sequence

import numpy as np

from latentlab.data.source import Source
from latentlab.errors import RunError
from latentlab.progress import log
from latentlab.scoring.labels._encoding import NO_CLASS, Labels
from latentlab.scoring.labels._reading import label_file
from latentlab.storage import guard, memory_budget, tables
from latentlab.storage.integrity import DamagedFileError
from latentlab.storage.memory_budget import parsed_json
from latentlab.storage.run import Run

KEPT_NAME = "labels.parquet"  # what scoring has read before
IMAGE_LIST = "images.parquet"


def kept_labels(run: Run) -> Labels | None:
    """Return the labels in the run's own folder; None if scoring has read none yet.

    Parameters
    ----------
    run : Run
        The run.
    """
    if not guard.is_there(run.path / KEPT_NAME):
        return None
    table = tables.read(run.path / KEPT_NAME)
    metadata = table.schema.metadata or {}
    try:
        class_names = parsed_json(metadata[b"class_names"], memory_budget.LEAST)
        ids = np.asarray(table["id"].to_pylist(), dtype=str)
        numbers = np.asarray(table["label"])
        _check(ids, numbers, class_names)
        origin = metadata.get(b"origin", b"").decode()
    except (KeyError, ValueError) as error:
        raise RunError(
            f"{run.path / KEPT_NAME} cannot be read ({error}). Remove it and evaluate again."
        ) from error
    return Labels(ids, numbers, tuple(class_names), origin)


def _check(ids: np.ndarray, numbers: np.ndarray, class_names: object) -> None:
    """Raise ValueError unless there is a class name for each number."""
    if not isinstance(class_names, list) or numbers.dtype.kind not in "iu":
        raise ValueError("it holds no labels")
    if ids.dtype.kind != "U" or not all(isinstance(name, str) for name in class_names):
        raise ValueError("it holds no ids or class names")
    if len(numbers) and not -1 <= numbers.min() <= numbers.max() < len(class_names):
        raise ValueError("a label has no class name")


def tell_missing(origin: str) -> None:
    """Say that labels are gone together with their origin.

    Parameters
    ----------
    origin : str
        Where they came from.
    """
    log.warning("%s is not there any more, and with it the labels", origin)


def labels_without_data(run: Run) -> Labels | None:
    """Return what a run knows of the labels of data that is gone.

    A label file may define `labels_of_ids(data, ids)`, for sources whose ids tell the class.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    Labels or None
        None if scoring has read no labels yet, and the ids tell none.
    """
    source = _source_name(run)
    reader = label_file(source) if source else None
    try:
        stored = kept_labels(run)
    except DamagedFileError:
        if not hasattr(reader, "labels_of_ids"):
            raise
        stored = None  # they follow from the names of the images
    if stored is not None:
        return stored
    if source and reader is None:
        return None
    if reader is None or not hasattr(reader, "labels_of_ids"):
        tell_missing(run.data_name)
        return None
    return reader.labels_of_ids(run.config.images, _ids(run))


def completed(labels: Labels, run: Run) -> Labels:
    """Return labels with those of images of the run that are not among the data any more.

    Parameters
    ----------
    labels : Labels
        The labels of the data as it is now.
    run : Run
        The run, which may have kept labels.
    """
    missing = set(_ids(run)) - set(labels.ids.tolist())
    # What is kept is read only where it is needed: otherwise it is written anew, damaged or not.
    stored = kept_labels(run) if missing else None
    if stored is None:
        return labels
    rows = [row for row, name in enumerate(stored.ids.tolist()) if name in missing]
    if not rows:
        return labels
    further = [name for name in stored.class_names if name not in labels.class_names]
    class_names = (*labels.class_names, *further)
    return Labels(
        np.concatenate([labels.ids, stored.ids[rows]]),
        np.concatenate([labels.labels, _renumbered(stored, rows, class_names)]),
        class_names,
        labels.origin,
    )


def _renumbered(stored: Labels, rows: list[int], class_names: Sequence[str]) -> np.ndarray:
    """Return some kept labels as numbers of other class names, int32 (len(rows),)."""
    number_of = {name: number for number, name in enumerate(class_names)}
    renumbered = [number_of[name] for name in stored.class_names]
    numbers = [renumbered[old] if old >= 0 else NO_CLASS for old in stored.labels[rows].tolist()]
    return np.array(numbers, np.int32)


def _ids(run: Run) -> list[str]:
    """Return the ids of the images of a run that were not left out."""
    table = tables.read(run.path / IMAGE_LIST, ["id", "status"])
    rows = zip(table["id"].to_pylist(), table["status"].to_pylist(), strict=True)
    return [name for name, status in rows if status == "ok"]


def _source_name(run: Run) -> str:
    """Return the name of the source of a run's data, which need not be there; "" if unknown."""
    data = run.config.images.data
    if data in Source.names():
        return data
    recorded = run.fact("source", "")
    return recorded if isinstance(recorded, str) else ""
