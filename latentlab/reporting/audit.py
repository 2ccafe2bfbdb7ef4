"""The data audit as files: duplicates, their effect on the held-out score, suspected label errors.

audit/<name>/duplicates.csv     id, split, other_id, other_split, kind (exact or near), pixels,
                                edges, mirrored, both labels if the data has labels, detail, score,
                                changes, and the part of the image that the other one shows: top,
                                left, height, width, as shares of the sides
audit/<name>/label-errors.csv   id, split, label, suggested, suspicion; the most suspected first
audit/<name>/audit.json         `AuditReport`
audit/<name>/duplicates.png, label-errors.png
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.clustering import duplicate_changes, duplicates
from latentlab.clustering.duplicates import Pairs
from latentlab.data.images import TEST, TRAIN, ImageSet
from latentlab.features.neighbors import nearest_by_cosine
from latentlab.features.steps import unit
from latentlab.plain_text import shortened
from latentlab.reporting import plots
from latentlab.reporting.audit_pictures import pairs_figure
from latentlab.reporting.privacy import public_ids
from latentlab.scoring import label_errors, metrics
from latentlab.scoring.evaluate import align
from latentlab.scoring.label_errors import Suspects
from latentlab.scoring.labels import Labels
from latentlab.storage import guard, json_form, text_tables
from latentlab.storage.clustering import Clustering
from latentlab.storage.files import atomic_path
from latentlab.storage.json_form import json_field

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

AUDIT_FORMAT = 2
SHOWN = 24  # suspected labels in the picture
LONGEST_LABEL = 18  # characters of a label below an image
FEATURES = "embedding+l2"  # of encoders from outside, among which neighbours are searched
PCA_DIMS = 64  # of the vectors among which neighbours are searched


@dataclass(frozen=True)
class DuplicateCounts:
    """How many duplicates there are.

    Attributes
    ----------
    exact, near : int
        Pairs of images.
    across_splits : int
        Pairs of a training and a held-out image.
    held_out_images : int
        Held-out images with a duplicate among the training images.
    different_labels : int or None
        Pairs that carry different labels; None without labels.
    changes : mapping of str to int
        Pairs by what was changed, see `latentlab.clustering.duplicate_changes`; a pair counts under
        each of its changes. Empty in audits of older versions.
    has_held_out : bool
        Whether there are held-out images at all.
    """

    exact: int
    near: int
    across_splits: int
    held_out_images: int
    different_labels: int | None = json_field(optional=True)
    changes: Mapping[str, int] = json_field(optional=True, default_factory=dict)
    has_held_out: bool = True


@dataclass(frozen=True)
class HeldOutScore:
    """A score of the held-out images, with and without duplicates of training images.

    Attributes
    ----------
    all : float
        Over all held-out images.
    without : float or None
        Without those that have a duplicate in the training split; None if none is left.
    """

    all: float
    without: float | None


@dataclass(frozen=True)
class AuditReport:
    """What audit.json holds.

    Attributes
    ----------
    images : int
        Number of images.
    duplicates : DuplicateCounts
        Pairs of images that are the same, or nearly.
    label_errors : int or None
        Number of suspected labels; None without labels.
    held_out : mapping of str to HeldOutScore, or None
        "purity" and "acc" under the training maps. Empty if a split has no labelled image, None
        without labels.
    """

    images: int
    duplicates: DuplicateCounts
    label_errors: int | None = json_field(optional=True)
    held_out: Mapping[str, HeldOutScore] | None = json_field(optional=True)


def audit_folder(clustering: Clustering) -> Path:
    """Return the folder of the audit that was made with a clustering.

    Parameters
    ----------
    clustering : Clustering
        The clustering.

    Returns
    -------
    Path
    """
    return clustering.run.path / "audit" / clustering.name


def read_audit(clustering: Clustering) -> AuditReport | None:
    """Return the audit that was made with a clustering.

    Parameters
    ----------
    clustering : Clustering
        The clustering.

    Returns
    -------
    AuditReport or None
        None if there is no audit.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = audit_folder(clustering) / "audit.json"
    return json_form.read(AuditReport, path) if guard.is_there(path) else None


def nearest_images(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return the nearest other images of each image, by the cosine of their features.

    Long vectors are reduced by PCA first.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Feature vector of each image.
    seed : int
        Seed of the PCA.

    Returns
    -------
    ndarray of shape (n, m), int
        Positions of the m nearest images, the nearest first. m is 20, or n - 1 if that is less.
    """
    from sklearn.decomposition import PCA

    count = min(label_errors.NEIGHBORS, len(vectors) - 1)
    if vectors.shape[1] > PCA_DIMS < len(vectors):
        pca = PCA(PCA_DIMS, svd_solver="randomized", random_state=seed)
        vectors = pca.fit_transform(vectors)
    return nearest_by_cosine(unit(vectors).astype(np.float32), count)


def write_audit(
    clustering: Clustering,
    images: ImageSet,
    pairs: Pairs,
    neighbors: np.ndarray,
    labels: Labels | None,
) -> list[Path]:
    """Write the files of an audit.

    Parameters
    ----------
    clustering : Clustering
        Its clusters say which classes they stand for, and their scores are compared.
    images : ImageSet
        All n images of the run.
    pairs : Pairs
        The duplicates among them.
    neighbors : ndarray of shape (n, m), int
        What `nearest_images` returned.
    labels : Labels or None
        Held-out labels, if the data has any.

    Returns
    -------
    list of Path
        The files.
    """
    # Duplicates need no labels.
    folder = audit_folder(clustering)
    classes = None if labels is None else align(images.ids, labels)
    table = _duplicate_table(images, pairs, classes, labels)
    written = [_write_csv(folder / "duplicates.csv", table)]
    has_pictures = clustering.run.config.data is not None
    if len(pairs.first) and has_pictures:
        figure = pairs_figure(images, pairs)
        written.append(plots.save_png(figure, folder / "duplicates.png"))

    # Suspected labels, and what duplicates do to the scores.
    if labels is None or classes is None:
        report = AuditReport(len(images), _counts(images, pairs, classes))
    else:
        judge = _Judge(clustering, images, classes, len(labels.class_names))
        suspects = judge.suspects(neighbors, duplicates.groups(pairs, len(images)))
        written.append(
            _write_csv(folder / "label-errors.csv", _suspect_table(images, suspects, labels))
        )
        if len(suspects.image) and has_pictures:
            figure = _suspects_figure(images, suspects, labels)
            written.append(plots.save_png(figure, folder / "label-errors.png"))
        report = AuditReport(
            images=len(images),
            duplicates=_counts(images, pairs, classes),
            label_errors=len(suspects.image),
            held_out=judge.held_out_scores(_has_training_duplicate(images, pairs)),
        )
    return [*written, json_form.write(folder / "audit.json", report)]


class _Judge:
    """Clusters of images with classes, and the classes that the training split gives the clusters.

    Parameters
    ----------
    clustering : Clustering
        The clusters.
    images : ImageSet
        The n images.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.
    n_classes : int
        Number of classes.
    """

    def __init__(
        self, clustering: Clustering, images: ImageSet, classes: np.ndarray, n_classes: int
    ) -> None:
        self.clusters = clustering.assignments.clusters
        self.classes = classes
        self.n_classes = n_classes
        self.training = (classes >= 0) & (images.splits == TRAIN)
        self.held_out = (classes >= 0) & (images.splits == TEST)
        table = metrics.contingency(
            self.clusters[self.training], classes[self.training], clustering.k, n_classes
        )
        self.maps = metrics.maps_of(table)

    def suspects(self, neighbors: np.ndarray, groups: np.ndarray) -> Suspects:
        """Return the labels that are probably wrong."""
        cluster_class = self.maps.majority[self.clusters]
        return label_errors.find(neighbors, self.classes, cluster_class, groups, self.n_classes)

    def held_out_scores(self, is_duplicate: np.ndarray) -> dict[str, HeldOutScore]:
        """Return purity and ACC under the training maps, with and without duplicates."""
        if not self.training.any() or not self.held_out.any():
            return {}
        rest = self.held_out & ~is_duplicate
        scores = {}
        for metric, class_of in (("purity", self.maps.majority), ("acc", self.maps.matched)):
            is_right = class_of[self.clusters] == self.classes
            without = float(is_right[rest].mean()) if rest.any() else None
            scores[metric] = HeldOutScore(float(is_right[self.held_out].mean()), without)
        return scores


def _counts(images: ImageSet, pairs: Pairs, classes: np.ndarray | None) -> DuplicateCounts:
    different_labels = None
    if classes is not None:
        conflicts = label_errors.conflicts(pairs.first, pairs.second, classes)
        different_labels = int(conflicts.sum())
    is_across = images.splits[pairs.first] != images.splits[pairs.second]
    return DuplicateCounts(
        exact=int(pairs.exact.sum()),
        near=int((~pairs.exact).sum()),
        across_splits=int(is_across.sum()),
        held_out_images=int(_has_training_duplicate(images, pairs).sum()),
        different_labels=different_labels,
        changes=_by_change(pairs),
        has_held_out=TEST in images.splits,
    )


def _by_change(pairs: Pairs) -> dict[str, int]:
    """Return the number of pairs with each change, in the order of their definition."""
    lists = [text.split("+") for text in pairs.changes.tolist()]
    counts = {}
    for name in duplicate_changes.NAMES:
        count = sum(name in names for names in lists)
        if count:
            counts[name] = count
    return counts


def _has_training_duplicate(images: ImageSet, pairs: Pairs) -> np.ndarray:
    """Return which images are held out and have a duplicate in the training split, bool (n,)."""
    marked = np.zeros(len(images), bool)
    for image, partner in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        is_leak = (images.splits[image] == TEST) & (images.splits[partner] == TRAIN)
        marked[image[is_leak]] = True
    return marked


def _duplicate_table(
    images: ImageSet, pairs: Pairs, classes: np.ndarray | None, labels: Labels | None
) -> "pd.DataFrame":
    import pandas as pd

    ids = np.array(public_ids(images.ids.tolist()))
    table = pd.DataFrame(
        {
            "id": ids[pairs.first],
            "split": images.splits[pairs.first],
            "other_id": ids[pairs.second],
            "other_split": images.splits[pairs.second],
            "kind": np.where(pairs.exact, "exact", "near"),
            "pixels": pairs.pixels.round(4),
            "edges": pairs.edges.round(4),
            "mirrored": pairs.mirrored,
        }
    )
    if labels is not None and classes is not None:
        names = np.array([*labels.class_names, ""])  # class -1 has the last, empty name
        table["label"] = names[classes[pairs.first]]
        table["other_label"] = names[classes[pairs.second]]
    table["detail"] = pairs.detail.round(4)
    table["score"] = pairs.score.round(4)
    table["changes"] = pairs.changes
    for number, side in enumerate(("top", "left", "height", "width")):
        table[side] = pairs.places[:, number].round(3)
    return table


def _suspect_table(images: ImageSet, suspects: Suspects, labels: Labels) -> "pd.DataFrame":
    import pandas as pd

    names = np.array(labels.class_names)
    return pd.DataFrame(
        {
            "id": np.array(public_ids(images.ids.tolist()))[suspects.image],
            "split": images.splits[suspects.image],
            "label": names[suspects.label],
            "suggested": names[suspects.suggested],
            "suspicion": suspects.suspicion.round(4),
        }
    )


def _write_csv(path: Path, table: "pd.DataFrame") -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text(text_tables.csv(table), encoding="utf-8")
    return path


def _suspects_figure(images: ImageSet, suspects: Suspects, labels: Labels) -> "Figure":
    names = [shortened(name, LONGEST_LABEL) for name in labels.class_names]
    shown = suspects.image[:SHOWN]
    captions = []
    for label, suggested in zip(suspects.label[:SHOWN], suspects.suggested[:SHOWN], strict=True):
        captions.append(f"{names[label]}?\n{names[suggested]}")
    title = (
        f"The {len(shown)} most suspected of {len(suspects.image):,} labels: label? and suggestion"
    )
    return plots.captioned_grid(images.read(shown), captions, title)
