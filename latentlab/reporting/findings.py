"""What the files of a run say about one clustering, read once for the report, the viewer, the figures and the exports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.clustering import assignments
from latentlab.data.images import TEST, TRAIN, ImageSet
from latentlab.data.opening import Labels
from latentlab.features import feature_steps
from latentlab.scoring import evaluation
from latentlab.storage import tables
from latentlab.storage.files import read_json
from latentlab.storage.run import Run

LARGEST_GALLERY = 1200  # images in all galleries of a page


@dataclass(frozen=True)
class Findings:
    """One clustering, in the order of the run's images.

    Attributes
    ----------
    images : ImageSet
    clusters, distance, margin : ndarray of shape (n,)
        As in assignments.parquet.
    k : int
    confidence, agreement : ndarray of shape (n,) or None
        Largest soft assignment; share of seeds that agree. None where the clustering has none.
    start : ndarray of shape (n,), int, or None
        The cluster before refinement.
    classes : ndarray of shape (n,), int, or None
        Class of each image, -1 where unknown; None where the data has no labels.
    class_names : tuple of str
    scores : dict or None
        scores.json, where there are labels.
    """

    run: Run
    name: str
    images: ImageSet
    clusters: np.ndarray
    distance: np.ndarray
    margin: np.ndarray
    k: int
    classes: np.ndarray | None
    class_names: tuple[str, ...]
    scores: dict[str, Any] | None
    confidence: np.ndarray | None = None
    agreement: np.ndarray | None = None
    start: np.ndarray | None = None

    @property
    def split(self) -> str:
        """The split that scores are told of: held-out images where there are any."""
        return TEST if len(self.images.indices(TEST)) else TRAIN

    @property
    def features(self) -> str:
        """What was clustered, for example "code"."""
        return self.run.manifest["stages"][f"cluster/{self.name}"]["config"]["options"]["features"]

    def on_features(self, folder: str) -> Path:
        """Return the file of a folder on what is clustered; where there is none, that on the same steps from the image alone or from averages."""
        paths = [
            self.run.path / folder / f"{spec}.json"
            for spec in feature_steps.siblings(self.features)
        ]
        return next((path for path in paths if path.exists()), paths[0])

    @property
    def folder(self) -> Path:
        """The folder of the clustering."""
        return self.run.path / "clusters" / self.name


def gather(run: Run, name: str, images: ImageSet, labels: Labels | None) -> Findings:
    """Read what the run has of the clusters `name`."""
    folder = run.path / "clusters" / name
    table = tables.read(folder / "assignments.parquet")
    columns = {
        column: np.asarray(table[column])
        for column in ("distance", "margin", "agreement", "start")
        if column in table.column_names
    }
    scores_path = folder / "scores.json"
    return Findings(
        run=run,
        name=name,
        images=images,
        clusters=np.asarray(table["cluster"]),
        distance=columns["distance"],
        margin=columns["margin"],
        k=assignments.read_result(run, name)["k"],
        classes=None if labels is None else evaluation.align(images.ids, labels),
        class_names=labels.class_names if labels else (),
        scores=read_json(scores_path) if labels is not None and scores_path.exists() else None,
        confidence=tables.matrix(table["soft"]).max(axis=1)
        if "soft" in table.column_names
        else None,
        agreement=columns.get("agreement"),
        start=columns.get("start"),
    )


def picked(found: Findings, kind: str, count: int) -> list[np.ndarray]:
    """Return the positions of the `count` images "nearest" to each center, or of the most "ambiguous" ones."""
    order = np.argsort(found.distance if kind == "nearest" else found.margin, kind="stable")
    return [order[found.clusters[order] == cluster][:count] for cluster in range(found.k)]


def gallery_size(k: int) -> int:
    """Return how many images a gallery shows of each of k clusters: 12, fewer where there are many clusters."""
    return int(np.clip(LARGEST_GALLERY // (2 * k), 4, 12))


def read_map(found: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates, float32 (m, 2), and the positions of their images, int64 (m,)."""
    table = tables.read(found.run.path / "projection" / "umap.parquet")
    position = {image_id: i for i, image_id in enumerate(found.images.ids.tolist())}
    chosen = np.array([position[image_id] for image_id in table["id"].to_pylist()])
    return np.column_stack([table["x"], table["y"]]).astype(np.float32), chosen


def map_note(run: Run) -> str:
    """Return what the map shows, in one sentence."""
    facts = read_json(run.path / "projection" / "umap.json")
    which = (
        f"all {facts['images']:,} images"
        if facts["images"] == facts["of"]
        else f"{facts['images']:,} of {facts['of']:,} images, drawn at random"
    )
    return f"{which}; UMAP, {facts['n_neighbors']} neighbours, seed {facts['seed']}; {_faithfulness(facts)}"


def _faithfulness(facts: dict[str, Any]) -> str:
    """Return how far the map can be trusted; maps of older runs know the trustworthiness alone."""
    if "continuity" not in facts:
        return f"trustworthiness {facts['trustworthiness']:.3f}"
    spread = facts["over_seeds"]
    told = [
        f"{name} {facts[name]:.3f} (± {spread[name]['std']:.3f} over {spread['seeds']} seeds)"
        for name in ("trustworthiness", "continuity")
    ]
    return f"{', '.join(told)}; another seed keeps {spread['kept_neighbors']:.0%} of an image's nearest ones"


def label_mix(found: Findings, members: np.ndarray, most: int = 5) -> list[tuple[str, float]]:
    """Return the commonest labels among the images at `members` and their shares of those that have one."""
    if found.classes is None:
        return []
    known = found.classes[members]
    counts = np.bincount(known[known >= 0], minlength=len(found.class_names))
    return [
        (found.class_names[c], float(counts[c] / counts.sum()))
        for c in np.argsort(-counts, kind="stable")[:most]
        if counts[c]
    ]


def moves(found: Findings, cluster: int, most: int = 5) -> dict[str, Any] | None:
    """Return {"in": [(from, images)], "out": [(to, images)], "stayed": images}, the largest first; None without refinement."""
    if found.start is None:
        return None
    into = np.bincount(found.start[found.clusters == cluster], minlength=found.k)
    out = np.bincount(found.clusters[found.start == cluster], minlength=found.k)
    stayed = int(out[cluster]) if cluster < len(out) else 0
    into[cluster] = out[cluster] = 0

    def largest(counts: np.ndarray) -> list[tuple[int, int]]:
        return [
            (int(c), int(counts[c])) for c in np.argsort(-counts, kind="stable")[:most] if counts[c]
        ]

    return {
        "in": largest(into),
        "out": largest(out),
        "stayed": stayed,
        "moved in": int(into.sum()),
        "moved out": int(out.sum()),
    }


def movers(found: Findings, cluster: int, count: int) -> np.ndarray:
    """Return the positions of the images that refinement moved into a cluster, the surest first."""
    if found.start is None:
        return np.empty(0, np.int64)
    moved = np.flatnonzero((found.clusters == cluster) & (found.start != cluster))
    return moved[np.argsort(-found.margin[moved], kind="stable")][:count]


def strength(found: Findings) -> tuple[str, np.ndarray]:
    """Return what says how sure an assignment is, its name and values (n,): the largest soft assignment, else the margin."""
    return (
        ("confidence", found.confidence)
        if found.confidence is not None
        else ("margin", found.margin)
    )
