"""What files are, by their first bytes."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentlab.data.pictures.sniffing import HEAD_BYTES, has_picture_suffix, kind_of

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
QUICKTIME = b"\0\0\0\x14ftypqt  \0\0\0\0qt  \0\0\0\x08wide"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
MIF1_HEIC = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"
MIF1_AVIF = b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif"
CANON_RAW = b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom"


def picture(file_format, mode="RGB", **settings):
    buffer = io.BytesIO()
    Image.new("RGB", (24, 18), (200, 30, 90)).convert(mode).save(buffer, file_format, **settings)
    return buffer.getvalue()[:HEAD_BYTES]


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [
        *(("PNG", "RGB"), ("PNG", "1"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "L")),
        *(("TIFF", "L"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("AVIF", "RGB"), ("JPEG2000", "RGB")),
        *(("PPM", "RGB"), ("PPM", "L"), ("PPM", "1"), ("ICO", "RGB"), ("PCX", "RGB")),
        *(("SGI", "RGB"), ("DDS", "RGB")),
    ],
)
@pytest.mark.parametrize("name", ["", "photo.jpg", "photo.txt", "photo.mov", "d41d8cd98f00b204"])
def test_pictures_are_known_whatever_their_name(file_format, mode, name):
    assert kind_of(picture(file_format, mode), name).format == file_format


def test_forms_of_a_format():
    assert kind_of(picture("TIFF", big_tiff=True)).name == "TIFF"
    assert kind_of(b"MM\0*\0\0\0\x08").name == "TIFF"
    assert kind_of(picture("JPEG2000", no_jp2=True)).name == "JPEG 2000"
    assert kind_of(b"P2\n# by hand\n2 2\n9\n0 1 2 3\n").name == "PPM"
    assert kind_of(MIF1_AVIF).name == "AVIF"
    assert kind_of(MIF1_HEIC).name == kind_of(HEIC).name == "HEIC"


def test_a_tga_is_known_by_name_and_header_together():
    tga = picture("TGA")
    assert kind_of(tga, "a.TGA").format == "TGA"
    assert kind_of(tga, "a.dat").is_picture is False
    assert kind_of(b"\x07" * 64, "a.tga").is_picture is False
    assert kind_of(b"just some text", "a.tga").name == "text files"


def test_what_may_hold_several_pictures():
    frames = [Image.new("L", (8, 8), grey) for grey in (0, 99)]

    def saved(file_format):
        buffer = io.BytesIO()
        frames[0].save(buffer, file_format, save_all=True, append_images=frames[1:])
        return kind_of(buffer.getvalue()[:HEAD_BYTES]).may_hold_several

    assert all(saved(file_format) for file_format in ("PNG", "GIF", "WEBP", "TIFF", "AVIF"))
    assert not kind_of(picture("PNG")).may_hold_several
    assert not kind_of(picture("WEBP")).may_hold_several
    assert not kind_of(picture("AVIF")).may_hold_several


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return buffer.getvalue()[:HEAD_BYTES]


def parquet():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), buffer)
    return buffer.getvalue()


def array():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"", "a.png", "empty"),
        (b"", "a", "empty"),
        (b"", "notes.txt", "text files"),
        (LFS, "a.png", "Git LFS pointers"),
        (b"\0" * 100, "IMG_0001.MOV", "videos"),
        (MP4, "a.jpg", "videos"),
        (QUICKTIME, "", "videos"),
        (b"RIFF\0\0\0\0AVI LIST", "", "videos"),
        (b"\x1aE\xdf\xa3\x01", "", "videos"),
        (b"RIFF\0\0\0\0WAVEfmt ", "", "sound files"),
        (b"ID3\x03\0", "", "sound files"),
        (b"%PDF-1.7\n", "", "PDF"),
        (zipped(), "a", "archives"),
        (zipped(), "a.npz", "array files"),
        (zipped(), "a.xlsx", "tables"),
        (zipped(), "a.docx", "documents"),
        (tarred(), "a", "archives"),
        (gzip.compress(b"a", mtime=0), "a.gz", "archives"),
        (gzip.compress(b"a", mtime=0), "a.nii.gz", "NIfTI"),
        (b"7z\xbc\xaf\x27\x1c", "", "archives"),
        (parquet(), "a", "tables"),
        (array(), "a", "array files"),
        (b"id,label\n1,cat\n", "a.csv", "tables"),
        (b"id,label\n1,cat\n", "a.jpg", "text files"),
        (b"../../all/disc_015.png", "disc_015.png", "text files"),
        ("Größe\n".encode("utf-16"), "a", "text files"),
        (b"P1 is the first patient", "a", "text files"),
        (b'{"a": 1}', "a.json", "text files"),
        (b"<html></html>", "a.jpg", "text files"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "a.svg", "SVG"),
        (b"<svg/>", "a.png", "SVG"),
        (b"\x89HDF\r\n\x1a\n", "", "HDF5"),
        (b"SIMPLE  =                    T", "", "FITS"),
        (b"\0" * 344 + b"n+1\0", "", "NIfTI"),
        (b"ZISRAWFILE\0", "", "microscope files"),
        (b"\xda\xce\xbe\x0a", "a.nd2", "microscope files"),
        (b"II*\0\x08\0\0\0", "a.NEF", "raw photos of cameras"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a.cr2", "raw photos of cameras"),
        (CANON_RAW, "a.jpg", "raw photos of cameras"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a", "documents"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a.png", "pictures of formats that are not read"),
        (b"\xff\x0a\xfa", "", "JPEG XL"),
        (bytes(range(256)), "a", "no picture by its content"),
        (bytes(range(256)), "a.png", "no picture by its content"),
        (bytes(range(256)), "a.heic", "no picture by its content"),
    ],
)
def test_what_is_no_picture_has_a_name(head, name, kind):
    found = kind_of(head, name)
    assert found.name == kind
    assert not found.is_picture
    assert not found.is_readable


def test_dicom_needs_its_extra():
    kind = kind_of(b"\0" * 128 + b"DICM" + b"\0" * 40)
    assert kind.name == "DICOM"
    assert kind.advice == "install latentlab[dicom]"


def test_names_that_pictures_have():
    names = ("a.JPG", "a.jfif", "a.jpe", "a.jpg_large", "a.jpg!d", "a.png~", "b/c.d/e.TIF", "a.tga")
    assert all(map(has_picture_suffix, names))
    assert not any(map(has_picture_suffix, ("a", "png", "a.txt", "a.heic", "a.png.txt", "a.csv")))


def test_a_character_cut_off_at_the_end_is_still_text():
    head = ("a" + "ü" * HEAD_BYTES).encode()[:HEAD_BYTES]
    assert head[-1:] == b"\xc3"
    assert kind_of(head).name == "text files"
