"""What a file is, by its first bytes; its name decides only where the bytes say nothing.

`kind_of` knows the pictures that latentlab reads and what else lies in the folders of people who
collect pictures, so that the account can name it. Nothing is decoded here.
"""

import functools
import importlib.util
import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePath

from latentlab.data.pictures.jpeg_views import JPEG_MAGIC, lists_views

HEAD_BYTES = 4096  # of a file: enough for the magic of all kinds, and one page of a disk cache
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TAR_MAGIC = slice(257, 262)
DICOM_MAGIC = slice(128, 132)
TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")
TGA_TYPES = (1, 2, 3, 9, 10, 11)
TGA_DEPTHS = (8, 15, 16, 24, 32)
_PPM = re.compile(rb"P[1-6Ff]\s+(#|\d+\s)")
TEXT_BYTES = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x100)))


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    name : str
        What the account calls such files, after their number.
    format : str
        Pillow's name of a picture's format; "" for what Pillow does not read.
    extra : str
        Extra of latentlab that reads such pictures; "" if none is needed or helps.
    hint : str
        What to do if such files should be used.
    is_expected : bool
        Whether nobody would miss it among pictures, such as a text.
    may_hold_several : bool
        Whether one file may hold several pages or frames.
    """

    name: str
    format: str = ""
    extra: str = ""
    hint: str = ""
    is_expected: bool = False
    may_hold_several: bool = False

    @property
    def is_picture(self) -> bool:
        """Whether latentlab reads it, with an extra perhaps."""
        return bool(self.format or self.extra)

    @property
    def is_readable(self) -> bool:
        """Whether it is a picture, and what reads it is installed."""
        return self.is_picture and (not self.extra or has_extra(self.extra))

    @property
    def advice(self) -> str:
        """What to do if such files should be used; "" if nothing helps or is needed."""
        return f"install latentlab[{self.extra}]" if self.extra else self.hint


MODULES = {"heic": "pillow_heif", "dicom": "pydicom"}  # what an extra installs
AS_TIFF = "save as TIFF or .npy"

PNG = Kind("PNG", "PNG")
APNG = Kind("PNG", "PNG", may_hold_several=True)
JPEG = Kind("JPEG", "JPEG")
JPEG_OF_VIEWS = Kind("JPEG", "JPEG", may_hold_several=True)  # MPO
GIF = Kind("GIF", "GIF", may_hold_several=True)
TIFF = Kind("TIFF", "TIFF", may_hold_several=True)
WEBP = Kind("WebP", "WEBP")
ANIMATED_WEBP = Kind("WebP", "WEBP", may_hold_several=True)
AVIF = Kind("AVIF", "AVIF")
AVIF_SEQUENCE = Kind("AVIF", "AVIF", may_hold_several=True)
JPEG2000 = Kind("JPEG 2000", "JPEG2000")
TGA = Kind("TGA", "TGA")
ICO = Kind("ICO", "ICO")
HEIC = Kind("HEIC", extra="heic", may_hold_several=True)
DICOM = Kind("DICOM", extra="dicom", may_hold_several=True)

EMPTY = Kind("empty")
LFS_POINTER = Kind("Git LFS pointers", hint="fetch them with git lfs pull")
RAW = Kind("raw photos of cameras", hint="save as TIFF or JPEG")
SVG = Kind("SVG", hint="save as PNG")
VIDEO = Kind("videos", hint="save their frames as pictures")
AUDIO = Kind("sound files", is_expected=True)
ARCHIVE = Kind("archives", hint="unpack them, or give one of them as the data")
PDF = Kind("PDF", hint="save their pages as pictures")
TABLE = Kind("tables", is_expected=True)
ARRAYS = Kind("array files", hint="give one of them as the data")
TEXT = Kind("text files", is_expected=True)
DOCUMENT = Kind("documents", is_expected=True)
PROGRAM = Kind("programs", is_expected=True)
DATABASE = Kind("databases", is_expected=True)
HDF5 = Kind("HDF5", hint=AS_TIFF)
FITS = Kind("FITS", hint=AS_TIFF)
NIFTI = Kind("NIfTI", hint=AS_TIFF)
NRRD = Kind("NRRD", hint=AS_TIFF)
METAIMAGE = Kind("MetaImage", hint=AS_TIFF)
MICROSCOPE = Kind("microscope files", hint=AS_TIFF)
OPENEXR = Kind("OpenEXR", hint="save as TIFF")
JPEG_XL = Kind("JPEG XL", hint="save as PNG or JPEG")
OTHER_PICTURE = Kind("pictures of formats that are not read", hint="save as PNG or JPEG")
UNKNOWN = Kind("no picture by its content")

# Longer beginnings first where one begins with another.
_BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0\x08\0\0\0", TIFF),  # BigTIFF
    (b"MM\0+\0\x08\0\0", TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG2000),
    (b"\xff\x4f\xff\x51", JPEG2000),
    (b"8BPS\0\x01", Kind("PSD", "PSD")),
    (b"qoif", Kind("QOI", "QOI")),
    (b"\x01\xda\x00", Kind("SGI", "SGI")),
    (b"\x01\xda\x01", Kind("SGI", "SGI")),
    (b"DDS \x7c\0\0\0", Kind("DDS", "DDS")),
    (b"icns", OTHER_PICTURE),
    (b"version https://git-lfs.github.com/spec", LFS_POINTER),
    (b"version https://hawser.github.com/spec", LFS_POINTER),
    (b"\xff\x0a", JPEG_XL),
    (b"\0\0\0\x0cJXL ", JPEG_XL),
    (b"v/1\x01", OPENEXR),
    (b"#?RADIANCE", OTHER_PICTURE),
    (b"#?RGBE", OTHER_PICTURE),
    (b"%!PS", OTHER_PICTURE),  # it is a program, which nothing here runs
    (b"\xc5\xd0\xd3\xc6", OTHER_PICTURE),  # EPS with a preview
    (b"gimp xcf", OTHER_PICTURE),
    (b"AT&TFORM", OTHER_PICTURE),  # DjVu
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"IIU\0", RAW),
    (b"FOVb", RAW),
    (b"\x1aE\xdf\xa3", VIDEO),  # Matroska, WebM
    (b"\0\0\x01\xba", VIDEO),
    (b"\0\0\x01\xb3", VIDEO),
    (b"FLV\x01", VIDEO),
    (b"0&\xb2u\x8ef\xcf\x11", VIDEO),  # WMV, WMA
    (b".RMF", VIDEO),
    (b"ID3", AUDIO),
    (b"OggS", AUDIO),
    (b"fLaC", AUDIO),
    (b"\xff\xfb", AUDIO),
    (b"\xff\xf3", AUDIO),
    (b"MThd", AUDIO),
    (b"PK\x03\x04", ARCHIVE),
    (b"PK\x05\x06", ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"Rar!\x1a\x07", ARCHIVE),
    (b"\x1f\x8b", ARCHIVE),
    (b"BZh", ARCHIVE),
    (b"\xfd7zXZ\0", ARCHIVE),
    (b"\x28\xb5\x2f\xfd", ARCHIVE),
    (b"%PDF-", PDF),
    (b"PAR1", TABLE),
    (b"ARROW1", TABLE),
    (b"\x93NUMPY", ARRAYS),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"MATLAB 5.0 MAT-file", ARRAYS),
    (b"SIMPLE  =", FITS),
    (b"NRRD", NRRD),
    (b"ObjectType =", METAIMAGE),
    (b"ZISRAWFILE", MICROSCOPE),  # CZI
    (b"\xda\xce\xbe\x0a", MICROSCOPE),  # ND2
    (b"\0\0\0\x0cjP\x1a\x1a", MICROSCOPE),  # old ND2
    (b"p\0\0\0", MICROSCOPE),  # LIF
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", DOCUMENT),  # old Office, Thumbs.db, OIB
    (b"{\\rtf", DOCUMENT),
    (b"SQLite format 3\0", DATABASE),
    (b"\x7fELF", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),
)
# Where the bytes say nothing, or less than the name.
_SUFFIXES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    ((".heic", ".heif", ".hif"), HEIC),
    ((".dcm", ".dicom", ".ima"), DICOM),
    ((".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".3gp"), VIDEO),
    ((".mts", ".m2ts", ".ts", ".flv", ".vob", ".insv", ".lrv"), VIDEO),
    ((".mp3", ".wav", ".m4a", ".aac", ".ogg", ".flac", ".aiff", ".amr"), AUDIO),
    ((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst", ".br"), ARCHIVE),
    ((".parquet", ".feather", ".arrow", ".csv", ".tsv", ".jsonl", ".ndjson"), TABLE),
    ((".xls", ".xlsx", ".ods"), TABLE),
    ((".npy", ".npz", ".pt", ".pth", ".pkl", ".pickle", ".mat", ".safetensors"), ARRAYS),
    ((".tfrecord", ".tfrecords", ".rec", ".mdb", ".lmdb"), ARRAYS),
    ((".h5", ".hdf5", ".hdf", ".ims"), HDF5),
    ((".nii", ".nii.gz", ".hdr", ".img"), NIFTI),
    ((".fits", ".fit", ".fts"), FITS),
    ((".nrrd", ".nhdr"), NRRD),
    ((".mha", ".mhd"), METAIMAGE),
    ((".czi", ".nd2", ".lif", ".oib", ".oif", ".vsi", ".lsm5", ".mrxs", ".ndpi"), MICROSCOPE),
    ((".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf"), RAW),
    ((".dng", ".pef", ".srw", ".3fr", ".iiq", ".x3f", ".raw", ".rwl", ".erf", ".kdc"), RAW),
    ((".svg", ".svgz"), SVG),
    ((".pdf",), PDF),
    ((".doc", ".docx", ".odt", ".ppt", ".pptx", ".odp", ".rtf", ".pages", ".key"), DOCUMENT),
    ((".jxl",), JPEG_XL),
    ((".exr",), OPENEXR),
    (
        (".eps", ".ps", ".ai", ".xcf", ".hdp", ".jxr", ".wdp", ".cdr", ".djvu", ".hdr"),
        OTHER_PICTURE,
    ),
    ((".txt", ".md", ".json", ".xml", ".yaml", ".yml", ".html", ".htm", ".rst", ".log"), TEXT),
    ((".xmp", ".aae", ".thm", ".ini", ".py", ".ipynb", ".js", ".css", ".sh", ".url"), TEXT),
    ((".exe", ".dll", ".so", ".pyc", ".jar", ".bin", ".lnk"), PROGRAM),
    ((".db", ".sqlite", ".sqlite3"), DATABASE),
)
_BY_SUFFIX = {suffix: kind for suffixes, kind in _SUFFIXES for suffix in suffixes}
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_STILL_BRANDS = (b"mif1", b"mif2", b"msf1", b"miaf")  # of HEIC and AVIF; others say which
_RAW_TIFF = (RAW, MICROSCOPE)  # kinds that begin as a TIFF, and whose names say what they are
_ZIP_NAMES = (ARRAYS, TABLE, DOCUMENT)  # kinds that are zip files, and whose names say so

# A file with such an ending was meant as a picture: if it is none, it counts as unreadable.
PICTURE_SUFFIXES = frozenset(
    (
        *(".apng", ".avif", ".avifs", ".bmp", ".dds", ".dib", ".gif", ".ico"),
        *(".j2c", ".j2k", ".jfif", ".jif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg"),
        *(".jpx", ".mpo", ".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi"),
        *(".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    )
)


@functools.cache
def has_extra(extra: str) -> bool:
    """Return whether an extra of latentlab is installed; nothing is imported.

    Parameters
    ----------
    extra : {"heic", "dicom"}
        Its name.
    """
    return importlib.util.find_spec(MODULES[extra]) is not None


def has_picture_suffix(name: str) -> bool:
    """Return whether a file's name ends as that of a picture does.

    Parameters
    ----------
    name : str
        Name or path.

    Examples
    --------
    >>> has_picture_suffix("a.JPG"), has_picture_suffix("a.jpg_large"), has_picture_suffix("a.txt")
    (True, True, False)
    """
    suffix = PurePath(name).suffix.lower()
    # Ends of saved web pages, such as .jpg_large and .jpg!d, and .jpg~ and .png_ for copies.
    return suffix in PICTURE_SUFFIXES or suffix.startswith((".jpg", ".jpeg", ".png"))


def kind_of(head: bytes, name: str = "") -> Kind:
    """Return the kind of a file.

    Parameters
    ----------
    head : bytes
        Its first bytes, `HEAD_BYTES` or all.
    name : str
        Its name, if it has one: it decides where the bytes say nothing, and says which of the
        kinds that are zip or TIFF files inside it is.

    Returns
    -------
    Kind
        `UNKNOWN` if neither says anything.

    Examples
    --------
    >>> kind_of(b"GIF89a").name, kind_of(b"a,b", "table.csv").name, kind_of(bytes(4)).name
    ('GIF', 'tables', 'no picture by its content')
    """
    by_name = _BY_SUFFIX.get(PurePath(name).suffix.lower())
    if not head:
        return by_name if by_name is TEXT else EMPTY
    kind = _by_bytes(head)
    if kind is None:
        return _by_name(head, name, by_name)
    if kind is TIFF and by_name in _RAW_TIFF:
        return by_name or kind
    if kind is ARCHIVE and (by_name in _ZIP_NAMES or name.lower().endswith(".nii.gz")):
        return NIFTI if name.lower().endswith(".nii.gz") else by_name or kind
    if kind is TEXT:
        return by_name if by_name and not by_name.is_picture else TEXT
    return kind


def kind_of_file(path: Path) -> Kind:
    """Return the kind of a file by its first bytes and its name.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return kind_of(file.read(HEAD_BYTES), path.name)


def _by_bytes(head: bytes) -> Kind | None:
    if head.startswith(PNG_MAGIC):
        return APNG if b"acTL" in head else PNG
    if head.startswith(JPEG_MAGIC):
        return JPEG_OF_VIEWS if lists_views(io.BytesIO(head)) else JPEG
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    return _by_structure(head) or _by_text(head)


def _by_structure(head: bytes) -> Kind | None:
    """Return the kind of a file whose magic is not at its beginning, or not enough."""
    if head[4:8] == b"ftyp":
        return _by_brands(head)
    if head.startswith(b"RIFF"):
        return _by_riff(head)
    if head[DICOM_MAGIC] == b"DICM":
        return DICOM
    if head[TAR_MAGIC] == b"ustar":
        return ARCHIVE
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return VIDEO  # old QuickTime
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return NIFTI
    return _by_small_header(head)


def _by_small_header(head: bytes) -> Kind | None:
    """Return the kind of a picture whose magic is so short that more must fit."""
    if head.startswith(b"BM") and head[14:15] in (
        b"\x0c",
        b"\x28",
        b"\x34",
        b"\x38",
        b"\x40",
        b"l",
        b"|",
    ):
        return Kind("BMP", "BMP")
    if _PPM.match(head):
        return Kind("PPM", "PPM")
    if head[:4] == b"\0\0\x01\0" and 0 < int.from_bytes(head[4:6], "little") < 256:
        return ICO
    if head[:1] == b"\x0a" and head[1:3] in (b"\0\x01", b"\x02\x01", b"\x03\x01", b"\x05\x01"):
        return Kind("PCX", "PCX")
    return None


def _by_brands(head: bytes) -> Kind:
    """Return the kind of a file of ISO boxes by the brands that it is compatible with."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end - 3, 4))]
    if any(brand in (b"avif", b"avis") for brand in brands):
        return AVIF_SEQUENCE if b"avis" in brands else AVIF
    if any(brand in _HEIC_BRANDS for brand in brands) or brands[0] in _STILL_BRANDS:
        return HEIC
    if brands[0] in (b"crx ",):
        return RAW
    if brands[0] in (b"M4A ", b"M4B "):
        return AUDIO
    if brands[0] in (b"jp2 ", b"jpx "):
        return JPEG2000
    return VIDEO


def _by_riff(head: bytes) -> Kind | None:
    form = head[8:12]
    if form == b"WEBP":
        is_animated = head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 2)
        return ANIMATED_WEBP if is_animated else WEBP
    return {b"AVI ": VIDEO, b"WAVE": AUDIO}.get(form)


def _by_text(head: bytes) -> Kind | None:
    """Return TEXT or a kind of it; None for other bytes."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" in head:
        return TEXT  # UTF-16, as Windows writes it
    if head.translate(None, TEXT_BYTES) or not _is_utf8(head):
        return None
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith((b"<?xml", b"<svg", b"<!doctype svg")) and b"<svg" in beginning:
        return SVG
    return TEXT


def _is_utf8(head: bytes) -> bool:
    """Return whether bytes are UTF-8; the last character may be cut off."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) - error.start < 4 and len(head) >= HEAD_BYTES
    return True


def _by_name(head: bytes, name: str, by_name: Kind | None) -> Kind:
    """Return the kind of a file whose bytes say nothing."""
    if name.lower().endswith(TGA_SUFFIXES) and _is_tga(head):
        return TGA
    if by_name is None or by_name.is_picture:
        return UNKNOWN  # a picture by its name alone is none
    return by_name


def _is_tga(head: bytes) -> bool:
    """Return whether a header may be that of a TGA, which has no magic."""
    if len(head) < 18:
        return False
    width, height = (int.from_bytes(head[at : at + 2], "little") for at in (12, 14))
    has_known_type = head[1] <= 1 and head[2] in TGA_TYPES and head[16] in TGA_DEPTHS
    has_palette_as_it_says = head[7] in TGA_DEPTHS if head[1] else not any(head[3:8])
    has_no_reserved_bits = not head[17] & 0xC0
    is_whole = has_known_type and has_palette_as_it_says and has_no_reserved_bits
    return is_whole and width > 0 and height > 0
