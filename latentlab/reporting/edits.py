"""What people change in clusters by hand: clusters/<name>/edits.json, a list that is applied in order and undone from its end.

    {"format": 1, "clusters": "kmeans-k10", "assignments": SHA-256, "edits": [...], "undone": [...]}

An edit is one of
    {"action": "name", "cluster": 3, "name": "cats"}
    {"action": "merge", "clusters": [3, 5]}           all become the first
    {"action": "split", "images": [id, ...]}          these become a new cluster, whose number is the next free one
    {"action": "move", "images": [id, ...], "cluster": 3}
    {"action": "drop", "clusters": [4]}               their images get no cluster, and no export holds them
    {"action": "mark", "images": [id, ...], "mark": "blurred"}       "" takes the mark away
The assignments themselves are never changed. Numbers stay: a cluster that was merged or dropped is empty.
"""

import datetime
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.clustering import assignments
from latentlab.errors import ConfigError, RunError
from latentlab.storage import tables
from latentlab.storage.files import read_json, sha256, write_json
from latentlab.storage.run import Run

FORMAT = 1
LONGEST_NAME = 80
FIELDS = {
    "name": ("cluster", "name"),
    "merge": ("clusters",),
    "split": ("images",),
    "move": ("images", "cluster"),
    "drop": ("clusters",),
    "mark": ("images", "mark"),
}


@dataclass(frozen=True)
class Edited:
    """Clusters after some edits.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
    clusters : ndarray of shape (n,), int32
        -1 where an image's cluster was dropped.
    names : tuple of str
        One a number; "" is a cluster without a name of its own.
    marks : dict
        id -> mark.
    """

    ids: np.ndarray
    clusters: np.ndarray
    names: tuple[str, ...]
    marks: dict[str, str] = field(default_factory=dict)

    def name(self, cluster: int) -> str:
        """Return the name of a cluster, or "cluster N"; "" for -1."""
        return "" if cluster < 0 else self.names[cluster] or f"cluster {cluster}"


def apply(state: Edited, edit: dict[str, Any]) -> Edited:
    """Return the clusters after one more edit.

    Raises
    ------
    ConfigError
        If the edit is of no known form, or names clusters or images that there are not.
    """
    check(state, edit)
    clusters = state.clusters.copy()
    match edit["action"]:
        case "name":
            names = list(state.names)
            names[edit["cluster"]] = edit["name"].strip()
            return replace(state, names=tuple(names))
        case "merge":
            clusters[np.isin(clusters, edit["clusters"])] = edit["clusters"][0]
        case "drop":
            clusters[np.isin(clusters, edit["clusters"])] = -1
        case "split":
            clusters[np.isin(state.ids, edit["images"])] = len(state.names)
            return replace(state, clusters=clusters, names=(*state.names, ""))
        case "move":
            clusters[np.isin(state.ids, edit["images"])] = edit["cluster"]
        case "mark":
            marks = {
                image_id: mark
                for image_id, mark in state.marks.items()
                if image_id not in set(edit["images"])
            }
            return replace(
                state,
                marks=marks
                | (
                    dict.fromkeys(edit["images"], edit["mark"].strip())
                    if edit["mark"].strip()
                    else {}
                ),
            )
    return replace(state, clusters=clusters)


def check(state: Edited, edit: Any) -> None:
    """Raise a ConfigError where an edit cannot be applied."""
    if not isinstance(edit, dict) or edit.get("action") not in FIELDS:
        raise ConfigError(f"an edit is an object whose action is one of {', '.join(FIELDS)}.")
    action, given = edit["action"], set(edit) - {"action", "at"}
    if given != set(FIELDS[action]):
        raise ConfigError(
            f"{action} needs {' and '.join(FIELDS[action])}, not {', '.join(sorted(given)) or 'nothing'}."
        )
    numbers = [edit["cluster"]] if "cluster" in edit else edit.get("clusters", [])
    if not isinstance(numbers, list) or not all(
        type(c) is int and 0 <= c < len(state.names) for c in numbers
    ):
        raise ConfigError(
            f"{action}: {numbers!r} are not numbers of clusters from 0 to {len(state.names) - 1}."
        )
    if action in ("merge", "drop") and len(set(numbers)) < (2 if action == "merge" else 1):
        raise ConfigError(
            f"{action} needs {'two clusters or more' if action == 'merge' else 'a cluster'}."
        )
    _check_images(state, edit)
    for key in ("name", "mark"):
        if key in FIELDS[action]:
            _check_text(edit[key], key)


def _check_images(state: Edited, edit: dict[str, Any]) -> None:
    if "images" not in edit:
        return
    images = edit["images"]
    if (
        not isinstance(images, list)
        or not images
        or not all(isinstance(image_id, str) for image_id in images)
    ):
        raise ConfigError(f"{edit['action']} needs a list of image ids.")
    unknown = set(images) - set(state.ids.tolist())
    if unknown:
        raise ConfigError(f"{edit['action']}: there is no image {min(unknown)!r}.")


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str) or len(text) > LONGEST_NAME or not text.isprintable():
        raise ConfigError(f"a {what} is one line of at most {LONGEST_NAME} characters.")


def describe(edit: dict[str, Any]) -> str:
    """Return an edit in a few words."""
    match edit["action"]:
        case "name":
            return f"named cluster {edit['cluster']} {edit['name']!r}"
        case "merge" | "drop":
            done = "merged" if edit["action"] == "merge" else "dropped"
            return f"{done} clusters {', '.join(map(str, edit['clusters']))}"
        case "split":
            return f"made a cluster of {len(edit['images']):,} images"
        case "move":
            return f"moved {len(edit['images']):,} images to cluster {edit['cluster']}"
    return f"marked {len(edit['images']):,} images {edit['mark']!r}"


class Editor:
    """The edits of one clustering of a run; every change is in the file, whole or not at all, before the method returns."""

    def __init__(self, run: Run, name: str) -> None:
        self.run, self.name = run, name
        self._assignments = run.path / "clusters" / name / "assignments.parquet"

    @property
    def path(self) -> Path:
        """Where the edits are kept."""
        return self._assignments.with_name(assignments.EDITS)

    def read(self) -> dict[str, Any]:
        """Return the file's contents, empty lists where there is none.

        Raises
        ------
        RunError
            If the file is damaged, of a newer format, or was made for other assignments.
        """
        own = sha256(self._assignments)
        if not self.path.exists():
            return {
                "format": FORMAT,
                "clusters": self.name,
                "assignments": own,
                "edits": [],
                "undone": [],
            }
        kept = read_json(self.path)
        if not isinstance(kept, dict) or not all(
            isinstance(kept.get(key), list) for key in ("edits", "undone")
        ):
            raise RunError(f"{self.path} is not a list of edits. Restore it, or move it away.")
        if kept.get("format", 0) > FORMAT:
            raise RunError(f"{self.path} was written by a newer latentlab. Update latentlab.")
        if kept.get("assignments") != own:
            raise RunError(
                f"{self.path} was made for other assignments of {self.name}. Move it away, or restore the assignments."
            )
        return kept

    def state(self) -> Edited:
        """Return the clusters after all edits."""
        ids, _, clusters = tables.read_assignment(self._assignments)
        k = read_json(self._assignments.with_name("result.json"))["k"]
        state = Edited(ids, clusters, ("",) * k)
        try:
            for edit in self.read()["edits"]:
                state = apply(state, edit)
        except ConfigError as error:
            raise RunError(
                f"{self.path} holds an edit that cannot be applied: {error} Remove it, or move the file away."
            ) from error
        return state

    def add(self, edit: dict[str, Any]) -> None:
        """Append an edit; what was undone can no longer be redone.

        Raises
        ------
        ConfigError
            If it cannot be applied.
        """
        with self.run.lock():
            check(self.state(), edit)
            kept = self.read()
            stamped = {
                **edit,
                "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            }
            write_json(self.path, {**kept, "edits": [*kept["edits"], stamped], "undone": []})

    def undo(self) -> bool:
        """Take the last edit back; return whether there was one."""
        return self._shift("edits", "undone")

    def redo(self) -> bool:
        """Do again what was taken back last; return whether there was something."""
        return self._shift("undone", "edits")

    def _shift(self, source: str, target: str) -> bool:
        with self.run.lock():
            kept = self.read()
            if not kept[source]:
                return False
            *rest, last = kept[source]
            write_json(self.path, {**kept, source: rest, target: [*kept[target], last]})
            return True
