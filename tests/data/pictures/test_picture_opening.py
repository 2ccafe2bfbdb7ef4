"""Pictures are opened by the decoder of their kind and no other; the rest has a reason."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from latentlab.data.originals import Page
from latentlab.data.pictures.decode import decode_whole
from latentlab.data.pictures.picture_faults import fault_of, too_many_pixels

ORIENTATION = 0x0112
RED = (210, 20, 40)


def saved(file_format, mode="RGB", size=(40, 30), **settings):
    buffer = io.BytesIO()
    Image.new("RGB", size, RED).convert(mode).save(buffer, file_format, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("no-suffix", "PNG"),
        ("photo.jfif", "JPEG"),
        ("photo.jpe", "JPEG"),
        ("photo.jpg_large", "JPEG"),
        ("photo.PNG", "JPEG"),
        ("photo.jpg", "WEBP"),
        ("photo.tga", "TGA"),
        ("photo.ico", "ICO"),
        ("photo.txt", "PNG"),
        ("photo.bin", "TIFF"),
        ("photo.pcx", "PCX"),
        ("photo.sgi", "SGI"),
        ("photo.dds", "DDS"),
        ("photo.j2k", "JPEG2000"),
        ("photo.png", "GIF"),
        ("photo.png", "BMP"),
        ("photo.jpg", "AVIF"),
    ],
)
def test_content_decides_and_not_the_name(tmp_path, name, file_format):
    path = tmp_path / name
    path.write_bytes(saved(file_format))
    picture = decode_whole(path)
    middle = np.asarray(picture)[picture.height // 2, picture.width // 2]
    np.testing.assert_allclose(middle, RED, atol=12)


def test_a_tga_without_a_name_is_read_as_one():
    np.testing.assert_array_equal(np.asarray(decode_whole(saved("TGA")))[5, 5], RED)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"../../all/disc_015.png", "no picture by its content: it is one of text files"),
        (bytes(range(256)), "no picture by its content"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "Git LFS pointers (fetch them with git lfs pull)",
        ),
        (b"\0\0\0\x20ftypisom\0\0\2\0isom", "videos (save their frames as pictures)"),
        (b"II*\0\x08\0\0\0\xff\xff", "cannot be decoded: its header is damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "cannot be decoded: its header is damaged"),
    ],
)
def test_what_cannot_be_read_has_a_reason_without_anything_of_one_file(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    assert decode_whole(tmp_path / "a.png") == decode_whole(content) == reason


def test_programs_are_not_run(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")
    assert decode_whole(path) == "pictures of formats that are not read (save as PNG or JPEG)"


def test_a_file_that_is_gone_or_no_file_says_so(tmp_path):
    assert decode_whole(tmp_path / "a.png") == "no longer there"
    (tmp_path / "b.png").mkdir()
    assert decode_whole(tmp_path / "b.png") == "no regular file"


def test_faults_are_the_same_for_all_such_pictures():
    assert decode_whole(saved("PNG"), max_pixels=1199) == too_many_pixels(1200, 1199)
    assert fault_of(decode_whole(saved("PNG"), max_pixels=1199)) == "too large"
    halves = [saved("JPEG", quality=quality)[:-60] for quality in (60, 95)]
    reasons = [decode_whole(half) for half in halves]
    assert {fault_of(reason) for reason in reasons} == {"cannot be decoded"}


def test_a_png_with_a_wrong_checksum_is_not_read():
    content = bytearray(saved("PNG"))
    content[45] ^= 1
    assert fault_of(decode_whole(bytes(content))) == "cannot be decoded"


def test_each_page_has_the_orientation_of_its_own():
    top_half_white = np.zeros((20, 30, 3), np.uint8)
    top_half_white[:10] = 255
    picture = Image.fromarray(top_half_white)
    from PIL import TiffImagePlugin

    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, new=True) as writer:
        for orientation in (1, 3, 6):
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[ORIENTATION] = orientation
            picture.save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    content = buffer.getvalue()
    from latentlab.data.pictures.pages import pages_of
    from latentlab.data.pictures.sniffing import TIFF

    offsets = pages_of(content, TIFF).offsets
    first, second, third = (
        np.asarray(decode_whole(Page(content, number, offset)))
        for number, offset in enumerate(offsets, 1)
    )
    assert first[:10].min() == 255
    assert first[10:].max() == 0
    assert second[10:].min() == 255
    assert third.shape == (30, 20, 3)
    assert third[:, 10:].min() == 255


def test_a_page_that_is_not_there_has_a_reason():
    assert fault_of(decode_whole(Page(saved("GIF"), 7))) == "cannot be decoded"
    assert fault_of(decode_whole(Page(saved("TIFF"), 2, 99_999))) == "cannot be decoded"


def test_a_zip_is_no_picture():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", saved("PNG"))
    assert fault_of(decode_whole(buffer.getvalue())).startswith("archives")


def test_an_icon_is_not_larger_than_it_says():
    png = saved("PNG", size=(300, 200))
    directory = b"\0\0\1\0\1\0" + bytes([16, 16, 0, 0, 1, 0, 32, 0])
    icon = directory + len(png).to_bytes(4, "little") + (22).to_bytes(4, "little") + png
    assert decode_whole(icon, max_pixels=1000) == too_many_pixels(60_000, 1000)
    bitmap = saved("ICO", size=(32, 32), bitmap_format="bmp")
    assert decode_whole(bitmap).size == (32, 32)
    offset = int.from_bytes(bitmap[18:22], "little")
    side = (40_000).to_bytes(4, "little")
    larger = bitmap[: offset + 4] + side + side + bitmap[offset + 12 :]
    assert fault_of(decode_whole(larger)) == "too large"


def test_a_frame_is_not_larger_than_the_first_one_without_a_check():
    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 99, 200)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    content = bytearray(buffer.getvalue())
    descriptor = b"\x2c\0\0\0\0\x08\0\x08\0"
    second = content.index(descriptor, content.index(descriptor) + 1)
    content[second + 5 : second + 9] = (9000).to_bytes(2, "little") * 2
    assert decode_whole(Page(bytes(content), 1), max_pixels=1000).size == (8, 8)
    assert fault_of(decode_whole(Page(bytes(content), 3), max_pixels=1000)) == "too large"
