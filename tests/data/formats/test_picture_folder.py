"""The pictures of a folder: by content, page by page, and an account of the rest."""

import ast
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from latentlab.data.formats.picture_folder import holds_a_picture, list_pictures
from latentlab.data.originals import Page
from latentlab.errors import DataError

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def save(path, file_format="PNG", frames=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [Image.new("RGB", (12, 10), (40 * number, 9, 90)) for number in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(path, file_format, **more)
    return path


def texts(listing):
    return [entry.text for entry in listing.passed_over]


def test_pictures_are_found_whatever_their_names_end_in(tmp_path):
    names = ("3f2a", "a.JPG", "b.jfif", "c.jpe", "d.jpg_large", "e.PNG", "f.data", "g.heic.png")
    for name in names:
        save(tmp_path / name, "JPEG")
    save(tmp_path / "h.tga", "TGA")
    save(tmp_path / "i.webp", "WEBP")
    save(tmp_path / "j.ico", "ICO")
    assert list_pictures(tmp_path).ids == sorted([*names, "h.tga", "i.webp", "j.ico"])


def test_what_is_no_picture_is_counted_by_kind(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "IMG_1.MOV").write_bytes(bytes(100))
    (tmp_path / "IMG_2.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isom")
    (tmp_path / "labels.csv").write_text("id,label\n")
    (tmp_path / "notes").write_text("taken in June")
    (tmp_path / "old.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\1\0")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    assert sorted(texts(list_pictures(tmp_path))) == [
        "1 archive (unpack them, or give one of them as the data)",
        "1 array file (give one of them as the data)",
        "1 empty",
        "1 no picture by its content",
        "1 table",
        "1 text file",
        "2 videos (save their frames as pictures)",
    ]


def test_what_has_the_name_of_a_picture_is_tried(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("../../all/b.png")
    (tmp_path / "c.jpg").write_text(LFS)
    (tmp_path / "d.tif").write_bytes(b"")
    listing = list_pictures(tmp_path)
    assert listing.ids == ["a.png", "b.png", "c.jpg", "d.tif"]
    assert listing.passed_over == ()


def test_pages_and_frames_are_images(tmp_path):
    save(tmp_path / "cats" / "scan.tif", "TIFF", frames=3)
    save(tmp_path / "cats" / "wave.gif", "GIF", frames=2)
    save(tmp_path / "cats" / "wrong.jpg", "WEBP", frames=2)
    save(tmp_path / "one.tif", "TIFF")
    listing = list_pictures(tmp_path)
    assert listing.ids == [
        *(f"cats/scan.tif#{number}" for number in (1, 2, 3)),
        *("cats/wave.gif#1", "cats/wave.gif#2", "cats/wrong.jpg#1", "cats/wrong.jpg#2"),
        "one.tif",
    ]
    assert listing.paths[:3] == ["cats/scan.tif"] * 3
    pictures = listing.pictures(slice(None))
    assert [picture.number for picture in pictures[:3]] == [1, 2, 3]
    assert all(isinstance(picture, Page) for picture in pictures[:7])
    assert pictures[7] == tmp_path / "one.tif"


def test_more_than_nine_pages_stay_in_order(tmp_path):
    save(tmp_path / "a.tif", "TIFF", frames=12)
    assert [int(name.partition("#")[2]) for name in list_pictures(tmp_path).ids] == [*range(1, 13)]


def test_a_file_may_have_the_name_of_a_page(tmp_path):
    save(tmp_path / "a.tif", "TIFF", frames=2)
    save(tmp_path / "a.tif#2")
    ids = list_pictures(tmp_path).ids
    assert ids == ["a.tif#1", "a.tif##2", "a.tif#2"]


def test_a_file_that_changes_is_looked_at_again(tmp_path):
    save(tmp_path / "a", frames=1)
    assert list_pictures(tmp_path).ids == ["a"]
    save(tmp_path / "a", "TIFF", frames=2)
    assert list_pictures(tmp_path).ids == ["a#1", "a#2"]
    (tmp_path / "a").write_text("no picture any more")
    with pytest.raises(DataError, match="passed over: 1 text file"):
        list_pictures(tmp_path)


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    with pytest.raises(DataError, match="holds no pictures: there is no file in it"):
        list_pictures(tmp_path)
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="holds no pictures; passed over: 1 table"):
        list_pictures(tmp_path)
    assert not holds_a_picture(tmp_path)
    save(tmp_path / "deep" / "er" / "picture")
    assert holds_a_picture(tmp_path)


def test_a_run_among_tables_is_no_picture(tmp_path):
    save(tmp_path / "run" / "report" / "map.png")
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert not holds_a_picture(tmp_path)


def test_names_in_the_account_are_text(tmp_path):
    save(tmp_path / "a.png")
    for name in (b"caf\xe9.csv", b".caf\xe9"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"a,b")
    examples = [entry.examples for entry in list_pictures(tmp_path).passed_over]
    assert sorted(examples) == [(".caf\\xe9",), ("caf\\xe9.csv",)]


NAMES = (b"gr\xc3\xbc\xc3\x9fe.png", b"caf\xe9.png", b"\xe5\x9b\xbe.png", b"a\nb.png")
LIST_AND_READ = """
import sys
from pathlib import Path
import numpy as np
from latentlab.config import DataOptions
from latentlab.data import opening
for lazy in (False, True):
    images = opening.open_images(DataOptions(data=sys.argv[1], held_out=0.0), lazy=lazy)
    assert not images.unreadable
    assert images.read(np.arange(len(images))).max() == 90
    sys.stdout.buffer.write(ascii(images.ids.tolist()).encode() + b"\\n")
"""


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, ASCII])
def test_names_are_read_in_every_locale(tmp_path, variables):
    folder = tmp_path / "höfe" / "grün"
    folder.mkdir(parents=True)
    save(tmp_path / "x.png")
    for name in NAMES:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write((tmp_path / "x.png").read_bytes())
    environment = {**os.environ, **variables}
    result = subprocess.run(
        [sys.executable, "-c", LIST_AND_READ, "."],
        env=environment,
        cwd=tmp_path / "höfe",
        capture_output=True,
        check=True,
    )
    eager, lazy = result.stdout.splitlines()
    assert eager == lazy
    expected = sorted("grün/" + name.decode("utf-8", "backslashreplace") for name in NAMES)
    assert sorted(ast.literal_eval(eager.decode())) == expected


def test_a_path_that_a_locale_cannot_name_says_so(tmp_path):
    (tmp_path / "höfe").mkdir()
    result = subprocess.run(
        [sys.executable, "-c", LIST_AND_READ, "höfe"],
        env={**os.environ, **ASCII},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert b"cannot be used in this locale, whose names are ascii" in result.stderr


def test_pictures_are_the_same_however_they_are_listed(tmp_path):
    save(tmp_path / "a.tif", "TIFF", frames=3)
    first, again = list_pictures(tmp_path), list_pictures(tmp_path)
    assert first.ids == again.ids
    assert first.pictures(slice(1, 3)) == again.pictures(slice(1, 3))
    assert np.all(np.array(first.offsets) > 0)
