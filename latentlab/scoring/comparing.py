"""Two or more clusterings of the same images beside each other: matched numbers, what moved, score differences with intervals.

Clusters are matched by the largest overlap in images (Hungarian method). The bootstrap of a difference is paired: what is
resampled are the images, by their clusters in both and their class together, so that images which are easy for both or
hard for both do not blur the difference. Purity and ACC of held-out images keep each clustering's training maps.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.errors import DataError
from latentlab.scoring import intervals, metrics

SCORES = ("purity", "acc", "nmi", "ari")


class Side(NamedTuple):
    """One clustering.

    Attributes
    ----------
    name : str
        As tables name it.
    clusters : ndarray of shape (n,), int
        Of the images that all sides have, in one order.
    k : int
    """

    name: str
    clusters: np.ndarray
    k: int


def common(
    assigned: Sequence[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray], int]],
) -> tuple[list[Side], np.ndarray, np.ndarray]:
    """Return the sides on the images that all have, and those images' ids and splits.

    Parameters
    ----------
    assigned : sequence of (name, (ids, splits, clusters), k)

    Raises
    ------
    DataError
        If they share no image, or an image was fitted on by one and held out by another.
    """
    ids = np.array(sorted(set.intersection(*(set(one[0].tolist()) for _, one, _ in assigned))))
    if not len(ids):
        raise DataError(
            f"{' and '.join(name for name, _, _ in assigned)} share no image. Compare runs on the same data."
        )
    sides, splits = [], []
    for name, (own, split, clusters), k in assigned:
        order = np.argsort(own)
        places = order[np.searchsorted(own, ids, sorter=order)]
        sides.append(Side(name, clusters[places], k))
        splits.append(split[places])
    if any((split != splits[0]).any() for split in splits):
        raise DataError(
            "the runs split the images differently, so that some were fitted on what others hold out. Fit them with one --held-out."
        )
    return sides, ids, splits[0]


def moved(first: Side, other: Side) -> dict[str, Any]:
    """Return how the clusters of two sides overlap.

    Returns
    -------
    dict
        "overlap": images by cluster of `first` and of `other`; "partner": the first's cluster of each of the other's,
        None where it has none; "moved": share of images outside matched clusters; "flows": the largest of these, as
        {"from", "to", "images"}.
    """
    table = metrics.contingency(first.clusters, other.clusters, first.k, other.k)
    partner = metrics.maps_of(table.T).matched
    kept = metrics.mapped_share(table.T, partner)
    stays = partner[None, :] == np.arange(first.k)[:, None]
    rest = np.where(stays, 0, table)
    largest = np.argsort(-rest, axis=None, kind="stable")[:10]
    flows = [
        {"from": int(i // other.k), "to": int(i % other.k), "images": int(rest.flat[i])}
        for i in largest
        if rest.flat[i]
    ]
    return {
        "overlap": table.tolist(),
        "partner": [None if cluster < 0 else int(cluster) for cluster in partner],
        "moved": float(1 - kept),
        "flows": flows,
    }


def differences(
    first: Side, other: Side, classes: np.ndarray, splits: np.ndarray, n_classes: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Return other minus first for every score: {"metric", "first", "value", "difference", "low", "high"}.

    Held-out images where there are any with a label, else training images.

    Parameters
    ----------
    classes : ndarray of shape (n,), int
        -1 where an image has no label.
    """
    known = classes >= 0
    split = TEST if (known & (splits == TEST)).any() else TRAIN
    chosen = known & (splits == split)
    maps = [
        _training_maps(side, classes, known & (splits == TRAIN), n_classes)
        if split == TEST
        else None
        for side in (first, other)
    ]
    cells, counts = np.unique(
        np.stack([first.clusters[chosen], other.clusters[chosen], classes[chosen]]),
        axis=1,
        return_counts=True,
    )
    drawn = np.random.default_rng([seed, 12]).multinomial(
        counts.sum(), counts / counts.sum(), size=intervals.REPEATS
    )
    rows = []
    for name in SCORES:
        values, resampled = [], []
        for side, clusters, own in zip((first, other), cells[:2], maps, strict=True):
            scorer = _scorer(name, own)
            values.append(
                float(scorer(_tables(counts[None], clusters, cells[2], side.k, n_classes)[0]))
            )
            resampled.append(scorer(_tables(drawn, clusters, cells[2], side.k, n_classes)))
        low, high = intervals.around(
            values[1] - values[0], resampled[1] - resampled[0], lowest=-1.0
        )
        rows.append(
            {
                "metric": name,
                "split": split,
                "first": values[0],
                "value": values[1],
                "difference": values[1] - values[0],
                "low": low,
                "high": high,
            }
        )
    return rows


def verdict(row: dict[str, Any]) -> str:
    """Return in a word whether a difference is larger than the images drawn explain."""
    return "higher" if row["low"] > 0 else "lower" if row["high"] < 0 else "no clear difference"


def _training_maps(
    side: Side, classes: np.ndarray, training: np.ndarray, n_classes: int
) -> metrics.Maps | None:
    if not training.any():
        return None
    return metrics.maps_of(
        metrics.contingency(side.clusters[training], classes[training], side.k, n_classes)
    )


def _scorer(name: str, maps: metrics.Maps | None) -> Any:
    if maps is None or name not in ("purity", "acc"):
        return intervals.SCORERS[name]
    class_of = maps.majority if name == "purity" else maps.matched
    return lambda tables: metrics.mapped_share(tables, class_of)


def _tables(
    counts: np.ndarray, clusters: np.ndarray, classes: np.ndarray, k: int, n_classes: int
) -> np.ndarray:
    """Return tables, int64 (repeats, k, n_classes), of counts (repeats, cells) of cells with a cluster and a class each."""
    tables = np.zeros((k * n_classes, len(counts)), np.int64)
    np.add.at(tables, clusters.astype(np.int64) * n_classes + classes, counts.T)
    return tables.T.reshape(len(counts), k, n_classes)


# Tables


def frame(found: dict[str, Any]) -> Any:
    """Return the comparison as a pandas DataFrame, a row a clustering and score."""
    import pandas as pd

    rows = []
    for side in found["others"]:
        facts = {
            "run": side["name"],
            "against": found["first"],
            "images moved": round(side["moved"], 4),
        }
        scores = [{**row, "verdict": verdict(row)} for row in side.get("scores", [])] or [{}]
        rows += [{**facts, **row} for row in scores]
    return pd.DataFrame(rows)


def text(found: dict[str, Any]) -> str:
    """Return the comparison for the terminal."""
    lines = [f"against {found['first']}, {found['images']:,} images that all have"]
    for side in found["others"]:
        flows = ", ".join(
            f"{flow['images']:,} from {flow['from']} to {flow['to']}" for flow in side["flows"][:5]
        )
        lines += [
            "",
            f"{side['name']}: {side['moved']:.1%} of the images are outside matched clusters"
            + (f" ({flows})" if flows else ""),
        ]
        for row in side.get("scores", []):
            values = f"{row['first']:.3f} -> {row['value']:.3f}"
            between = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            lines.append(
                f"  {row['metric']:<7}{row['split']} split  {values}  {between}  {verdict(row)}"
            )
    return "\n".join(lines)
