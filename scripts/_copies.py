"""Ways in which a picture is copied with a change, for scripts/measure_duplicates.py.

Each takes a picture and a generator of random numbers, which draws how strong the change is.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

Picture = Image.Image
Change = Callable[[Picture, np.random.Generator], Picture]


def either(rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float]) -> float:
    """Return a number out of one of two ranges."""
    return float(rng.uniform(*(low if rng.random() < 0.5 else high)))


def mirrored(picture: Picture, rng: np.random.Generator) -> Picture:
    """Left is right."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def brighter_or_darker(picture: Picture, rng: np.random.Generator) -> Picture:
    """Brightness times 0.5 to 0.8 or 1.25 to 1.6; what becomes too bright is white."""
    return ImageEnhance.Brightness(picture).enhance(either(rng, (0.5, 0.8), (1.25, 1.6)))


def contrast(picture: Picture, rng: np.random.Generator) -> Picture:
    """Contrast times 0.4 to 0.75 or 1.3 to 1.8."""
    return ImageEnhance.Contrast(picture).enhance(either(rng, (0.4, 0.75), (1.3, 1.8)))


def colours(picture: Picture, rng: np.random.Generator) -> Picture:
    """Each channel times 0.7 to 1.3 and plus -25 to 25, then saturation times 0.3 to 1.8."""
    shifted = np.asarray(picture, np.float64) * rng.uniform(0.7, 1.3, 3) + rng.uniform(-25, 25, 3)
    copy = Image.fromarray(shifted.clip(0, 255).astype(np.uint8))
    return ImageEnhance.Color(copy).enhance(rng.uniform(0.3, 1.8))


def grey(picture: Picture, rng: np.random.Generator) -> Picture:
    """No colours."""
    return picture.convert("L").convert("RGB")


def sharpened(picture: Picture, rng: np.random.Generator) -> Picture:
    """Pillow's sharpness of 2.5 to 5, where 2 is a sharpened picture."""
    return ImageEnhance.Sharpness(picture).enhance(rng.uniform(2.5, 5))


def blurred(picture: Picture, rng: np.random.Generator) -> Picture:
    """Gaussian blur with a radius of 0.6 to 1.2 pixels at 32, 1.9 to 3.9 at 320 pixels a side."""
    radius = rng.uniform(0.6, 1.2) * (min(picture.size) / 32) ** 0.5
    return picture.filter(ImageFilter.GaussianBlur(radius))


def window(picture: Picture, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return a box of 70 to 100% of the area and the aspect of the picture, anywhere in it."""
    share = rng.uniform(0.7, 1) ** 0.5
    width, height = picture.size
    left = rng.uniform(0, 1 - share) * width
    top = rng.uniform(0, 1 - share) * height
    return left, top, left + share * width, top + share * height


def zoomed(picture: Picture, rng: np.random.Generator) -> Picture:
    """70 to 100% of the area, brought back to the size of the picture."""
    box = window(picture, rng)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box)


def cropped(picture: Picture, rng: np.random.Generator) -> Picture:
    """70 to 100% of the area, at the size that it has then."""
    left, top, right, bottom = map(round, window(picture, rng))
    return picture.crop((left, top, right, bottom))


def recompressed(picture: Picture, rng: np.random.Generator) -> Picture:
    """JPEG of quality 15 to 40."""
    file = io.BytesIO()
    picture.save(file, format="jpeg", quality=int(rng.integers(15, 41)))
    return Image.open(file).convert("RGB")


def shrunk(picture: Picture, rng: np.random.Generator) -> Picture:
    """45 to 70% of the sides."""
    share = rng.uniform(0.45, 0.7)
    size = [max(1, round(side * share)) for side in picture.size]
    return picture.resize(size, Image.Resampling.BICUBIC)


def shrunk_and_enlarged(picture: Picture, rng: np.random.Generator) -> Picture:
    """45 to 70% of the sides, and back."""
    return shrunk(picture, rng).resize(picture.size, Image.Resampling.BICUBIC)


def enlarged(picture: Picture, rng: np.random.Generator) -> Picture:
    """130 to 200% of the sides."""
    share = rng.uniform(1.3, 2)
    return picture.resize([round(side * share) for side in picture.size], Image.Resampling.BICUBIC)


def several(picture: Picture, rng: np.random.Generator) -> Picture:
    """Zoomed, other colours, JPEG of low quality, and half of them mirrored."""
    for change in (zoomed, colours, recompressed):
        picture = change(picture, rng)
    return mirrored(picture, rng) if rng.random() < 0.5 else picture


OF_ONE_SIZE: dict[str, Change] = {
    "mirrored": mirrored,
    "brighter or darker": brighter_or_darker,
    "contrast": contrast,
    "colours shifted": colours,
    "grey": grey,
    "sharpened": sharpened,
    "blurred": blurred,
    "cropped and zoomed": zoomed,
    "re-encoded, JPEG 15 to 40": recompressed,
    "shrunk and enlarged": shrunk_and_enlarged,
    "several at once": several,
}
OF_ANY_SIZE: dict[str, Change] = {
    **OF_ONE_SIZE,
    "cropped": cropped,
    "shrunk": shrunk,
    "enlarged": enlarged,
}
