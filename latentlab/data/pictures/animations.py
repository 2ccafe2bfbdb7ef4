"""Frames of an animation, one after the other without a new beginning for each.

A frame is drawn on those before it. Opened anew for each frame, an animation of n frames would be
drawn n times over; so each thread goes on from the frame that it has read last.
"""

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image

Key = tuple[str, int, int] | int  # path, size and time of a file, or the identity of its content


class _Animation:
    """An open animation and the frame that it is at, from 1."""

    def __init__(self, file: Path | bytes, file_format: str) -> None:
        from PIL import Image

        self.file = file
        self.key = _key_of(file)
        self.image = Image.open(_stream(file), formats=[file_format])
        self.number = 1

    def close(self) -> None:
        """Close the file."""
        self.image.close()


class _LastAnimation(threading.local):
    """The animation that this thread has read last, while nobody uses it."""

    def __init__(self) -> None:
        self.animation: _Animation | None = None

    def take(self, file: Path | bytes, number: int) -> _Animation | None:
        """Return the animation if it is this file, and not beyond a frame."""
        animation = self.animation
        if animation is None or animation.number > number or animation.key != _key_of(file):
            return None
        self.animation = None
        return animation

    def leave(self, animation: _Animation) -> None:
        """Keep an animation for its next frame, instead of the last one."""
        if self.animation is not None:
            self.animation.close()
        self.animation = animation


_last = _LastAnimation()


@contextlib.contextmanager
def open_frame(
    file: Path | bytes, file_format: str, number: int, check: Callable[["PIL.Image.Image"], object]
) -> Iterator["PIL.Image.Image"]:
    """Open a frame of an animation.

    Parameters
    ----------
    file : Path or bytes
        The animation or its content.
    file_format : str
        Pillow's name of its format.
    number : int
        Number of the frame, from 1.
    check : callable
        check(image) at each frame on the way, before it is drawn: one may be larger than the first.

    Yields
    ------
    PIL.Image.Image
        At the frame; it stays open for the next one.
    """
    animation = _last.take(file, number) or _Animation(file, file_format)
    try:
        while animation.number < number:
            check(animation.image)
            animation.image.seek(animation.number)  # Pillow counts from 0
            animation.number += 1
        yield animation.image
    except BaseException:
        animation.close()
        raise
    _last.leave(animation)


def _key_of(file: Path | bytes) -> Key:
    if isinstance(file, bytes):
        return id(file)  # the animation holds it, so that no other content can have this identity
    state = file.stat()
    return str(file), state.st_size, state.st_mtime_ns


def _stream(file: Path | bytes) -> io.BytesIO | Path:
    return io.BytesIO(file) if isinstance(file, bytes) else file
