"""Picture files beyond 8 bits, written byte by byte: Pillow writes few of them."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {"u": 1, "i": 2, "f": 3}  # SampleFormat of TIFF
KINDS = ("disc", "stripes", "checks", "square")


def write_png16(path: Path, numbers: np.ndarray) -> None:
    """Write a PNG of 16 bits, (height, width[, channels]) with 1 to 4 channels."""
    height, width = numbers.shape[:2]
    rows = numbers.astype(">u2").reshape(height, -1)
    color = {1: 0, 2: 4, 3: 2, 4: 6}[rows.shape[1] // width]
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)),
        (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks)))


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    name, content = chunk
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def write_tiff(path: Path, numbers: np.ndarray, order: str = "<", planar: bool = False) -> None:
    """Write an uncompressed TIFF of any numbers, (height, width[, channels])."""
    height, width = numbers.shape[:2]
    samples = numbers.size // (height * width)
    dtype = numbers.dtype.newbyteorder(order)
    values = numbers.reshape(height, width, samples)
    content = (np.moveaxis(values, 2, 0) if planar else values).astype(dtype).tobytes()
    strips = samples if planar else 1
    size = len(content) // strips
    start = 8
    tags = [
        (256, "I", (width,)),
        (257, "I", (height,)),
        (258, "H", (dtype.itemsize * 8,) * samples),
        (259, "H", (1,)),
        (262, "H", (2 if samples >= 3 else 1,)),
        (273, "I", tuple(start + number * size for number in range(strips))),
        (277, "H", (samples,)),
        (278, "I", (height,)),
        (279, "I", (size,) * strips),
        (284, "H", (2 if planar else 1,)),
        (339, "H", (FORMATS[dtype.kind],) * samples),
    ]
    if samples in (2, 4):
        tags.insert(-1, (338, "H", (2,)))
    where = start + len(content)
    entries, beyond = b"", b""
    after = where + 2 + 12 * len(tags) + 4
    for number, letter, values_of_tag in sorted(tags):
        packed = struct.pack(order + letter * len(values_of_tag), *values_of_tag)
        kind = {"H": 3, "I": 4}[letter]
        if len(packed) > 4:
            place = struct.pack(order + "I", after + len(beyond))
            beyond += packed
            packed = place
        entries += struct.pack(order + "HHI", number, kind, len(values_of_tag)) + packed.ljust(
            4, b"\0"
        )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "I", where)
    directory = struct.pack(order + "H", len(tags)) + entries + b"\0" * 4
    path.write_bytes(head + content + directory + beyond)


def shape(kind: str, seed: int, side: int = 64) -> np.ndarray:
    """Return a grey picture, uint8 (side, side): a disc, stripes, checks or a square."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:side, 0:side] / side
    (cx, cy), phase, radius = rng.uniform(0.35, 0.65, 2), rng.uniform(), rng.uniform(0.2, 0.32)
    is_inside = {
        "disc": (xx - cx) ** 2 + (yy - cy) ** 2 < radius**2,
        "stripes": np.sin(2 * np.pi * (5 * xx + phase)) > 0,
        "checks": (np.sin(2 * np.pi * (3 * xx + phase)) > 0)
        ^ (np.sin(2 * np.pi * (3 * yy + phase)) > 0),
        "square": (abs(xx - cx) < radius) & (abs(yy - cy) < radius),
    }[kind]
    levels = {"disc": 85, "stripes": 112, "checks": 73, "square": 172}
    picture = np.full((side, side), 225.0) + rng.normal(0, 4, (side, side))
    picture[is_inside] = levels[kind] + rng.normal(0, 8)
    return np.clip(picture, 0, 255).astype(np.uint8)


def write_set(folder: Path, per: int, numbers_of, write, suffix: str) -> None:
    """Write a folder of four classes; numbers_of(grey uint8 picture) -> what write takes."""
    for number, kind in enumerate(KINDS):
        (folder / kind).mkdir(parents=True)
        for each in range(per):
            path = folder / kind / f"{each:02d}{suffix}"
            write(path, numbers_of(shape(kind, 100 * number + each)))


def save(path: Path, numbers: np.ndarray) -> None:
    """Save a picture with Pillow."""
    Image.fromarray(numbers).save(path)
