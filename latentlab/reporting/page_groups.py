"""Quantities of every image on a page: by which the map is coloured, the grid sorted and filtered.

Each class is one object of the page's JSON. Texts are for the search only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.reporting import palettes
from latentlab.reporting.packed import Address, Pack, PackedArray, inside

LARGEST_INT8 = 127
OUTER_PERCENTILES = (1, 99)  # a few far values would otherwise leave one colour for all others


@dataclass(frozen=True, kw_only=True)
class Categories:
    """A group of every image, by which the map can be coloured: cluster, label, split or mark.

    Attributes
    ----------
    kind : str
        "categories".
    values : PackedArray
        Category of each image, -1 for none.
    names : list of str
        Name of each category.
    missing : str
        Name of category -1.
    colours : list of str
        Colour of each category, "#rrggbb".
    inks : list of str
        Colour of text on each of these colours.
    grey : str
        Colour of category -1.
    """

    kind: str = "categories"
    values: PackedArray
    names: list[str]
    missing: str
    colours: list[str]
    inks: list[str]
    grey: str = palettes.MISSING


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A number of every image, by which the map can be coloured.

    Attributes
    ----------
    kind : str
        "numbers".
    values : PackedArray
        Number of each image, NaN where there is none.
    low, high : float
        Where the colours begin and end: the 1st and the 99th percentile.
    title : str
        Meaning of the number.
    integer : bool
        Whether all numbers are whole.
    """

    kind: str = "numbers"
    values: PackedArray
    low: float
    high: float
    title: str
    integer: bool = False


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A text of every image, which can be searched.

    Attributes
    ----------
    kind : str
        "text".
    values : list of str, or Address
        Text of each image, "" where there is none.
    """

    kind: str = "text"
    values: list[str] | Address


Group = Categories | Numbers | Texts
Groups = Mapping[str, Group]


def categories(
    name: str,
    values: np.ndarray,
    names: Sequence[str],
    missing: str,
    pack: Pack = inside,
    colours: Sequence[str] | None = None,
) -> Categories:
    """Return a category of every image as a group of the page.

    Parameters
    ----------
    name : str
        Name of the group.
    values : ndarray of shape (n,), int
        Number of the category, -1 for none.
    names : sequence of str
        Name of each category.
    missing : str
        Name of category -1.
    pack : callable
        Where the values go, see `Pack`.
    colours : sequence of str, or None
        Colour of each category; None takes some that no cluster has.
    """
    colours = palettes.beside(len(names)) if colours is None else list(colours)
    integer = np.int8 if len(names) < LARGEST_INT8 else np.int32
    return Categories(
        values=pack(name, values.astype(integer)),
        names=list(names),
        missing=missing,
        colours=colours,
        inks=list(map(palettes.ink, colours)),
    )


def numbers(name: str, values: np.ndarray, title: str, pack: Pack = inside) -> Numbers:
    """Return a number of every image as a group of the page.

    Parameters
    ----------
    name : str
        Name of the group.
    values : ndarray of shape (n,), int or float
        The numbers; NaN for none.
    title : str
        Meaning of the number.
    pack : callable
        Where the values go, see `Pack`.
    """
    # The margin of a single cluster is infinite, which no colour stands for.
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, OUTER_PERCENTILES) if len(finite) else (0.0, 0.0)
    shown = np.where(np.isposinf(values), high, values).astype(np.float32)
    return Numbers(
        values=pack(name, shown),
        low=float(low),
        high=float(high),
        title=title,
        integer=bool(len(finite)) and bool((finite == np.round(finite)).all()),
    )


def cluster_group(clusters: np.ndarray, names: Sequence[str], pack: Pack = inside) -> Categories:
    """Return the clusters as a group of the map.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
        Cluster of each image on the map, -1 for none.
    names : sequence of str
        Name of each cluster.
    pack : callable
        Where the values go, see `Pack`.
    """
    colours = palettes.categories(len(names))
    return categories("cluster", clusters, names, "no cluster", pack, colours)


def word_group(
    name: str, ids: np.ndarray, words: Mapping[str, str], missing: str, pack: Pack = inside
) -> Categories:
    """Return words that people gave to images, their marks or tags, as a group of the map.

    Parameters
    ----------
    name : str
        Name of the group.
    ids : ndarray of shape (n,), str
        Ids of the images on the map.
    words : mapping of str to str
        Image id -> word.
    missing : str
        What stands for an image without a word.
    pack : callable
        Where the values go, see `Pack`.

    Examples
    --------
    >>> word_group("mark", np.array(["a", "b"]), {"b": "odd"}, "not marked").names
    ['odd']
    """
    names = sorted(set(words.values()))
    number = {word: place for place, word in enumerate(names)}
    values = [number.get(words.get(image_id, ""), -1) for image_id in ids.tolist()]
    return categories(name, np.array(values, np.int64), names, missing, pack)
