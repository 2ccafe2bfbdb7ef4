"""Inputs of the intake: folders of picture files as people have them."""

import dataclasses
import importlib.util
import os
import zlib
from pathlib import Path

import numpy as np
from _intake_cases import Case, CaseList, Refused, Right
from _intake_drawing import (
    CLASSES,
    dicom,
    drawn,
    encoded,
    fill,
    fill_numbers,
    grey,
    numbers,
    picture,
    put,
)
from PIL import Image

from latentlab.data.images import ImageSet

ENDINGS = "endings and content"
LINKS = "links and broken files"
PAGES = "pages and frames"
NUMBERS = "numbers beyond 8 bits and masks"
ALL_CLASSES = ", ".join(CLASSES)
HAS_HEIC = importlib.util.find_spec("pillow_heif") is not None
HAS_DICOM = importlib.util.find_spec("pydicom") is not None
FORTY = Right(40, held_out=8, classes=ALL_CLASSES)  # ten of each class, in folders of their names
WEB_PAGE = "<!doctype html>\n<html><body>404: the picture is gone</body></html>\n"

cases = CaseList()


def flat(used: int, **more: object) -> Right:
    """Return what is right for pictures without classes: all are fitted."""
    return Right(used, **more)  # type: ignore[arg-type]


WITH_HEIC = flat(44, left_out={"video": 1})
WITHOUT_HEIC = flat(12, left_out={"HEIC": 32, "video": 1}, is_loud=True, says=("heic",))


@cases.add(ENDINGS, WITH_HEIC if HAS_HEIC else WITHOUT_HEIC)
def telephone(folder: Path) -> None:
    """A telephone: 12 JPEG, 32 HEIC, a film and a side file of an edit."""
    fill(folder, 3, "IMG_{name}{number:04d}.jpg", "JPEG")
    for name, number in drawn(8, start=3):
        heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
        if HAS_HEIC:
            heic = encoded(picture(name, number), "HEIF")
        put(folder / f"IMG_{name}{number:04d}.HEIC", heic)
    put(folder / "IMG_0001.MOV", b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(100))
    put(folder / "IMG_0001.AAE", "<?xml version='1.0'?><plist></plist>")


@cases.add(ENDINGS, FORTY)
def no_endings(folder: Path) -> None:
    """Names as content stores give them: a hash and nothing else."""
    for name, number in drawn(10):
        put(
            folder / name / f"{zlib.crc32(f'{name}{number}'.encode()):08x}",
            encoded(picture(name, number), "JPEG"),
        )


@cases.add(ENDINGS, Right(36, held_out=7, classes=ALL_CLASSES))
def wrong_endings(folder: Path) -> None:
    """Endings of web pages, of copies, of other formats, in capitals."""
    forms = [("JPG", "JPEG"), ("png", "JPEG"), ("jpg", "PNG"), ("jpeg", "WEBP"), ("tga", "TGA")]
    forms += [("dat", "GIF"), ("jpg_large", "JPEG"), ("bmp", "TIFF"), ("jpg~", "JPEG")]
    for name, number in drawn(9):
        ending, form = forms[number]
        put(folder / name / f"{number}.{ending}", encoded(picture(name, number), form))


@cases.add(ENDINGS, Right(32, held_out=6, classes=ALL_CLASSES))
def rare_formats(folder: Path) -> None:
    """Formats that Pillow reads and few people have."""
    forms = ["JPEG2000", "PPM", "BMP", "PCX", "SGI", "ICO", "AVIF", "TIFF"]
    endings = ["jp2", "ppm", "bmp", "pcx", "sgi", "ico", "avif", "tiff"]
    for name, number in drawn(8):
        path = folder / name / f"{number}.{endings[number]}"
        put(path, encoded(picture(name, number), forms[number]))


@cases.add(ENDINGS, FORTY)
def avif_named_jpg(folder: Path) -> None:
    """What a browser saves: AVIF under the name of a JPEG."""
    fill(folder, 10, "{name}/{number}.jpg", "AVIF")


@cases.add(ENDINGS, flat(28, left_out={"empty": 2, "no picture|HTML|text": 6}, is_loud=True))
def scraped(folder: Path) -> None:
    """Pictures of the web: six are error pages, two are empty."""
    fill(folder, 7, "{name}{number}.jpg", "JPEG")
    for number in range(6):
        put(folder / f"gone{number}.jpg", WEB_PAGE)
    for number in range(2):
        put(folder / f"nothing{number}.jpg", "")


@cases.add(
    ENDINGS,
    Right(20, {"raw": 20}, held_out=4, classes=ALL_CLASSES, is_loud=True),
)
def raw_and_jpeg(folder: Path) -> None:
    """A camera that writes each photo twice."""
    fill(folder, 5, "{name}/DSC{number:04d}.JPG", "JPEG")
    for name, number in drawn(5):
        put(folder / name / f"DSC{number:04d}.CR2", b"II*\0\x10\0\0\0CR\2\0" + bytes(400))


@cases.add(ENDINGS, flat(20, left_out={"PDF": 3, "SVG": 2}, is_loud=True))
def desk(folder: Path) -> None:
    """Scans between documents."""
    fill(folder, 5, "{name}{number}.png")
    for number in range(3):
        put(folder / f"letter{number}.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(50))
    for number in range(2):
        put(folder / f"plan{number}.svg", '<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    put(folder / "notes.docx", b"PK\3\4" + bytes(60))
    put(folder / "README.md", "# Scans\n")


@cases.add(
    ENDINGS,
    flat(20, left_out={"HDF5": 2, "FITS": 2, "NIfTI": 1, "OpenEXR": 1}, is_loud=True),
)
def laboratory(folder: Path) -> None:
    """Scientific formats between pictures."""
    fill(folder, 5, "{name}{number}.png")
    for number in range(2):
        put(folder / f"cube{number}.h5", b"\x89HDF\r\n\x1a\n" + bytes(90))
        put(folder / f"sky{number}.fits", b"SIMPLE  =                    T" + bytes(90))
    put(folder / "head.nii", b"\x5c\1\0\0" + bytes(340) + b"n+1\0" + bytes(100))
    put(folder / "light.exr", b"v/1\1" + bytes(90))


@cases.add(
    ENDINGS,
    flat(24, has_scale=True) if HAS_DICOM else Refused(("24 DICOM", "dicom")),
)
def hospital(folder: Path) -> None:
    """An export of DICOM files without endings."""
    for name, number in drawn(6):
        content = dicom(numbers(name, number, 100, 900, "uint16"))
        put(folder / "STUDY1" / f"IM{CLASSES.index(name)}{number:03d}", content)


@cases.add(
    LINKS,
    Right(40, {"text|link|no picture": 20}, held_out=None, classes=ALL_CLASSES, is_loud=True),
)
def links_lost(folder: Path) -> None:
    """Links that became text files on Windows."""
    fill(folder, 10)
    for name, number in drawn(5, start=10):
        put(folder / name / f"{name}{number:02d}.png", f"../../store/{name}{number:02d}.png")


@cases.add(
    LINKS,
    Right(
        40,
        {"nothing|nowhere": 12, "LFS": 8},
        held_out=None,
        classes=ALL_CLASSES,
        is_loud=True,
        says=("git lfs pull",),
    ),
)
def annex(folder: Path) -> None:
    """A clone without its contents: links of git-annex, pointers of Git LFS."""
    fill(folder, 10)
    for name, number in drawn(3, start=10):
        os.symlink(f"../.git/annex/{number}", folder / name / f"{number}.png")
    for name, number in drawn(2, start=20):
        text = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 99\n"
        put(folder / name / f"{number}.png", text)


@cases.add(
    LINKS,
    flat(20, left_out={"lead out": 20}, is_loud=True, says=("follow.links",)),
    data="photos",
)
@cases.add(LINKS, flat(40), data="photos", name="links_out_followed", follow_links=True)
def links_out(folder: Path) -> None:
    """Half of the pictures lie elsewhere."""
    fill(folder / "photos", 5, "{name}{number}.png")
    for path in fill(folder / "store", 5, "{name}{number}.png", start=5):
        os.symlink(f"../store/{path}", folder / "photos" / path)


@cases.add(LINKS, Refused(("40 links that lead out", "follow.links")), data="views")
@cases.add(LINKS, FORTY, data="views", name="views_followed", follow_links=True)
def views(folder: Path) -> None:
    """Classes as folders of links to a store beside them."""
    for path in fill(folder / "store", 10):
        view = folder / "views" / path
        view.parent.mkdir(parents=True, exist_ok=True)
        view.symlink_to(folder / "store" / path)


@cases.add(LINKS, FORTY)
def links_in_a_circle(folder: Path) -> None:
    """A link to the parent, a second name of a folder, a second name of a file."""
    fill(folder, 10)
    os.symlink("..", folder / "ring" / "up")
    os.symlink("ring", folder / "zz_ring_again")
    os.symlink("ring00.png", folder / "ring" / "zz_cover.png")


@cases.add(
    LINKS,
    Right(
        32,
        {"empty": 2, "truncated|damaged|cannot be decoded": 6},
        held_out=None,
        classes=ALL_CLASSES,
        is_loud=True,
    ),
)
def half_downloaded(folder: Path) -> None:
    """A download that broke off."""
    fill(folder, 8)
    for name, number in [*drawn(2, start=8)][:6]:
        whole = encoded(picture(name, number))
        put(folder / name / f"{number}.png", whole[: len(whole) // 2])
    for number in range(2):
        put(folder / "wedge" / f"empty{number}.png", b"")


@cases.add(
    LINKS,
    Right(40, {"no regular file": 1}, held_out=None, classes=ALL_CLASSES),
)
def pipe(folder: Path) -> None:
    """A pipe with the name of a picture: nobody may wait for it."""
    fill(folder, 10)
    os.mkfifo(folder / "ring" / "live.png")


def save_pages(path: Path, pages: list[np.ndarray], form: str, **how: object) -> None:
    """Write pictures into one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(page) for page in pages]
    first.save(path, form, save_all=True, append_images=others, **how)


STACK_IDS = ("stack_ring.tif#1", "stack_ring.tif#3", "stack_wedge.tif#15")


@cases.add(PAGES, flat(60, ids=STACK_IDS))
@cases.add(PAGES, flat(15, ids=("stack_ring.tif#15",)), data="stack_ring.tif", name="one_stack")
def stacks(folder: Path) -> None:
    """Four TIFF files of 15 pages."""
    for name in CLASSES:
        save_pages(folder / f"stack_{name}.tif", [grey(name, i) for i in range(15)], "TIFF")


@cases.add(PAGES, flat(32, ids=("ring.gif#1", "ring.gif#8")))
def animated_gif(folder: Path) -> None:
    """Four animations of 8 frames."""
    for name in CLASSES:
        save_pages(folder / f"{name}.gif", [picture(name, i) for i in range(8)], "GIF")


@cases.add(PAGES, flat(32, ids=("ring.webp#8",)))
def animated_webp(folder: Path) -> None:
    """The same as WebP."""
    for name in CLASSES:
        save_pages(folder / f"{name}.webp", [picture(name, i) for i in range(8)], "WEBP")


@cases.add(PAGES, flat(24, ids=("ring.png#6",)))
def animated_png(folder: Path) -> None:
    """The same as PNG."""
    for name in CLASSES:
        save_pages(folder / f"{name}.png", [picture(name, i) for i in range(6)], "PNG")


@cases.add(PAGES, Right(40, held_out=8, classes=ALL_CLASSES, has_scale=True))
def stacks_of_16_bits(folder: Path) -> None:
    """Stacks of numbers beyond 8 bits, two in each class folder."""
    for name, number in drawn(2):
        pages = [numbers(name, 10 * number + i, 200, 700, "uint16") for i in range(5)]
        save_pages(folder / name / f"z{number}.tif", pages, "TIFF")


@cases.add(PAGES, flat(12, ids=("ring0.tif",)))
def pyramids(folder: Path) -> None:
    """Scans with a small version of themselves as their second page: that is no picture."""
    for name, number in drawn(3):
        page = Image.fromarray(picture(name, number))
        small = page.resize((16, 16))
        small.encoderinfo = {"tiffinfo": {254: 1}}
        path = folder / f"{name}{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.save(path, "TIFF", save_all=True, append_images=[small])


@cases.add(PAGES, flat(23, ids=("film.gif#3", "still_ring0.gif")))
def stills_and_films(folder: Path) -> None:
    """Files of one frame keep their plain name."""
    fill(folder, 5, "still_{name}{number}.gif", "GIF")
    save_pages(folder / "film.gif", [picture("ring", i) for i in range(20, 23)], "GIF")


def uses_the_range(images: ImageSet) -> str:
    """Return "" if the pixels of a set reach from black to white."""
    pixels = images.read(np.arange(len(images)))
    low, high = int(pixels.min()), int(pixels.max())
    return "" if high - low >= 200 else f"pixels are {low} to {high} only"


DEEP = Right(40, held_out=8, classes=ALL_CLASSES, has_scale=True, check=uses_the_range)


def _deep(  # noqa: PLR0913  # each says one thing of the numbers
    name: str, low: float, high: float, dtype: str, end: str, purity: float | None = None
) -> None:
    """Add a folder of numbers beyond 8 bits."""

    def make(folder: Path) -> None:
        fill_numbers(folder, 10, low, high, dtype, end)

    cases.append(Case(NUMBERS, name, make, dataclasses.replace(DEEP, purity=purity)))


_deep("dim_camera", 130, 250, "uint16", "tif", purity=0.9)
_deep("ten_bits", 0, 1023, "uint16", "png")
_deep("twelve_bits", 0, 4095, "uint16", "tif")
_deep("signed", -1000, 2000, "int32", "tif", purity=0.9)
_deep("floats_around_zero", -1, 1, "float32", "tif")
_deep("floats_of_an_instrument", 1e4, 3e6, "float32", "tiff")


@cases.add(
    NUMBERS,
    Right(60, held_out=12, classes=ALL_CLASSES, has_scale=True, purity=0.9, check=uses_the_range),
)
def sixty_png_of_100_to_900(folder: Path) -> None:
    """Sixty 16-bit PNGs whose numbers are 100 to 900."""
    fill_numbers(folder, 15, 100, 900, "uint16", "png")


@cases.add(
    NUMBERS,
    Right(40, held_out=8, classes=ALL_CLASSES, has_scale=True, says=("0 to 4095",)),
    value_range="0,4095",
)
def range_is_given(folder: Path) -> None:
    """The user knows the camera."""
    fill_numbers(folder, 10, 100, 900, "uint16", "tif")


def corners_are_equal(images: ImageSet) -> str:
    """Return "" if the corner, which has the same numbers everywhere, has the same pixels."""
    corners = images.read(np.arange(len(images)))[:, 2:5, 2:5]
    seen = np.unique(corners)
    return "" if len(seen) == 1 else f"equal numbers became the pixels {seen.tolist()}"


@cases.add(NUMBERS, flat(40, has_scale=True, check=corners_are_equal))
def other_range_in_each(folder: Path) -> None:
    """Each picture has another brightest number, and one corner of 500 in all of them."""
    folder.mkdir(parents=True)
    for name, number in drawn(10):
        pixels = numbers(name, number, 100, 600 + 150 * number, "uint16")
        pixels[:12, :12] = 500
        Image.fromarray(pixels).save(folder / f"{name}{number}.tif")


def _fill_masks(folder: Path, count: int) -> None:
    for name, number in drawn(10):
        mask = (255 - grey(name, number)) // (256 // count)
        put(folder / name / f"{number}.png", encoded(mask.astype(np.uint8)))


@cases.add(NUMBERS, DEEP)
def masks_of_0_and_1(folder: Path) -> None:
    """Segmentation masks: black to the eye."""
    _fill_masks(folder, 2)


@cases.add(NUMBERS, DEEP)
def masks_of_classes(folder: Path) -> None:
    """Masks of the numbers 0 to 7."""
    _fill_masks(folder, 8)


@cases.add(NUMBERS, DEEP)
def colours_of_16_bits(folder: Path) -> None:
    """PNG of 16 bits for each of three colours, dim."""
    for name, number in drawn(10):
        pixels = picture(name, number).astype(np.uint16) * 3 + 100
        put(folder / name / f"{number}.png", png_of_48_bits(pixels))


def png_of_48_bits(pixels: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a colour, which Pillow does not write."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + check


@cases.add(NUMBERS, FORTY)
def eight_bits(folder: Path) -> None:
    """The control: nothing is scaled, and nothing is said."""
    fill(folder, 10)


@cases.add(NUMBERS, Right(40, held_out=8, classes=ALL_CLASSES, has_scale=None))
def sixteen_bits_in_full(folder: Path) -> None:
    """The other control: numbers that use their 16 bits."""
    fill_numbers(folder, 10, 0, 65535, "uint16", "png")
