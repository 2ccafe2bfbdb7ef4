"""Why purity lies above ACC: clusters that share a class (it is split), and classes that have no cluster (they are merged).

ACC allows each class one cluster, purity allows several. So the two differ by the images of split classes' further
clusters, and where there are as many clusters as classes, each split class leaves another one without a cluster.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from latentlab.scoring import metrics

GAP = 0.01  # purity minus ACC, above which the difference is explained
NAMED = 8  # split and merged classes that the text names; scores.json has all


def gap(table: np.ndarray, training: np.ndarray | None = None) -> dict[str, Any] | None:
    """Return what makes the purity differ from ACC by more than `GAP`; None where they differ by less.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        The split that is scored.
    training : ndarray of shape (k, n_classes), int, or None
        The training split, whose maps are used; None uses the maps of `table` itself.

    Returns
    -------
    dict
        "gap"; "split": [{"class", "clusters"}], the class with most images beyond its best cluster first; "merged":
        [{"class", "cluster", "with"}]: a class that no cluster stands for, the cluster that holds most of it, and that
        cluster's class. Numbers throughout.
    """
    made_on = table if training is None else training
    maps = metrics.maps_of(made_on)
    difference = float(
        metrics.mapped_share(table, maps.majority) - metrics.mapped_share(table, maps.matched)
    )
    if difference <= GAP:
        return None
    by_class = {number: np.flatnonzero(maps.majority == number) for number in range(table.shape[1])}
    split = [number for number, clusters in by_class.items() if len(clusters) > 1]
    split.sort(key=lambda number: -np.sort(made_on[by_class[number], number])[:-1].sum())
    merged = [
        number
        for number, clusters in by_class.items()
        if not len(clusters) and made_on[:, number].any()
    ]
    homes = {number: int(made_on[:, number].argmax()) for number in merged}
    return {
        "gap": difference,
        "split": [{"class": number, "clusters": by_class[number].tolist()} for number in split],
        "merged": [
            {"class": number, "cluster": home, "with": int(maps.majority[home])}
            for number, home in homes.items()
        ],
    }


def gap_text(found: dict[str, Any] | None, class_names: Sequence[str]) -> str:
    """Return what `gap` found as sentences; "" where there is nothing to explain."""
    if found is None:
        return ""
    parts = [
        f"{class_names[one['class']]} is split over clusters {', '.join(map(str, one['clusters']))}"
        for one in found["split"]
    ]
    parts += [
        f"{class_names[one['class']]} has no cluster of its own: most of it is in cluster {one['cluster']} with {class_names[one['with']]}"
        for one in found["merged"]
    ]
    more = f"; {len(parts) - NAMED} more in scores.json" if len(parts) > NAMED else ""
    return f"Purity is {found['gap']:.3f} above ACC: {'; '.join(parts[:NAMED])}{more}."
