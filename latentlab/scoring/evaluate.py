"""Score assignments against held-out labels and write scores.json.

Labels are read here and in the other modules of this package only, after every assignment is
written. The form of scores.json is `latentlab.scoring.scores.Scores`.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.data import whereabouts
from latentlab.data.images import TEST, TRAIN
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.scoring import intervals, metrics
from latentlab.scoring import labels as label_files
from latentlab.scoring.intervals import Interval
from latentlab.scoring.labels import Labels
from latentlab.scoring.purity_gap import find_gap
from latentlab.scoring.scores import ALL, KScores, ScoreRow, Scores, SeedSpread
from latentlab.scoring.tables import frame
from latentlab.storage import integrity, json_form, tables, text_tables
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import SCORES_NAME, Clustering
from latentlab.storage.files import fingerprint
from latentlab.storage.run import Run

SCORES_FORMAT = 4  # scores.json of an older format is made again
NO_INTERVAL = (None, None)
EDITED = ", edited by hand"  # follows the method's name in the scores of such clusters


def read_labels(run: Run, keep: bool = True) -> Labels | None:
    """Return the held-out labels of a run's data.

    Parameters
    ----------
    run : Run
        The run.
    keep : bool
        Write them to labels.parquet in the run.

    Returns
    -------
    Labels or None
        None if the data has no labels, or a single class, or one for each image. If the data is
        gone: those that the run has kept, or that follow from the names of its images.
    """
    labels = _labels_at_hand(run)
    if labels is None or labels.obstacle:
        return None
    if keep:
        table = pa.table({"id": labels.ids.tolist(), "label": labels.labels})
        metadata = {"class_names": json.dumps(labels.class_names), "origin": labels.origin}
        _keep_labels(run, table.replace_schema_metadata(metadata))
    return labels


def _keep_labels(run: Run, table: pa.Table) -> None:
    """Write labels.parquet, unless it holds these labels already."""
    path = run.path / "labels.parquet"
    with contextlib.suppress(RunError):  # a damaged file is written anew
        is_same = path.exists() and tables.read(path).equals(table, check_metadata=True)
        # A kill may have come between the file and its record: who holds the run mends that.
        if is_same and (path.name in run.records() or not integrity.is_held(run.path)):
            return
    # Whoever holds the run records its files.
    with contextlib.nullcontext() if integrity.is_held(run.path) else run.lock():
        tables.write(path, table)


def why_unlabelled(run: Run) -> str:
    """Return why `read_labels` gives none, in a clause.

    Parameters
    ----------
    run : Run
        The run.
    """
    labels = _labels_at_hand(run)
    if labels is not None and labels.obstacle:
        return labels.obstacle
    if run.config.data is None:
        return label_files.NO_LABELS
    try:
        return label_files.why_unlabelled(whereabouts.first_located(run))
    except (ConfigError, DataError):
        return label_files.NO_LABELS


def _labels_at_hand(run: Run) -> Labels | None:
    """Return the labels from where the data is now, or what the run itself knows of them."""
    if run.config.data is None:
        return label_files.read_vector_labels(run)
    try:
        labels = label_files.read_labels(whereabouts.first_located(run))
    except (ConfigError, DataError):
        if run.config.is_autoencoder and not whereabouts.are_lost(run):
            raise
        return label_files.labels_without_data(run)
    if labels is None:
        return label_files.read_vector_labels(run)
    return label_files.completed(labels, run)


def fingerprint_of(labels: Labels | None) -> str:
    """Return the SHA-256 of labels, in hexadecimal digits.

    Parameters
    ----------
    labels : Labels or None
        Ids, labels and class names count; None has a fingerprint too.

    Returns
    -------
    str
    """
    if labels is None:
        return fingerprint(None)
    return fingerprint([labels.ids.tolist(), labels.labels.tolist(), list(labels.class_names)])


def align(ids: np.ndarray, labels: Labels) -> np.ndarray:
    """Return the class of each image.

    Parameters
    ----------
    ids : ndarray of shape (n,), str
        Image ids.
    labels : Labels
        Labels of some of the images, in any order.

    Returns
    -------
    ndarray of shape (n,), int64
        -1 for images without a label.

    Examples
    --------
    >>> labels = Labels(np.array(["b", "a"]), np.array([1, 0]), ("cat", "dog"))
    >>> align(np.array(["a", "b", "c"]), labels)
    array([ 0,  1, -1])
    """
    number_of = dict(zip(labels.ids.tolist(), labels.labels.tolist(), strict=True))
    return np.array([number_of.get(image_id, -1) for image_id in ids.tolist()], dtype=np.int64)


def scores_of(dataset: str, labels: Labels, methods: Mapping[str, Assignments], k: int) -> Scores:
    """Score the assignments of several methods on the same images.

    Parameters
    ----------
    dataset : str
        Name of the data, for the rows.
    labels : Labels
        Images without a label are left out, and counted.
    methods : mapping of str to Assignments
        Assignments by the name of the method. The first is the clustering itself: its tables,
        recalls and classes without a cluster are kept too.
    k : int
        Number of clusters.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        If no image has a label.
    """
    rows: list[ScoreRow] = []
    split_tables = []
    for method, assignments in methods.items():
        by_split = _labelled_tables(labels, assignments, k)
        split_tables.append(by_split)
        rows += _rows(dataset, method, by_split)
    first = next(iter(methods.values()))
    n_unlabelled = int((align(first.ids, labels) < 0).sum())
    scores = _scores(labels.class_names, k, split_tables[0], rows)
    return replace(scores, unlabelled=n_unlabelled, labels=labels.origin or None)


def scores_after_edits(
    scores: Scores, clusters: np.ndarray, splits: np.ndarray, classes: np.ndarray, k: int
) -> Scores | None:
    """Return the scores of clusters that were edited by hand, beside the baselines as they are.

    Images without a cluster are left out. The spread over seeds is that of the clusters as
    computed, so there is none.

    Parameters
    ----------
    scores : Scores
        Scores of the clusters as computed.
    clusters : ndarray of shape (n,), int
        Cluster of each image after the edits, -1 for none.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.
    k : int
        Number of clusters, with empty ones.

    Returns
    -------
    Scores or None
        None if no image with a cluster has a label.
    """
    known = np.where(clusters >= 0, classes, -1)
    n_classes = len(scores.class_names)
    by_split = _tables_by_split(clusters, known, splits, k, n_classes)
    if not by_split:
        return None
    computed, *baselines = dict.fromkeys(row.method for row in scores.rows)
    rows = _rows(scores.rows[0].dataset, computed + EDITED, by_split)
    rows += [row for row in scores.rows if row.method in baselines]
    edited = _scores(scores.class_names, k, by_split, rows)
    return replace(
        edited,
        unlabelled=int((known < 0)[clusters >= 0].sum()),
        pretraining=scores.pretraining,
        labels=scores.labels,
    )


def over_seeds(by_seed: Sequence[Sequence[ScoreRow]]) -> tuple[SeedSpread, ...]:
    """Return how every score spreads over several seeds.

    Parameters
    ----------
    by_seed : sequence of sequences of ScoreRow
        The rows of each seed.

    Returns
    -------
    tuple of SeedSpread

    Examples
    --------
    >>> rows = [ScoreRow(method="m", split="test", metric="nmi", value=v) for v in (0.25, 0.75)]
    >>> over_seeds([rows[:1], rows[1:]])[0].mean
    0.5
    """
    values_of: dict[tuple[str, str], list[float]] = {}
    for rows in by_seed:
        for row in rows:
            values_of.setdefault((row.split, row.metric), []).append(row.value)
    spread = []
    for (split, metric), values in values_of.items():
        mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
        spread.append(SeedSpread(split, metric, mean, std, min(values), max(values), len(values)))
    return tuple(spread)


def write_scores(clustering: Clustering, scores: Scores) -> list[Path]:
    """Write scores.json of a clustering, and the same as CSV, Markdown and LaTeX.

    Parameters
    ----------
    clustering : Clustering
        The clustering.
    scores : Scores
        Its scores.

    Returns
    -------
    list of Path
        The files.
    """
    path = json_form.write(clustering.folder / SCORES_NAME, scores)
    return [path, *text_tables.write(frame(scores.rows), path.parent, "scores")]


def scores_by_k(dataset: str, labels: Labels, by_k: Mapping[int, Assignments]) -> KScores:
    """Score k-means for several numbers of clusters.

    Parameters
    ----------
    dataset : str
        Name of the data, for the rows.
    labels : Labels
        Images without a label are left out.
    by_k : mapping of int to Assignments
        Assignments by the number of clusters.

    Returns
    -------
    KScores

    Raises
    ------
    DataError
        If no image has a label.
    """
    rows: list[ScoreRow] = []
    for k, assignments in by_k.items():
        rows += _rows(dataset, "kmeans", _labelled_tables(labels, assignments, k), k)
    return KScores(labels.class_names, tuple(rows))


def write_scores_by_k(scores: KScores, target: Path) -> Path:
    """Write scores by k as JSON, and the same as CSV, Markdown and LaTeX.

    Parameters
    ----------
    scores : KScores
        The scores.
    target : Path
        The JSON file; the tables have its name with other suffixes.

    Returns
    -------
    Path
        The JSON file.
    """
    text_tables.write(frame(scores.rows), target.parent, target.stem)
    return json_form.write(target, scores)


def _labelled_tables(labels: Labels, assignments: Assignments, k: int) -> dict[str, np.ndarray]:
    """Return the contingency table of each split that has labelled images; DataError if none has.

    Clusters are those of the assignments.
    """
    classes = align(assignments.ids, labels)
    if not (classes >= 0).any():
        raise DataError(
            f"none of the {len(classes)} images has a label. Evaluate data with labels, or go on "
            "to: latentlab report"
        )
    n_classes = len(labels.class_names)
    return _tables_by_split(assignments.clusters, classes, assignments.splits, k, n_classes)


def _tables_by_split(
    clusters: np.ndarray, classes: np.ndarray, splits: np.ndarray, k: int, n_classes: int
) -> dict[str, np.ndarray]:
    """Return the contingency table of each split that has an image with a class."""
    by_split = {}
    for split in (TRAIN, TEST):
        is_scored = (splits == split) & (classes >= 0)
        if is_scored.any():
            scored = clusters[is_scored], classes[is_scored]
            by_split[split] = metrics.contingency(*scored, k, n_classes)
    return by_split


def _rows(
    dataset: str, method: str, by_split: Mapping[str, np.ndarray], k: int | None = None
) -> list[ScoreRow]:
    """Return every score of both splits, and of all images."""
    rows = []
    every_table = {**by_split, ALL: np.sum(list(by_split.values()), axis=0)}
    for split, table in every_table.items():
        training = by_split.get(TRAIN) if split == TEST else None
        interval_of = _intervals(table, training)
        for metric, value, chance in metrics.score(table, training):
            low, high = interval_of.get(metric, NO_INTERVAL)
            rows.append(
                ScoreRow(
                    k=k,
                    dataset=dataset,
                    method=method,
                    split=split,
                    metric=metric,
                    value=value,
                    chance=chance,
                    low=low,
                    high=high,
                    n=int(table.sum()),
                )
            )
    return rows


def _intervals(table: np.ndarray, training: np.ndarray | None) -> dict[str, Interval]:
    maps = None if training is None else metrics.maps_of(training)
    return intervals.of_scores(table, maps)


def _scores(
    class_names: Sequence[str],
    k: int,
    by_split: Mapping[str, np.ndarray],
    rows: Sequence[ScoreRow],
) -> Scores:
    """Return the scores, with clusters and classes from the tables of the clustering itself."""
    maps = metrics.maps_of(next(iter(by_split.values())))
    training = by_split.get(TRAIN)
    contingency = {}
    gap = {}
    recall = {}
    for split, table in by_split.items():
        contingency[split] = tuple(tuple(row) for row in table.tolist())
        gap[split] = find_gap(table, training)
        recall[split] = _without_nan(metrics.recalls(table, maps.majority))
    return Scores(
        class_names=tuple(class_names),
        k=k,
        contingency=contingency,
        majority_class=tuple(maps.majority.tolist()),
        matched_class=tuple(maps.matched.tolist()),
        gap=gap,
        recall=recall,
        rows=tuple(rows),
    )


def _without_nan(values: np.ndarray) -> tuple[float | None, ...]:
    """Return numbers for JSON, with None in place of NaN."""
    return tuple(None if np.isnan(value) else float(value) for value in values)
