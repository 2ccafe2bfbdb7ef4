"""What is known of each image beside its cluster: sizes, duplicates, outliers, columns of data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.progress import log
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.packed import Pack, PointStore, inside
from latentlab.reporting.page_groups import Group, Groups, Texts, categories, numbers
from latentlab.reporting.privacy import Privacy, public_ids
from latentlab.storage import guard, tables
from latentlab.storage.run import Run

MOST_CATEGORIES = 60  # different texts of a column by which the map can be coloured
MOST_TEXT_BYTES = 2_000_000  # of all columns of texts in a page that is one file
COLUMN_PREFIX = "of-data "  # of the names of columns in the file, so that none is "id"
OUTLIER_TITLE = "mean distance to the 10 images most like it"
# Names that a page gives to quantities of its own.
TAKEN = (
    *("cluster", "label", "split", "confidence", "margin", "distance", "agreement", "mark", "tag"),
    *("outlier", "duplicate", "width", "height", "name"),
)


@dataclass(frozen=True)
class ImageFacts:
    """What is known of n images.

    Attributes
    ----------
    numbers : mapping of str to ndarray of shape (n,), float
        NaN where nothing is known.
    texts : mapping of str to list of n str
        "" where nothing is known.
    duplicates : ndarray of shape (n,), int, or None
        Number of the group of duplicates, -1 for none; None without an audit.
    """

    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, list[str]] = field(default_factory=dict)
    duplicates: np.ndarray | None = None

    @classmethod
    def of(cls, summary: ClusteringSummary) -> "ImageFacts":
        """Return what a run knows of its images.

        Parameters
        ----------
        summary : ClusteringSummary
            A clustering of the run.
        """
        run, ids = summary.run, summary.images.ids.tolist()
        numbers: dict[str, np.ndarray] = {}
        scores = _aligned(outliers_path(run), "score", ids)
        if scores is not None:
            numbers["outlier"] = np.array(scores, np.float32)
        sizes = StoredPictures(run.path).sizes()
        if sizes is not None and len(sizes) == len(ids):
            numbers["width"], numbers["height"] = sizes.T.astype(np.float32)
        texts: dict[str, list[str]] = {}
        for name, values in columns_of(run, ids).items():
            shown = f"{name} (column)" if name in TAKEN else name
            if any(isinstance(value, str) for value in values):
                texts[shown] = [str(value or "") for value in values]
            else:
                numbers[shown] = np.array(values, np.float64)
        return cls(numbers, texts, duplicate_groups(run, ids))

    @property
    def shapes(self) -> tuple[list[float], list[float]] | None:
        """Widths and heights of the original pictures; None if they are not known."""
        if "width" not in self.numbers:
            return None
        return self.numbers["width"].tolist(), self.numbers["height"].tolist()

    def public(self, privacy: Privacy) -> "ImageFacts":
        """Return it without columns that tell a folder, the user or the machine.

        Parameters
        ----------
        privacy : Privacy
            Of the run.
        """
        texts = {}
        for name, column in self.texts.items():
            if _tells(column, privacy):
                log.info("the column %s is not in the page, since it names folders or people", name)
            else:
                texts[name] = column
        return replace(self, texts=texts)

    def groups(self, positions: np.ndarray, store: PointStore | None = None) -> Groups:
        """Return it as quantities of the images on a map.

        Parameters
        ----------
        positions : ndarray of shape (m,), int
            Positions of the images on the map.
        store : PointStore or None
            See `page_data`.
        """
        keep: Pack = inside if store is None else store.keep
        groups: dict[str, Group] = {}
        for name, values in self.numbers.items():
            title = OUTLIER_TITLE if name == "outlier" else name
            groups[name] = numbers(name, values[positions], title, keep)
        if self.duplicates is not None:
            groups["duplicate"] = _duplicates(self.duplicates[positions], keep)
        left = MOST_TEXT_BYTES
        for name, texts in self.texts.items():
            group = _of_texts(name, [texts[place] for place in positions.tolist()], keep, store)
            if isinstance(group, Texts) and isinstance(group.values, list):
                left -= sum(map(len, group.values))
                if left < 0:
                    log.info("the column %s is not in the page: its texts are too long", name)
                    continue
            groups[name] = group
        return groups


def _of_texts(name: str, texts: list[str], keep: Pack, store: PointStore | None) -> Group:
    """Return texts as categories if few of them differ, or else for the search."""
    names = sorted(set(texts) - {""})
    if len(names) <= MOST_CATEGORIES:
        number = {text: place for place, text in enumerate(names)}
        values = np.array([number.get(text, -1) for text in texts], np.int64)
        return categories(name, values, names, "nothing said", keep)
    return Texts(values=texts if store is None else store.keep_texts(name, texts))


def _duplicates(groups: np.ndarray, keep: Pack) -> Group:
    """Return the groups of duplicates of the images on the map; those with one image are none."""
    present, numbered, counts = np.unique(groups, return_inverse=True, return_counts=True)
    is_group = (counts > 1) & (present >= 0)
    number = np.where(is_group, np.cumsum(is_group) - 1, -1)
    names = [f"duplicates {place + 1}" for place in range(int(is_group.sum()))]
    return categories("duplicate", number[numbered], names, "no duplicate", keep)


def _tells(texts: Sequence[str], privacy: Privacy) -> bool:
    joined = "\n".join(dict.fromkeys(texts))
    return privacy.public(joined) != joined


# Reading


def columns_path(run: Run) -> Path:
    """Return the file of the columns that came with a run's images; it need not exist.

    Parameters
    ----------
    run : Run
        The run.
    """
    return run.path / "columns" / "columns.parquet"


def outliers_path(run: Run) -> Path:
    """Return the file of the outlier scores of a run's images; it need not exist.

    Parameters
    ----------
    run : Run
        The run.
    """
    return run.path / "outliers" / "outliers.parquet"


def columns_of(run: Run, ids: Sequence[str]) -> dict[str, list[str | float | None]]:
    """Return the columns that came with a run's images; never one of labels.

    Parameters
    ----------
    run : Run
        The run.
    ids : sequence of str
        Ids of the images.

    Returns
    -------
    dict of str to list of str, float or None
        A column holds texts or numbers; None where it says nothing of an image.
    """
    path = columns_path(run)
    if not guard.is_there(path):
        return {}
    names = [name for name in tables.schema(path).names if name != "id"]
    values_of = {}
    for name in names:
        values = _aligned(path, name, ids)
        if values is not None:
            values_of[name.removeprefix(COLUMN_PREFIX)] = values
    return values_of


def _aligned(path: Path, column: str, ids: Sequence[str]) -> list[str | float | None] | None:
    """Return a column of a table in the order of images; None if there is no table."""
    if not guard.is_there(path):
        return None
    table = tables.read(path, ["id", column])
    named = table["id"].to_pylist()
    values: list[str | float | None] = table[column].to_pylist()
    if named == list(ids):
        return values
    value_of = dict(zip(named, values, strict=True))
    return [value_of.get(image_id) for image_id in ids]


def duplicate_groups(run: Run, ids: Sequence[str]) -> np.ndarray | None:
    """Return the groups of duplicates that the newest audit has found.

    Parameters
    ----------
    run : Run
        The run.
    ids : sequence of str
        Ids of n images.

    Returns
    -------
    ndarray of shape (n,), int, or None
        Number of the group, -1 for an image without a duplicate; None without an audit.
    """
    path = _newest_audit(run)
    if path is None:
        return None
    place_of = {name: place for place, name in enumerate(public_ids(ids))}
    pairs = [(place_of.get(a, -1), place_of.get(b, -1)) for a, b in _pairs(path)]
    edges = np.array([pair for pair in pairs if min(pair) >= 0], np.int64).reshape(-1, 2)
    return _components(edges, len(ids))


def _newest_audit(run: Run) -> Path | None:
    """Return the duplicates of the audit that was made last."""
    folder = run.path / "audit"
    guard.listing(folder)
    paths = sorted(folder.glob("*/duplicates.csv"), key=lambda path: path.stat().st_mtime_ns)
    return paths[-1] if paths else None


def _pairs(path: Path) -> list[tuple[str, str]]:
    import csv

    guard.reading(path)
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["id"], row["other_id"]) for row in csv.DictReader(file)]


def _components(edges: np.ndarray, count: int) -> np.ndarray:
    """Return the number of the group that each image is joined to, -1 for none."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(edges), bool)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    is_joined = np.zeros(count, bool)
    is_joined[edges.ravel()] = True
    return np.where(is_joined, groups, -1)
