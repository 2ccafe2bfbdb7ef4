"""A time budget for each picture: 20 seconds of processor time, compared when its decoder reads.

A few kilobytes can make a decoder work for minutes, such as a JPEG of thousands of scans. Decoders
of JPEG, PNG, BMP and most others read their file in pieces, and end where the budget is spent.
Those of TIFF, WebP, AVIF and JPEG 2000 work in one call that cannot be stopped: there the limit of
pixels bounds the time. Frames of animations are opened elsewhere, and have no clock.
"""

import time
from typing import IO, Any

from latentlab.data.pictures.picture_faults import NotReadableError

MOST_SECONDS = 20.0  # of processor time of the thread that decodes a picture
PIECE = 8192  # bytes that are read at once, so that no piece takes long
# Of small pictures, more: the smallest scan of a JPEG has 12 bytes and takes 1 ns for each pixel,
# so that a piece takes at most 1.5 s.
PIECE_OF_SMALL = 65536
FEW_PIXELS = 250_000
SMALL = 1024  # bytes; so little is read of headers, some dozen times a picture
SMALL_READS = 64  # of which one is timed
TOO_SLOW = "takes too long to decode"


def piece_of(pixels: int) -> int:
    """Return how many bytes of a picture are read at once.

    Parameters
    ----------
    pixels : int
        How many it has by its header.
    """
    return PIECE_OF_SMALL if pixels <= FEW_PIXELS else PIECE


class ClockedStream:
    """A file whose reading fails once the thread has worked for too long since it was opened.

    Parameters
    ----------
    stream : file
        The file.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._end = time.thread_time() + MOST_SECONDS
        self._reads = 0

    def __enter__(self) -> "ClockedStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes; NotReadableError once the time is over."""
        self._reads += 1
        is_timed = not 0 <= size < SMALL or self._reads % SMALL_READS == 0
        if is_timed and time.thread_time() > self._end:
            raise NotReadableError(f"{TOO_SLOW}: more than {MOST_SECONDS:.0f} s")
        return self._stream.read(size)
