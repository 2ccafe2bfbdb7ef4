"""What was changed between two images that are duplicates.

One image is laid on the other, both at `SIDE` pixels and in colour. The names, joined by "+":

- mirrored;
- cropped: one shows at most 97.5% of a side of the other, or both show other parts;
- recoloured: mean, spread or saturation of the colours differ;
- sharpness: one is sharper than the other, as after sharpening, blurring and resizing;
- re-encoded: none of these, and yet the pixels differ;
- exact: the same pixels.
"""

from dataclasses import dataclass

import numpy as np

from latentlab.clustering import duplicate_alignment as alignment
from latentlab.clustering.duplicate_alignment import COARSE_BLUR
from latentlab.clustering.duplicate_pixels import grey_of

NAMES = ("exact", "mirrored", "cropped", "recoloured", "sharpness", "re-encoded")
CROP = 0.025  # of a side
MEAN = 5.0  # grey levels
SPREAD = 1.1
SATURATION = 5.0  # grey levels between a pixel's highest and lowest channel
SHARPNESS = 1.2


@dataclass(frozen=True)
class _Look:
    """Colours and sharpness of m images, where both of a pair show something.

    Attributes
    ----------
    mean, spread : ndarray of shape (m, channels)
        Of each channel, in grey levels.
    saturation, sharpness : ndarray of shape (m,)
        Mean difference of a pixel's highest and lowest channel; strength of the finest structure
        relative to that of all edges.
    """

    mean: np.ndarray
    spread: np.ndarray
    saturation: np.ndarray
    sharpness: np.ndarray


def changes_of(
    first: np.ndarray, second: np.ndarray, places: np.ndarray, mirrored: np.ndarray
) -> np.ndarray:
    """Return what was changed, str (m,).

    Parameters
    ----------
    first, second : ndarray of shape (m, SIDE, SIDE, channels), float32
        Small versions of near duplicates.
    places : ndarray of shape (m, 4), float32
        The rectangle of the first that the second shows: top, left, height and width.
    mirrored : ndarray of shape (m,), bool
        Whether the second shows its mirror image.
    """
    first, second, inside = _laid_on_each_other(first, second, places, mirrored)
    first_look, second_look = _look(first, inside), _look(second, inside)
    is_changed = {
        "mirrored": mirrored,
        "cropped": _is_cropped(places),
        "recoloured": _is_recoloured(first_look, second_look),
        "sharpness": _ratio(first_look.sharpness, second_look.sharpness, 0.02) > SHARPNESS,
    }
    texts = []
    for number in range(len(first)):
        names = [name for name, mask in is_changed.items() if mask[number]]
        texts.append("+".join(names) or "re-encoded")
    return np.array(texts, dtype=object)


def _laid_on_each_other(
    first: np.ndarray, second: np.ndarray, places: np.ndarray, mirrored: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first images as the second show them, the second, and where both show anything."""
    channels = []
    for channel in range(first.shape[3]):
        shown, inside = alignment.laid_on(first[..., channel], places)
        channels.append(shown)
    shown = np.stack(channels, axis=3)
    turned = mirrored[:, None, None]
    second = np.where(turned[..., None], second[:, :, ::-1], second)
    return shown, second, inside


def _look(images: np.ndarray, inside: np.ndarray) -> _Look:
    weight = inside[..., None] / (inside.sum(axis=(1, 2))[:, None, None, None] + 1e-6)
    # Colours are those of blurred images, which sharpening leaves alone.
    channels = np.moveaxis(images, 3, 1)
    smooth = np.stack([alignment.blurred(channel, COARSE_BLUR) for channel in channels], axis=0)
    smooth = np.moveaxis(smooth, 1, 3)
    mean = (smooth * weight).sum(axis=(1, 2))
    spread = np.sqrt(((smooth - mean[:, None, None, :]) ** 2 * weight).sum(axis=(1, 2)))
    colourful = smooth.max(axis=3) - smooth.min(axis=3)
    saturation = (colourful * weight[..., 0]).sum(axis=(1, 2))

    # Sharpness is what the finest structure has of all structure.
    grey = grey_of(images)
    fine = grey - alignment.blurred(grey, alignment.BLUR)
    edges = alignment.edges_of(grey)
    fine_strength = np.sqrt((fine**2 * weight[..., 0]).sum(axis=(1, 2)))
    strength = np.sqrt((edges**2 * weight[..., 0]).sum(axis=(1, 2)))
    return _Look(mean, spread, saturation, fine_strength / (strength + 1))


def _is_cropped(places: np.ndarray) -> np.ndarray:
    """Return where a rectangle is not the whole image, bool (m,)."""
    near_borders = np.abs(places[:, :2])
    far_borders = np.abs(1 - places[:, :2] - places[:, 2:])
    return np.maximum(near_borders, far_borders).max(axis=1) > CROP


def _is_recoloured(first: _Look, second: _Look) -> np.ndarray:
    """Return where colours differ, bool (m,)."""
    mean = np.abs(first.mean - second.mean).max(axis=1) > MEAN
    spread = _ratio(first.spread, second.spread, 2.0).max(axis=1) > SPREAD
    return mean | spread | (np.abs(first.saturation - second.saturation) > SATURATION)


def _ratio(first: np.ndarray, second: np.ndarray, floor: float) -> np.ndarray:
    """Return how many times the larger is the smaller one, `floor` added to both."""
    ratio = (first + floor) / (second + floor)
    return np.maximum(ratio, 1 / ratio)
