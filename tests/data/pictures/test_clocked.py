"""Pictures that keep their decoder busy for too long are left out, and say so."""

import io

import numpy as np
import pytest
from PIL import Image

from latentlab.data.pictures import clocked
from latentlab.data.pictures.decode import PictureForm, decode


def encoded(kind: str, **how) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "how"), [("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {})]
)
def test_a_picture_above_its_time_is_unreadable(monkeypatch, kind, how):
    content = encoded(kind, **how)
    assert decode(content, PictureForm(size=8)).shape == (8, 8, 3)
    monkeypatch.setattr(clocked, "MOST_SECONDS", -1.0)
    assert str(decode(content, PictureForm(size=8))).startswith(clocked.TOO_SLOW)


def test_a_jpeg_of_many_scans_ends_in_time(monkeypatch):
    """Its last scan comes again and again, each a pass over all of the picture."""
    content = encoded("JPEG", progressive=True, quality=20)
    start = content.rindex(b"\xff\xda")
    scans = content[:start] + content[start:-2] * 300 + content[-2:]
    monkeypatch.setattr(clocked, "MOST_SECONDS", 0.1)
    assert str(decode(scans, PictureForm(size=8))).startswith(clocked.TOO_SLOW)
