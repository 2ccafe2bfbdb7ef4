"""Colours for any number of groups, chosen so that colour-blind readers tell them apart as far as colours can.

Distances are taken in OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab/), for common vision and for the three
dichromacies as Machado, Oliveira and Fernandes simulate them (IEEE TVCG 15(6), 2009, severity 1): what counts is the smallest
of the four. The first six are those of Okabe and Ito that are seen on white and on black; further ones are added one by one, each
the farthest from all before. Above some 20 no palette is told apart safely: names and numbers on the pictures do the work.
"""

import functools

import numpy as np

FIRST = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#d55e00",
    "#56b4e9",
)  # Okabe and Ito (2008), https://jfly.uni-koeln.de/color/
MISSING = "#c4c8ce"  # what has no group
LIGHTNESS = (0.42, 0.82)  # of OKLab: seen on white and on black
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
    """Return `count` different colours as "#rrggbb"; a longer palette begins with a shorter one."""
    return list(_chain(max(count, 1)))[:count]


def ramp(count: int) -> list[str]:
    """Return `count` colours from low to high: matplotlib's cividis, which colour-blind readers see as others do.

    Its ends are cut off, which are lost on black and on white.
    """
    import matplotlib

    return [
        _hex(colour[:3])
        for colour in matplotlib.colormaps["cividis"](np.linspace(0.18, 0.93, count))
    ]


def smallest_distance(colours: list[str]) -> float:
    """Return the smallest OKLab distance between two of the colours for any of the four kinds of vision."""
    seen = _seen(np.array([_rgb(colour) for colour in colours]))
    apart = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1).min(axis=0)
    return float(apart[np.triu_indices(len(colours), 1)].min())


def ink(colour: str) -> str:
    """Return "#000000" or "#ffffff", whichever has the higher contrast on `colour` (WCAG 2, relative luminance)."""
    luminance = float(_linear(np.array(_rgb(colour))) @ [0.2126, 0.7152, 0.0722])
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


@functools.cache
def _chain(count: int) -> tuple[str, ...]:
    """Return at least `count` colours: the first six, then each the farthest from all before."""
    if count <= len(FIRST):
        return FIRST
    steps = np.linspace(0, 1, 18)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    light = _oklab(_linear(grid))[:, 0]
    candidates = grid[(light > LIGHTNESS[0]) & (light < LIGHTNESS[1])]
    seen, chosen = _seen(candidates), list(FIRST)
    known = _seen(np.array([_rgb(colour) for colour in FIRST]))
    nearest = np.min(
        [np.linalg.norm(seen - known[:, [i]], axis=-1).min(axis=0) for i in range(len(FIRST))],
        axis=0,
    )
    while len(chosen) < count:
        best = int(nearest.argmax())
        chosen.append(
            _hex(candidates[best])
            if nearest[best] > 0
            else _hex(np.random.default_rng(len(chosen)).random(3))
        )
        nearest = np.minimum(nearest, np.linalg.norm(seen - seen[:, [best]], axis=-1).min(axis=0))
    return tuple(chosen)


def _seen(colours: np.ndarray) -> np.ndarray:
    """Return OKLab, (4 kinds of vision, n, 3), of sRGB colours (n, 3) in [0, 1]."""
    return _oklab((_linear(colours) @ _VISIONS.transpose(0, 2, 1)).clip(0, 1))


def _linear(colours: np.ndarray) -> np.ndarray:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(value)):02x}" for value in colour)
