"""Frames of animations, in any order and in several threads."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from latentlab.data.pictures.animations import open_frame

COUNT = 12


@pytest.fixture(params=["GIF", "WEBP", "PNG"])
def animation(request):
    """Return format, content and frames of an animation, each frame drawn on the one before."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((24, 32, 3), np.uint8)
    pictures = []
    for number in range(COUNT):
        pixels = pixels.copy()
        pixels[:, 2 * number : 2 * number + 4] = rng.integers(0, 250, 3)
        pictures.append(Image.fromarray(pixels))
    buffer = io.BytesIO()
    more = {"lossless": True} if request.param == "WEBP" else {}
    pictures[0].save(buffer, request.param, save_all=True, append_images=pictures[1:], **more)
    return request.param, buffer.getvalue(), [np.asarray(picture) for picture in pictures]


def read(file, file_format, number, check=id):
    with open_frame(file, file_format, number, check) as image:
        return np.asarray(image.convert("RGB"))


def assert_close(pixels, expected):
    np.testing.assert_allclose(pixels, expected, atol=3)


def test_frames_are_the_same_in_any_order(animation):
    file_format, content, frames = animation
    for number in (1, 2, 2, 5, 12, 12, 3, 4, 1):
        assert_close(read(content, file_format, number), frames[number - 1])


def test_threads_do_not_move_each_other(animation):
    file_format, content, frames = animation
    numbers = list(range(1, COUNT + 1)) * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: read(content, file_format, number), numbers))
    for number, pixels in zip(numbers, found, strict=True):
        assert_close(pixels, frames[number - 1])


def test_a_frame_may_be_opened_while_another_one_is(animation):
    file_format, content, frames = animation
    with open_frame(content, file_format, 5, id) as image:
        assert_close(read(content, file_format, 7), frames[6])
        assert_close(np.asarray(image.convert("RGB")), frames[4])
    assert_close(read(content, file_format, 6), frames[5])


def test_reading_on_does_not_begin_again(animation):
    file_format, content, _ = animation
    steps = []
    for number in range(1, COUNT + 1):
        read(content, file_format, number, steps.append)
    assert len(steps) == COUNT - 1


def test_a_file_that_has_changed_is_opened_again(animation, tmp_path):
    file_format, content, frames = animation
    path = tmp_path / "a"
    path.write_bytes(content)
    assert_close(read(path, file_format, 2), frames[1])
    buffer = io.BytesIO()
    red, blue = (Image.new("RGB", (9, 9), colour) for colour in ("red", "blue"))
    red.save(buffer, file_format, save_all=True, append_images=[blue])
    path.write_bytes(buffer.getvalue())
    assert read(path, file_format, 2).shape == (9, 9, 3)


def test_after_a_fault_the_next_frame_is_read_anew(animation):
    file_format, content, frames = animation

    def refuse(image):
        raise ValueError("too large")

    with pytest.raises(ValueError, match="too large"):
        read(content, file_format, 4, refuse)
    with pytest.raises(EOFError):
        read(content, file_format, COUNT + 1)
    assert_close(read(content, file_format, 4), frames[3])
