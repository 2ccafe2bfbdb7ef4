"""Further pictures in a JPEG file: a second view of a stereo camera, or the steps of a panorama.

The format is MPO, the Multi-Picture Format of the Camera & Imaging Products Association (CIPA
DC-007): a segment of the first picture lists those that follow it. Previews are none of them.
"""

import struct
from pathlib import Path
from typing import IO

JPEG_MAGIC = b"\xff\xd8\xff"
LISTS_PICTURES = b"MPF\0"  # beginning of the segment
APPLICATION, COMMENT = range(0xE0, 0xF0), 0xFE  # markers of segments before the picture
SECOND_OF_THEM = 0xE2
MP_ENTRIES = 0xB002  # tag of the list in Pillow's `mpinfo`
PREVIEW = "Large Thumbnail"


def lists_views(file: IO[bytes]) -> bool:
    r"""Return whether a JPEG file has a list of further pictures; only its segments are looked at.

    Parameters
    ----------
    file : binary file
        A JPEG file, or the beginning of one, at any position.

    Examples
    --------
    >>> import io
    >>> lists_views(io.BytesIO(b"\xff\xd8\xff\xe2\x00\x08MPF\0.."))
    True
    """
    position = 2
    while True:
        file.seek(position)
        start = file.read(8)
        if len(start) < 8 or start[0] != 0xFF:
            return False
        marker, length = start[1], struct.unpack(">H", start[2:4])[0]
        if marker == SECOND_OF_THEM and start[4:] == LISTS_PICTURES:
            return True
        if marker not in APPLICATION and marker != COMMENT:
            return False  # tables of the picture itself
        position += 2 + length


def count_views(picture: Path | IO[bytes]) -> int:
    """Return how many pictures a JPEG file holds, without previews.

    Parameters
    ----------
    picture : Path or binary file
        A JPEG file.
    """
    from PIL import Image

    with Image.open(picture, formats=["JPEG"]) as image:
        entries = getattr(image, "mpinfo", {}).get(MP_ENTRIES, [])
        kinds = [entry["Attribute"]["MPType"] for entry in entries]
    return max(1, sum(not kind.startswith(PREVIEW) for kind in kinds))
