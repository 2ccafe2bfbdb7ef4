"""TIFF that Pillow does not read, where its numbers lie there plainly.

Programs of science write floats of 64 bits, colours as floats, and colours in planes. As long as
nothing but deflate packs them they are read here, in full depth.
"""

import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import numpy as np

from latentlab.data.pictures.picture_faults import NotReadableError, too_many_pixels

if TYPE_CHECKING:
    import PIL.Image

NUMBERS = "latentlab.numbers"  # entry of a picture's `info`: its numbers in full depth
WIDTH, HEIGHT, BITS, COMPRESSION = 256, 257, 258, 259
OFFSETS, SAMPLES, COUNTS, PLANAR, PREDICTOR = 273, 277, 279, 284, 317
TILES, SAMPLE_FORMAT = 322, 339
PLAIN, DEFLATES, IN_PLANES = 1, (8, 32946), 2  # values of tags
KINDS = {1: "u", 2: "i", 3: "f"}
BIG = 43
CHANNELS = (1, 3, 4)


def open_plain(stream: IO[bytes], max_pixels: int) -> "PIL.Image.Image":
    """Return a TIFF as a picture without pixels, whose `info` holds its numbers.

    Parameters
    ----------
    stream : file
        The TIFF, at any place.
    max_pixels : int
        A larger picture is not read.

    Returns
    -------
    PIL.Image.Image
        Of the right size.

    Raises
    ------
    NotReadableError
        If it is packed in another way, has other channels, or is too large.
    Exception
        Nearly any, if it is damaged.
    """
    from PIL import Image

    tags = _Tags(stream)
    width, height = tags.number(WIDTH), tags.number(HEIGHT)
    if width * height > max_pixels:
        raise NotReadableError(too_many_pixels(width * height, max_pixels))
    # It takes no memory to speak of: one bit a pixel.
    picture = Image.new("1", (width, height))
    picture.info[NUMBERS] = _numbers(stream, tags, width, height)
    return picture


def has_deep_planes(image: "PIL.Image.Image") -> bool:
    """Return whether colours of more than 8 bits lie in planes, which Pillow mistakes.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture that has been opened and not loaded.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None or tags.get(PLANAR, 1) != IN_PLANES:
        return False
    bits = tags.get(BITS, (1,))
    return len(bits) > 1 and max(bits) > 8


class _Tags:
    """The tags of the first directory of a TIFF.

    Parameters
    ----------
    stream : file
        The TIFF.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        from PIL import TiffImagePlugin

        stream.seek(0)
        header = stream.read(8)
        if BIG in header[2:4]:
            header += stream.read(8)
        self._directory = TiffImagePlugin.ImageFileDirectory_v2(header)
        stream.seek(self._directory.next)
        self._directory.load(stream)
        missing = {WIDTH, HEIGHT, OFFSETS, COUNTS} - set(self._directory)
        if missing:
            raise ValueError(f"the tags {sorted(missing)} are missing")
        self.order = "<" if header[:2] == b"II" else ">"

    def all(self, number: int, default: int = 1) -> tuple[int, ...]:
        """Return all values of a tag."""
        value = self._directory.get(number, default)
        return tuple(value) if isinstance(value, tuple) else (value,)

    def number(self, tag: int, default: int = 1) -> int:
        """Return the first value of a tag."""
        return int(self.all(tag, default)[0])

    def dtype(self) -> np.dtype:
        """Return the type of the numbers; NotReadableError if there are several."""
        bits, formats = set(self.all(BITS)), set(self.all(SAMPLE_FORMAT))
        if len(bits) > 1 or len(formats) > 1 or min(bits) % 8 or min(formats) not in KINDS:
            raise NotReadableError("numbers of TIFF that are not read: save it again as 16 bits")
        return np.dtype(f"{self.order}{KINDS[min(formats)]}{min(bits) // 8}")


def _numbers(stream: IO[bytes], tags: _Tags, width: int, height: int) -> np.ndarray:
    """Return the numbers of a TIFF, (height, width) or (height, width, channels)."""
    channels = tags.number(SAMPLES)
    packing = tags.number(COMPRESSION)
    if channels not in CHANNELS:
        raise NotReadableError(f"TIFF of {channels} channels: save three of them, or one")
    if packing not in (PLAIN, *DEFLATES) or tags.number(PREDICTOR) != 1 or tags.number(TILES, 0):
        raise NotReadableError("a packing of TIFF that is not read: save it without compression")
    dtype = tags.dtype()
    size = width * height * channels * dtype.itemsize
    content = b"".join(_strips(stream, tags, size))
    values = np.frombuffer(content, dtype, width * height * channels)
    if tags.number(PLANAR) == IN_PLANES:
        values = np.moveaxis(values.reshape(channels, height, width), 0, 2)
    values = values.reshape(height, width, channels).astype(dtype.newbyteorder("="))
    return values[..., 0] if channels == 1 else values


def _strips(stream: IO[bytes], tags: _Tags, most: int) -> Iterator[bytes]:
    """Yield the strips of a TIFF, unpacked, of no more than `most` bytes together."""
    is_packed = tags.number(COMPRESSION) in DEFLATES
    for offset, count in zip(tags.all(OFFSETS), tags.all(COUNTS), strict=True):
        stream.seek(offset)
        content = stream.read(min(count, most))
        strip = zlib.decompressobj().decompress(content, most) if is_packed else content
        most -= len(strip)
        yield strip
        if most <= 0:
            return
