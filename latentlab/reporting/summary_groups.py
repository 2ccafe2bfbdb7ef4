"""What of a clustering is a quantity of every image on a page."""

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.edits import TAG_SEPARATOR
from latentlab.reporting.label_colours import label_colours
from latentlab.reporting.packed import Pack, inside
from latentlab.reporting.page_groups import (
    Group,
    Groups,
    categories,
    cluster_group,
    numbers,
    word_group,
)


def groups_of(summary: ClusteringSummary, positions: np.ndarray, keep: Pack = inside) -> Groups:
    """Return the quantities of the images on the map.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    positions : ndarray of int
        Positions of the images on the map.
    keep : callable
        Where the values go, see `Pack`.

    Returns
    -------
    dict of str to Categories, Numbers or Texts
        "cluster", "label" if there are labels, "split" if any image is held out, "confidence" or
        "margin", "distance", "agreement" of a consensus, and what `edited_groups` returns.
    """
    groups = edited_groups(summary, positions, keep)
    if summary.classes is not None:
        classes = summary.classes[positions]
        names, colours = summary.class_names, label_colours(summary)
        groups["label"] = categories("label", classes, names, "no label", keep, colours)
    is_held_out = summary.images.splits[positions] == TEST
    if is_held_out.any():
        held_out = is_held_out.astype(np.int32)
        groups["split"] = categories("split", held_out, [TRAIN, TEST], "", keep)
    name, strength = summary.strength()
    title = "distance between the two nearest centers"
    if name == "confidence":
        title = "largest soft assignment"
    groups[name] = numbers(name, strength[positions], title, keep)
    distance = summary.distance[positions]
    groups["distance"] = numbers("distance", distance, "distance to the nearest center", keep)
    if summary.agreement is not None:
        agreement = summary.agreement[positions]
        groups["agreement"] = numbers("agreement", agreement, "agreement between seeds", keep)
    return groups


def edited_groups(
    summary: ClusteringSummary, positions: np.ndarray, keep: Pack = inside
) -> dict[str, Group]:
    """Return the quantities that edits by hand change.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, edited or as computed.
    positions : ndarray of int
        Positions of the images on the map.
    keep : callable
        Where the values go, see `Pack`.

    Returns
    -------
    dict of str to Categories
        "cluster"; "mark" and "tag" if any image has one.
    """
    names = list(map(summary.cluster_name, range(summary.k)))
    ids = summary.images.ids[positions]
    groups: dict[str, Group] = {"cluster": cluster_group(summary.clusters[positions], names, keep)}
    if summary.marks:
        groups["mark"] = word_group("mark", ids, summary.marks, "not marked")
    if summary.tags:
        joined = {image_id: TAG_SEPARATOR.join(tags) for image_id, tags in summary.tags.items()}
        groups["tag"] = word_group("tag", ids, joined, "without a tag")
    return groups
