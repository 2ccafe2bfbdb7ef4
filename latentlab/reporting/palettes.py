"""Colours for any number of groups that colour-blind readers tell apart as far as possible.

The first six are from Okabe and Ito (2008). Each further colour is the farthest from all before it.
Distances are taken in OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab/), for common
vision and for the three dichromacies as Machado, Oliveira and Fernandes simulate them (IEEE TVCG
15(6), 2009, severity 1). The smallest of the four distances counts.

Above some 20 colours no palette is told apart safely. Names and numbers on the pictures help there.
"""

import functools

import numpy as np

# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/: those visible on white and on black.
FIRST = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
MISSING = "#c4c8ce"  # of images without a group
OF_CLUSTERS = 12  # colours that stand for clusters alone
LIGHTNESS = (0.42, 0.82)  # range in OKLab that is visible on white and on black
GRID_STEPS = 18  # candidate colours per channel
# Linear RGB as seen with common vision, protanopia, deuteranopia and tritanopia.
_VISIONS = np.array(
    [
        np.eye(3),
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ]
)
# Linear RGB to cone responses, and their cube roots to OKLab (Ottosson 2020).
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def categories(count: int) -> list[str]:
    """Return different colours for groups.

    Parameters
    ----------
    count : int
        Number of colours.

    Returns
    -------
    list of str
        Colours as "#rrggbb". A longer palette begins with a shorter one.

    Examples
    --------
    >>> categories(2)
    ['#0072b2', '#e69f00']
    """
    return list(_palette(max(count, 1)))[:count]


def beside(count: int) -> list[str]:
    """Return colours for groups that stand beside clusters: none of the first twelve has them.

    Parameters
    ----------
    count : int
        Number of colours.

    Returns
    -------
    list of str
        Colours as "#rrggbb".

    Examples
    --------
    >>> set(beside(2)) & set(categories(12))
    set()
    """
    return categories(OF_CLUSTERS + count)[OF_CLUSTERS:]


def matched(table: np.ndarray) -> list[str]:
    """Return colours for labels: that of a cluster where the two belong together, else a new one.

    A label and a cluster belong together if each is the other's commonest.

    Parameters
    ----------
    table : ndarray of shape (k, n_labels), int
        Images by cluster and label.

    Returns
    -------
    list of n_labels str
        Colours as "#rrggbb"; no two are the same.

    Examples
    --------
    >>> colours = matched(np.array([[0, 9, 1], [5, 0, 0]]))
    >>> colours[:2] == categories(2)[::-1]
    True
    """
    k, n_labels = table.shape
    first_unused = max(k, OF_CLUSTERS)
    palette = categories(first_unused + n_labels)
    unused = iter(palette[first_unused:])
    colours = []
    for label in range(n_labels):
        counts = table[:, label]
        cluster = int(counts.argmax()) if k else 0
        is_mutual = bool(k) and counts[cluster] > 0 and int(table[cluster].argmax()) == label
        colours.append(palette[cluster] if is_mutual else next(unused))
    return colours


def ramp(count: int) -> list[str]:
    """Return colours from low to high: cividis, which colour-blind readers see as others do.

    The ends of cividis are cut off, since they are lost on black and on white.

    Parameters
    ----------
    count : int
        Number of colours.

    Returns
    -------
    list of str
        Colours as "#rrggbb".
    """
    import matplotlib

    colours = matplotlib.colormaps["cividis"](np.linspace(0.18, 0.93, count))
    return [_hex(colour[:3]) for colour in colours]


def smallest_distance(colours: list[str]) -> float:
    """Return the smallest OKLab distance between two colours, over four kinds of vision.

    Parameters
    ----------
    colours : list of str
        At least two colours as "#rrggbb".

    Returns
    -------
    float
    """
    seen = _seen(np.array([_rgb(colour) for colour in colours]))
    distances = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1).min(axis=0)
    return float(distances[np.triu_indices(len(colours), 1)].min())


def ink(colour: str) -> str:
    """Return black or white, whichever has the higher contrast on a colour.

    Contrast is that of WCAG 2, by relative luminance.

    Parameters
    ----------
    colour : str
        Background as "#rrggbb".

    Returns
    -------
    str
        "#000000" or "#ffffff".

    Examples
    --------
    >>> ink("#ffff00")
    '#000000'
    """
    luminance = float(_linear(np.array(_rgb(colour))) @ [0.2126, 0.7152, 0.0722])
    contrast_with_black = (luminance + 0.05) / 0.05
    contrast_with_white = 1.05 / (luminance + 0.05)
    return "#000000" if contrast_with_black > contrast_with_white else "#ffffff"


@functools.cache
def _palette(count: int) -> tuple[str, ...]:
    """Return at least `count` colours: the first six, then each the farthest from all before."""
    if count <= len(FIRST):
        return FIRST
    colours = list(FIRST)
    candidates = _candidates()
    seen = _seen(candidates)
    # The distance of each candidate to the nearest colour so far, for the worst kind of vision.
    nearest = np.full(len(candidates), np.inf)
    for colour in FIRST:
        nearest = np.minimum(nearest, _distances(seen, _seen(np.array([_rgb(colour)]))))
    while len(colours) < count:
        best = int(nearest.argmax())
        if nearest[best] > 0:
            colours.append(_hex(candidates[best]))
        else:  # all candidates are used: any colour is as good
            colours.append(_hex(np.random.default_rng(len(colours)).random(3)))
        nearest = np.minimum(nearest, _distances(seen, seen[:, [best]]))
    return tuple(colours)


def _candidates() -> np.ndarray:
    """Return sRGB colours (n, 3) in [0, 1] that are neither too light nor too dark."""
    steps = np.linspace(0, 1, GRID_STEPS)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _oklab(_linear(grid))[:, 0]
    return grid[(lightness > LIGHTNESS[0]) & (lightness < LIGHTNESS[1])]


def _distances(seen: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return the smallest distance over the visions, (n,), of colours to a colour (4, 1, 3)."""
    return np.linalg.norm(seen - colour, axis=-1).min(axis=0)


def _seen(colours: np.ndarray) -> np.ndarray:
    """Return OKLab, (4 kinds of vision, n, 3), of sRGB colours (n, 3) in [0, 1]."""
    return _oklab((_linear(colours) @ _VISIONS.transpose(0, 2, 1)).clip(0, 1))


def _linear(colours: np.ndarray) -> np.ndarray:
    """Return linear RGB of sRGB."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(value)):02x}" for value in colour)
