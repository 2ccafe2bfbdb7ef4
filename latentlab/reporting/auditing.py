"""The data audit as files: duplicates, what they do to the held-out score, and suspected label errors.

audit/<name>/duplicates.csv         id, split, other_id, other_split, kind (exact, near), pixels, edges, mirrored, labels where there are
audit/<name>/label-errors.csv       id, split, label, suggested, suspicion; the most suspected first
audit/<name>/audit.json             counts, and the scores of the clusters with and without duplicated held-out images
audit/<name>/duplicates.png, label-errors.png
"""

from pathlib import Path
from typing import Any

import numpy as np

from latentlab.clustering import assignments, duplicates
from latentlab.clustering.duplicates import Pairs
from latentlab.data.images import TEST, TRAIN, ImageSet
from latentlab.data.opening import Labels
from latentlab.features import feature_steps
from latentlab.reporting import plots
from latentlab.scoring import evaluation, label_errors, metrics
from latentlab.storage.files import atomic_path, write_json
from latentlab.storage.run import Run

FORMAT = 1
SHOWN = 24  # pairs, and suspected labels, in the pictures
PCA_DIMS = 64
BLOCK = 1024


def neighbors(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return the positions, int (n, m), of each image's nearest ones by the cosine, the nearest first, itself left out."""
    from sklearn.decomposition import PCA

    count = min(label_errors.NEIGHBORS, len(vectors) - 1)
    if vectors.shape[1] > PCA_DIMS < len(vectors):
        vectors = PCA(PCA_DIMS, svd_solver="randomized", random_state=seed).fit_transform(vectors)
    unit = feature_steps.unit(vectors).astype(np.float32)
    found = []
    for start in range(0, len(unit), BLOCK):
        similar = unit[start : start + BLOCK] @ unit.T
        rows = np.arange(len(similar))
        similar[rows, start + rows] = -np.inf
        top = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        found.append(
            np.take_along_axis(
                top, np.argsort(-np.take_along_axis(similar, top, axis=1), axis=1), axis=1
            )
        )
    return np.concatenate(found)


def write(
    run: Run, name: str, images: ImageSet, pairs: Pairs, near: np.ndarray, labels: Labels | None
) -> list[Path]:
    """Write everything for the clusters `name`; return the paths."""
    folder = run.path / "audit" / name
    classes = np.full(len(images), -1) if labels is None else evaluation.align(images.ids, labels)
    written = [
        _write_csv(folder / "duplicates.csv", _duplicate_table(images, pairs, classes, labels))
    ]
    found: dict[str, Any] = {"images": len(images), "duplicates": _counts(images, pairs)}
    if len(pairs.first):
        written.append(plots.save_png(_pairs_figure(images, pairs), folder / "duplicates.png"))
    if labels is not None:
        groups = duplicates.groups(pairs, len(images))
        ids, _, clusters = assignments.read(run, name)
        k = assignments.options_of(run, name).k
        suspected = _suspected(images, clusters, classes, near, groups, k, len(labels.class_names))
        found["label_errors"] = len(suspected.image)
        found["duplicates"]["different_labels"] = int(
            label_errors.conflicts(pairs.first, pairs.second, classes).sum()
        )
        found["held_out"] = _with_and_without(
            images, pairs, clusters, classes, k, len(labels.class_names)
        )
        written.append(
            _write_csv(folder / "label-errors.csv", _suspect_table(images, suspected, labels))
        )
        if len(suspected.image):
            written.append(
                plots.save_png(
                    _suspects_figure(images, suspected, labels), folder / "label-errors.png"
                )
            )
    write_json(folder / "audit.json", found)
    return [*written, folder / "audit.json"]


def text(found: dict[str, Any], folder: Path) -> str:
    """Return what was found for the terminal."""
    counts = found["duplicates"]
    lines = [
        f"{counts['exact']:,} exact and {counts['near']:,} near pairs of duplicates among {found['images']:,} images,"
        f" {counts['across_splits']:,} across the splits: {counts['held_out_images']:,} held-out images have one that was fitted on"
    ]
    if found.get("held_out"):
        told = [
            f"{name} {row['all']:.4f} with, {_number(row['without'])} without them"
            for name, row in found["held_out"].items()
        ]
        lines.append(f"held-out scores: {', '.join(told)}")
    if "label_errors" in found:
        lines.append(
            f"{found['label_errors']:,} labels are suspected; {counts['different_labels']:,} pairs of duplicates carry different labels"
        )
    return "\n".join([*lines, str(folder)])


def _number(value: float | None) -> str:
    return "none is left" if value is None else f"{value:.4f}"


def _counts(images: ImageSet, pairs: Pairs) -> dict[str, int]:
    across = images.splits[pairs.first] != images.splits[pairs.second]
    return {
        "exact": int(pairs.exact.sum()),
        "near": int((~pairs.exact).sum()),
        "across_splits": int(across.sum()),
        "held_out_images": int(_duplicated(images, pairs).sum()),
    }


def _duplicated(images: ImageSet, pairs: Pairs) -> np.ndarray:
    """Return which images are held out and have a duplicate in the training split, bool (n,)."""
    marked = np.zeros(len(images), bool)
    for own, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        marked[own[(images.splits[own] == TEST) & (images.splits[other] == TRAIN)]] = True
    return marked


def _with_and_without(
    images: ImageSet,
    pairs: Pairs,
    clusters: np.ndarray,
    classes: np.ndarray,
    k: int,
    n_classes: int,
) -> dict[str, dict[str, float | None]]:
    """Return purity and ACC, under the training maps, of all held-out images and of those without a duplicate that was fitted on."""
    known = classes >= 0
    training, held_out = known & (images.splits == TRAIN), known & (images.splits == TEST)
    if not training.any() or not held_out.any():
        return {}
    maps = metrics.maps_of(metrics.contingency(clusters[training], classes[training], k, n_classes))
    alone = held_out & ~_duplicated(images, pairs)
    scores: dict[str, dict[str, float | None]] = {}
    for metric, class_of in (("purity", maps.majority), ("acc", maps.matched)):
        right = class_of[clusters] == classes
        scores[metric] = {
            "all": float(right[held_out].mean()),
            "without": float(right[alone].mean()) if alone.any() else None,
        }
    return scores


def _suspected(
    images: ImageSet,
    clusters: np.ndarray,
    classes: np.ndarray,
    near: np.ndarray,
    groups: np.ndarray,
    k: int,
    n_classes: int,
) -> label_errors.Suspects:
    judged = (classes >= 0) & (images.splits == TRAIN)
    maps = metrics.maps_of(metrics.contingency(clusters[judged], classes[judged], k, n_classes))
    return label_errors.find(near, classes, maps.majority[clusters], groups, n_classes)


def _duplicate_table(
    images: ImageSet, pairs: Pairs, classes: np.ndarray, labels: Labels | None
) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {
        "id": images.ids[pairs.first],
        "split": images.splits[pairs.first],
        "other_id": images.ids[pairs.second],
        "other_split": images.splits[pairs.second],
        "kind": np.where(pairs.exact, "exact", "near"),
        "pixels": pairs.pixels.round(4),
        "edges": pairs.edges.round(4),
        "mirrored": pairs.mirrored,
    }
    if labels is not None:
        names = np.array([*labels.class_names, ""])  # the last is that of -1
        columns |= {
            "label": names[classes[pairs.first]],
            "other_label": names[classes[pairs.second]],
        }
    return pd.DataFrame(columns)


def _suspect_table(images: ImageSet, found: label_errors.Suspects, labels: Labels) -> Any:
    import pandas as pd

    names = np.array(labels.class_names)
    return pd.DataFrame(
        {
            "id": images.ids[found.image],
            "split": images.splits[found.image],
            "label": names[found.label],
            "suggested": names[found.suggested],
            "suspicion": found.suspicion.round(4),
        }
    )


def _write_csv(path: Path, table: Any) -> Path:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
    return path


def _pairs_figure(images: ImageSet, pairs: Pairs) -> Any:
    """Draw the least alike pairs, one above the other: where the mistakes would be."""
    order = np.argsort(
        np.minimum(pairs.pixels / duplicates.PIXELS, pairs.edges / duplicates.EDGES), kind="stable"
    )[:SHOWN]
    rows = []
    for start in range(0, len(order), SHOWN // 2):
        part = order[start : start + SHOWN // 2]
        rows += [
            ("image", images.read(pairs.first[part])),
            ("duplicate", images.read(pairs.second[part])),
        ]
    return plots.cluster_gallery(
        rows, f"Duplicates: the {len(order)} least alike of {len(pairs.first):,} pairs", SHOWN // 2
    )


def _suspects_figure(images: ImageSet, found: label_errors.Suspects, labels: Labels) -> Any:
    top = found.image[:SHOWN]
    texts = [
        f"{labels.class_names[own]}?\n{labels.class_names[other]}"
        for own, other in zip(found.label[:SHOWN], found.suggested, strict=False)
    ]
    return plots.captioned_grid(
        images.read(top),
        texts,
        f"The {len(top)} most suspected of {len(found.image):,} labels: label? and suggestion",
    )
