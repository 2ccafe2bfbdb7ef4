"""One finished clustering of a run: its options, assignments, result, scores and paths."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.config import ClusterOptions
from latentlab.errors import RunError
from latentlab.features.spec import CODE, FeatureSpec
from latentlab.options import from_recorded
from latentlab.storage.assignments import Assignments
from latentlab.storage.files import read_json
from latentlab.storage.manifest import StageRecord, are_inside

if TYPE_CHECKING:
    from latentlab.storage.run import Run

ASSIGNMENTS_NAME = "assignments.parquet"
RESULT_NAME = "result.json"
MODEL_NAME = "model.npz"
SCORES_NAME = "scores.json"
EDITS_NAME = "edits.json"  # changes made by hand, see latentlab.reporting.edits
EDIT_JOURNAL_NAME = "edits.jsonl"  # each step that led to them
EDIT_FILES = (EDITS_NAME, EDIT_JOURNAL_NAME)
DECODED_NAME = "decoded.npz"
HISTORY_NAME = "history.jsonl"


@dataclass(frozen=True)
class NamedCluster:
    """One cluster as outputs list it.

    Attributes
    ----------
    number : int
        Its number.
    name : str
        The name that it was given by hand, else "cluster N".
    images : int
        Number of its images.
    status : str
        "accepted" or "rejected" by hand; "" for neither.
    """

    number: int
    name: str
    images: int
    status: str = ""


@dataclass(frozen=True)
class ClusterResult:
    """The result of a clustering: result.json.

    Attributes
    ----------
    k : int
        Number of clusters, also if the method found it.
    sizes : mapping of str to list of int
        Images of each cluster, for "train" and "test".
    values : mapping
        Everything in result.json, as JSON: the options, the facts of the method, the sizes.
    """

    k: int
    sizes: Mapping[str, list[int]]
    values: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: Any) -> "ClusterResult":
        """Return the result that `value`, of result.json, holds; ValueError if it is none."""
        is_result = isinstance(value, dict) and isinstance(value.get("k"), int)
        if not is_result or not isinstance(value.get("sizes"), dict):
            raise ValueError("it is not the result of a clustering")
        return cls(value["k"], value["sizes"], value)

    def to_json(self) -> dict[str, Any]:
        """Return the result as result.json holds it."""
        return dict(self.values)

    def fact(self, name: str, default: Any = None) -> Any:
        """Return the fact `name` of the method, such as "inertia"; `default` if it has none."""
        return self.values.get(name, default)


class Clustering:
    """One finished clustering of a run; made by `Run.clustering`.

    Attributes
    ----------
    run : Run
        The run that it belongs to.
    name : str
        Name of its folder.
    """

    def __init__(self, run: "Run", name: str) -> None:
        self.run = run
        self.name = name

    @property
    def folder(self) -> Path:
        """The folder of the clustering."""
        return self.run.path / "clusters" / self.name

    @property
    def record(self) -> StageRecord:
        """The record of its stage."""
        record = self.run.record(f"cluster/{self.name}")
        if record is None:
            raise RunError(f"{self.run.path} has no clusters {self.name!r} any more.")
        return record

    @functools.cached_property
    def options(self) -> ClusterOptions:
        """The options that it was made with; `k` is None if the method found it."""
        values = self.record.setting("options")
        return from_recorded(ClusterOptions.of_recorded, values, self.run.path)

    @property
    def k(self) -> int:
        """Number of clusters, also if the method found it."""
        return self.options.k or self.result.k

    @property
    def features(self) -> FeatureSpec:
        """What was clustered."""
        return self.options.features or CODE

    @property
    def result(self) -> ClusterResult:
        """Its result: result.json."""
        path = self.folder / RESULT_NAME
        try:
            return ClusterResult.from_json(read_json(path))
        except ValueError as error:
            raise RunError(f"{path} cannot be read ({error}). Run its stage again.") from error

    @property
    def assignments(self) -> Assignments:
        """Which cluster each image belongs to, read from the file."""
        return Assignments.read(self.folder / ASSIGNMENTS_NAME)

    @property
    def members(self) -> list["Clustering"]:
        """The clusterings that a consensus was made of; empty for any other clustering.

        Raises
        ------
        RunError
            If one of them was made again since: its clusters have other numbers.
        """
        from latentlab.storage.run import Run

        places = self.record.setting("members") or []
        members = []
        for place, name in places:
            if not are_inside([place]):
                raise RunError(f"{self.run.path} names clusters outside it. Repeat `cluster`.")
            run = self.run if place == "." else Run.open(self.run.path / place)
            members.append(Clustering(run, name))
        outputs = [member.recorded_outputs() for member in members]
        if outputs != (self.record.setting("of") or []):
            raise RunError(
                f"a clustering that {self.name} unites was made again or is gone, so the two no"
                f" longer fit. Repeat: `cluster(seeds={len(members)})`"
            )
        return members

    def recorded_outputs(self) -> Any:
        """Return what run.json records of its files; None if the clustering is gone."""
        record = self.run.record(f"cluster/{self.name}")
        return record.outputs_json() if record else None
