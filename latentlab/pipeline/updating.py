"""Runs that grow: added pictures are embedded alone and assigned, those that are gone are left out.

Nothing of the run changes until all that is new is there; then everything changes at once, see
`latentlab.storage.changes`. An interrupted update goes on where it stopped.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.clustering.cuts import CUT_OF, OF, origin_of
from latentlab.config import ClusterOptions
from latentlab.data import account, whereabouts
from latentlab.data.image_changes import (
    FILE_LIST,
    PIXEL_LIST,
    ImageChanges,
    current,
    write_pixel_list,
)
from latentlab.data.images import ImageSet, Unreadable
from latentlab.encoders.embedding import Embeddings, write_inputs
from latentlab.encoders.stored_inputs import StoredInputs
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.pipeline.clustering import cluster, cluster_seeds
from latentlab.pipeline.hierarchy import cut
from latentlab.pipeline.run_data import (
    IMAGE_LIST,
    REMOVED,
    UPDATED,
    changes_of,
    find_images,
    images_fingerprint,
    open_present_images,
    recorded_images,
    write_known_files,
)
from latentlab.progress import log
from latentlab.reporting.edits import EDITS_FACT, Editor
from latentlab.storage import guard, tables
from latentlab.storage.assignments import Assignments
from latentlab.storage.changes import Changes
from latentlab.storage.clustering import (
    ASSIGNMENTS_NAME,
    EDIT_JOURNAL_NAME,
    EDITS_NAME,
    RESULT_NAME,
    Clustering,
)
from latentlab.storage.files import fingerprint, read_json, remove_folder, sha256, write_json
from latentlab.storage.manifest import Output, StageRecord, now
from latentlab.storage.run import CLUSTER_STAGE, Run

IMAGE_COLUMNS = ("id", "split", "status", "reason")
NAMED = 10  # images that a report names
VECTOR_FOLDERS = ("embeddings", "averages", "pictures", "inputs")
PLAN = "plan.json"  # in the work folder: what it was made for
KEPT_STAGES = ("fit", "embed", "average")  # besides clusters
ENCODED_AGAIN = 2048  # images that a clustering with a network of its own sees at once


@dataclass(frozen=True)
class UpdateReport:
    """What an update came to.

    Attributes
    ----------
    images : int
        Images of the run from now on.
    added : int
        Images that were not there before.
    gone : int
        Images that are not there any more; images.parquet lists them as "removed".
    changed : int
        Images with other content, which were embedded again.
    unreadable : int
        Of the added and the changed ones, those that cannot be read.
    examples : mapping of str to tuple of str
        The first ids of each of these.
    assigned : mapping of str to tuple of int
        For each clustering the number of new images in each of its clusters.
    dropped : tuple of str
        Clusterings that cannot take new images, and were forgotten.
    reclustered : tuple of str
        Clusterings that were made anew.
    """

    images: int
    added: int
    gone: int
    changed: int
    unreadable: int
    examples: Mapping[str, tuple[str, ...]]
    assigned: Mapping[str, tuple[int, ...]]
    dropped: tuple[str, ...]
    reclustered: tuple[str, ...] = ()


def update(run: Run, recluster: bool = False, data: str | None = None) -> UpdateReport:
    """Bring a run up to date with its pictures.

    Pictures that were added are embedded, and assigned to the clusters that there are. Those that
    are gone leave the run, and images.parquet names them. Pictures that were there before keep
    their vectors, clusters and splits.

    Parameters
    ----------
    run : Run
        A run of pictures with names of their own.
    recluster : bool
        Make all clusters anew, from all images.
    data : str or None
        Where the pictures are now, if they moved.

    Returns
    -------
    UpdateReport
        What is new, gone and changed.

    Raises
    ------
    ConfigError
        If the run was made of vectors, or its images cannot be told apart by their names.
    DataError
        If the pictures are not where they were, or none is left.

    Examples
    --------
    >>> from latentlab.storage.run import Run
    >>> update(Run.open("runs/photos")).added  # doctest: +SKIP
    12
    """
    from latentlab import backend

    run.encoder_config()
    _check_kind(run)
    if data is not None:
        whereabouts.check_exists(data)
    backend.set_precision(run.precision)
    with run.lock():
        report = _Update(run, data).run()
    return replace(report, reclustered=_recluster(run)) if recluster else report


def _check_kind(run: Run) -> None:
    if run.config.vectors is not None:
        raise ConfigError(
            f"{run.path} was made of vectors, and new pictures have none: import a file with the"
            " vectors of all into another `run`."
        )


def _recluster(run: Run) -> tuple[str, ...]:
    """Make every clustering of a run anew; return their names."""
    wanted: list[tuple[str, ClusterOptions, int, str]] = []
    for clustering in sorted(run.clusterings(), key=_order):
        origin = clustering.record.setting(CUT_OF) or ""
        wanted.append((clustering.name, clustering.options, len(_members(clustering)), origin))
    for name, options, members, origin in wanted:
        with run.lock():
            run.forget(f"{CLUSTER_STAGE}{name}")
        if origin:
            cut(run, min(options.k or 1, run.clustering(origin).k), origin)
        elif members:
            cluster_seeds(run, options, members)
        else:
            cluster(run, options)
    return tuple(name for name, _, _, _ in wanted)


@dataclass(frozen=True)
class _NewVectors:
    """What there is of the new images, in the work folder.

    Attributes
    ----------
    images : ImageSet or None
        Those that can be read, in the order of their vectors; None without any.
    unreadable : tuple of Unreadable
        The others.
    """

    images: ImageSet | None
    unreadable: tuple[Unreadable, ...]

    @property
    def count(self) -> int:
        """Number of images that can be read."""
        return 0 if self.images is None else len(self.images)


class _Update:
    """One update of a run that this process holds."""

    def __init__(self, run: Run, moved_to: str | None) -> None:
        self.config = run.config
        self.moved_to = moved_to
        self.made = Changes(run.path)
        self.images = _present_images(run, moved_to)
        self.difference = changes_of(run, self.images)
        self.table = tables.read(run.path / IMAGE_LIST, list(IMAGE_COLUMNS))
        self.run_folder = run.path
        self.subject = run
        self.edits: dict[str, dict[str, object]] = {}  # for run.json, by clustering
        _check_names(run, self.images)
        _check_any_left(self.difference, self.table, run)

    def run(self) -> UpdateReport:
        """Take in what differs; return what that was."""
        run = self.subject
        is_same = self.images.fingerprint == images_fingerprint(run)
        if self.difference.is_empty and is_same:
            remove_folder(self.made.folder)
            if self.moved_to is not None:
                run.note(**{whereabouts.MOVED_TO: whereabouts.place_of(self.moved_to, run.path)})
            account.tell(self._intake())
            return self._report(_NewVectors(None, ()), {}, ())
        self._plan()
        new = self._embed()
        self.made.start()
        stages: dict[str, StageRecord] = {}
        self._write_lists(new)
        self._take_vectors(stages)
        assigned, dropped = self._take_clusterings(stages, new)
        self._remove_results()
        values = self._values(new)
        account.tell(self._intake())
        run.replace_stages(self.made, stages, **values)
        return self._report(new, assigned, dropped)

    # What is new

    def _plan(self) -> None:
        """Keep the work of an interrupted update only if it was for the same images."""
        plan = {"images_sha256": self.images.fingerprint}
        path = self.made.folder / PLAN
        try:
            is_same = path.exists() and read_json(path) == plan
        except RunError:
            is_same = False
        if not is_same:
            remove_folder(self.made.folder)
            write_json(path, plan)

    def _embed(self) -> _NewVectors:
        """Embed the images that are new, into the work folder."""
        names = {*self.difference.added, *self.difference.changed}
        positions = [row for row, name in enumerate(self.images.ids.tolist()) if name in names]
        unreadable = tuple(fault for fault in self.images.unreadable if fault.path in names)
        if not positions or self.subject.record("embed") is None:
            images = self.images.subset(np.array(positions)) if positions else None
            return _NewVectors(images, unreadable)
        images = self._with_known_splits(self.images.subset(np.array(positions)))
        if not self.config.is_autoencoder:
            return self._embed_pictures(images)
        from latentlab.encoders import model_files

        Embeddings(self.made.folder).write(model_files.load(self.subject), images)
        if StoredInputs(self.run_folder).are_there:
            write_inputs(images, self.made.folder)
        self._average(images)
        return _NewVectors(images, unreadable)

    def _with_known_splits(self, images: ImageSet) -> ImageSet:
        """Return images of which those that were there before keep their split."""
        ids, splits = self.table["id"].to_pylist(), self.table["split"].to_pylist()
        split_of = dict(zip(ids, splits, strict=True))
        pairs = zip(images.ids.tolist(), images.splits.tolist(), strict=True)
        return replace(images, splits=np.array([split_of.get(name) or now for name, now in pairs]))

    def _embed_pictures(self, images: ImageSet) -> _NewVectors:
        from latentlab.encoders.image_encoder import open_pretrained_of
        from latentlab.encoders.picture_pass import embed_pictures

        encoder = open_pretrained_of(self.subject)
        shown = np.ones(len(images), bool)
        result = embed_pictures(encoder, images, self.made.folder, shown, may_be_empty=True)
        faults = {fault.path for fault in result.unreadable}
        is_readable = [name not in faults for name in images.ids.tolist()]
        if not any(is_readable):
            return _NewVectors(None, result.unreadable)
        readable = images.subset(np.flatnonzero(is_readable))
        self._average(readable)
        return _NewVectors(readable, result.unreadable)

    def _average(self, images: ImageSet) -> None:
        """Make the averages of new images, if the run has those of the others."""
        if self.subject.record("average") is None:
            return
        from latentlab.pipeline.embedding import averaging

        encode = averaging(self.subject)
        Embeddings(self.made.folder).write_averages(encode, images)

    # Lists and vectors

    @property
    def _left(self) -> set[str]:
        """Ids whose rows leave the files of the run; the changed ones come back with the new."""
        return {*self.difference.gone, *self.difference.changed}

    def _write_lists(self, new: _NewVectors) -> None:
        """Write images.parquet, and what the images are known by next time."""
        rows = self._kept_rows()
        if self.subject.record("embed") is None:
            rows = [row for row in rows if row[2] == REMOVED]
            new = _NewVectors(self.images, new.unreadable)
        used = [row for row in rows if row[2] == "ok"]
        others = [row for row in rows if row[2] != "ok"]
        if new.images is not None:
            pairs = zip(new.images.ids.tolist(), new.images.splits.tolist(), strict=True)
            used += [(name, split, "ok", None) for name, split in pairs]
        others += [(fault.path, None, fault.status, fault.reason) for fault in new.unreadable]
        reason = f"the picture was not there any more on {now()[:10]}"
        others += [(name, None, REMOVED, reason) for name in self.difference.gone]
        if not used:
            raise DataError(f"{self.images.name}: not one image of {self.run_folder} is left.")
        columns = zip(*used, *others, strict=True)
        types = [pa.string()] * 4
        arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
        tables.write(
            self.made.write(IMAGE_LIST), pa.table(dict(zip(IMAGE_COLUMNS, arrays, strict=True)))
        )
        if self.images.files is not None:
            write_known_files(self.images, self.made.write(FILE_LIST).parent)
        elif self.config.is_autoencoder:
            write_pixel_list(self.images, self.made.write(PIXEL_LIST).parent)

    def _kept_rows(self) -> list[tuple[str, str | None, str, str | None]]:
        """Return the rows of images.parquet that stay."""
        back = {*self.difference.added, *self._left}
        columns = (self.table[name].to_pylist() for name in IMAGE_COLUMNS)
        return [row for row in zip(*columns, strict=True) if row[0] not in back]

    def _take_vectors(self, stages: dict[str, StageRecord]) -> None:
        """Take the rows of images that left out of the run's parts, and add the new parts."""
        for stage in KEPT_STAGES:
            record = self.subject.record(stage)
            if record is not None:
                stages[stage] = record
        outputs: dict[str, list[Output]] = {}
        for folder in VECTOR_FOLDERS:
            outputs[folder] = self._parts_of(folder)
        if "embed" in stages:
            parts = [*outputs["embeddings"], *outputs["pictures"], *outputs["inputs"]]
            stages["embed"] = replace(stages["embed"], outputs=tuple(parts))
        if "average" in stages:
            stages["average"] = replace(stages["average"], outputs=tuple(outputs["averages"]))

    def _parts_of(self, folder: str) -> list[Output]:
        """Return the parts of a folder as they will be."""
        outputs = []
        number = -1
        for path in sorted((self.run_folder / folder).glob("part-*.parquet")):
            number = int(path.stem.removeprefix("part-"))
            name = f"{folder}/{path.name}"
            remaining = self._kept_part(path)
            if remaining is None:
                outputs.append(Output.of_file(path, self.run_folder))
            elif len(remaining):
                outputs.append(self._output(tables.write(self.made.write(name), remaining)))
            else:
                self.made.remove(name)
        for path in sorted((self.made.folder / folder).glob("part-*.parquet")):
            if tables.count_rows(path):
                number += 1
                target = self.made.write(f"{folder}/part-{number:05d}.parquet")
                _link(path, target)
                outputs.append(self._output(target))
        return outputs

    def _kept_part(self, path: Path) -> pa.Table | None:
        """Return the rows of a part that stay; None if all of them do."""
        ids = tables.read(path, ["id"])["id"].to_pylist()
        stays = [name not in self._left for name in ids]
        return None if all(stays) else tables.read(path).filter(pa.array(stays))

    def _output(self, path: Path) -> Output:
        return Output.of_file(path, self.made.new_folder)

    # Clusters

    def _take_clusterings(
        self, stages: dict[str, StageRecord], new: _NewVectors
    ) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
        """Assign the new images in every clustering; return the counts, and what was dropped."""
        assigned = {}
        dropped = []
        clusterings = self.subject.clusterings()
        for clustering in sorted(clusterings, key=_order):
            reason = _why_dropped(clustering, stages)
            if reason:
                log.warning("update: %s %s and is dropped; repeat it", clustering.name, reason)
                dropped.append(clustering.name)
                continue
            log.info("update: %s", clustering.name)
            added = self._assigned(clustering, new)
            stages[f"{CLUSTER_STAGE}{clustering.name}"] = self._write_clusters(
                clustering, added, stages
            )
            counts = np.zeros(clustering.k, np.int64)
            if added is not None:
                counts = np.bincount(added.clusters, minlength=clustering.k)
            assigned[clustering.name] = tuple(counts.tolist())
        return assigned, tuple(dropped)

    def _assigned(self, clustering: Clustering, new: _NewVectors) -> Assignments | None:
        """Return the clusters of the new images; None without any."""
        from latentlab.clustering.vector_clustering import as_assignments
        from latentlab.refinement.run_methods import assign_images, assign_vectors, run_method

        if new.images is None:
            return None
        if run_method(clustering.options.method).traits.trains_network:
            shards = list(new.images.shards(ENCODED_AGAIN))
            parts = [part for _, part in assign_images(clustering, new.images, shards)]
        else:
            column = clustering.features.start
            vectors = Embeddings(self.made.folder).parts(column=column)
            parts = list(assign_vectors(clustering, list(vectors)))
        added = as_assignments(new.images.ids, new.images.splits, parts)
        return _with_further_columns(added, clustering.assignments)

    def _write_clusters(
        self, clustering: Clustering, added: Assignments | None, stages: Mapping[str, StageRecord]
    ) -> StageRecord:
        """Write the files of a clustering with its new images; return the record of its stage."""
        before = clustering.assignments
        stays = np.array([name not in self._left for name in before.ids.tolist()], bool)
        after = before.at(stays)
        if added is not None:
            after = after.followed_by(added)
        folder = f"clusters/{clustering.name}"
        table = after.write(self.made.write(f"{folder}/{ASSIGNMENTS_NAME}"))
        result = clustering.result.to_json() | {"sizes": after.sizes(clustering.k)}
        write_json(self.made.write(f"{folder}/{RESULT_NAME}"), result)
        self._write_edits(clustering, folder, sha256(table))
        record = clustering.record
        outputs = []
        for output in record.outputs:
            is_new = output.path in (f"{folder}/{ASSIGNMENTS_NAME}", f"{folder}/{RESULT_NAME}")
            outputs.append(self._output(self.made.current(output.path)) if is_new else output)
        config = record.config
        members = _members(clustering)
        if members:
            of = [stages[f"{CLUSTER_STAGE}{name}"].outputs_json() for _, name in members]
            config = record.config | {"of": of}
        origin = record.setting(CUT_OF)
        if origin is not None:
            config = record.config | {OF: stages[f"{CLUSTER_STAGE}{origin}"].outputs_json()}
        return replace(
            record, config=config, config_sha256=fingerprint(config), outputs=tuple(outputs)
        )

    def _write_edits(self, clustering: Clustering, folder: str, digest: str) -> None:
        """Keep the edits made by hand, without images that are gone."""
        log = Editor(clustering).read()
        # The steps were those of other assignments: edits.json alone stands for them.
        self.made.remove(f"{folder}/{EDIT_JOURNAL_NAME}")
        if not log.edits and not log.undone:
            self.made.remove(f"{folder}/{EDITS_NAME}")
            return
        gone = set(self.difference.gone)
        value = log.to_json() | {"assignments": digest}
        for name, stamped in (("edits", log.edits), ("undone", log.undone)):
            value[name] = [_without(each.to_json(), gone) for each in stamped]
        write_json(self.made.write(f"{folder}/{EDITS_NAME}"), value)
        n_edits = len(log.edits)
        self.edits[clustering.name] = {"rows": 0, "edits": n_edits, "assignments": digest}

    # Everything else

    def _remove_results(self) -> None:
        """Let go what other stages have made of the images and clusters as they were."""
        for name in self.subject.stage_names():
            if name in KEPT_STAGES or name.startswith((CLUSTER_STAGE, "report/")):
                continue
            record = self.subject.record(name)
            for output in record.outputs if record is not None else ():
                self.made.remove(output.path)
        for path in sorted((self.run_folder / "baselines").glob("*")):
            if path.is_file():
                self.made.remove(path.relative_to(self.run_folder).as_posix())

    def _values(self, new: _NewVectors) -> dict[str, object]:
        """Return the entries of run.json that change."""
        table = tables.read(self.made.new_folder / IMAGE_LIST, ["split", "status"])
        rows = list(zip(table["split"].to_pylist(), table["status"].to_pylist(), strict=True))
        used = [split for split, status in rows if status == "ok"]
        unreadable = sum(status not in ("ok", REMOVED) for _, status in rows)
        difference = self.difference
        moved = {}
        if self.moved_to is not None:
            moved = {whereabouts.MOVED_TO: whereabouts.place_of(self.moved_to, self.run_folder)}
        return moved | {
            "images": {split: used.count(split) for split in ("train", "test")},
            "unreadable": unreadable,
            account.FACT: account.to_json(self._intake()),
            EDITS_FACT: self.edits,
            UPDATED: {
                "images_sha256": self.images.fingerprint,
                "on": now(),
                "added": len(difference.added),
                "gone": len(difference.gone),
                "changed": len(difference.changed),
            },
        }

    def _intake(self) -> "account.Intake":
        """Return the account of the images that are there now."""
        table = tables.read(self.made.current(IMAGE_LIST), ["id", "status", "reason"])
        columns = (table[name].to_pylist() for name in ("id", "status", "reason"))
        rows = list(zip(*columns, strict=True))
        faults = [(name, reason) for name, status, reason in rows if status not in ("ok", REMOVED)]
        used = sum(status == "ok" for _, status, _ in rows)
        return self.images.source_intake.completed(used, faults)

    def _report(
        self, new: _NewVectors, assigned: Mapping[str, tuple[int, ...]], dropped: tuple[str, ...]
    ) -> UpdateReport:
        difference = self.difference
        examples: dict[str, Sequence[str]] = {
            "added": difference.added,
            "gone": difference.gone,
            "changed": difference.changed,
            "unreadable": [fault.path for fault in new.unreadable],
        }
        return UpdateReport(
            images=len(recorded_images(self.subject)[0]),
            added=len(difference.added),
            gone=len(difference.gone),
            changed=len(difference.changed),
            unreadable=len(new.unreadable),
            examples={name: tuple(ids[:NAMED]) for name, ids in examples.items() if ids},
            assigned=assigned,
            dropped=dropped,
        )


def _check_names(run: Run, images: ImageSet) -> None:
    """Refuse images that are known by their number alone, and whose content is not recorded."""
    if not current(images):
        raise ConfigError(
            f"`update` tells pictures apart by their files, and those of {run.path} lie in one"
            " array: make another `run` of it."
        )


def _present_images(run: Run, moved_to: str | None) -> ImageSet:
    """Open the images that are there now, where they moved or where the run finds them."""
    if moved_to is None:
        return find_images(run)[0]
    return open_present_images(run, whereabouts.with_path(run.config.images, moved_to))


def _check_any_left(difference: ImageChanges, table: pa.Table, run: Run) -> None:
    """Refuse data that share no image with the run: they are other data."""
    before = sum(status != REMOVED for status in table["status"].to_pylist())
    if before and len(difference.gone) == before:
        raise DataError(
            f"not one of the {before:,} images of {run.path} is there: these are other pictures",
            hint="Make another `run` of them.",
        )


def _members(clustering: Clustering) -> list[tuple[str, str]]:
    """Return folder and name of what a consensus unites; empty for other clusterings."""
    return [(place, name) for place, name in clustering.record.setting("members") or []]


def _order(clustering: Clustering) -> int:
    """Return 0 for plain clusterings, 1 for a consensus, 2 for a cut.

    A consensus comes after its members and a cut after its origin, whose new files they refer to.
    """
    if clustering.record.setting(CUT_OF) is not None:
        return 2
    return 1 if _members(clustering) else 0


def _why_dropped(clustering: Clustering, stages: Mapping[str, StageRecord]) -> str:
    """Return why new images cannot be assigned in a clustering; "" if they can.

    Parameters
    ----------
    clustering : Clustering
        The clustering.
    stages : mapping of str to StageRecord
        What was taken before it.
    """
    if any(place != "." for place, _ in _members(clustering)):
        return "unites encoders of several seeds"
    if clustering.record.setting(CUT_OF) is None:
        return ""
    try:
        origin = origin_of(clustering)
    except RunError:
        return "was cut from clusters that were made again"
    is_there = f"{CLUSTER_STAGE}{origin.name}" in stages
    return "" if is_there else "was cut from clusters that are dropped"


def _with_further_columns(added: Assignments, before: Assignments) -> Assignments:
    """Return new assignments with columns that only a first clustering writes.

    New images have not moved during a refinement, and the votes on them are their agreement.
    """
    if before.start is not None:
        added = replace(added, start=added.clusters)
    if before.agreement is not None and added.soft is not None:
        rows = np.arange(len(added))
        added = replace(added, agreement=added.soft[rows, added.clusters])
    return added


def _without(edit: object, gone: set[str]) -> object:
    """Return an edit of edits.json without images that are gone."""
    if not isinstance(edit, dict) or not isinstance(edit.get("images"), list):
        return edit
    return edit | {"images": [name for name in edit["images"] if name not in gone]}


def _link(path: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk has no such names."""
    guard.inside(path)
    guard.writing(target)
    with contextlib.suppress(FileExistsError):
        try:
            os.link(path, target)
        except FileExistsError:
            raise
        except OSError:
            shutil.copyfile(path, target)
