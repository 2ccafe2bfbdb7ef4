"""Opening images: colours become grey."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.collections import picture, write_tar, write_zip
from helpers.runs import make_stripes
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError


def test_colours_become_grey_as_pictures_do(stripes_file):
    from PIL import Image

    coloured = opening.open_images(DataOptions(data=str(stripes_file)))
    grey = opening.open_images(DataOptions(data=str(stripes_file), channels=1))
    assert grey.image_shape == (16, 16, 1)
    chosen = np.arange(len(coloured))
    pixels = np.stack(
        [np.asarray(Image.fromarray(image).convert("L")) for image in coloured.read(chosen)]
    )
    np.testing.assert_array_equal(grey.read(chosen)[..., 0], pixels)
    with pytest.raises(ConfigError, match="1 or 3 channels, not 4"):
        opening.open_images(DataOptions(data=str(stripes_file), channels=4))


def test_limits_refuse_and_can_be_raised(tmp_path):
    Image.new("L", (300, 300)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="raise `max_pixels`"):
        opening.open_images(DataOptions(data=str(tmp_path), max_pixels=89_999))
    assert len(opening.open_images(DataOptions(data=str(tmp_path), max_pixels=90_000))) == 1
    np.savez(tmp_path / "x.npz", images=make_stripes(10)[0])
    with pytest.raises(DataError, match="raise `max_bytes`"):
        opening.open_images(DataOptions(data=str(tmp_path / "x.npz"), max_bytes=7000))
    assert len(opening.open_images(DataOptions(data=str(tmp_path / "x.npz"), max_bytes=9000))) == 10
    with pytest.raises(ConfigError, match="`max_pixels=-1`: must be at least 1"):
        opening.open_images(DataOptions(data=str(tmp_path), max_pixels=-1))


def test_sources_resolve_by_name_and_path(tmp_path):
    (tmp_path / "x.npy").write_text("")
    assert opening.resolve(DataOptions(data="digits")) == "digits"
    assert opening.resolve(DataOptions(data=str(tmp_path / "x.npy"))) == "arrays"
    assert opening.resolve(DataOptions(data=str(tmp_path))) == "folder"


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("photos.zip", "zip"),
        ("photos.bin", "zip"),
        ("photos.tar", "zip"),  # by its content
        ("PHOTOS.ZIP", "zip"),
        ("arrays.npz", "arrays"),
        ("arrays.dat", "arrays"),
        ("shard.tar", "tar"),
        ("shard", "tar"),
        ("table.parquet", "parquet"),
        ("table", "parquet"),
        ("cat.jpg", "picture"),
        ("cat", "picture"),
        ("list.txt", "path-list"),
        ("list.csv", "table"),
        ("list", "table"),
        ("names", "path-list"),
    ],
)
def test_contents_decide_what_a_file_is(tmp_path, name, source):
    path = tmp_path / name
    contents = {
        "zip": lambda: write_zip(path, {"a.png": picture(0)}),
        "tar": lambda: write_tar(path, {"a.png": picture(0)}, "w:gz"),
        "arrays": lambda: path.write_bytes(npz()),
        "parquet": lambda: pq.write_table(pa.table({"image": [picture(0)]}), path),
        "picture": lambda: path.write_bytes(picture(0, "jpeg")),
        "path-list": lambda: path.write_text("a.png\nb.png\n"),
        "table": lambda: path.write_text("path,label\na.png,x\n"),
    }
    contents[source]()
    assert opening.resolve(DataOptions(data=str(path))) == source


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, images=make_stripes(4)[0])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("scan.pdf", b"%PDF-1.4\n", "holds no images that are read .PDF; save their pages"),
        ("clip", b"\0\0\0\x18ftypmp42" + bytes(50), "holds no images that are read .videos"),
        ("notes.md", b"# Notes\n\nWords.\n", "lists no paths of pictures"),
    ],
)
def test_other_kinds_are_named(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=text):
        opening.open_images(DataOptions(data=str(tmp_path / name)))


def test_what_does_not_exist_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos/cats", "photos.zip", "list.txt", "x.npy", "photos/a.jpg"):
        with pytest.raises(DataError, match=f"^{name} does not exist. Check the path"):
            opening.resolve(DataOptions(data=name))
    with pytest.raises(DataError, match="photos does not exist. .* cifar10, digits"):
        opening.resolve(DataOptions(data="photos"))
    with pytest.raises(ConfigError, match="unknown data 'cifar11'.* Did you mean 'cifar10'"):
        opening.resolve(DataOptions(data="cifar11"))
    with pytest.raises(DataError, match="no file matches part-"):
        opening.resolve(DataOptions(data="part-*.zip"))


def test_pictures_win_over_tables_and_archives_beside_them(tmp_path):
    write_zip(tmp_path / "old.zip", {"a.png": picture(0)})
    pq.write_table(pa.table({"image": [picture(0)]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="holds parquet and zip files: give the path of one"):
        opening.resolve(DataOptions(data=str(tmp_path)))
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.png").write_bytes(picture(1))
    assert opening.resolve(DataOptions(data=str(tmp_path))) == "folder"


def test_what_a_source_can_do_nothing_with_is_refused_and_not_ignored(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 8, 8, 3), np.uint8))
    arrays = str(tmp_path / "x.npy")
    with pytest.raises(ConfigError, match=r"^`split=folder`: .*x.npy has no folders or names for"):
        opening.open_images(DataOptions(data=arrays, split="folder"))
    with pytest.raises(ConfigError, match=r"^`split=table:s.csv`: digits has no folders"):
        opening.open_images(DataOptions(data="digits", split="table:s.csv"))
    assert len(opening.open_images(DataOptions(data=arrays, split="none"))) == 4


def test_the_account_says_which_labels_a_user_wants():
    images = opening.open_images(DataOptions(data="digits", limit=5, labels="none"))
    assert images.source_intake.labels == "no labels, as asked"
    assert set(images.splits) == {"train"}
    lazy = opening.open_images(DataOptions(data="digits", limit=5, labels="table:t.csv"), lazy=True)
    assert lazy.source_intake.labels == "labels by table:t.csv, as asked"
    assert set(lazy.splits) == {"train", "test"}
