"""Open a picture file at its page, with the decoder of its kind and no other."""

import contextlib
import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from latentlab.data.originals import DamagedContent, Page, Picture
from latentlab.data.pictures import extra_formats
from latentlab.data.pictures.animations import open_frame
from latentlab.data.pictures.clocked import ClockedStream, piece_of
from latentlab.data.pictures.pages import TiffPage, open_file
from latentlab.data.pictures.picture_faults import (
    DAMAGED,
    GONE,
    NO_FILE,
    NO_PICTURE_INSIDE,
    NotReadableError,
    too_many_pixels,
)
from latentlab.data.pictures.plain_tiff import has_deep_planes, open_plain
from latentlab.data.pictures.sniffing import (
    HEAD_BYTES,
    ICO,
    PNG,
    PNG_MAGIC,
    TGA_SUFFIXES,
    TIFF,
    Kind,
    kind_of,
)

if TYPE_CHECKING:
    import PIL.Image


@contextlib.contextmanager
def open_image(picture: Picture, max_pixels: int) -> Iterator["PIL.Image.Image"]:
    """Open a picture; of most kinds only the header is read. It may run in threads.

    Parameters
    ----------
    picture : Path, bytes or Page
        A picture file, its content, or a page of one.
    max_pixels : int
        See `extra_formats.open_picture`.

    Yields
    ------
    PIL.Image.Image
        At the page that is asked for.

    Raises
    ------
    NotReadableError
        If it is no picture, or of a kind that needs an extra.
    Exception
        Nearly any, from the decoders.
    """
    from PIL import Image

    page = picture if isinstance(picture, Page) else Page(picture, 1)
    kind = _checked_kind(page.file)
    Image.init()
    if kind.extra:
        with extra_formats.open_picture(page.file, kind.extra, page.number, max_pixels) as image:
            yield image
        return
    if kind.format == PNG.format and page.number == 1:
        _check_png(page.file)
    if kind is ICO:
        _check_icon(page.file, max_pixels)
    if isinstance(picture, Page) and not page.offset:
        check = functools.partial(_check_image, max_pixels=max_pixels)
        with open_frame(page.file, kind.format, page.number, check) as image:
            yield image
        return
    with ClockedStream(_stream(page)) as stream, _opened(stream, kind, max_pixels) as image:
        piece = piece_of(image.width * image.height)
        image.decodermaxblock = piece  # type: ignore[attr-defined]  # of Pillow's files
        yield image


def _opened(stream: Any, kind: Kind, max_pixels: int) -> "PIL.Image.Image":
    """Return an opened picture; a TIFF that Pillow does not know, or mistakes, is read plainly."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(stream, formats=[kind.format])
    except UnidentifiedImageError as error:
        if kind is not TIFF:
            raise
        try:
            return open_plain(stream, max_pixels)
        except NotReadableError:
            raise
        except Exception:  # it is damaged
            raise error from None
    return open_plain(stream, max_pixels) if has_deep_planes(image) else image


def file_of(picture: Picture) -> Path | bytes:
    """Return the file of a picture, or its content.

    Parameters
    ----------
    picture : Path, bytes or Page
        A picture file, its content, or a page of one.
    """
    return picture.file if isinstance(picture, Page) else picture


def _checked_kind(file: Path | bytes) -> Kind:
    if isinstance(file, Path) and not file.is_file():
        raise NotReadableError(NO_FILE if file.exists() else GONE)
    if isinstance(file, DamagedContent):
        raise NotReadableError(DAMAGED)
    # Content without a name was chosen by its source, so that it may be a TGA, which has no magic.
    name = file.name if isinstance(file, Path) else TGA_SUFFIXES[0]
    kind = kind_of(_head(file), name)
    if kind.is_readable:
        return kind
    if kind.extra or kind.hint or kind.name == "empty":
        raise NotReadableError(kind.name + (f" ({kind.advice})" if kind.advice else ""))
    raise NotReadableError(_no_picture(kind))


def _no_picture(kind: Kind) -> str:
    if kind.name == NO_PICTURE_INSIDE:
        return NO_PICTURE_INSIDE
    return f"{NO_PICTURE_INSIDE}: it is one of {kind.name}"


def _check_icon(file: Path | bytes, max_pixels: int) -> None:
    """Refuse an icon whose pictures are larger than its directory, which Pillow shows, says."""
    with open_file(file) as stream:
        count = int.from_bytes(stream.read(6)[4:6], "little")
        entries = [stream.read(16) for _ in range(count)]
        for entry in entries:
            stream.seek(int.from_bytes(entry[12:16], "little"))
            head = stream.read(24)
            is_png = head.startswith(PNG_MAGIC)
            sides = (head[16:20], head[20:24]) if is_png else (head[4:8], head[8:12])
            order: Literal["big", "little"] = "big" if is_png else "little"
            width, height = (int.from_bytes(side, order, signed=True) for side in sides)
            _check_size(abs(width * height), max_pixels)


def _check_image(image: "PIL.Image.Image", max_pixels: int) -> None:
    _check_size(image.width * image.height, max_pixels)


def _check_size(pixels: int, max_pixels: int) -> None:
    if pixels > max_pixels:
        raise NotReadableError(too_many_pixels(pixels, max_pixels))


def _head(file: Path | bytes) -> bytes:
    if isinstance(file, bytes):
        return file[:HEAD_BYTES]
    with file.open("rb", buffering=0) as stream:
        return stream.read(HEAD_BYTES)


def _stream(page: Page) -> Any:
    if page.offset:
        return TiffPage(page.file, page.offset)
    return io.BytesIO(page.file) if isinstance(page.file, bytes) else page.file.open("rb")


def _check_png(file: Path | bytes) -> None:
    """Compare the checksums of a PNG, which Pillow's decoder skips; other formats have none."""
    from PIL import Image

    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    with Image.open(stream, formats=[PNG.format]) as image:
        image.verify()
