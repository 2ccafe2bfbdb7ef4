"""One clustering as the report, the viewer, the figures and the exports show it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from latentlab.data.images import TEST, TRAIN, ImageSet
from latentlab.encoders import model_files
from latentlab.encoders.model_files import EncoderDescription
from latentlab.errors import RunError
from latentlab.features.spec import FeatureSpec
from latentlab.features.steps import unit
from latentlab.reporting import thumbnails, umap_map
from latentlab.reporting.edits import (
    AS_COMPUTED,
    EditedClusters,
    Editor,
    edit_note,
    note_without,
)
from latentlab.scoring.evaluate import align, scores_after_edits
from latentlab.scoring.labels import Labels
from latentlab.scoring.scores import Scores, read_scores
from latentlab.storage import guard, tables
from latentlab.storage.clustering import SCORES_NAME, Clustering, NamedCluster
from latentlab.storage.json_form import json_field
from latentlab.storage.run import Run

MOST_TYPICAL = 100_000  # images of changed clusters; of more, the old centers stay
MOST_READ = 300_000  # images of a run whose vectors are read for that
GALLERY_IMAGES = 1200  # images of all galleries of a page together, about
FEWEST_IN_GALLERY = 4
MOST_IN_GALLERY = 12


@dataclass(frozen=True)
class Moves:
    """The images that refinement moved into and out of one cluster.

    Attributes
    ----------
    arrivals : list of (int, int)
        (cluster that they came from, number of images), the largest first.
    departures : list of (int, int)
        (cluster that they went to, number of images), the largest first.
    stayed, moved_in, moved_out : int
        Numbers of images.
    """

    arrivals: list[tuple[int, int]] = json_field(key="in")
    departures: list[tuple[int, int]] = json_field(key="out")
    stayed: int = json_field()
    moved_in: int = json_field(key="moved in")
    moved_out: int = json_field(key="moved out")


@dataclass(frozen=True)
class ClusteringSummary:
    """One clustering, in the order of the run's images.

    Every output reads it, so that all show the same clusters: those after the edits made by hand,
    unless they were asked for as computed. Numbers stay under edits: a cluster that was merged or
    dropped is empty, keeps its number and is not among `shown`.

    Attributes
    ----------
    clustering : Clustering
        The clustering itself: options, files, result.
    images : ImageSet
        All n images of the run.
    clusters : ndarray of shape (n,), int
        Cluster of each image, -1 if it was dropped by hand.
    distance : ndarray of shape (n,), float
        Distance to the nearest center, in the space of the features, as computed.
    margin : ndarray of shape (n,), float
        Distance to the second nearest center less the distance to the nearest.
    k : int
        Number of clusters, with those that edits have emptied and those that they have made.
    classes : ndarray of shape (n,), int, or None
        Class of each image, -1 if unknown; None if the data has no labels.
    class_names : tuple of str
        Name of each class; empty without labels.
    scores : Scores or None
        Contents of scores.json, of the edited clusters if there are any; None without labels.
    confidence : ndarray of shape (n,), float, or None
        Largest soft assignment; None if the clustering has none.
    agreement : ndarray of shape (n,), float, or None
        Share of the seeds that agree; None if the clustering is no consensus.
    start : ndarray of shape (n,), int, or None
        Cluster before refinement; None if it was not refined, or its clusters were edited.
    trust : tuple of str
        Sentences on how far the clusters can be trusted; empty if that was not measured.
    labels_text : str
        Where the labels come from, or why there are none; "" where nothing is to be said.
    names : tuple of str
        Name that each cluster was given; "" for none.
    status : tuple of str
        One per cluster: "accepted", "rejected", or "" for neither.
    marks : mapping of str to str
        Image id -> mark.
    tags : mapping of str to tuple of str
        Image id -> tags.
    edit_count : int
        Number of edits by hand that are shown.
    edit_note : str
        What is shown: "as computed", or "with 3 edits by hand".
    computed : ClusteringSummary or None
        The clusters as computed, where edits by hand are shown.
    """

    clustering: Clustering
    images: ImageSet
    clusters: np.ndarray
    distance: np.ndarray
    margin: np.ndarray
    k: int
    classes: np.ndarray | None
    class_names: tuple[str, ...]
    scores: Scores | None
    confidence: np.ndarray | None = None
    agreement: np.ndarray | None = None
    start: np.ndarray | None = None
    trust: tuple[str, ...] = ()
    labels_text: str = ""
    names: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edit_count: int = 0
    edit_note: str = AS_COMPUTED
    computed: "ClusteringSummary | None" = None

    @property
    def is_edited(self) -> bool:
        """Whether edits made by hand are shown."""
        return self.edit_count > 0

    def cluster_name(self, number: int) -> str:
        """Return the name of a cluster.

        Parameters
        ----------
        number : int
            Number of the cluster, or -1 for none.

        Returns
        -------
        str
            "cluster N" if it was given no name; "" for -1.
        """
        if number < 0:
            return ""
        return self.given_name(number) or f"cluster {number}"

    def given_name(self, number: int) -> str:
        """Return the name that a cluster was given, "" for none.

        Parameters
        ----------
        number : int
            Number of the cluster.
        """
        return self.names[number] if number < len(self.names) else ""

    def numbered_name(self, number: int) -> str:
        """Return a cluster's number and the name it was given, as ticks and cards show it.

        Parameters
        ----------
        number : int
            Number of the cluster.

        Returns
        -------
        str
            Such as "3 cats", or "3".
        """
        return f"{number} {self.given_name(number)}".strip()

    @property
    def edit_remark(self) -> str:
        """What is shown where it could be taken for something else; "" if there are no edits."""
        return "" if self.edit_note == AS_COMPUTED else self.edit_note

    @property
    def shown(self) -> tuple[int, ...]:
        """The numbers of the clusters to show: all of them, or after edits those with images."""
        if not self.is_edited:
            return tuple(range(self.k))
        return tuple(np.flatnonzero(self.sizes()).tolist())

    def sizes(self) -> np.ndarray:
        """Return the number of images of each cluster, int64 (k,)."""
        return np.bincount(self.clusters[self.clusters >= 0], minlength=self.k)

    def listed(self) -> tuple[NamedCluster, ...]:
        """Return number, name, size and status of each cluster that is shown."""
        sizes = self.sizes().tolist()
        status = self.status or ("",) * self.k
        return tuple(
            NamedCluster(number, self.cluster_name(number), sizes[number], status[number])
            for number in self.shown
        )

    @property
    def dropped(self) -> int:
        """Number of images that are in no cluster, since theirs was dropped by hand."""
        return int((self.clusters < 0).sum())

    def contingency(self) -> np.ndarray:
        """Return the images of `split` by class, int64 (clusters shown, n_classes).

        Raises
        ------
        ValueError
            If there are no scores.
        """
        if self.scores is None:
            raise ValueError("there are no scores")
        table = np.array(self.scores.contingency[self.split])
        return table[list(self.shown)]

    def with_edits(
        self, edited: EditedClusters, count: int, is_rescored: bool = True
    ) -> "ClusteringSummary":
        """Return the clustering with edits made by hand, of one that is as it was computed.

        Parameters
        ----------
        edited : EditedClusters
            The clusters after the edits.
        count : int
            Number of edits.
        is_rescored : bool
            Score the edited clusters; if False, there are no scores once an image has moved.

        Returns
        -------
        ClusteringSummary
        """
        named = replace(
            self,
            names=edited.names,
            status=edited.status,
            marks=edited.marks,
            tags=edited.tags,
            edit_count=count,
            edit_note=edit_note(count),
            computed=replace(self, edit_note=note_without(count)) if count else None,
        )
        has_same_k = len(edited.names) == self.k
        if has_same_k and (edited.clusters == self.clusters).all():
            return named
        moved = replace(named, clusters=edited.clusters, k=len(edited.names), start=None)
        return replace(moved, scores=moved._rescored() if is_rescored else None)

    def _rescored(self) -> Scores | None:
        """Return the scores of the clusters as they are; None where nothing can be scored."""
        if self.scores is None or self.classes is None:
            return None
        splits = self.images.splits
        return scores_after_edits(self.scores, self.clusters, splits, self.classes, self.k)

    @property
    def run(self) -> Run:
        """The run of the clustering."""
        return self.clustering.run

    @property
    def has_pictures(self) -> bool:
        """Whether the images can be shown; a run of vectors need not have any."""
        return self.run.config.data is not None

    @property
    def has_photos(self) -> bool:
        """Whether the pictures are large enough to be shown smoothly, in larger tiles."""
        return self.has_pictures and max(self.images.image_shape[:2]) >= thumbnails.PHOTO_SIDE

    @property
    def encoder(self) -> EncoderDescription:
        """What is known of the run's encoder."""
        return model_files.describe(self.run)

    @property
    def name(self) -> str:
        """The name of the clustering in its run."""
        return self.clustering.name

    @property
    def folder(self) -> Path:
        """The folder of the clustering."""
        return self.clustering.folder

    @property
    def features(self) -> FeatureSpec:
        """The features that were clustered."""
        return self.clustering.features

    @property
    def split(self) -> str:
        """The split that the scores are about: the held-out images if any of them has a label."""
        if self.scores is not None:
            return self.scores.split
        return TEST if len(self.images.indices(TEST)) else TRAIN

    @property
    def map_path(self) -> Path:
        """The file of the UMAP coordinates; it need not exist."""
        return self.run.path / "projection" / "umap.parquet"

    def file_for_features(self, folder: str) -> Path:
        """Return the file in a folder of the run about the clustered features.

        If there is none, return the file about the same steps from the other start
        (`latentlab.features.spec`). The path need not exist.

        Parameters
        ----------
        folder : str
            Folder in the run, such as "probe" or "by-k".

        Returns
        -------
        pathlib.Path
        """
        paths = [self.run.path / folder / f"{spec}.json" for spec in self.features.siblings()]
        return next((path for path in paths if guard.is_there(path)), paths[0])

    def members(self, cluster: int) -> np.ndarray:
        """Return the positions of a cluster's images.

        Parameters
        ----------
        cluster : int
            Number of the cluster.

        Returns
        -------
        ndarray of shape (m,), int
        """
        return np.flatnonzero(self.clusters == cluster)

    @functools.cached_property
    def typical(self) -> np.ndarray:
        """How far each image is from what is typical of its cluster, float (n,).

        It is the distance to the center. Where edits by hand have changed which images are in a
        cluster, it is the distance, 1 less the cosine, to the mean of its images, in the features
        that the map shows. So it is compared within a cluster only.
        """
        if self.computed is None:
            return self.distance
        is_other = self.clusters != self.computed.clusters
        changed = np.union1d(self.clusters[is_other], self.computed.clusters[is_other])
        members = np.flatnonzero(np.isin(self.clusters, changed[changed >= 0]))
        if not 0 < len(members) <= MOST_TYPICAL or len(self.images) > MOST_READ:
            return self.distance
        try:
            vectors = unit(umap_map.mapped_vectors(self.run, members))
        except RunError:  # without vectors the old centers are all there is
            return self.distance
        typical = self.distance.copy()
        for cluster in np.unique(self.clusters[members]):
            is_inside = self.clusters[members] == cluster
            inside = vectors[is_inside]
            typical[members[is_inside]] = 1 - inside @ unit(inside.mean(axis=0, keepdims=True))[0]
        return typical

    def gallery(self, kind: str, count: int) -> list[np.ndarray]:
        """Return the positions of typical or of ambiguous images, for each cluster.

        Parameters
        ----------
        kind : {"nearest", "ambiguous"}
            The images nearest to the center, or those of the smallest margin.
        count : int
            Images per cluster, at most.

        Returns
        -------
        list of ndarray of int
            One array per cluster.
        """
        order = np.argsort(self.typical if kind == "nearest" else self.margin, kind="stable")
        return [order[self.clusters[order] == cluster][:count] for cluster in range(self.k)]

    def read_map(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the map of the images.

        Returns
        -------
        xy : ndarray of shape (m, 2), float32
            Coordinates.
        positions : ndarray of shape (m,), int64
            Positions of the images that the map shows.

        Raises
        ------
        RunError
            If the run has no map.
        """
        table = tables.read(self.map_path, ["id", "x", "y"])
        positions = _positions_of(table["id"].to_pylist(), self.images.ids.tolist())
        return np.column_stack([table["x"], table["y"]]).astype(np.float32), positions

    @property
    def has_map(self) -> bool:
        """Whether the run has a map whose places say anything."""
        return guard.is_there(self.map_path) and umap_map.read_facts(self.run).is_map

    def map_note(self) -> str:
        """Return one sentence about the map: its images, its settings and how faithful it is.

        Returns
        -------
        str
        """
        return umap_map.read_facts(self.run).note

    def label_mix(self, members: np.ndarray, most: int = 5) -> list[tuple[str, float]]:
        """Return the commonest labels among some images.

        Parameters
        ----------
        members : ndarray of int
            Positions of the images.
        most : int
            Labels to return, at most.

        Returns
        -------
        list of (str, float)
            Class name and its share of the labelled images, the commonest first; empty without
            labels.
        """
        if self.classes is None:
            return []
        labelled = self.classes[members]
        labelled = labelled[labelled >= 0]
        counts = np.bincount(labelled, minlength=len(self.class_names))
        return [
            (self.class_names[c], float(counts[c] / counts.sum()))
            for c in np.argsort(-counts, kind="stable")[:most]
            if counts[c]
        ]

    def moves(self, cluster: int, most: int = 5) -> Moves | None:
        """Return the images that refinement moved into and out of a cluster.

        Parameters
        ----------
        cluster : int
            Number of the cluster.
        most : int
            Other clusters to name in each direction, at most.

        Returns
        -------
        Moves or None
            None if the clustering was not refined.
        """
        if self.start is None:
            return None
        arrivals = np.bincount(self.start[self.clusters == cluster], minlength=self.k)
        departures = np.bincount(self.clusters[self.start == cluster], minlength=self.k)
        stayed = int(departures[cluster]) if cluster < len(departures) else 0
        # Images that stayed count as neither.
        arrivals[cluster] = 0
        departures[cluster] = 0
        return Moves(
            arrivals=_largest(arrivals, most),
            departures=_largest(departures, most),
            stayed=stayed,
            moved_in=int(arrivals.sum()),
            moved_out=int(departures.sum()),
        )

    def movers(self, cluster: int, count: int) -> np.ndarray:
        """Return the positions of images that refinement moved into a cluster.

        Parameters
        ----------
        cluster : int
            Number of the cluster.
        count : int
            Images to return, at most.

        Returns
        -------
        ndarray of int
            The images of the largest margin first; empty without refinement.
        """
        if self.start is None:
            return np.empty(0, np.int64)
        moved = np.flatnonzero((self.clusters == cluster) & (self.start != cluster))
        return moved[np.argsort(-self.margin[moved], kind="stable")][:count]

    def strength(self) -> tuple[str, np.ndarray]:
        """Return how sure each assignment is.

        Returns
        -------
        name : {"confidence", "margin"}
            The largest soft assignment if the clustering has soft assignments, else the margin.
        values : ndarray of shape (n,), float
        """
        if self.confidence is not None:
            return "confidence", self.confidence
        return "margin", self.margin


def read_summary(
    clustering: Clustering, images: ImageSet, labels: Labels | None, as_computed: bool = False
) -> ClusteringSummary:
    """Read the summary of one clustering from the run's files.

    Parameters
    ----------
    clustering : Clustering
        The clustering, see `Run.clustering`.
    images : ImageSet
        The run's images.
    labels : Labels or None
        Labels of the run's data, if it has any.
    as_computed : bool
        Leave edits made by hand out.

    Returns
    -------
    ClusteringSummary

    Raises
    ------
    RunError
        If a file of the clustering is missing or damaged; so may its edits be, which are read
        unless `as_computed`.
    """
    computed = _read_computed(clustering, images, labels)
    if as_computed:
        return replace(computed, edit_note=Editor(clustering).note_as_computed())
    editor = Editor(clustering)
    log = editor.read()
    return computed.with_edits(editor.state_after(log), len(log.edits))


def _read_computed(
    clustering: Clustering, images: ImageSet, labels: Labels | None
) -> ClusteringSummary:
    """Return the clustering without edits."""
    assignments = clustering.assignments
    soft = assignments.soft
    return ClusteringSummary(
        clustering=clustering,
        images=images,
        clusters=assignments.clusters,
        distance=_required(assignments.distance, "distance", clustering),
        margin=_required(assignments.margin, "margin", clustering),
        k=clustering.k,
        classes=None if labels is None else align(images.ids, labels),
        class_names=() if labels is None else labels.class_names,
        scores=None if labels is None else _scores_of(clustering),
        confidence=None if soft is None else soft.max(axis=1),
        agreement=assignments.agreement,
        start=assignments.start,
        names=("",) * clustering.k,
        status=("",) * clustering.k,
    )


def gallery_size(k: int) -> int:
    """Return how many images a gallery shows of each cluster: 12, or fewer if k is large.

    Parameters
    ----------
    k : int
        Number of clusters.

    Returns
    -------
    int
        From 4 to 12.

    Examples
    --------
    >>> gallery_size(10), gallery_size(100), gallery_size(1000)
    (12, 6, 4)
    """
    # A page has two galleries per cluster.
    return int(np.clip(GALLERY_IMAGES // (2 * k), FEWEST_IN_GALLERY, MOST_IN_GALLERY))


def _required(column: np.ndarray | None, name: str, clustering: Clustering) -> np.ndarray:
    if column is None:
        raise RunError(
            f"the assignments in {clustering.folder} have no column {name!r}.",
            hint="Cluster again.",
        )
    return column


def _scores_of(clustering: Clustering) -> Scores | None:
    """Return the scores, or None if the clustering has not been evaluated."""
    if not guard.is_there(clustering.folder / SCORES_NAME):
        return None
    return read_scores(clustering)


def _positions_of(shown: list[str], ids: list[str]) -> np.ndarray:
    """Return the positions of ids among all ids."""
    if shown == ids:  # a million of them are found at once
        return np.arange(len(ids))
    position = {image_id: place for place, image_id in enumerate(ids)}
    return np.array([position[image_id] for image_id in shown], np.int64)


def _largest(counts: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return (cluster, images) of the largest counts that are not zero."""
    order = np.argsort(-counts, kind="stable")[:most]
    return [(int(c), int(counts[c])) for c in order if counts[c]]
