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
from latentlab.errors import DataError
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
        (np.full((3, 8, 8), np.nan), "no finite number"),
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
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
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
    x[:, 0, 0, 0] = 1
    x.flush()
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.npy"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    grown, total = done.stdout.split()
    assert int(total) == 10
    assert float(grown) < 25
