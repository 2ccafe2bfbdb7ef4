"""The intake account: sums, words and loudness."""

import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data.intake import Intake, LeftOut, by_reason, joined
from latentlab.data.opening import open_images

HEIC = LeftOut("HEIC", 80, ("a.heic", "b.heic", "c.heic"), "install latentlab[heic]")
HIDDEN = LeftOut("hidden", 500, (".DS_Store",), is_expected=True)


def test_what_nobody_misses_is_counted_and_is_not_loud():
    intake = Intake(20, (HIDDEN,))
    assert (intake.left_out, intake.missed, intake.is_loud) == (500, 0, False)
    assert "500 hidden" in intake.text


@pytest.mark.parametrize(("missed", "is_loud"), [(5, False), (6, True)])
def test_more_than_five_percent_is_loud(missed, is_loud):
    assert Intake(95, (LeftOut("videos", missed),)).is_loud == is_loud


def test_a_limit_leaves_what_is_passed_over_out_of_loudness():
    videos = LeftOut("videos", 40)
    assert Intake(20, (videos,)).is_loud
    assert not Intake(20, (videos,), is_limited=True).is_loud
    broken = by_reason([("x.png", "it is empty"), ("y.png", "it is empty")])
    limited = Intake(20, (videos,), broken, is_limited=True)
    assert limited.is_loud  # of the images that were tried
    assert limited.warning == "2 of what may be 22 images are left out, such as x.png, y.png"


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("limit", "is_limited"), [(None, False), (5, True), (200, False)])
def test_a_limit_makes_no_account_loud(tmp_path, limit, is_limited, lazy):
    for number in range(100):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    for number in range(4):
        (tmp_path / f"{number}.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(40))
    data = DataOptions(str(tmp_path), size=8, limit=limit)
    intake = open_images(data, lazy=lazy).intake
    assert intake.missed == 4
    assert intake.is_limited == is_limited
    assert not intake.is_loud


def test_the_warning_names_what_is_missed_for_each_reason():
    broken = by_reason([("x.png", "it is empty"), ("y.png", "it is empty")])
    intake = Intake(20, (HIDDEN, HEIC), broken)
    assert intake.missed_names() == ["a.heic", "x.png", "b.heic"]
    assert intake.warning.startswith("82 of what may be 102 images are left out, such as a.heic")
    assert ".DS_Store" not in intake.warning


def test_one_line_lists_the_largest_reasons_and_adds_up_the_rest():
    entries = tuple(LeftOut(f"reason {number}", 10 - number) for number in range(7))
    text = Intake(1, entries).text
    assert "6 reason 4, 9 for other reasons" in text
    assert "reason 5" not in text


def test_names_that_cannot_be_printed_stay_on_the_line():
    intake = Intake(0, unreadable=by_reason([("new\nline.png", "it is empty")]))
    assert "\n" not in intake.warning
    assert r"new\nline.png" in intake.warning


def test_reasons_of_several_parts_are_added_up():
    both = joined([(HEIC,), (HEIC, HIDDEN)])
    assert [(entry.reason, entry.count) for entry in both] == [("hidden", 500), ("HEIC", 160)]
