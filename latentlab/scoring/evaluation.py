"""The judge: the only reader of labels. It scores assignments that are already written, and writes scores.json.

Rows of scores.json have the form of results.json under reports/: dataset, split, method, metric, value, chance, low, high.
`purity` and `acc` are matched on the split that they are told of, as papers do; `purity_train_map` and `acc_train_map` of the
held-out split use the classes that the training split gave the clusters.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.images import TEST, TRAIN
from latentlab.data.opening import Labels
from latentlab.errors import DataError
from latentlab.scoring import intervals, metrics, purity_gap, score_text
from latentlab.storage import tables, text_tables
from latentlab.storage.files import fingerprint, read_json, write_json
from latentlab.storage.run import Run

SCORES_FORMAT = 3  # scores.json of an older format is made again


def read_labels(run: Run, keep: bool = True) -> Labels | None:
    """Read the held-out labels of the run's data and keep them as labels.parquet; None where the data has none."""
    labels = opening.read_labels(DataOptions(**run.manifest["config"]["data"]))
    if labels is not None and keep:
        named = pa.table(
            {"id": labels.ids.tolist(), "label": labels.labels}
        ).replace_schema_metadata({"class_names": json.dumps(labels.class_names)})
        tables.write(run.path / "labels.parquet", named)
    return labels


def fingerprint_of(labels: Labels | None) -> str:
    """Return the hexadecimal SHA-256 of ids, labels and class names; one of its own where there are none."""
    return fingerprint(
        None
        if labels is None
        else [labels.ids.tolist(), labels.labels.tolist(), list(labels.class_names)]
    )


Assignments = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]


def score_assignments(
    run: Run, name: str, labels: Labels, assignments: Assignments, k: int, members: Assignments
) -> list[Path]:
    """Score several methods' assignments of the same images and write clusters/<name>/scores.json and tables of it; return their paths.

    Parameters
    ----------
    assignments, k
        As for `scores_of`.
    members : dict
        seed -> (ids, splits, clusters) of the clusterings that the first method is the consensus of; empty for others.
    """
    folder = run.path / "clusters" / name
    scores = scores_of(run, labels, assignments, k)
    if members:
        scores["over_seeds"] = over_seeds(
            [scores_of(run, labels, {seed: one}, k)["rows"] for seed, one in members.items()]
        )
    write_json(folder / "scores.json", scores)
    return [
        folder / "scores.json",
        *text_tables.write(score_text.frame(scores["rows"]), folder, "scores"),
    ]


def over_seeds(by_seed: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return mean, standard deviation, least and largest value of every score over several seeds' rows."""
    found: dict[tuple[str, str], list[float]] = {}
    for rows in by_seed:
        for row in rows:
            found.setdefault((row["split"], row["metric"]), []).append(row["value"])
    return [
        {
            "split": split,
            "metric": metric,
            "mean": float(np.mean(v)),
            "std": float(np.std(v, ddof=1)),
            "min": min(v),
            "max": max(v),
            "seeds": len(v),
        }
        for (split, metric), v in found.items()
    ]


def scores_of(run: Run, labels: Labels, assignments: Assignments, k: int) -> dict[str, Any]:
    """Score several methods' assignments of the same images; return what scores.json holds.

    Parameters
    ----------
    labels : Labels
        Images without a label (-1, or absent) are left out, and counted.
    assignments : dict
        method -> (ids, splits, clusters), arrays of shape (n,); the first method is the run's own, whose contingency
        tables, per-class recalls and merged or split classes (`latentlab.scoring.purity_gap`) are kept too.
    k : int
        Number of clusters.

    Raises
    ------
    DataError
        If no image has a label.
    """
    rows: list[dict[str, Any]] = []
    kept: dict[str, Any] = {}
    for method, (ids, splits, clusters) in assignments.items():
        classes = align(ids, labels)
        if not (classes >= 0).any():
            raise DataError(
                f"none of the {len(ids)} images has a label. Evaluate data with labels, or go on to: latentlab report"
            )
        own_rows, own = _score_splits(classes, splits, clusters, k, len(labels.class_names))
        rows += [{"dataset": run.manifest["data"], "method": method, **row} for row in own_rows]
        kept = kept or own | {"unlabelled": int((classes < 0).sum())}
    return {"class_names": list(labels.class_names), "k": k, **kept, "rows": rows}


def score_by_k(
    run: Run,
    labels: Labels,
    by_k: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]],
    target: Path,
) -> Path:
    """Score k -> (ids, splits, clusters) and write {"class_names", "rows"}, each row with its k; for the rest see `scores_of`."""
    rows = [
        {"k": k, **row}
        for k, assigned in by_k.items()
        for row in scores_of(run, labels, {"kmeans": assigned}, k)["rows"]
    ]
    write_json(target, {"class_names": list(labels.class_names), "rows": rows})
    text_tables.write(score_text.frame(rows), target.parent, target.stem)
    return target


def read_scores(run: Run, name: str) -> dict[str, Any]:
    """Return clusters/<name>/scores.json."""
    return read_json(run.path / "clusters" / name / "scores.json")


def _score_splits(
    classes: np.ndarray, splits: np.ndarray, clusters: np.ndarray, k: int, n_classes: int
) -> tuple[list[dict], dict[str, Any]]:
    """Return the rows of both splits, and the contingency tables with what each cluster stands for."""
    found = {}
    for split in (TRAIN, TEST):
        chosen = (splits == split) & (classes >= 0)
        if chosen.any():
            found[split] = metrics.contingency(clusters[chosen], classes[chosen], k, n_classes)
    rows = [
        row
        for split, table in found.items()
        for row in _rows(split, table, found[TRAIN] if split == TEST and TRAIN in found else None)
    ]
    maps = metrics.maps_of(next(iter(found.values())))
    return rows, {
        "contingency": {split: table.tolist() for split, table in found.items()},
        "majority_class": maps.majority.tolist(),
        "matched_class": maps.matched.tolist(),
        "gap": {split: purity_gap.gap(table, found.get(TRAIN)) for split, table in found.items()},
        "recall": {
            split: _known(metrics.recalls(table, maps.majority)) for split, table in found.items()
        },
    }


def _known(values: np.ndarray) -> list[float | None]:
    """Return numbers for JSON, None in the place of NaN."""
    return [None if np.isnan(value) else float(value) for value in values]


def _rows(split: str, table: np.ndarray, training: np.ndarray | None) -> list[dict[str, Any]]:
    """Return the rows of one split; low and high are the 95% interval, None where there is none (`latentlab.scoring.intervals`)."""
    between = intervals.of_scores(table, None if training is None else metrics.maps_of(training))
    rows = []
    for row in metrics.score(table, training):
        low, high = between.get(row["metric"], (None, None))
        rows.append({"split": split, **row, "low": low, "high": high, "n": int(table.sum())})
    return rows


def align(ids: np.ndarray, labels: Labels) -> np.ndarray:
    """Return the class of each id, -1 where it has none."""
    number = dict(zip(labels.ids.tolist(), labels.labels.tolist(), strict=True))
    return np.array([number.get(i, -1) for i in ids.tolist()], dtype=np.int64)
