"""Open a picture file at its page, with the decoder of its kind and no other."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.data import extra_formats
from latentlab.data.originals import Page, Picture
from latentlab.data.pages import TiffPage
from latentlab.data.picture_faults import NO_FILE, NO_PICTURE_INSIDE, NotReadableError
from latentlab.data.sniffing import HEAD_BYTES, PNG, TGA_SUFFIXES, Kind, kind_of

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
    with _stream(page) as stream, Image.open(stream, formats=[kind.format]) as image:
        if page.number > 1 and not page.offset:
            image.seek(page.number - 1)
        yield image


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
        raise NotReadableError(NO_FILE)
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
