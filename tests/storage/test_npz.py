"""Damaged .npz files are noticed."""

import io

import numpy as np
from helpers.properties import quick
from hypothesis import given
from hypothesis import strategies as st

from latentlab.storage import npz

ARRAY = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)


def saved_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=ARRAY)
    return buffer.getvalue()


@quick
@given(place=st.integers(0, len(saved_npz()) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_an_npz_is_noticed_or_harmless(tmp_path, place, bit):
    content = bytearray(saved_npz())
    content[place] ^= 1 << bit
    (tmp_path / "x.npz").write_bytes(content)
    try:
        found = npz.read_npz(tmp_path / "x.npz")
    except ValueError:
        return
    assert [*found] != ["images"] or np.array_equal(
        found["images"], ARRAY
    )  # the name itself has no checksum in the table of contents
