"""Changes that people make to clusters by hand, kept in clusters/<name>/edits.json.

    {"format": 1, "clusters": "kmeans-k10", "assignments": SHA-256, "edits": [...], "undone": [...]}

The edits are applied in order and undone from the end. An edit is one of these:

    {"action": "name", "cluster": 3, "name": "cats"}
    {"action": "merge", "clusters": [3, 5]}
    {"action": "split", "images": [id, ...]}
    {"action": "move", "images": [id, ...], "cluster": 3}
    {"action": "drop", "clusters": [4]}
    {"action": "mark", "images": [id, ...], "mark": "blurred"}
    {"action": "tag", "images": [id, ...], "tag": "to be checked"}
    {"action": "accept", "clusters": [1, 2]}
    {"action": "reject", "clusters": [4]}

Beside it edits.jsonl has a line, with a checksum, for each step: a log as it was, then edits added,
undone and redone. It is written first, so that no kill loses an edit, and gives edits.json again
where that is damaged. run.json says how many lines and edits there are.

Each has a class here, from `Name` to `Reject`. The assignments themselves are never changed.
Numbers stay: a cluster that was merged or dropped is empty.
"""

import abc
import dataclasses
import datetime
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from latentlab.errors import ConfigError, RunError
from latentlab.progress import log as messages
from latentlab.storage import guard, integrity, rows, tables
from latentlab.storage.clustering import (
    ASSIGNMENTS_NAME,
    EDIT_FILES,
    EDIT_JOURNAL_NAME,
    EDITS_NAME,
    Clustering,
)
from latentlab.storage.files import append_line, read_json, write_json

FORMAT = 2
OLDEST_FORMAT = 1  # of a file without tags, acceptances and rejections, which older versions read
AS_COMPUTED = "as computed"
ACCEPTED = "accepted"
REJECTED = "rejected"
TAG_SEPARATOR = "; "  # between the tags of an image in tables
LONGEST_NAME = 80  # characters
VERSION_LENGTH = 16  # hexadecimal digits
EDITS_FACT = "edits"  # entry of run.json: of each clustering with edits, how many there are


class LostEditsError(RunError):
    """Edits that were made by hand are missing or damaged.

    Attributes
    ----------
    left : EditLog or None
        What there is of them.
    """

    def __init__(self, path: Path, run: Path, count: int, left: "EditLog | None") -> None:
        n_left = 0 if left is None else len(left.edits)
        super().__init__(
            f"{path} is missing or damaged, and {EDIT_JOURNAL_NAME} beside it: {n_left} of the"
            f" {count} edits made by hand are left",
            hint="Restore the two files from a copy, or go on with what is left:"
            f" `verify(run={str(run)!r}, accept=True)`",
        )
        self.left = left


class StaleEditError(RunError):
    """An edit was made by someone who had not seen the newest ones."""

    def __init__(self) -> None:
        super().__init__(
            "these clusters were changed elsewhere, in another tab or viewer, after this page read"
            " them; nothing was done now.",
            hint="Reload to see them as they are, then do it again.",
        )


class Places:
    """Where each image is among many.

    Parameters
    ----------
    ids : ndarray of shape (n,), str
        Image ids.
    """

    def __init__(self, ids: np.ndarray) -> None:
        self._ids = ids

    @functools.cached_property
    def number_of(self) -> dict[str, int]:
        """Image id -> its position."""
        return {image_id: position for position, image_id in enumerate(self._ids.tolist())}


@dataclass(frozen=True)
class EditedClusters:
    """Clusters after some edits.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Image ids.
    clusters : ndarray of shape (n,), int32
        Cluster of each image, -1 if it was dropped.
    names : tuple of str
        One per cluster; "" for a cluster that was given no name.
    marks : mapping of str to str
        Image id -> mark.
    status : tuple of str
        One per cluster: "accepted", "rejected", or "" for neither.
    tags : mapping of str to tuple of str
        Image id -> its tags, in the order in which they were given.
    places : Places or None
        Where each image is among the ids; made by itself, and the same after every edit.
    """

    ids: np.ndarray
    clusters: np.ndarray
    names: tuple[str, ...]
    marks: Mapping[str, str] = field(default_factory=dict)
    status: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Places | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        missing = len(self.names) - len(self.status)
        object.__setattr__(self, "status", (*self.status, *[""] * missing))
        if self.places is None:
            object.__setattr__(self, "places", Places(self.ids))

    def positions(self, images: Sequence[str]) -> np.ndarray:
        """Return where images are among the ids, int64 (n images,).

        Parameters
        ----------
        images : sequence of str
            Ids of some of them.
        """
        assert self.places is not None  # __post_init__ has made them
        number_of = self.places.number_of
        return np.array([number_of[image_id] for image_id in images], np.int64)

    def name(self, cluster: int) -> str:
        """Return the name of a cluster.

        Parameters
        ----------
        cluster : int
            Number of the cluster, or -1.

        Returns
        -------
        str
            "cluster N" if it was given no name; "" for -1.
        """
        if cluster < 0:
            return ""
        return self.names[cluster] or f"cluster {cluster}"


# Edits


@dataclass(frozen=True)
class Edit(abc.ABC):
    """One change. Its fields may have any value until `check` has passed.

    Attributes
    ----------
    action : str
        Its name in edits.json.
    """

    action: ClassVar[str]

    @classmethod
    def field_names(cls) -> list[str]:
        """Return the keys that the edit has in edits.json besides its action."""
        return [item.name for item in dataclasses.fields(cls)]

    def apply(self, edited: EditedClusters) -> EditedClusters:
        """Return the clusters after this edit.

        Parameters
        ----------
        edited : EditedClusters
            The clusters before.

        Returns
        -------
        EditedClusters

        Raises
        ------
        ConfigError
            If the edit names clusters or images that do not exist, or its values are no such names.
        """
        self.check(edited)
        return self._change(edited)

    def apply_again(self, edited: EditedClusters) -> EditedClusters:
        """Return the clusters after this edit of a log, all of whose images may be gone since.

        Parameters
        ----------
        edited : EditedClusters
            The clusters before.

        Returns
        -------
        EditedClusters
            With the same numbers of clusters as when the edit was made.

        Raises
        ------
        ConfigError
            As `apply`.
        """
        has_no_image = getattr(self, "images", None) in ([], ())
        return self.apply_to_clusters(edited) if has_no_image else self.apply(edited)

    def apply_to_clusters(self, edited: EditedClusters) -> EditedClusters:
        """Return the clusters after what this edit does to whole clusters.

        Parameters
        ----------
        edited : EditedClusters
            The clusters before, with other images than those that the edit was made for.

        Returns
        -------
        EditedClusters
        """
        if "images" in self.field_names():
            about_none: Any = {"images": ()}
            return replace(self, **about_none)._change(edited)
        return self._change(edited)

    @abc.abstractmethod
    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied.

        Parameters
        ----------
        edited : EditedClusters
            The clusters before the edit.
        """

    @abc.abstractmethod
    def describe(self) -> str:
        """Return the edit in a few words."""

    @abc.abstractmethod
    def _change(self, edited: EditedClusters) -> EditedClusters:
        """Return the clusters after this edit, which was checked."""


@dataclass(frozen=True)
class Name(Edit):
    """Name a cluster.

    Attributes
    ----------
    cluster : int
    name : str
        One line of at most 80 characters; "" takes the name away.
    """

    action: ClassVar[str] = "name"
    cluster: int
    name: str

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_clusters(self.action, [self.cluster], edited)
        _check_text(self.name, "name")

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"named cluster {self.cluster} {self.name!r}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        names = list(edited.names)
        names[self.cluster] = self.name.strip()
        return replace(edited, names=tuple(names))


@dataclass(frozen=True)
class Merge(Edit):
    """Make several clusters one.

    Attributes
    ----------
    clusters : sequence of int
        All become the first of these.
    """

    action: ClassVar[str] = "merge"
    clusters: Sequence[int]

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_clusters(self.action, self.clusters, edited)
        if len(set(self.clusters)) < 2:
            raise ConfigError("merge needs two clusters or more.")

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"merged clusters {', '.join(map(str, self.clusters))}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        merged = _moved(edited, np.isin(edited.clusters, self.clusters), self.clusters[0])
        judged = {edited.status[cluster] for cluster in self.clusters}
        status = _with_status(merged, self.clusters, "")
        if len(judged) == 1:
            status = _with_status(replace(merged, status=status), self.clusters[:1], *judged)
        return replace(merged, status=status)


@dataclass(frozen=True)
class Split(Edit):
    """Make a new cluster of some images; its number is the next free one.

    Attributes
    ----------
    images : sequence of str
        Image ids.
    """

    action: ClassVar[str] = "split"
    images: Sequence[str]

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_images(self.action, self.images, edited)

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"made a cluster of {len(self.images):,} images"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        moved = _moved(edited, edited.positions(self.images), len(edited.names))
        return replace(moved, names=(*edited.names, ""), status=(*moved.status, ""))


@dataclass(frozen=True)
class Move(Edit):
    """Move images to a cluster.

    Attributes
    ----------
    images : sequence of str
        Image ids.
    cluster : int
    """

    action: ClassVar[str] = "move"
    images: Sequence[str]
    cluster: int

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_clusters(self.action, [self.cluster], edited)
        _check_images(self.action, self.images, edited)

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"moved {len(self.images):,} images to cluster {self.cluster}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        return _moved(edited, edited.positions(self.images), self.cluster)


@dataclass(frozen=True)
class Drop(Edit):
    """Take clusters away: their images get no cluster, and exports leave them out.

    Attributes
    ----------
    clusters : sequence of int
    """

    action: ClassVar[str] = "drop"
    clusters: Sequence[int]

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_clusters(self.action, self.clusters, edited)
        if not self.clusters:
            raise ConfigError("drop needs a cluster.")

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"dropped clusters {', '.join(map(str, self.clusters))}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        dropped = _moved(edited, np.isin(edited.clusters, self.clusters), -1)
        return replace(dropped, status=_with_status(dropped, self.clusters, ""))


@dataclass(frozen=True)
class Mark(Edit):
    """Mark images with a word.

    Attributes
    ----------
    images : sequence of str
        Image ids.
    mark : str
        One line of at most 80 characters; "" takes the mark away.
    """

    action: ClassVar[str] = "mark"
    images: Sequence[str]
    mark: str

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_images(self.action, self.images, edited)
        _check_text(self.mark, "mark")

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"marked {len(self.images):,} images {self.mark!r}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        marks = dict(edited.marks)
        for image_id in self.images:
            marks.pop(image_id, None)
        if self.mark.strip():
            marks.update(dict.fromkeys(self.images, self.mark.strip()))
        return replace(edited, marks=marks)


@dataclass(frozen=True)
class Tag(Edit):
    """Give images a tag; an image may have several.

    Attributes
    ----------
    images : sequence of str
        Image ids.
    tag : str
        One line of at most 80 characters without ";"; "" takes all their tags away.
    """

    action: ClassVar[str] = "tag"
    images: Sequence[str]
    tag: str

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_images(self.action, self.images, edited)
        _check_text(self.tag, "tag")
        if TAG_SEPARATOR.strip() in self.tag:
            raise ConfigError(f"a tag has no {TAG_SEPARATOR.strip()!r}, which separates tags.")

    def describe(self) -> str:
        """Return the edit in a few words."""
        if not self.tag.strip():
            return f"took the tags of {len(self.images):,} images away"
        return f"tagged {len(self.images):,} images {self.tag.strip()!r}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        tag = self.tag.strip()
        tags = dict(edited.tags)
        for image_id in self.images:
            given = tags.pop(image_id, ())
            if tag:
                tags[image_id] = given if tag in given else (*given, tag)
        return replace(edited, tags=tags)


@dataclass(frozen=True)
class _Judgement(Edit):
    """Say of clusters whether they are good as they are.

    Attributes
    ----------
    clusters : sequence of int
    """

    status: ClassVar[str]
    clusters: Sequence[int]

    def check(self, edited: EditedClusters) -> None:
        """Raise ConfigError if the edit cannot be applied."""
        _check_clusters(self.action, self.clusters, edited)
        if not self.clusters:
            raise ConfigError(f"{self.action} needs a cluster.")

    def describe(self) -> str:
        """Return the edit in a few words."""
        return f"{self.status} clusters {', '.join(map(str, self.clusters))}"

    def _change(self, edited: EditedClusters) -> EditedClusters:
        return replace(edited, status=_with_status(edited, self.clusters, self.status))


@dataclass(frozen=True)
class Accept(_Judgement):
    """Accept clusters as good; they stay as they are.

    Attributes
    ----------
    clusters : sequence of int
    """

    action: ClassVar[str] = "accept"
    status: ClassVar[str] = ACCEPTED


@dataclass(frozen=True)
class Reject(_Judgement):
    """Reject clusters as no good; unlike dropped ones they stay, with this said of them.

    Attributes
    ----------
    clusters : sequence of int
    """

    action: ClassVar[str] = "reject"
    status: ClassVar[str] = REJECTED


EDITS: Mapping[str, type[Edit]] = {
    edit.action: edit for edit in (Name, Merge, Split, Move, Drop, Mark, Tag, Accept, Reject)
}
NEWER_ACTIONS = frozenset(edit.action for edit in (Tag, Accept, Reject))


def parse_edit(value: Any) -> Edit:
    """Return the edit that JSON holds.

    Parameters
    ----------
    value : object
        JSON of an edit, as in edits.json. A time "at" is ignored.

    Returns
    -------
    Edit

    Raises
    ------
    ConfigError
        If it is no object with a known action and the keys of this action.

    Examples
    --------
    >>> parse_edit({"action": "merge", "clusters": [3, 5]})
    Merge(clusters=[3, 5])
    """
    kind = EDITS.get(str(value.get("action"))) if isinstance(value, dict) else None
    if kind is None:
        raise ConfigError(f"an edit is an object whose action is one of {', '.join(EDITS)}.")
    values = {key: item for key, item in value.items() if key not in ("action", "at")}
    expected = kind.field_names()
    if set(values) != set(expected):
        keys = ", ".join(sorted(values)) or "nothing"
        raise ConfigError(f"{kind.action} needs {' and '.join(expected)}, not {keys}.")
    return kind(**values)


def _moved(edited: EditedClusters, moved: np.ndarray, cluster: int) -> EditedClusters:
    """Return the clusters with some images, by position or bool, in another one."""
    clusters = edited.clusters.copy()
    clusters[moved] = cluster
    return replace(edited, clusters=clusters)


def _with_status(edited: EditedClusters, numbers: Sequence[int], status: str) -> tuple[str, ...]:
    """Return the status of each cluster, with another one for some."""
    return tuple(
        status if number in numbers else before for number, before in enumerate(edited.status)
    )


def _check_clusters(action: str, numbers: Any, edited: EditedClusters) -> None:
    k = len(edited.names)
    # A bool is an int in Python, and no number of a cluster.
    if not isinstance(numbers, list | tuple) or not all(
        type(number) is int and 0 <= number < k for number in numbers
    ):
        raise ConfigError(f"{action}: {numbers!r} are not numbers of clusters from 0 to {k - 1}.")


def _check_images(action: str, images: Any, edited: EditedClusters) -> None:
    is_list = isinstance(images, list | tuple) and len(images) > 0
    if not is_list or not all(isinstance(image_id, str) for image_id in images):
        raise ConfigError(f"{action} needs a list of image ids.")
    assert edited.places is not None
    unknown = [image_id for image_id in images if image_id not in edited.places.number_of]
    if unknown:
        raise ConfigError(f"{action}: there is no image {min(unknown)!r}.")


def _check_text(text: Any, noun: str) -> None:
    if not isinstance(text, str) or len(text) > LONGEST_NAME or not text.isprintable():
        raise ConfigError(f"a {noun} is one line of at most {LONGEST_NAME} characters.")


# The file


@dataclass(frozen=True)
class StampedEdit:
    """An edit with the time at which it was made.

    Attributes
    ----------
    edit : Edit
    at : str or None
        Date and time in UTC; None in a file that was written by hand.
    """

    edit: Edit
    at: str | None = None

    @classmethod
    def from_json(cls, value: Any) -> "StampedEdit":
        """Return the edit that `value`, of edits.json, holds; ConfigError if it is none."""
        return cls(parse_edit(value), value.get("at"))

    def to_json(self) -> dict[str, object]:
        """Return the edit as edits.json holds it."""
        value: dict[str, object] = {"action": self.edit.action, **dataclasses.asdict(self.edit)}
        if self.at is not None:
            value["at"] = self.at
        return value


@dataclass(frozen=True)
class EditLog:
    """What edits.json holds.

    Attributes
    ----------
    clusters : str
        Name of the clustering.
    assignments : str
        SHA-256 of the assignments that the edits were made for.
    edits : tuple of StampedEdit
        The edits, in order.
    undone : tuple of StampedEdit
        The edits that were taken back; the last one is redone first.
    """

    clusters: str
    assignments: str
    edits: tuple[StampedEdit, ...] = ()
    undone: tuple[StampedEdit, ...] = ()

    def add(self, edit: StampedEdit) -> "EditLog":
        """Return the log with `edit` at its end; undone edits can no longer be redone."""
        return replace(self, edits=(*self.edits, edit), undone=())

    def version(self) -> str:
        """Return a short text that no other list of edits has."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:VERSION_LENGTH]

    def undo(self) -> "EditLog":
        """Return the log with its last edit taken back."""
        return replace(self, edits=self.edits[:-1], undone=(*self.undone, self.edits[-1]))

    def redo(self) -> "EditLog":
        """Return the log with the edit done again that was undone last."""
        return replace(self, edits=(*self.edits, self.undone[-1]), undone=self.undone[:-1])

    def to_json(self) -> dict[str, object]:
        """Return the log as edits.json holds it."""
        actions = {stamped.edit.action for stamped in (*self.edits, *self.undone)}
        return {
            "format": FORMAT if actions & NEWER_ACTIONS else OLDEST_FORMAT,
            "clusters": self.clusters,
            "assignments": self.assignments,
            "edits": [edit.to_json() for edit in self.edits],
            "undone": [edit.to_json() for edit in self.undone],
        }


def edits_text(count: int) -> str:
    """Return how many edits there are in words.

    Parameters
    ----------
    count : int
        Number of edits.

    Examples
    --------
    >>> edits_text(1), edits_text(3)
    ('1 edit by hand', '3 edits by hand')
    """
    return f"{count:,} {'edit' if count == 1 else 'edits'} by hand"


def edit_note(count: int) -> str:
    """Return what outputs say of clusters with so many edits.

    Parameters
    ----------
    count : int
        Number of edits.

    Examples
    --------
    >>> edit_note(0), edit_note(3)
    ('as computed', 'with 3 edits by hand')
    """
    return f"with {edits_text(count)}" if count else AS_COMPUTED


def note_without(count: int) -> str:
    """Return what outputs say of clusters as computed where so many edits are left out.

    Parameters
    ----------
    count : int
        Number of edits.

    Examples
    --------
    >>> note_without(0), note_without(3)
    ('as computed', 'as computed, without 3 edits by hand')
    """
    return f"{AS_COMPUTED}, without {edits_text(count)}" if count else AS_COMPUTED


class Editor:
    """The edits of one clustering.

    Every change is in the file, whole or not at all, before the method returns.

    Parameters
    ----------
    clustering : Clustering
        The clustering, such as `run.clustering("kmeans-k10")`.
    """

    def __init__(self, clustering: Clustering) -> None:
        self.clustering = clustering

    @property
    def path(self) -> Path:
        """The file of the edits; it need not exist."""
        return self.clustering.folder / EDITS_NAME

    @property
    def journal_path(self) -> Path:
        """The file of the steps that led to the edits; it need not exist."""
        return self.clustering.folder / EDIT_JOURNAL_NAME

    def read(self) -> EditLog:
        """Return the log in the files; an empty log if there are none.

        Returns
        -------
        EditLog

        Raises
        ------
        RunError
            If edits are missing or damaged in both files, of a newer format, or were made for other
            assignments.
        """
        guard.reading(self._assignments_path)
        log, is_whole = self._journal()
        if is_whole:
            assert log is not None
            self._check_assignments(log.assignments, self.journal_path)
            self._tell_of_another_file(log)
            return log
        if not guard.is_whole(self.path):
            self._refuse_loss(log)
            return EditLog(self.clustering.name, self._assignments)
        value = read_json(self.path)
        _check_log(value, self.path)
        self._check_assignments(value.get("assignments"), self.path)
        return self._parsed(value)

    def give_up(self) -> int:
        """Go on with the edits that are left of those that are missing; return how many these are.

        Nothing is done where no edit is missing.
        """
        with self.clustering.run.lock():
            try:
                return len(self.read().edits)
            except LostEditsError as error:
                self.journal_path.unlink(missing_ok=True)
                log = error.left or EditLog(self.clustering.name, self._assignments)
                self._write({"step": "begin", "log": log.to_json()}, log)
                return len(log.edits)

    def _journal(self) -> tuple[EditLog | None, bool]:
        """Return the log that the journal leads to, as far as it is whole, and whether it all is.

        None if there is no journal, or nothing of it is whole.
        """
        if not self.journal_path.exists():
            return None, False
        guard.inside(self.journal_path)
        steps, damaged_line = rows.read_whole_part(self.journal_path)
        log = None
        for step in steps:
            try:
                log = self._after(step, log)
            except (KeyError, TypeError, IndexError, ConfigError, RunError):
                return log, False
        is_whole = not damaged_line and len(steps) >= self._recorded("rows", 0)
        return log, is_whole and log is not None

    def _after(self, step: Mapping[str, Any], log: EditLog | None) -> EditLog:
        """Return the log after a step of the journal."""
        if log is None:
            _check_log(step["log"], self.journal_path)
            return self._parsed(step["log"])
        if step["step"] == "add":
            return log.add(StampedEdit.from_json(step["edit"]))
        return log.undo() if step["step"] == "undo" else log.redo()

    def _parsed(self, value: Mapping[str, Any]) -> EditLog:
        """Return the log that checked JSON holds."""
        try:
            edits = tuple(map(StampedEdit.from_json, value["edits"]))
            undone = tuple(map(StampedEdit.from_json, value["undone"]))
        except ConfigError as error:
            raise self._cannot_apply(error) from error
        return EditLog(self.clustering.name, str(value.get("assignments")), edits, undone)

    @property
    def _assignments(self) -> str:
        """SHA-256 of the assignments as they are."""
        return integrity.digest(self._assignments_path)

    def _check_assignments(self, digest: object, path: Path) -> None:
        if digest != self._assignments:
            raise RunError(
                f"{path} was made for other assignments of {self.clustering.name}.",
                hint=f"Move {' and '.join(EDIT_FILES)} away, or restore the assignments.",
            )

    def _tell_of_another_file(self, log: EditLog) -> None:
        """Say that edits.json is not what the journal leads to; it is written at the next edit."""
        if not guard.is_whole(self.path):
            messages.warning(
                "%s is missing or was changed: its %d edits are taken from %s",
                self.path,
                len(log.edits),
                self.journal_path.name,
            )

    def _refuse_loss(self, left: EditLog | None) -> None:
        """Raise LostEditsError if run.json knows of edits that are in neither file."""
        count = self._recorded("edits", 0)
        is_missed = self._recorded("rows", 0) > 0 or count > 0 or self.path.exists()
        if is_missed and self._recorded("assignments", "") in ("", self._assignments):
            raise LostEditsError(self.path, self.clustering.run.path, count, left)

    def _recorded(self, name: str, default: Any) -> Any:
        """Return an entry of what run.json says of the edits, if it is of its kind."""
        recorded = self.clustering.run.fact(EDITS_FACT)
        entry = recorded.get(self.clustering.name) if isinstance(recorded, dict) else None
        value = entry.get(name) if isinstance(entry, dict) else None
        return value if isinstance(value, type(default)) else default

    def note_as_computed(self) -> str:
        """Return what outputs say of the clusters as computed, and of edits that are left out."""
        try:
            count = len(self.read().edits)
        except RunError:  # as computed is also for those whose edits are damaged
            return AS_COMPUTED
        return note_without(count)

    def state(self) -> EditedClusters:
        """Return the clusters after all edits.

        Returns
        -------
        EditedClusters

        Raises
        ------
        RunError
            If the edits cannot be read or applied.
        """
        return self.state_after(self.read())

    def state_after(self, log: EditLog) -> EditedClusters:
        """Return the clusters after the edits of a log.

        Parameters
        ----------
        log : EditLog
            What `read` returned.

        Returns
        -------
        EditedClusters

        Raises
        ------
        RunError
            If the edits cannot be applied.
        """
        edited = self._unedited()
        for stamped in log.edits:
            try:
                edited = stamped.edit.apply_again(edited)
            except ConfigError as error:
                raise self._cannot_apply(error) from error
        return edited

    def add(self, edit: Edit, made_on: str | None = None) -> None:
        """Append an edit; undone edits can no longer be redone.

        Parameters
        ----------
        edit : Edit
            The change.
        made_on : str or None
            Version of the log that its maker has seen; None takes the newest.

        Raises
        ------
        ConfigError
            If it cannot be applied.
        StaleEditError
            If the log has changed since.
        """
        with self.clustering.run.lock():
            log = self._read_as_seen(made_on)
            edit.check(self.state_after(log))
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            stamped = StampedEdit(edit, now)
            self._write({"step": "add", "edit": stamped.to_json()}, log.add(stamped), log)

    def undo(self, made_on: str | None = None) -> bool:
        """Take the last edit back; return whether there was one.

        Parameters
        ----------
        made_on : str or None
            As for `add`.
        """
        with self.clustering.run.lock():
            log = self._read_as_seen(made_on)
            if log.edits:
                self._write({"step": "undo"}, log.undo(), log)
            return bool(log.edits)

    def redo(self, made_on: str | None = None) -> bool:
        """Do the edit again that was undone last; return whether there was one.

        Parameters
        ----------
        made_on : str or None
            As for `add`.
        """
        with self.clustering.run.lock():
            log = self._read_as_seen(made_on)
            if log.undone:
                self._write({"step": "redo"}, log.redo(), log)
            return bool(log.undone)

    def _read_as_seen(self, version: str | None) -> EditLog:
        """Return the log; StaleEditError if it is not of the version that was seen."""
        log = self.read()
        if version is not None and version != log.version():
            raise StaleEditError
        return log

    def _unedited(self) -> EditedClusters:
        """Return the clusters as they were assigned."""
        ids, clusters = self._assigned
        return EditedClusters(ids, clusters.copy(), names=("",) * self.clustering.result.k)

    @functools.cached_property
    def _assigned(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and clusters as they were assigned; edits of others are refused before these are."""
        # Only two columns: soft assignments may fill the memory.
        table = tables.read(self._assignments_path, ["id", "cluster"])
        ids = np.asarray(table["id"].to_pylist(), dtype=str)
        return ids, np.asarray(table["cluster"], dtype=np.int32)

    @property
    def _assignments_path(self) -> Path:
        return self.clustering.folder / ASSIGNMENTS_NAME

    def _write(self, step: rows.Row, log: EditLog, before: EditLog | None = None) -> None:
        """Write a step to the journal, and the log after it to edits.json."""
        path = self.journal_path
        if before is not None and not self._journal()[1]:
            path.unlink(missing_ok=True)
            self._append({"step": "begin", "log": before.to_json()})
        self._append(step)
        count = len(rows.read_whole_part(path)[0])
        entry = {"rows": count, "edits": len(log.edits), "assignments": log.assignments}
        recorded = self.clustering.run.fact(EDITS_FACT)
        others = recorded if isinstance(recorded, dict) else {}
        # A kill may come before: a journal with more lines than are recorded is whole.
        self.clustering.run.note(**{EDITS_FACT: {**others, self.clustering.name: entry}})
        write_json(self.path, log.to_json())

    def _append(self, step: rows.Row) -> None:
        append_line(self.journal_path, rows.sealed_line(step, self.journal_path))

    def _cannot_apply(self, error: ConfigError) -> RunError:
        return RunError(
            f"{self.path} holds an edit that cannot be applied: {error}",
            hint="Remove it, or move the file away.",
        )


def _check_log(value: Any, path: Path) -> None:
    """Raise RunError if JSON is not the contents of edits.json."""
    is_log = isinstance(value, dict) and isinstance(value.get("format", 0), int)
    if not is_log or not all(isinstance(value.get(key), list) for key in ("edits", "undone")):
        raise RunError(f"{path} is not a list of edits.", hint="Restore it, or move it away.")
    if value.get("format", 0) > FORMAT:
        raise RunError(f"{path} was written by a newer latentlab.", hint="Update latentlab.")
