"""Images in .npy and .npz files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.files import ROOT

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError
from latentlab.scoring.labels import read_labels

X = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)


def open_(path, **more):
    return opening.open_images(DataOptions(data=str(path), **more))


def saved(tmp_path, array, name="x.npy"):
    np.save(tmp_path / name, array)
    return tmp_path / name


@pytest.mark.parametrize(
    "array",
    [
        X,
        X.astype(np.int64),
        X.astype(np.float64),
        X.astype(np.float32) / 255,
        X.transpose(0, 3, 1, 2),
    ],
    ids=["uint8", "int64", "float 0..255", "float 0..1", "channels first"],
)
def test_all_forms_give_the_same_images(tmp_path, array):
    np.testing.assert_array_equal(open_(saved(tmp_path, array)).read(np.arange(10)), X)


def test_grey_without_channel_axis(tmp_path):
    assert open_(saved(tmp_path, X[..., 0])).image_shape == (8, 8, 1)


def test_held_out_share_is_random_and_repeats(tmp_path):
    path = saved(tmp_path, X)
    first, second = open_(path, held_out=0.3), open_(path, held_out=0.3)
    assert (first.splits == "test").sum() == 3
    np.testing.assert_array_equal(first.splits, second.splits)


def test_npz_with_splits_and_labels(tmp_path):
    np.savez(
        tmp_path / "d.npz",
        x_train=X[:6],
        y_train=["cat"] * 6,
        x_test=X[6:],
        y_test=["dog", "cat", "", "dog"],
    )
    options = DataOptions(data=str(tmp_path / "d.npz"))
    assert opening.open_images(options).splits.tolist() == ["train"] * 6 + ["test"] * 4
    labels = read_labels(options)
    assert labels.class_names == ("cat", "dog")
    assert labels.labels.tolist() == [0] * 6 + [1, 0, -1, 1]


def test_npz_with_plain_names(tmp_path):
    np.savez(tmp_path / "d.npz", images=X, labels=np.arange(10) % 3)
    labels = read_labels(DataOptions(data=str(tmp_path / "d.npz")))
    assert labels.class_names == ("0", "1", "2")
    np.savez(tmp_path / "e.npz", images=X)
    assert read_labels(DataOptions(data=str(tmp_path / "e.npz"))) is None


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (X[0, 0, 0], "expected images of shape"),
        (X[:0], "expected images of shape"),
        (np.zeros((3, 8, 8, 5), np.uint8), "1, 3 or 4 channels"),
        (np.full((3, 8, 8, 1), np.nan), "no finite number"),
        (np.full((3, 8, 8), "a"), "must be numbers"),
        (X.astype(complex), "must be numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, text):
    with pytest.raises(DataError, match=text):
        open_(saved(tmp_path, array))


def test_pickles_damage_and_wrong_counts_are_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        open_(tmp_path / "o.npy")
    (tmp_path / "half.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="cannot (be read as NumPy arrays|read the archive)"):
        open_(tmp_path / "half.npz")
    np.savez(tmp_path / "d.npz", images=X, labels=np.arange(30))
    with pytest.raises(DataError, match="30 labels for 10 images"):
        read_labels(DataOptions(data=str(tmp_path / "d.npz")))
    with pytest.raises(DataError, match="does not exist"):
        open_(tmp_path / "none.npy")


def test_a_mapped_file_does_not_stay_in_memory(tmp_path):
    """Reading all of 60 MiB in shards leaves the process about as large as before."""
    code = (
        "import sys, numpy as np\n"
        "from latentlab.config import DataOptions\n"
        "from latentlab.data import opening\n"
        "def size():\n"
        "    lines = open('/proc/self/status').readlines()\n"
        "    row = next(line for line in lines if line.startswith('RssFile'))\n"
        "    return int(row.split()[1]) / 1024\n"
        "before = size()\n"
        "images = opening.open_images(DataOptions(data=sys.argv[1]))\n"
        "total = sum(int(images.read(indices)[0, 0, 0, 0]) for indices in images.shards(2048))\n"
        "print(size() - before, total)\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux's /proc")
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (20_480, 32, 32, 3))
    x[:, 0, 0, 0] = 200
    x.flush()
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.npy"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    grown, total = done.stdout.split()
    assert int(total) == 2000
    assert float(grown) < 25


# Arrays of other names


Y = np.arange(10) % 3
GREY = X[..., 0]


def labels_of(path, **more):
    return read_labels(DataOptions(data=str(path), **more))


NPZ_FILES = {
    "X and y": {"X": X, "y": Y},
    "data and labels": {"data": X, "labels": Y},
    "no names": {"arr_0": X, "arr_1": Y},
    "images and masks": {"images": X, "masks": GREY, "targets": Y},
    "another word": {"photos": X, "category": Y},
    "labels in a column": {"images": X, "labels": Y[:, None]},
    "a 1 in the column of the class": {"X": X, "y": np.eye(3, dtype=int)[Y]},
    "ids beside": {"images": X, "labels": Y, "ids": np.arange(10)},
    "finer labels too": {"x": X, "y": Y, "coarse_labels": Y // 2},
}


@pytest.mark.parametrize("name", NPZ_FILES)
def test_images_and_labels_are_found_by_name_and_shape(name, tmp_path):
    np.savez(tmp_path / "d.npz", **NPZ_FILES[name])
    images = open_(tmp_path / "d.npz", held_out=0)
    np.testing.assert_array_equal(images.read(np.arange(10)), X)
    assert labels_of(tmp_path / "d.npz", held_out=0).labels.tolist() == Y.tolist()
    assert "labels by arrays: " in images.intake.labels


SPLIT_NAMES = {
    "medmnist": "{split}_images {split}_labels train val test",
    "keras": "x_{split} y_{split} train val test",
    "capitals": "X_{split} Y_{split} train valid test",
    "joined": "X{split} y{split} train dev test",
    "long": "images_{split} labels_{split} training validation testing",
}


@pytest.mark.parametrize("name", SPLIT_NAMES)
def test_val_and_test_are_held_out_by_their_names(name, tmp_path):
    image_name, label_name, *splits = SPLIT_NAMES[name].split()
    arrays = {}
    for split, rows in zip(splits, (slice(0, 5), slice(5, 7), slice(7, 10)), strict=True):
        arrays[image_name.format(split=split)] = X[rows]
        arrays[label_name.format(split=split)] = Y[rows, None]
    np.savez(tmp_path / "d.npz", **arrays)
    images = open_(tmp_path / "d.npz")
    assert images.splits.tolist() == ["train"] * 5 + ["test"] * 5
    np.testing.assert_array_equal(images.read(np.arange(10)), X)
    assert labels_of(tmp_path / "d.npz").labels.tolist() == Y.tolist()
    text = images.intake.splits
    assert all(image_name.format(split=split) in text for split in splits)
    assert "held out" in text


def test_nothing_is_held_out_without_labels(tmp_path):
    np.savez(tmp_path / "d.npz", images=X)
    assert set(open_(tmp_path / "d.npz").splits) == {"train"}
    np.savez(tmp_path / "d.npz", images=X, labels=Y)
    assert (open_(tmp_path / "d.npz").splits == "test").sum() == 2
    assert set(open_(tmp_path / "d.npz", labels="none").splits) == {"train"}


def test_several_arrays_that_could_be_meant_are_asked_about(tmp_path):
    np.savez(tmp_path / "d.npz", before=X, after=255 - X, kind=Y)
    with pytest.raises(ConfigError, match=r"several arrays .*before \(10, 8, 8, 3\), after"):
        open_(tmp_path / "d.npz")
    images = open_(tmp_path / "d.npz", image_column="after", held_out=0)
    np.testing.assert_array_equal(images.read(np.arange(10)), 255 - X)
    assert "1 other arrays" in images.intake.text
    assert labels_of(tmp_path / "d.npz", image_column="after", label_column="kind") is not None
    with pytest.raises(ConfigError, match="no such array; it has before, after, kind"):
        open_(tmp_path / "d.npz", image_column="during")


def test_labels_of_several_classes_an_image_are_refused_when_they_are_read(tmp_path):
    np.savez(tmp_path / "d.npz", images=X, labels=np.ones((10, 14), int))
    assert len(open_(tmp_path / "d.npz")) == 10
    with pytest.raises(DataError, match="rows of several labels"):
        labels_of(tmp_path / "d.npz")


# Layouts


WIDE = np.random.default_rng(1).integers(0, 256, (6, 12, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("array", "readings"),
    [
        (X[0], ("nhw", "hwc")),
        (X[0].transpose(2, 0, 1), ("nhw", "chw")),
        (X[:, :3, :3], ("nhwc", "nchw")),
        (np.zeros((32, 32, 1), np.uint8), ("nhw", "hwc")),
        (np.zeros((5, 3, 32, 3), np.uint8), ("nhwc", "nchw")),
        (GREY.reshape(10, -1), ("8x8", "hw", "cluster(embeddings=")),
        (X.reshape(10, -1), ("8x8x3", "3x8x8", "hw")),
        (np.zeros((10, 17), np.uint8), ("vectors", "hw")),
    ],
    ids=lambda value: str(getattr(value, "shape", "")),
)
def test_what_can_be_read_in_two_ways_is_asked_about(array, readings, tmp_path):
    path = saved(tmp_path, array)
    with pytest.raises(ConfigError) as caught:
        open_(path)
    assert all(reading in str(caught.value) for reading in readings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "layout", "expected"),
    [
        (X[0], "hwc", X[:1]),
        (X[0], "nhw", X[0][..., None]),
        (X[0].transpose(2, 0, 1), "chw", X[:1]),
        (X[:, :3, :3], "nchw", X[:, :3, :3].transpose(0, 2, 3, 1)),
        (X.reshape(10, -1), "8x8x3", X),
        (X.transpose(0, 3, 1, 2).reshape(10, -1), "3x8x8", X),
        (GREY.reshape(10, -1), "8x8", GREY[..., None]),
        (GREY[0], "hw", GREY[:1, ..., None]),
        (np.concatenate([X, X[..., :2]], 3), "nhwc:0,1,2", X),
        (np.concatenate([X, X[..., :2]], 3), ":2", X[..., 2:]),
    ],
)
def test_the_layout_that_is_named_is_used(array, layout, expected, tmp_path):
    images = open_(saved(tmp_path, array), layout=layout)
    np.testing.assert_array_equal(images.read(np.arange(len(images))), expected)


@pytest.mark.parametrize("layout", ["hwnc", "8x9", "nhwc", "nhw:7", "nhw:0,1", "2x2x2x2"])
def test_a_layout_that_does_not_fit_is_one_clear_line(layout, tmp_path):
    with pytest.raises(ConfigError, match="layout"):
        open_(saved(tmp_path, GREY), layout=layout)


@pytest.mark.parametrize("array", [WIDE, WIDE.transpose(0, 3, 1, 2), WIDE[:3]])
def test_images_need_not_be_square_or_many(array, tmp_path):
    images = open_(saved(tmp_path, array))
    np.testing.assert_array_equal(images.read(np.arange(len(images))), WIDE[: len(images)])


# Numbers


def test_alpha_is_laid_on_white(tmp_path):
    alpha = np.zeros((10, 8, 8, 1), np.uint8)
    alpha[:5] = 255
    clear = open_(saved(tmp_path, np.concatenate([X, alpha], 3)))
    np.testing.assert_array_equal(clear.read(np.arange(5)), X[:5])
    assert (clear.read(np.arange(5, 10)) == 255).all()
    floats = np.concatenate([X, alpha], 3).astype(np.float32) / 255
    np.testing.assert_array_equal(open_(saved(tmp_path, floats)).read(np.arange(5)), X[:5])


def test_bool_is_black_and_white(tmp_path):
    images = open_(saved(tmp_path, GREY > 127))
    np.testing.assert_array_equal(images.read(np.arange(10))[..., 0], (GREY > 127) * 255)


MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    "array",
    [
        X.astype(np.uint16) * 257,
        X.astype(np.uint16) * 16,
        150 + X.astype(np.uint16) // 2,
        X.astype(np.int16) - 500,
        X.astype(np.int32) * 1000,
        (X / 255 - 0.5) / 0.5,
        ((X / 255 - MEAN) / DEVIATION).astype(np.float32),
        X.astype(np.float32) / 65535,
        X // 64,
        (X // 64).astype(np.int64),
        (X // 64).astype(np.float32),
        (X // 128).astype(np.uint8),
    ],
)
def test_other_numbers_are_brought_to_pixels_by_one_scale(array, tmp_path):
    images = open_(saved(tmp_path, array))
    pixels = images.read(np.arange(10))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert "became 0 to 255" in images.intake.scale
    order = np.argsort(array, axis=None, kind="stable")
    assert (np.diff(pixels.ravel()[order].astype(int)) >= 0).all() or array.shape[3] == 3
    again = open_(saved(tmp_path, array[:3]), value_range=images.value_range)
    np.testing.assert_array_equal(again.read(np.arange(3)), pixels[:3])


def test_images_with_gaps_are_left_out_and_counted(tmp_path):
    array = X.astype(np.float32) / 255
    array[3, 0, 0, 0], array[7, 1, 1, 1] = np.nan, np.inf
    images = open_(saved(tmp_path, array))
    assert [image.path for image in images.unreadable] == ["train/00003", "train/00007"]
    kept = [0, 1, 2, 4, 5, 6, 8, 9]
    np.testing.assert_array_equal(images.read(np.arange(8)), X[kept])
    lazy = opening.open_images(DataOptions(data=str(tmp_path / "x.npy"), size=8), lazy=True)
    assert lazy.ids.tolist() == images.ids.tolist()
    assert lazy.intake.unreadable[0].count == 2


def test_objects_are_refused_in_one_line(tmp_path):
    np.save(tmp_path / "o.npy", np.array([X[0], X[1, :4]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", images=np.array([X[0], X[1, :4]], dtype=object))
    for name in ("o.npy", "o.npz"):
        with pytest.raises(DataError) as caught:
            open_(tmp_path / name)
        assert "\n" not in str(caught.value)
