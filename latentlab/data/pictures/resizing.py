"""One size and colour mode for all pictures."""

from typing import TYPE_CHECKING

import numpy as np

from latentlab.config import RESIZE_RULES
from latentlab.data.pictures.deep_pictures import ORIENTATION, as_eight_bits
from latentlab.errors import ConfigError

if TYPE_CHECKING:
    import PIL.Image


def resize(image: "PIL.Image.Image", size: int, rule: str, channels: int) -> np.ndarray:
    """Return the pixels of a picture in another size.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture of any size and mode, see `upright`.
    size : int
        Height and width of the result in pixels.
    rule : {"crop", "pad", "stretch"}
        crop: scale the shorter side to `size` and keep the centre. pad: scale the longer side and
        fill the rest with black. stretch: scale both sides, which changes the aspect ratio.
    channels : int
        3 for RGB, 1 for grey.

    Returns
    -------
    ndarray of shape (size, size, channels), uint8
        The pixels.

    Raises
    ------
    ConfigError
        If there is no such rule.
    """
    square = to_square(upright(image, channels), size, rule)
    return np.asarray(square, dtype=np.uint8).reshape(size, size, channels)


def to_square(image: "PIL.Image.Image", size: int, rule: str) -> "PIL.Image.Image":
    """Return an upright picture as a square of another size.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture in mode RGB or L, see `upright`.
    size : int
        Height and width of the result in pixels.
    rule : {"crop", "pad", "stretch"}
        See `resize`.

    Returns
    -------
    PIL.Image.Image
        In the mode of `image`.

    Raises
    ------
    ConfigError
        If there is no such rule.
    """
    from PIL import Image, ImageOps

    shape = (size, size)
    method = Image.Resampling.BICUBIC
    if rule == "crop":
        return ImageOps.fit(image, shape, method=method)
    if rule == "pad":
        return ImageOps.pad(image, shape, method=method)
    if rule == "stretch":
        return image.resize(shape, method)
    raise ConfigError(f"unknown resize rule {rule!r}: known are {', '.join(RESIZE_RULES)}.")


def resize_all(images: np.ndarray, size: int, rule: str) -> np.ndarray:
    """Return images in another size.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
        Images with 1 or 3 channels.
    size : int
        Height and width of the result in pixels.
    rule : {"crop", "pad", "stretch"}
        See `resize`.

    Returns
    -------
    ndarray of shape (n, size, size, channels), uint8
        `images` itself if they have this size.
    """
    count, height, width, channels = images.shape
    if (height, width) == (size, size):
        return images
    resized = np.empty((count, size, size, channels), np.uint8)
    for position, image in enumerate(images):
        resized[position] = resize(as_picture(image), size, rule, channels)
    return resized


def as_picture(pixels: np.ndarray) -> "PIL.Image.Image":
    """Return an image as a picture that can be saved.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, channels), uint8
        One image with 1 or 3 channels.

    Returns
    -------
    PIL.Image.Image
        In mode L or RGB.
    """
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def upright(image: "PIL.Image.Image", channels: int) -> "PIL.Image.Image":
    """Return a decoded picture in its full size, turned upright, in RGB or grey.

    The EXIF orientation is applied, transparency is laid on white, and numbers beyond 8
    bits are scaled by their format.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture of any mode.
    channels : int
        3 for RGB, 1 for grey.

    Returns
    -------
    PIL.Image.Image
        In mode RGB or L; `image` itself if it is like that already.
    """
    from PIL import ImageOps

    if image.getexif().get(ORIENTATION, 1) != 1:  # or else it would be copied
        image = ImageOps.exif_transpose(image)
    return _to_mode(image, "RGB" if channels == 3 else "L")


def _to_mode(image: "PIL.Image.Image", mode: str) -> "PIL.Image.Image":
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        image = as_eight_bits(image, np.asarray(image), None)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == mode else image.convert(mode)
