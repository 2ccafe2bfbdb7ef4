"""Pages of a TIFF and frames of an animation: how many a file holds, and where they are."""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from latentlab.data.pictures import extra_formats
from latentlab.data.pictures.jpeg_views import count_views
from latentlab.data.pictures.sniffing import JPEG_OF_VIEWS, TIFF, Kind

MOST_FRAMES = 1000  # of an animation that are read; each is found by going through those before it
NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE = 254, 255  # tags of TIFF
REDUCED, MASK = 1, 4  # bits of the former
OLD_REDUCED = 2  # value of the latter
SUBFILE_SIZES = {3: "H", 4: "I"}  # type of a TIFF's number -> that of `struct`
FURTHER_FRAMES = "further frames of animations"
NO_PIXELS = "DICOM without pixels"
FURTHER_IMAGES = "further images of HEIC files"
FURTHER_VIEWS = "further views in JPEG files"


@dataclass(frozen=True)
class FilePages:
    """The pages or frames of one file.

    Attributes
    ----------
    count : int
        Pages to read; 0 if the file is of a kind of picture and holds none.
    offsets : tuple of int
        Where each begins in the file, for TIFF; else empty.
    further : int
        Pages that are not read.
    reason : str
        What the account calls these.
    """

    count: int = 1
    offsets: tuple[int, ...] = ()
    further: int = 0
    reason: str = ""


ONE_PAGE = FilePages()


def pages_of(picture: Path | bytes, kind: Kind) -> FilePages:
    """Return which pages a file holds; nothing is decoded.

    A smaller version of a page, or its mask, is no page of a TIFF. A HEIC and a JPEG have one
    picture, the first or primary one.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
    kind : Kind
        What it is.

    Returns
    -------
    FilePages
        One page if the file is damaged: decoding it then says so.
    """
    if not kind.may_hold_several:
        return ONE_PAGE
    try:
        if kind is TIFF:
            return _pages_of_tiff(picture)
        if kind.extra:
            return _pages_of_extra(picture, kind)
        if kind is JPEG_OF_VIEWS:
            return FilePages(1, further=count_views(_stream(picture)) - 1, reason=FURTHER_VIEWS)
        return _frames(picture, kind)
    except Exception:  # Pillow's decoders raise nearly every kind of exception
        return ONE_PAGE


def _stream(picture: Path | bytes) -> io.BytesIO | Path:
    return io.BytesIO(picture) if isinstance(picture, bytes) else picture


def _frames(picture: Path | bytes, kind: Kind) -> FilePages:
    from PIL import Image

    with Image.open(_stream(picture), formats=[kind.format]) as image:
        count = getattr(image, "n_frames", 1)
    read = min(count, MOST_FRAMES)
    return FilePages(read, further=count - read, reason=FURTHER_FRAMES)


def _pages_of_extra(picture: Path | bytes, kind: Kind) -> FilePages:
    count = extra_formats.count(picture, kind.extra)
    if kind.extra == "heic":
        return FilePages(1, further=count - 1, reason=FURTHER_IMAGES)
    return FilePages(count) if count else FilePages(0, further=1, reason=NO_PIXELS)


def _pages_of_tiff(picture: Path | bytes) -> FilePages:
    with open_file(picture) as file:
        offsets = tuple(_page_offsets(file))
        first = _TiffForm.of(file).first_offset if offsets else 0
    if not offsets or offsets == (first,):
        return ONE_PAGE
    return FilePages(len(offsets), offsets)


def open_file(picture: Path | bytes) -> IO[bytes]:
    """Return a picture's bytes as a file that is open for reading.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
    """
    return io.BytesIO(picture) if isinstance(picture, bytes) else picture.open("rb")


@dataclass(frozen=True)
class _TiffForm:
    """How a TIFF writes its numbers, and where its first directory is."""

    order: str
    is_big: bool
    first_offset: int

    @classmethod
    def of(cls, file: IO[bytes]) -> "_TiffForm":
        file.seek(0)
        header = file.read(16)
        order = "<" if header[:2] == b"II" else ">"
        is_big = header[2:4] in (b"+\0", b"\0+")
        start, size, letter = (8, 8, "Q") if is_big else (4, 4, "I")
        return cls(order, is_big, *struct.unpack(order + letter, header[start : start + size]))

    def unpack(self, letter: str, content: bytes) -> int:
        """Return the number that some bytes stand for."""
        return int(struct.unpack(self.order + letter, content[: struct.calcsize(letter)])[0])


def _page_offsets(file: IO[bytes]) -> Iterator[int]:
    """Yield where the directories of pages begin, until the chain ends, breaks or goes round."""
    form = _TiffForm.of(file)
    seen: set[int] = set()
    offset = form.first_offset
    while offset and offset not in seen:
        seen.add(offset)
        try:
            is_page, following = _read_directory(file, form, offset)
        except struct.error:
            return  # the file ends too early
        if is_page:
            yield offset
        offset = following


def _read_directory(file: IO[bytes], form: _TiffForm, offset: int) -> tuple[bool, int]:
    """Return whether a directory is that of a page, and where the next one is."""
    head, entry, letter = (8, 20, "Q") if form.is_big else (2, 12, "I")
    file.seek(offset)
    count = form.unpack("Q" if form.is_big else "H", file.read(head))
    if count > 4096:
        raise struct.error  # no directory has so many tags
    entries = file.read(count * entry)
    following = form.unpack(letter, file.read(struct.calcsize("=" + letter)))
    starts = range(0, len(entries), entry)
    return not any(_is_no_page(entries[start : start + entry], form) for start in starts), following


def _is_no_page(entry: bytes, form: _TiffForm) -> bool:
    """Return whether a tag says that its directory is a smaller version or a mask."""
    tag, number_type = form.unpack("H", entry), form.unpack("H", entry[2:])
    if tag not in (NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE) or number_type not in SUBFILE_SIZES:
        return False
    value = form.unpack(SUBFILE_SIZES[number_type], entry[12 if form.is_big else 8 :])
    return bool(value & (REDUCED | MASK)) if tag == NEW_SUBFILE_TYPE else value == OLD_REDUCED


class TiffPage(io.RawIOBase):
    """A TIFF whose header names another page as the first; nothing is copied of a file.

    To open a page by its number, Pillow would go through all pages before it.

    Parameters
    ----------
    picture : Path or bytes
        The file, or its content.
    offset : int
        Where the page begins.
    """

    def __init__(self, picture: Path | bytes, offset: int) -> None:
        self._file = open_file(picture)
        form = _TiffForm.of(self._file)
        start, letter = (8, "Q") if form.is_big else (4, "I")
        self._file.seek(0)
        self._header = self._file.read(start) + struct.pack(form.order + letter, offset)
        self._file.seek(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, as files do."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, with the changed header."""
        start = self._file.tell()
        content = self._file.read(-1 if size is None else size)
        if start >= len(self._header):
            return content
        header = self._header[start : start + len(content)]
        return header + content[len(header) :]

    def fileno(self) -> int:
        """Return the number of the open file; OSError if there is none.

        A decoder that reads the file itself is told where the page begins.
        """
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
