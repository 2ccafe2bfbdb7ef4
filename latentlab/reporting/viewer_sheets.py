"""Sheets of many small pictures: what the viewer's page asks for while one scrolls.

One request for each picture costs a browser and its server more than the picture itself. A sheet is
bytes: numbers of 16 bits, the smaller byte first, then one picture with all tiles in lines.

    pitch, columns, width 0, height 0, width 1, height 1, ...    picture

Tile i lies at column i % columns and line i // columns of squares of `pitch` pixels, at the top
left of its square. A picture that cannot be read has width and height 0. With a pitch of at most 64
the picture is its pixels, line by line, red, green, blue and 255 of each; else it is a JPEG file.
"""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.errors import ConfigError

MOST_PICTURES = 512  # of a sheet
MOST_PIXELS = 256 * 96 * 96  # that its pictures may have together
LARGEST_REQUEST = 8_192  # bytes
SMALLEST_SIDE, LARGEST_SIDE = 16, 512  # pixels of a picture
LARGEST_POSITION = 10**11
LOSSLESS_SIDE = 64  # pixels; loss would show in so small a picture
JPEG_QUALITY = 90
JPEG_BLOCK = 8  # pixels; tiles of whole blocks do not run into each other


@dataclass(frozen=True)
class SheetRequest:
    """The pictures that are asked for.

    Attributes
    ----------
    positions : tuple of int
        Positions of their images in the run.
    side : int
        Pixels of the longer side of each, at most.
    """

    positions: tuple[int, ...]
    side: int


def parse_sheet_request(body: bytes) -> SheetRequest:
    """Return what the body of a request asks for.

    Parameters
    ----------
    body : bytes
        JSON: {"side": 96, "positions": [7, 8, 9]}.

    Raises
    ------
    ConfigError
        If it is something else, or too much.

    Examples
    --------
    >>> parse_sheet_request(b'{"side": 96, "positions": [7, 8]}')
    SheetRequest(positions=(7, 8), side=96)
    """
    if len(body) > LARGEST_REQUEST:
        raise ConfigError(f"a sheet is asked for in at most {LARGEST_REQUEST:,} bytes.")
    try:
        wanted = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError("a sheet is asked for in JSON.") from error
    positions = wanted.get("positions") if isinstance(wanted, dict) else None
    side = wanted.get("side") if isinstance(wanted, dict) else None
    if not isinstance(positions, list) or not all(
        _is_in(position, 0, LARGEST_POSITION) for position in positions
    ):
        raise ConfigError("a sheet is asked for with a list of positions.")
    if not isinstance(side, int) or not _is_in(side, SMALLEST_SIDE, LARGEST_SIDE):
        raise ConfigError(f"a sheet is asked for with a side of {SMALLEST_SIDE} to {LARGEST_SIDE}.")
    if not 1 <= len(positions) <= MOST_PICTURES:
        raise ConfigError(f"a sheet has 1 to {MOST_PICTURES} pictures.")
    return SheetRequest(tuple(positions), side)


def check_pixels(count: int, side: int) -> None:
    """Raise ConfigError if the pictures of a sheet would have too many pixels together.

    Parameters
    ----------
    count : int
        Number of pictures.
    side : int
        Pixels of the longer side of each, at most.
    """
    most = MOST_PIXELS // side**2
    if count > most:
        raise ConfigError(f"a sheet of pictures of {side} pixels has at most {most} of them.")


def _is_in(number: object, low: int, high: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and low <= number <= high


def to_sheet(pictures: Sequence[np.ndarray | None]) -> bytes:
    """Return pictures as a sheet.

    Parameters
    ----------
    pictures : sequence of ndarray of shape (height, width, 1 or 3), uint8, or None
        At least one; None for a picture that cannot be read.

    Examples
    --------
    >>> sheet = to_sheet([np.full((2, 3, 3), 7, np.uint8), None])
    >>> np.frombuffer(sheet, "<u2", 6).tolist(), list(sheet[12:16])
    ([3, 2, 3, 2, 0, 0], [7, 7, 7, 255])
    """
    shapes = [(0, 0) if picture is None else picture.shape[1::-1] for picture in pictures]
    pitch = max(1, int(np.max(shapes)))
    is_lossless = pitch <= LOSSLESS_SIDE
    if not is_lossless:
        pitch = math.ceil(pitch / JPEG_BLOCK) * JPEG_BLOCK
    columns = math.ceil(math.sqrt(len(pictures)))
    lines = math.ceil(len(pictures) / columns)
    sheet = np.full((lines * pitch, columns * pitch, 4), 255, np.uint8)
    for number, picture in enumerate(pictures):
        if picture is not None:
            top, left = number // columns * pitch, number % columns * pitch
            _fill(sheet[top : top + pitch, left : left + pitch, :3], picture)
    numbers = np.array([pitch, columns, *np.ravel(shapes)], "<u2")
    return numbers.tobytes() + (sheet.tobytes() if is_lossless else _jpeg(sheet[..., :3]))


def _fill(square: np.ndarray, picture: np.ndarray) -> None:
    """Put a picture into a square; its last line and column go on to the edge.

    What lies beside a picture would show in the last pixels of it as a JPEG has them.
    """
    height, width = picture.shape[:2]
    square[:height, :width] = picture
    square[:height, width:] = picture[:, -1:]
    square[height:] = square[height - 1]


def _jpeg(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.save(file, "jpeg", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()
