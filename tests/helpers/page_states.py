"""Made-up pages of any size, from the page of a report and without a fit."""

import base64
import html
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.clustering.tree import ClusterTree
from latentlab.reporting import palettes
from latentlab.reporting.packed import pack
from latentlab.reporting.page_clusters import ClusterData
from latentlab.reporting.page_data import AtlasData, EditedData, NeighbourData, PageData
from latentlab.reporting.page_groups import Group, categories, numbers
from latentlab.storage.json_form import to_json

SIDE = 32  # pixels of a thumbnail
SHEET_COLUMNS = 30
MOST_PICTURES = 900
SHEETS = re.compile(r'<script type="text/plain" class="sheet">.*?</script>\n?', re.DOTALL)
DATA = re.compile(r'(id="data">).*?(</script>)', re.DOTALL)
LONG_NAME = "boats, ferries and other ships that lie in the harbour of a large town, number {}"
LONG_ID = "holidays/the-long-way-round/2026/a_name_without_any_space_{:06d}_" + "x" * 40 + ".jpg"


@dataclass(frozen=True)
class MadeUp:
    """What a made-up page shows.

    Attributes
    ----------
    images, k : int
        Images and clusters.
    labels : bool
        Whether the images have labels.
    long : bool
        Whether names of files, clusters and labels are long.
    """

    images: int = 300
    k: int = 6
    labels: bool = True
    long: bool = False

    def name(self, cluster: int) -> str:
        """Return the name of a cluster."""
        return LONG_NAME.format(cluster) if self.long else f"cluster {cluster}"

    def ids(self) -> list[str]:
        """Return the id of each image."""
        form = LONG_ID if self.long else "train/{:06d}"
        return [form.format(row) for row in range(self.images)]


def write_page(report: str, made_up: MadeUp, path: Path) -> str:
    """Write a made-up page and return its address.

    Parameters
    ----------
    report : str
        The page of a real report: its code, texts and tables stay.
    made_up : MadeUp
        What its map and grid show.
    path : pathlib.Path
        The file to write.
    """
    data = json.dumps(to_json(_page_data(made_up))).replace("<", "\\u003c")
    pictures = min(made_up.images, MOST_PICTURES)
    sheet = f'<script type="text/plain" class="sheet">{_sheet(pictures)}</script>'
    text = SHEETS.sub("", report)
    text = DATA.sub(lambda found: found[1] + data + found[2] + sheet, text)
    name = "a folder with a very long name " * 4 if made_up.long else "photos"
    title = html.escape(f"{name}: {made_up.k} clusters")
    text = re.sub(r"(<h1>).*?(</h1>)", lambda found: found[1] + title + found[2], text)
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def _page_data(made_up: MadeUp) -> PageData:
    rng = np.random.default_rng(0)
    n, k = made_up.images, made_up.k
    clusters = np.concatenate([np.arange(min(k, n)), rng.integers(0, k, max(0, n - k))])
    centers = rng.normal(0, 6, (k, 2))
    xy = centers[clusters] + rng.normal(0, 1.1, (n, 2))
    distance = np.linalg.norm(xy - centers[clusters], axis=1)
    return PageData(
        mode="report",
        count=n,
        edited=EditedData("as computed", 0),
        xy=pack(xy.astype(np.float32)),
        ids=made_up.ids(),
        groups=_groups(made_up, clusters, distance),
        ramp=palettes.ramp(64),
        clusters=[_cluster(made_up, cluster, clusters) for cluster in range(k)],
        atlas=_atlas(n),
        neighbours=_neighbours(n),
        tree=_tree(centers, np.bincount(clusters, minlength=k)),
    )


def _groups(made_up: MadeUp, clusters: np.ndarray, distance: np.ndarray) -> dict[str, Group]:
    names = [made_up.name(cluster) for cluster in range(made_up.k)]
    groups: dict[str, Group] = {"cluster": categories("cluster", clusters, names, "no cluster")}
    if made_up.labels:
        labels = (clusters + (distance > 1.5)) % made_up.k
        kind = "kind of thing " * 5 if made_up.long else "kind"
        kinds = [f"{kind} {i}" for i in range(made_up.k)]
        groups["label"] = categories("label", labels, kinds, "no label")
    groups["margin"] = numbers("margin", 1 / (1 + distance), "how sure it is")
    groups["distance"] = numbers("distance", distance, "distance to the nearest center")
    return groups


def _cluster(made_up: MadeUp, cluster: int, clusters: np.ndarray) -> ClusterData:
    labels = [("kind of thing " * 5 if made_up.long else "kind 1", 0.7), ("kind 2", 0.2)]
    return ClusterData(
        number=cluster,
        name=made_up.name(cluster),
        suggested="dark · forest · night" if cluster % 2 else None,
        status="accepted" if cluster == 1 else "",
        sizes={"train": int((clusters == cluster).sum()), "test": 0},
        labels=labels if made_up.labels else [],
        centroid=None,
        moves=None,
    )


def _atlas(n: int) -> AtlasData:
    pictures = min(n, MOST_PICTURES)
    place = None
    if pictures < n:
        place = pack(np.where(np.arange(n) < pictures, np.arange(n), -1).astype(np.int32))
    shapes = np.tile([[SIDE, SIDE], [SIDE, SIDE * 3 // 4]], (pictures, 1))[:pictures]
    return AtlasData(
        side=SIDE,
        columns=SHEET_COLUMNS,
        per_sheet=MOST_PICTURES,
        ratio=pack(shapes.astype(np.uint8)),
        place=place,
        choice="all" if place is None else "sample",
        per_cluster=100,
    )


def _neighbours(n: int) -> NeighbourData | None:
    pictures = min(n, MOST_PICTURES)
    k = min(8, pictures - 1)
    if not k:
        return None
    rows = (np.arange(pictures)[:, None] + 1 + np.arange(k)) % pictures
    return NeighbourData(k, pack(rows.astype(np.int32)))


def _tree(centers: np.ndarray, sizes: np.ndarray) -> ClusterTree | None:
    from scipy.cluster.hierarchy import ward

    if len(centers) < 2:
        return None
    return ClusterTree.of_merges(ward(centers), range(len(centers))).with_sizes(sizes.tolist())


def _sheet(pictures: int) -> str:
    """Return a sprite sheet of pictures that are not blank, as WebP in base64."""
    from PIL import Image

    rows = -(-pictures // SHEET_COLUMNS)
    noise = np.random.default_rng(1).integers(0, 256, (rows * 4, SHEET_COLUMNS * 4, 3), np.uint8)
    buffer = io.BytesIO()
    size = (SHEET_COLUMNS * SIDE, rows * SIDE)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)
    picture.save(buffer, "webp", quality=50, method=0)
    return base64.b64encode(buffer.getvalue()).decode()
