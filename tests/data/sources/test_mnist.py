"""MNIST and Fashion-MNIST from .npz and idx files."""

import gzip
import struct

import numpy as np
import pytest

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import DataError
from latentlab.scoring.labels import read_labels

X = np.random.default_rng(1).integers(0, 256, (7, 28, 28), dtype=np.uint8)
Y = np.array([0, 1, 2, 3, 9, 5, 5], np.uint8)
TRAIN = 5


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, packed=False, **changes):
    files = {
        "train-images-idx3-ubyte": idx(X[:TRAIN]),
        "train-labels-idx1-ubyte": idx(Y[:TRAIN]),
        "t10k-images-idx3-ubyte": idx(X[TRAIN:]),
        "t10k-labels-idx1-ubyte": idx(Y[TRAIN:]),
    }
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        content = changes.get(name.split("-idx")[0].replace("-", "_"), content)
        (folder / (name + ".gz" if packed else name)).write_bytes(
            gzip.compress(content) if packed else content
        )


@pytest.mark.parametrize("name", ["mnist", "fashion"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_give_images_and_labels(tmp_path, name, packed):
    write_idx(tmp_path, packed)
    options = DataOptions(data=name, data_dir=str(tmp_path))
    images = opening.open_images(options)
    np.testing.assert_array_equal(images.read(np.arange(7))[..., 0], X)
    assert images.image_shape == (28, 28, 1)
    assert images.splits.tolist() == ["train"] * 5 + ["test"] * 2
    labels = read_labels(options)
    np.testing.assert_array_equal(labels.labels, Y)
    assert labels.class_names[9] == {"mnist": "9", "fashion": "Ankle boot"}[name]


def test_npz_gives_the_same(tmp_path):
    np.savez(
        tmp_path / "mnist.npz",
        x_train=X[:TRAIN],
        y_train=Y[:TRAIN],
        x_test=X[TRAIN:],
        y_test=Y[TRAIN:],
    )
    for place in (tmp_path, tmp_path / "mnist.npz"):
        options = DataOptions(data="mnist", data_dir=str(place), size=32)
        assert opening.open_images(options).image_shape == (32, 32, 1)
        np.testing.assert_array_equal(read_labels(options).labels, Y)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no idx file or damaged"),
        (idx(X[:TRAIN])[:-1], "3919 of the 3920 bytes"),
        (idx(X[:TRAIN]) + b"x", "more than"),
        (b"\x00\x00\x0d\x03" + bytes(12), "no idx header"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 28, 28), "announces"),
        (idx(Y), "not uint8 with 3 axes"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content, text):
    write_idx(tmp_path, train_images=content)
    with pytest.raises(DataError, match=text):
        opening.open_images(DataOptions(data="mnist", data_dir=str(tmp_path)))


def test_damaged_npz_and_pickled_npz_are_refused(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"PK\x03\x04 half a zip")
    with pytest.raises(DataError, match=r"mnist.npz"):
        opening.open_images(DataOptions(data="mnist", data_dir=str(tmp_path)))
    np.savez(tmp_path / "mnist.npz", x_train=np.array([object()]), x_test=X)
    with pytest.raises(DataError, match="cannot read x_train"):
        opening.open_images(DataOptions(data="mnist", data_dir=str(tmp_path)))


def test_missing_files_say_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"mnist\.npz or train-images-idx3-ubyte"):
        opening.open_images(DataOptions(data="mnist", data_dir=str(tmp_path)))


def test_real_mnist(real_data):
    options = DataOptions(data="mnist", data_dir=str(real_data))
    images = opening.open_images(options)
    assert len(images) == 70_000
    assert abs(images.read(images.indices("train")).mean() / 255 - 0.1307) < 1e-4
    assert np.bincount(read_labels(options).labels[60_000:])[:3].tolist() == [
        980,
        1135,
        1032,
    ]
