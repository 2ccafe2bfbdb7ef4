"""Which vector of a file belongs to which image."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError

SAME_ID = "same id"
PATH_END = "end of the path"
FILE_NAME = "file name"
ORDER = "order"


@dataclass(frozen=True)
class IdMatch:
    """Rows of a file and their images.

    Attributes
    ----------
    rule : str
        "same id"; "end of the path", where the id of a row ends with that of an image; "file
        name", without folders, where it is unique; or "order".
    rows, positions : ndarray of shape (m,), int64
        Rows and positions of their images, by ascending positions.
    """

    rule: str
    rows: np.ndarray
    positions: np.ndarray


def match_ids(
    name: str, n_rows: int, row_ids: Sequence[str] | None, image_ids: list[str]
) -> IdMatch:
    """Find the image of each row, by the first rule that any row obeys.

    Parameters
    ----------
    name : str
        The file, for messages.
    n_rows : int
        Number of its rows.
    row_ids : sequence of str or None
        Unique ids of the rows; None if it has none.
    image_ids : list of str
        Ids of the images.

    Raises
    ------
    DataError
        If not one row matches, or there are no ids and another number of rows than of images.

    Examples
    --------
    >>> match = match_ids("v.csv", 2, ["/home/me/b.png", "/home/me/c.png"], ["a.png", "b.png"])
    >>> match.rule, match.rows.tolist(), match.positions.tolist()
    ('end of the path', [0], [1])
    """
    if row_ids is not None:
        for rule, find in ((SAME_ID, _same), (PATH_END, _path_ends), (FILE_NAME, _file_names)):
            places = _once(find(row_ids, image_ids))
            if (places >= 0).any():
                return _match(rule, places)
    is_counted = row_ids is None or list(row_ids) == list(map(str, range(n_rows)))
    if is_counted and n_rows == len(image_ids):
        return _match(ORDER, np.arange(n_rows))
    if is_counted or row_ids is None:
        raise DataError(
            f"{name} has {n_rows} vectors without ids of images, and there are {len(image_ids)}"
            " images. Give a column of ids, or a vector for every image in their order."
        )
    raise DataError(
        f"not one of the {n_rows} ids in {name} is that of an image: they are such as"
        f" {row_ids[0]!r}, and images are called {image_ids[0]!r}."
    )


def _match(rule: str, places: np.ndarray) -> IdMatch:
    """Return the match of rows to `places`, int (n,), which are -1 for rows without an image."""
    rows = np.flatnonzero(places >= 0)
    rows = rows[np.argsort(places[rows], kind="stable")]
    return IdMatch(rule, rows, places[rows])


def _once(places: list[int]) -> np.ndarray:
    """Return places as an array; those that several rows claim become -1."""
    counts = Counter(places)
    return np.array([place if counts[place] == 1 else -1 for place in places], np.int64)


def _same(row_ids: Sequence[str], image_ids: list[str]) -> list[int]:
    place_of = {image_id: place for place, image_id in enumerate(image_ids)}
    return [place_of.get(row_id, -1) for row_id in row_ids]


def _path_ends(row_ids: Sequence[str], image_ids: list[str]) -> list[int]:
    place_of = {image_id: place for place, image_id in enumerate(image_ids)}
    places = []
    for row_id in row_ids:
        parts = row_id.replace("\\", "/").split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        places.append(next((place_of[end] for end in ends if end in place_of), -1))
    return places


def _file_names(row_ids: Sequence[str], image_ids: list[str]) -> list[int]:
    names = [image_id.rpartition("/")[2] for image_id in image_ids]
    counts = Counter(names)
    place_of = {name: place for place, name in enumerate(names) if counts[name] == 1}
    return [place_of.get(row_id.replace("\\", "/").rpartition("/")[2], -1) for row_id in row_ids]
