"""What pictures look like, in seven numbers, and how a cluster differs in them from the others.

Brightness, contrast, colour and detail of a sample of a run's images. They name clusters where
nothing better does: "dark, bluish". No label takes part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.storage import npz
from latentlab.storage.files import atomic_path

SAMPLE = 4000  # images of a run that are looked at
LOOKS_NAME = "looks.npz"
LUMA = (0.299, 0.587, 0.114)
LEAST_EFFECT = 0.8  # standard deviations between a cluster's images and the others: "large"
LEAST_FURTHER = 0.25  # of a further word, which tells clusters with one first word apart
LEAST_VERY = 1.4  # of "very dark", where other clusters are dark
LEAST_SURE = 3.0  # standard errors of that difference
FEWEST = 5  # images of a cluster, and of the others, that are compared

# What more and what less of each look is called.
WORDS = {
    "brightness": ("bright", "dark"),
    "contrast": ("strong contrast", "weak contrast"),
    "colour": ("colourful", "grey"),
    "red": ("reddish", "greenish"),
    "yellow": ("yellowish", "bluish"),
    "detail": ("detailed", "smooth"),
    "pixels": ("large pictures", "small pictures"),
    "width": ("wide pictures", "tall pictures"),
}
OF_PIXELS = ("brightness", "contrast", "colour", "red", "yellow", "detail")


@dataclass(frozen=True)
class Looks:
    """The looks of some images of a run.

    Attributes
    ----------
    positions : ndarray of shape (m,), int
        Positions of the images in the run.
    values : mapping of str to ndarray of shape (m,), float32
        Of the names in `WORDS`.
    """

    positions: np.ndarray
    values: dict[str, np.ndarray]

    def write(self, path: Path) -> Path:
        """Write the looks to `path`, an .npz file, and return the path."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            arrays = {"positions": self.positions, **self.values}
            np.savez(file, **arrays)  # type: ignore[arg-type]
        return path

    @classmethod
    def read(cls, path: Path) -> "Looks":
        """Read looks.

        Parameters
        ----------
        path : pathlib.Path
            From `write`.

        Raises
        ------
        RunError
            If the file is missing or damaged.
        """
        arrays = npz.read_stored(path)
        positions = arrays.pop("positions")
        return cls(positions, {name: arrays[name] for name in WORDS if name in arrays})

    def words_of(self, clusters: np.ndarray, k: int) -> list[list[str]]:
        """Return what sets each cluster apart, the plainest first; empty lists where nothing does.

        The first word stands for a large difference. Further ones stand for smaller differences:
        of many clusters, several are dark, and one of these is smooth too, or very dark.

        Parameters
        ----------
        clusters : ndarray of shape (n,), int
            Cluster of each image of the run, -1 for none.
        k : int
            Number of clusters.
        """
        clusters = clusters[self.positions]
        effects = [self._effects(clusters == cluster, clusters >= 0) for cluster in range(k)]
        seen = {(word, effect >= LEAST_VERY) for words in effects for effect, word in words}

        def shown(effect: float, word: str) -> str:
            is_very = effect >= LEAST_VERY and (word, False) in seen
            return f"very {word}" if is_very else word

        return [[shown(*pair) for pair in words] for words in effects]

    def _effects(self, is_inside: np.ndarray, is_counted: np.ndarray) -> list[tuple[float, str]]:
        """Return what sets one cluster apart, and by how many standard deviations."""
        is_outside = is_counted & ~is_inside
        if min(is_inside.sum(), is_outside.sum()) < FEWEST:
            return []
        effects = []
        for name, values in self.values.items():
            effect, error = _difference(values[is_inside], values[is_outside])
            if abs(effect) >= LEAST_FURTHER and abs(effect) >= LEAST_SURE * error:
                more, less = WORDS[name]
                effects.append((abs(effect), more if effect > 0 else less))
        effects.sort(reverse=True)
        return effects if effects and effects[0][0] >= LEAST_EFFECT else []


def looks_of_pixels(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the looks of images by their pixels, float32 (n,) each.

    Grey images have no colours, so these are left out.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels), uint8

    Examples
    --------
    >>> black = np.zeros((1, 4, 4, 1), np.uint8)
    >>> {name: float(values[0]) for name, values in looks_of_pixels(black).items()}
    {'brightness': 0.0, 'contrast': 0.0, 'detail': 0.0}
    """
    values = pixels.astype(np.float32) / 255
    if values.shape[-1] == 1:
        return _of_luma(values[..., 0])
    red, green, blue = (values[..., channel] for channel in range(3))
    looks = _of_luma(values[..., :3] @ np.array(LUMA, np.float32))
    means = {"red": red - green, "yellow": (red + green) / 2 - blue}
    means["colour"] = values[..., :3].max(axis=-1) - values[..., :3].min(axis=-1)
    looks |= {name: plane.mean(axis=(1, 2)) for name, plane in means.items()}
    return {name: looks[name] for name in OF_PIXELS}


def looks_of_shapes(widths: Sequence[float], heights: Sequence[float]) -> dict[str, np.ndarray]:
    """Return the looks of pictures by their size in the original.

    Parameters
    ----------
    widths, heights : sequence of n float
        Pixels; NaN where they are not known.
    """
    across, down = np.asarray(widths, np.float32), np.asarray(heights, np.float32)
    return {"pixels": np.log(across * down), "width": np.log(across / down)}


def _of_luma(luma: np.ndarray) -> dict[str, np.ndarray]:
    """Return the looks of grey images (n, height, width) in [0, 1]."""
    across = np.abs(np.diff(luma, axis=2)).mean(axis=(1, 2))
    down = np.abs(np.diff(luma, axis=1)).mean(axis=(1, 2))
    return {
        "brightness": luma.mean(axis=(1, 2)),
        "contrast": luma.std(axis=(1, 2)),
        "detail": across + down,
    }


def _difference(inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    """Return a difference of means in standard deviations, and its standard error."""
    inside, outside = inside[np.isfinite(inside)], outside[np.isfinite(outside)]
    if min(len(inside), len(outside)) < FEWEST:
        return 0.0, 0.0
    both = (inside.var() * len(inside) + outside.var() * len(outside)) / (
        len(inside) + len(outside)
    )
    if both <= 0:
        return 0.0, 0.0
    effect = float((inside.mean() - outside.mean()) / np.sqrt(both))
    return effect, float(np.sqrt(1 / len(inside) + 1 / len(outside)))
