"""The shape that images had before they were brought to one size."""

from typing import TYPE_CHECKING

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.images import ImageSet
from latentlab.data.pictures.decode import MAX_PIXELS, pillow_limits_off
from latentlab.data.pictures.picture_opening import open_image

if TYPE_CHECKING:
    from latentlab.data.originals import Picture

LOOKED_AT = 16  # pictures, evenly spread over the set
GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B")  # of Pillow

Shape = tuple[int, int, int]


def common_shape(images: ImageSet, options: DataOptions) -> Shape | None:
    """Return the shape that some images have in their files, if it is the same for all of them.

    Parameters
    ----------
    images : ImageSet
        The images, at whatever size they were opened.
    options : DataOptions
        The options with which they were opened.

    Returns
    -------
    tuple of int or None
        Height and width in pixels, and 3 channels for colours or 1 for grey; None if they differ
        or cannot be read.

    Examples
    --------
    >>> digits = DataOptions(data="digits", size=32)
    >>> common_shape(opening.open_images(digits), digits)
    (8, 8, 1)
    """
    if images.source is None:
        return _shape_of_arrays(options)
    positions = np.linspace(0, len(images) - 1, num=min(LOOKED_AT, len(images)), dtype=int)
    with pillow_limits_off():
        shapes = {_shape_of_picture(images.source(position)) for position in positions.tolist()}
    return shapes.pop() if len(shapes) == 1 else None


def _shape_of_arrays(options: DataOptions) -> Shape | None:
    source = opening.source_of(options)
    shards = source.shards(options, source.parse_options(options.source_options))
    first = next(iter(shards), None)
    if first is None or first.pixels is None:
        return None
    height, width, channels = first.pixels.shape[1:]
    return height, width, channels


def _shape_of_picture(picture: "Picture") -> Shape | None:
    try:
        with open_image(picture, MAX_PIXELS) as image:
            return image.height, image.width, 1 if image.mode in GREY_MODES else 3
    except Exception:  # Pillow's decoders raise nearly every kind of exception
        return None
