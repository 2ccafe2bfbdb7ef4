"""Pages of TIFFs and frames of animations: how many there are, and where."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from latentlab.data.originals import Page
from latentlab.data.pictures import pages
from latentlab.data.pictures.decode import decode_whole, pillow_limits_off
from latentlab.data.pictures.pages import pages_of
from latentlab.data.pictures.sniffing import HEAD_BYTES, kind_of

RNG = np.random.default_rng(0)


def frames(count, shape=(20, 30, 3), dtype=np.uint8):
    return [Image.fromarray(RNG.integers(0, 250, shape).astype(dtype)) for _ in range(count)]


def saved(images, file_format, **settings):
    buffer = io.BytesIO()
    images[0].save(buffer, file_format, save_all=True, append_images=images[1:], **settings)
    return buffer.getvalue()


def found(content):
    return pages_of(content, kind_of(content[:HEAD_BYTES]))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"compression": "tiff_lzw"},
        {"compression": "tiff_adobe_deflate"},
        {"compression": "packbits"},
        {"big_tiff": True},
        {"big_tiff": True, "compression": "tiff_lzw"},
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_each_page_of_a_tiff_is_opened_by_its_place(tmp_path, settings, in_file):
    images = frames(4)
    content = saved(images, "TIFF", **settings)
    there = found(content)
    assert (there.count, len(there.offsets), there.further) == (4, 4, 0)
    (tmp_path / "a.tif").write_bytes(content)
    file = tmp_path / "a.tif" if in_file else content
    for number, (image, offset) in enumerate(zip(images, there.offsets, strict=True), 1):
        opened = decode_whole(Page(file, number, offset))
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(image))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_each_frame_of_an_animation_is_opened_by_its_number(file_format):
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    content = saved([Image.new("RGB", (16, 16), colour) for colour in colours], file_format)
    assert found(content) == pages.FilePages(3, reason=pages.FURTHER_FRAMES)
    for number, colour in enumerate(colours, 1):
        pixel = np.asarray(decode_whole(Page(content, number)))[8, 8]
        np.testing.assert_allclose(pixel, colour, atol=12)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "JPEG", "BMP"])
def test_a_still_picture_is_one_page(file_format):
    buffer = io.BytesIO()
    frames(1)[0].save(buffer, file_format)
    there = found(buffer.getvalue())
    assert (there.count, there.offsets, there.further) == (1, (), 0)


def with_tags(*subfile_types):
    """Return a TIFF with a page for each NewSubfileType."""
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, new=True) as writer:
        for image, number in zip(frames(len(subfile_types)), subfile_types, strict=True):
            info = TiffImagePlugin.ImageFileDirectory_v2()
            info[254] = number
            image.save(writer, "TIFF", tiffinfo=info)
            writer.newFrame()
    return buffer.getvalue()


def test_smaller_versions_and_masks_are_no_pages():
    assert found(with_tags(0, 1, 0, 4)).count == 2
    assert found(with_tags(0, 1)).offsets == ()
    thumbnail_first = found(with_tags(1, 0))
    assert (thumbnail_first.count, len(thumbnail_first.offsets)) == (1, 1)
    assert found(with_tags(1, 1)).count == 1  # or else nothing of the file would be read


def test_frames_beyond_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(pages, "MOST_FRAMES", 2)
    content = saved([Image.new("L", (8, 8), grey) for grey in (0, 60, 120, 180, 240)], "GIF")
    assert found(content) == pages.FilePages(2, further=3, reason=pages.FURTHER_FRAMES)


def test_a_chain_of_pages_that_goes_round_or_breaks_ends():
    content = bytearray(saved(frames(3), "TIFF"))
    offsets = found(bytes(content)).offsets
    end = end_of_directory(content, offsets[2])
    content[end : end + 4] = struct.pack("<I", offsets[0])
    assert found(bytes(content)).offsets == offsets
    content[end : end + 4] = struct.pack("<I", len(content) + 99)
    assert found(bytes(content)).offsets == offsets
    assert found(b"II*\0\x08\0\0\0\xff\xff").count == 1
    assert found(b"II*\0").count == 1


def end_of_directory(content, offset):
    (count,) = struct.unpack("<H", content[offset : offset + 2])
    return offset + 2 + 12 * count


def test_damaged_animations_are_one_picture_that_cannot_be_decoded():
    content = saved([Image.new("L", (8, 8), grey) for grey in (0, 60)], "GIF")[:13]
    assert found(content).count == 1
    with pillow_limits_off():
        assert isinstance(decode_whole(content), str)


def test_sixteen_bit_pages_have_their_own_numbers():
    images = frames(3, (20, 30), np.uint16)
    content = saved(images, "TIFF")
    with pages.TiffPage(content, found(content).offsets[2]) as stream, Image.open(stream) as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(images[2]))
