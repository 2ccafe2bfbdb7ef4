"""Small pictures of four easy classes, and the files that people keep them in."""

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("bars", "cross", "ring", "wedge")
SIDE = 48
_COLOURS = {
    "bars": (30, 110, 220),
    "cross": (235, 120, 20),
    "ring": (20, 150, 60),
    "wedge": (150, 30, 150),
}


def picture(name: str, number: int, side: int = SIDE, width: int | None = None) -> np.ndarray:
    """Return a picture of a class, uint8 (side, width, 3): a figure on a light ground with noise.

    Equal arguments give equal pictures.
    """
    rng = np.random.default_rng([CLASSES.index(name), number, side])
    rows, columns = np.mgrid[0:side, 0 : width or side] / side
    shift_y, shift_x = rng.uniform(-0.08, 0.08, 2)
    middle = (width or side) / side / 2
    figure = _figure(name, rows - 0.5 - shift_y, columns - middle - shift_x)
    ground = np.full((*rows.shape, 3), rng.uniform(205, 235))
    ground[figure] = np.array(_COLOURS[name]) + rng.normal(0, 8, 3)
    return (ground + rng.normal(0, 4, ground.shape)).clip(0, 255).astype(np.uint8)


def _figure(name: str, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return where a figure is, bool, by the distances from its middle in sides."""
    radius = np.hypot(x, y)
    if name == "bars":
        return np.sin(2 * np.pi * 4 * (x + y)) > 0
    if name == "cross":
        return (np.minimum(abs(x), abs(y)) < 0.09) & (radius < 0.42)
    if name == "ring":
        return (radius > 0.22) & (radius < 0.36)
    return (y > -0.3) & (abs(x) < (y + 0.3) * 0.6) & (y < 0.35)


def grey(name: str, number: int, side: int = SIDE) -> np.ndarray:
    """Return the same picture in grey, uint8 (side, side)."""
    return np.asarray(Image.fromarray(picture(name, number, side)).convert("L"))


def drawn(each: int, start: int = 0, classes: Sequence[str] = CLASSES) -> Iterator[tuple[str, int]]:
    """Yield class and number of `each` pictures of every class."""
    for name in classes:
        for number in range(start, start + each):
            yield name, number


def stacked(each: int, side: int = SIDE) -> np.ndarray:
    """Return pictures as an array, uint8 (4 * each, side, side, 3); by class."""
    return np.stack([picture(name, number, side) for name, number in drawn(each)])


def stacked_grey(each: int, side: int = SIDE) -> np.ndarray:
    """Return pictures in grey, uint8 (4 * each, side, side); by class."""
    return np.stack([grey(name, number, side) for name, number in drawn(each)])


def class_numbers(each: int) -> np.ndarray:
    """Return the class of each picture of `stacked`, int64."""
    return np.repeat(np.arange(len(CLASSES)), each)


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    """Return pixels as the bytes of a picture file; HEIF needs pillow-heif."""
    if form == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def put(path: Path, content: bytes | str) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fill(  # noqa: PLR0913  # each says one thing of the files
    folder: Path,
    each: int,
    name: str = "{name}/{name}{number:02d}.png",
    form: str = "PNG",
    start: int = 0,
    classes: Sequence[str] = CLASSES,
) -> list[str]:
    """Write `each` pictures of every class; return their paths below the folder, in order."""
    paths = []
    for kind, number in drawn(each, start, classes):
        path = name.format(name=kind, number=number)
        put(folder / path, encoded(picture(kind, number), form))
        paths.append(path)
    return paths


def fill_numbers(folder: Path, each: int, low: float, high: float, dtype: str, end: str) -> None:
    """Write pictures of one channel beyond 8 bits, whose numbers run from `low` to `high`."""
    for kind, number in drawn(each):
        path = folder / kind / f"{kind}{number:02d}.{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers(kind, number, low, high, dtype)).save(path)


def numbers(name: str, number: int, low: float, high: float, dtype: str) -> np.ndarray:
    """Return a grey picture on another scale: what is 0 in 8 bits is `low`, 255 is `high`."""
    return (low + grey(name, number).astype(np.float64) / 255 * (high - low)).astype(dtype)


def dicom(pixels: np.ndarray) -> bytes:
    """Return a DICOM file of one grey picture of 16 bits, uncompressed, as short as it may be."""
    rows, columns = pixels.shape
    data = pixels.astype("<u2").tobytes()
    meta = b"".join(
        [
            _element(0x0002, 0x0001, b"OB", b"\0\1"),
            _element(0x0002, 0x0002, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
            _element(0x0002, 0x0003, b"UI", b"1.2.3.4\0"),
            _element(0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1\0"),
        ]
    )
    length = _element(0x0002, 0x0000, b"UL", struct.pack("<I", len(meta)))
    shorts = [(0x0002, 1), (0x0010, rows), (0x0011, columns), (0x0100, 16), (0x0101, 16)]
    shorts += [(0x0102, 15), (0x0103, 0)]
    image = [_element(0x0028, tag, b"US", struct.pack("<H", value)) for tag, value in shorts]
    image.insert(1, _element(0x0028, 0x0004, b"CS", b"MONOCHROME2 "))
    return b"".join(
        [
            *(bytes(128), b"DICM", length, meta),
            _element(0x0008, 0x0016, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
            _element(0x0008, 0x0018, b"UI", b"1.2.3.4\0"),
            *image,
            _element(0x7FE0, 0x0010, b"OW", data),
        ]
    )


def _element(group: int, tag: int, kind: bytes, value: bytes) -> bytes:
    """Return an element of DICOM with the type in it, little-endian."""
    head = struct.pack("<HH", group, tag) + kind
    if kind in (b"OB", b"OW"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value
