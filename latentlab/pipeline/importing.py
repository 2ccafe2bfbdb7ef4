"""Vectors that another program made become a run: with their images, or alone."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.config import DataOptions, ImportOptions
from latentlab.data import account, opening, value_range
from latentlab.data.id_matching import match_ids
from latentlab.data.images import ImageSet, Unreadable
from latentlab.data.settling import settled
from latentlab.data.splits import first_of_each, held_out_splits
from latentlab.errors import ConfigError, DataError
from latentlab.pipeline.claiming import claim, count_by_split, refuse_others
from latentlab.pipeline.embedding import MAP_SAMPLE
from latentlab.pipeline.run_data import images_without_pixels, write_image_list
from latentlab.pipeline.same_data import as_recorded
from latentlab.progress import log
from latentlab.storage import json_form, tables
from latentlab.storage.files import sha256
from latentlab.storage.manifest import RunConfig, VectorFile
from latentlab.storage.run import Run
from latentlab.storage.vector_files import VectorColumns, VectorTable, read_vector_file

DECODED_SIZE = 32  # pixels of images whose vectors are there: thumbnails have a size of their own
NAMED = 10  # ids that run.json lists of those that are left out
NOT_FINITE = "not finite"
NO_VECTOR = "no vector"
FACT = "imported"  # entry of run.json
ROWS_NAME = "encoder/rows.parquet"  # id and row of the file, of every vector that the run has


@dataclass(frozen=True)
class ImportReport:
    """What an import came to.

    Attributes
    ----------
    rows : int
        Vectors in the file.
    vectors : int
        Those that the run has.
    dims : int
        Numbers of a vector.
    matched_by : str
        Rule by which rows and images belong together, see `latentlab.data.id_matching`; "" without
        images.
    splits_from : str
        "file", "images" or "draw".
    rows_without_image : int
        Rows that match no image; they are left out.
    images_without_vector : int
        Images that no row matches; images.parquet lists them.
    not_finite : int
        Rows with numbers that are not finite or too large; they are left out, and listed there.
    unreadable : int
        Images with a vector that cannot be read; they are left out, and listed there.
    examples : mapping of str to tuple of str
        The first ids of each of these.
    id_column : str
        The column or array of the file that is taken for ids; "" for numbers of rows. Of a run
        of an older version always "".
    """

    rows: int
    vectors: int
    dims: int
    matched_by: str
    splits_from: str
    rows_without_image: int
    images_without_vector: int
    not_finite: int
    unreadable: int
    examples: Mapping[str, tuple[str, ...]]
    id_column: str = ""


def import_vectors(
    path: str | Path,
    run_path: str | Path,
    data: DataOptions | None = None,
    options: ImportOptions | None = None,
) -> Run:
    """Make a run of the vectors in a file.

    Parameters
    ----------
    path : str or pathlib.Path
        A .parquet, .npy, .npz or .csv file.
    run_path : str or pathlib.Path
        The run folder. A repeated import of the same file does nothing.
    data : DataOptions or None
        The images; their thumbnails are stored in the run. None: the run has vectors alone.
    options : ImportOptions or None
        What to know of the file.

    Returns
    -------
    Run
        The run, which is embedded; `import_report` says what was matched and left out.

    Raises
    ------
    ConfigError
        If the file has no such column.
    DataError
        If the file cannot be read as vectors, or no vector is left.
    RunError
        If the folder holds another run.

    Examples
    --------
    >>> run = import_vectors("vectors.parquet", "runs/mine")  # doctest: +SKIP
    """
    options = options or ImportOptions()
    file = Path(path)
    wanted = VectorColumns(
        ids=options.id_column or "",
        vectors=options.column or "",
        splits=options.split_column or "",
        labels=options.label_column or "",
    )
    table = read_vector_file(file, wanted, options.max_bytes)
    if data is not None and data.size is None:
        data = replace(data, size=DECODED_SIZE)
    if data is None:
        candidates = _without_images(file.name, table, options)
    else:
        images = opening.open_images(data, lazy=True)
        data = settled(value_range.as_opened(data, images.value_range), images)
        candidates = _with_images(file.name, table, images)
    selection = _select(file.name, table, candidates)
    recorded = _recorded(file, table.columns, options)
    config = RunConfig(data, None, candidates.images.fingerprint, vectors=recorded)
    run = Run.create(run_path)
    with run.lock():
        config = as_recorded(run, config, candidates.images)
        refuse_others(run, config)
        if run.is_done("fit", config.to_json()) and run.is_done("embed", run.encoder_config()):
            if data is not None:
                account.tell_recorded(run)
            return run
        claim(run, config, selection.images)
        _describe(run, config, selection, options.pretraining)
        _store(run, selection)
    return run


def import_report(run: Run) -> ImportReport | None:
    """Return what the import of a run came to; None if the run was made otherwise.

    Parameters
    ----------
    run : Run
        The run.
    """
    recorded = run.fact(FACT)
    return None if recorded is None else json_form.from_json(ImportReport, recorded)


# What is kept


@dataclass(frozen=True)
class _Candidates:
    """The rows that might be kept, and their images.

    Attributes
    ----------
    rows : ndarray of shape (n,), int64
        The rows.
    images : ImageSet
        The image of each, in order; without pixels if there are none.
    matched_by, splits_from : str
        As in `ImportReport`.
    orphans, missing : list of str
        Rows without an image, and images without a row.
    """

    rows: np.ndarray
    images: ImageSet
    matched_by: str
    splits_from: str
    orphans: list[str]
    missing: list[str]


@dataclass(frozen=True)
class _Selection:
    """What a run keeps.

    Attributes
    ----------
    rows : ndarray of shape (n,), int64
        The rows.
    images : ImageSet
        The image of each. What is left out is listed as unreadable.
    vectors : ndarray of shape (n, d), float32
        The vector of each.
    report : ImportReport
        The counts.
    """

    rows: np.ndarray
    images: ImageSet
    vectors: np.ndarray
    report: ImportReport


def _without_images(name: str, table: VectorTable, options: ImportOptions) -> _Candidates:
    count = len(table.vectors)
    ids = _ids_of(table)
    splits, splits_from = table.splits, "file"
    if splits is None:
        has_labels = bool(table.columns.labels)
        splits, splits_from = held_out_splits(count, options.held_out, has_labels), "draw"
    rows = first_of_each(splits, options.limit)
    images = images_without_pixels(name, ids[rows], splits[rows])
    return _Candidates(rows, images, "", splits_from, [], [])


def _with_images(name: str, table: VectorTable, images: ImageSet) -> _Candidates:
    count = len(table.vectors)
    match = match_ids(name, count, table.ids, images.ids.tolist())
    orphans = _ids_of(table)[np.setdiff1d(np.arange(count), match.rows)].tolist()
    without_row = np.setdiff1d(np.arange(len(images)), match.positions)
    missing = images.ids[without_row].tolist()
    images, splits_from = images.subset(match.positions), "images"
    if table.splits is not None:
        images, splits_from = replace(images, splits=table.splits[match.rows]), "file"
    return _Candidates(match.rows, images, match.rule, splits_from, orphans, missing)


def _select(name: str, table: VectorTable, candidates: _Candidates) -> _Selection:
    """Leave out what is not finite, and list everything that is left out."""
    images = candidates.images
    chosen = table.vectors[candidates.rows]
    is_fine = _are_fine(chosen)
    if not is_fine.any():
        raise DataError(f"{name}: not one of its {len(chosen)} vectors is finite.")
    faults = []
    for position in np.flatnonzero(~is_fine).tolist():
        reason = f"row {candidates.rows[position]} of {name} {_fault(chosen[position])}"
        faults.append(Unreadable(str(images.ids[position]), reason, NOT_FINITE))
    no_row = f"{name} has no row for it"
    missing = [Unreadable(image_id, no_row, NO_VECTOR) for image_id in candidates.missing]
    images = images.subset(np.flatnonzero(is_fine))
    report = ImportReport(
        rows=len(table.vectors),
        vectors=len(images),
        dims=table.vectors.shape[1],
        matched_by=candidates.matched_by,
        splits_from=candidates.splits_from,
        rows_without_image=len(candidates.orphans),
        images_without_vector=len(missing),
        not_finite=len(faults),
        unreadable=0,
        examples={
            "rows_without_image": tuple(candidates.orphans[:NAMED]),
            "images_without_vector": tuple(candidates.missing[:NAMED]),
            "not_finite": tuple(fault.path for fault in faults[:NAMED]),
        },
        id_column=table.columns.ids,
    )
    images = replace(images, unreadable=(*faults, *missing))
    return _Selection(candidates.rows[is_fine], images, chosen[is_fine], report)


def _fault(vector: np.ndarray) -> str:
    if np.isfinite(vector).all():
        return f"holds numbers above {tables.LARGEST:g} in size"
    return "holds numbers that are not finite"


# The stages of a run


def _recorded(file: Path, columns: VectorColumns, options: ImportOptions) -> VectorFile:
    return VectorFile(
        path=str(file.resolve()),
        sha256=sha256(file),
        id_column=columns.ids,
        column=columns.vectors,
        split_column=columns.splits,
        label_column=columns.labels,
        pretraining=options.pretraining,
        held_out=options.held_out,
        limit=options.limit,
    )


def _describe(run: Run, config: RunConfig, selection: _Selection, pretraining: str) -> None:
    """Do the stage "fit": which vectors stand for the output of an encoder."""
    from latentlab import backend
    from latentlab.encoders import model_files

    run.note(**backend.versions(), precision="float32")
    _report(run, selection.report)
    with run.stage("fit", config.to_json()) as outputs:
        description = model_files.EncoderDescription.of_vectors(selection.report.dims, pretraining)
        rows = pa.table({"id": selection.images.ids.tolist(), "row": selection.rows})
        outputs += [
            model_files.save_description(run, description),
            tables.write(run.path / ROWS_NAME, rows),
        ]


def _store(run: Run, selection: _Selection) -> None:
    """Do the stage "embed": vectors, and pictures if there are any."""
    from latentlab.encoders.embedding import Embeddings
    from latentlab.encoders.picture_pass import store_vectors
    from latentlab.reporting.umap_map import sample_indices

    images = selection.images
    with run.stage("embed", run.encoder_config()) as outputs:
        if run.config.data is None:
            outputs += Embeddings(run.path).write_vectors(selection.vectors, images)
            return
        shown = np.zeros(len(images), bool)
        shown[sample_indices(len(images), MAP_SAMPLE, seed=0)] = True
        result = store_vectors(selection.vectors, images, run.path, shown)
        outputs += result.files
        images = _leave_out(run, selection, result.unreadable)
    run.note(intake=account.to_json(images.intake))
    account.tell(images.intake)


def _leave_out(run: Run, selection: _Selection, unreadable: tuple[Unreadable, ...]) -> ImageSet:
    """List images that turned out to be unreadable among those that are left out.

    Returns the images that are left.
    """
    images = selection.images
    if not unreadable:
        return images
    paths = {image.path for image in unreadable}
    is_readable = [image_id not in paths for image_id in images.ids.tolist()]
    readable = images.subset(np.flatnonzero(is_readable))
    readable = replace(readable, unreadable=(*images.unreadable, *unreadable))
    write_image_list(readable, run.path)
    run.note(images=count_by_split(readable), unreadable=len(readable.unreadable))
    names = tuple(image.path for image in unreadable[:NAMED])
    report = replace(
        selection.report,
        vectors=len(readable),
        unreadable=len(unreadable),
        examples={**selection.report.examples, "unreadable": names},
    )
    _report(run, report)
    return readable


def _report(run: Run, report: ImportReport) -> None:
    run.note(**{FACT: json_form.to_json(report)})


# New vectors


def predict_vectors(
    run: Run, name: str | None, path: str | Path, target: str | Path, as_computed: bool = False
) -> Path:
    """Assign new vectors to the clusters of a run.

    Parameters
    ----------
    run : Run
        The run; mostly one that was made of vectors.
    name : str or None
        Its clusters, of a method that leaves the encoder as it is; None is the newest.
    path : str or pathlib.Path
        A file of vectors of the kind that the clustered features start from.
    target : str or pathlib.Path
        The parquet file to write: id, cluster, cluster_name, distance, margin and soft. Vectors
        that are not finite are left out.
    as_computed : bool
        Leave edits made by hand out, see `latentlab.reporting.edited_predictions`.

    Returns
    -------
    pathlib.Path
        `target`.

    Raises
    ------
    ConfigError
        If the clusters have an encoder of their own.
    DataError
        If the file cannot be read, or its vectors have another length than those of the run.
    """
    from latentlab.clustering.vector_clustering import assigned_table
    from latentlab.encoders import model_files
    from latentlab.refinement.run_methods import SHARD, assign_vectors
    from latentlab.reporting.edited_predictions import with_edits

    clustering = run.clustering(name)
    table = _read_like(Path(path), run.config.vectors)
    n_dims = table.vectors.shape[1]
    wanted = math.prod(model_files.vector_shape(run, clustering.features))
    if n_dims != wanted:
        raise DataError(f"{path} has vectors of {n_dims} numbers, and {run.path} of {wanted}.")
    is_fine = _are_fine(table.vectors)
    if not is_fine.any():
        raise DataError(f"{path}: not one of its {len(is_fine)} vectors is finite.")
    if not is_fine.all():
        log.warning("%d of %d vectors are not finite and are left out", *_counts(~is_fine))
    rows = np.flatnonzero(is_fine)
    ids = _ids_of(table)[rows].tolist()
    shards = [table.vectors[rows[start : start + SHARD]] for start in range(0, len(rows), SHARD)]
    parts: list[pa.Table] = []
    for assigned in assign_vectors(clustering, shards):
        start = sum(part.num_rows for part in parts)
        parts.append(assigned_table(ids[start : start + len(assigned.cluster)], assigned))
    edited = with_edits(pa.concat_tables(parts), clustering, as_computed)
    return tables.write(Path(target), edited)


def _read_like(path: Path, recorded: VectorFile | None) -> VectorTable:
    """Read a file of vectors by the columns of an earlier one, or else by its own."""
    if recorded is not None:
        wanted = VectorColumns(
            ids=recorded.id_column, vectors=recorded.column, labels=recorded.label_column
        )
        with contextlib.suppress(ConfigError):
            return read_vector_file(path, wanted)
    return read_vector_file(path)


def _are_fine(vectors: np.ndarray) -> np.ndarray:
    """Return which vectors are finite and not too large, bool (n,)."""
    return (np.abs(vectors) <= tables.LARGEST).all(axis=1)  # False for NaN


def _ids_of(table: VectorTable) -> np.ndarray:
    """Return the ids of the rows; their numbers from 0 if the file has none."""
    return np.array(table.ids or list(map(str, range(len(table.vectors)))))


def _counts(is_counted: np.ndarray) -> tuple[int, int]:
    return int(is_counted.sum()), len(is_counted)
