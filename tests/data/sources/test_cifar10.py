"""CIFAR-10 in its published layouts, from small files of the format and from the real images."""

import io
import os
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.formats import cifar_batches
from latentlab.data.formats.pickles import load_dict
from latentlab.errors import DataError
from latentlab.scoring.labels import read_labels
from latentlab.scoring.labels.cifar10 import CLASS_NAMES

COUNTS = (4, 3, 5, 2, 6, 7)  # images of each batch


def random_batches():
    """Return images and labels of each batch."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8) for count in COUNTS]
    return images, [rng.integers(0, 10, count, dtype=np.uint8) for count in COUNTS]


IMAGES, LABELS = random_batches()
EXPECTED = np.concatenate(IMAGES).transpose(0, 2, 3, 1)


def binary_files():
    files = {
        f"{stem}.bin": np.concatenate(
            [labels[:, None], images.reshape(len(images), -1)], axis=1
        ).tobytes()
        for stem, images, labels in zip(cifar_batches.STEMS, IMAGES, LABELS, strict=True)
    }
    return files | {"batches.meta.txt": "\n".join(CLASS_NAMES).encode() + b"\n"}


def python_files():
    """Return the pickles as Python 2 wrote them: protocol 2, byte-string keys."""
    files = {}
    for stem, images, labels in zip(cifar_batches.STEMS, IMAGES, LABELS, strict=True):
        batch = {
            b"batch_label": b"some",
            b"data": images.reshape(len(images), -1),
            b"labels": labels.tolist(),
            b"filenames": [b"a.png"] * len(images),
        }
        files[stem] = pickle.dumps(batch, protocol=2)
    return files | {
        "batches.meta": pickle.dumps(
            {b"label_names": [n.encode() for n in CLASS_NAMES], b"num_vis": 3072},
            protocol=2,
        )
    }


def write_folder(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_tar(path, files, prefix):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{prefix}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def layout(name, place):
    """Write one of the published layouts below `place`."""
    if name == "bin":
        write_folder(place / "cifar-10-batches-bin", binary_files())
    elif name == "py":
        write_folder(place / "cifar-10-batches-py", python_files())
    elif name == "keras":
        write_folder(place / "cifar-10-batches-py-target" / "cifar-10-batches-py", python_files())
    elif name == "tar-bin":
        write_tar(place / "cifar-10-binary.tar.gz", binary_files(), "cifar-10-batches-bin")
    else:
        write_tar(place / "cifar-10-python.tar.gz", python_files(), "cifar-10-batches-py")


def options_of(place, **more):
    return DataOptions(data="cifar10", data_dir=str(place), **more)


@pytest.mark.parametrize("name", ["bin", "py", "keras", "tar-bin", "tar-py"])
def test_every_layout_gives_the_same_images_and_labels(tmp_path, name):
    layout(name, tmp_path)
    images = opening.open_images(options_of(tmp_path))
    labels = read_labels(options_of(tmp_path))
    np.testing.assert_array_equal(images.read(np.arange(len(images))), EXPECTED)
    assert images.ids[0] == "train/00000"
    assert images.ids[-1] == "test/00006"
    assert (images.splits == "train").sum() == 20
    np.testing.assert_array_equal(labels.labels, np.concatenate(LABELS))
    assert labels.class_names[3] == "cat"
    assert labels.ids.tolist() == images.ids.tolist()


def test_archive_itself_and_batches_folder_can_be_named(tmp_path):
    layout("tar-bin", tmp_path)
    layout("py", tmp_path)
    for place in (tmp_path / "cifar-10-binary.tar.gz", tmp_path / "cifar-10-batches-py"):
        assert len(opening.open_images(options_of(place))) == 27


def test_keras_cache_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    layout("keras", tmp_path / "datasets")
    assert len(opening.open_images(DataOptions(data="cifar10"))) == 27


def test_limit_and_size(tmp_path):
    layout("bin", tmp_path)
    images = opening.open_images(options_of(tmp_path, limit=3, size=16))
    assert images.image_shape == (16, 16, 3)
    assert images.ids.tolist() == [
        f"{split}/0000{i}" for split in ("train", "test") for i in range(3)
    ]
    assert read_labels(options_of(tmp_path, limit=3)).ids.tolist() == images.ids.tolist()


class Shell:
    def __reduce__(self):
        return (os.system, ("touch hacked",))


def damage(files, name, content):
    return {**files, name: content}


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            lambda: damage(binary_files(), "data_batch_2.bin", b"x" * 3072),
            "not a whole number of 3073-byte images",
        ),
        (lambda: damage(binary_files(), "data_batch_2.bin", b""), "not a whole number"),
        (lambda: damage(binary_files(), "data_batch_1.bin", b"\x0b" + bytes(3072)), "the label 11"),
        (lambda: damage(binary_files(), "batches.meta.txt", b"cat dog"), "10 class names"),
        (lambda: damage(python_files(), "data_batch_3", pickle.dumps(Shell())), "posix.system"),
        (
            lambda: damage(
                python_files(), "data_batch_3", pickle.dumps({b"data": np.array([object()])})
            ),
            "NEWOBJ",
        ),
        (lambda: damage(python_files(), "data_batch_3", pickle.dumps([1])), "not a dictionary"),
        (
            lambda: damage(python_files(), "data_batch_3", python_files()["data_batch_3"][:-40]),
            "refused as a pickle",
        ),
        (
            lambda: {k: v for k, v in binary_files().items() if k != "test_batch.bin"},
            "lacks test_batch",
        ),
    ],
)
def test_damaged_and_hostile_batches_are_refused_in_one_line(tmp_path, monkeypatch, files, text):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "cifar-10-batches", files())
    with pytest.raises(DataError, match=text):
        opening.open_images(options_of(tmp_path / "cifar-10-batches"))
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("keep", [0, 10, 100, 3000, -1])
def test_truncated_archives_are_refused(tmp_path, keep):
    layout("tar-bin", tmp_path)
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:keep] if keep >= 0 else path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz"):
        opening.open_images(options_of(tmp_path))


def test_links_and_foreign_paths_in_archives_are_never_followed_or_written(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(binary_files()["test_batch.bin"])
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "cifar-10-binary.tar.gz"
    files = {name: content for name, content in binary_files().items() if name != "test_batch.bin"}
    write_tar(path, files | {"../../escaped": b"x"}, "cifar-10-batches-bin")
    with tarfile.open(path) as archive:
        members = [(m, archive.extractfile(m).read()) for m in archive]
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    with pytest.raises(DataError, match="lacks test_batch"):
        opening.open_images(options_of(tmp_path / "data"))
    assert {p.name for p in tmp_path.rglob("*")} == {"secret", "data", "cifar-10-binary.tar.gz"}


def test_oversized_members_are_refused_before_they_are_read(tmp_path):
    write_tar(
        tmp_path / "cifar-10-binary.tar.gz",
        damage(binary_files(), "data_batch_1.bin", bytes(31_000_000)),
        "x",
    )
    with pytest.raises(DataError, match="more than the 30730000 expected"):
        opening.open_images(options_of(tmp_path))


def test_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"holds no CIFAR-10.*`data_dir`"):
        opening.open_images(options_of(tmp_path))


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_read(protocol):
    batch = {b"data": IMAGES[0].reshape(len(IMAGES[0]), -1), b"labels": [1, 2], b"x": b"\xff"}
    read = load_dict(pickle.dumps(batch, protocol=protocol), "a batch")
    np.testing.assert_array_equal(read["data"], batch[b"data"])
    assert (read["labels"], read["x"]) == ([1, 2], b"\xff")


def test_a_batch_that_python_3_wrote_by_protocol_2_is_not_too_large(tmp_path):
    """Bytes above 127 take two there: this batch is as large as one can be."""
    data = np.full((10_000, 3072), 255, np.uint8)
    content = pickle.dumps({b"data": data, b"labels": [3] * 10_000}, protocol=2)
    assert len(content) > 60_000_000
    assert len(content) < cifar_batches.LIMITS["data_batch_1"]
    np.testing.assert_array_equal(load_dict(content, "a batch")["data"], data)


def test_a_pickle_cannot_ask_for_memory():
    class Bomb:
        def __reduce__(self):
            return np._core.numeric._frombuffer, (1 << 40, np.dtype("u1"), (1,), "C")

    with pytest.raises(DataError, match="has no bytes"):
        load_dict(pickle.dumps({"data": Bomb()}, protocol=4), "a batch")


def test_real_cifar10_as_python_3_pickles_it(tmp_path, real_data):
    script = real_data / "unpack_cifar10.py"
    subprocess.run([sys.executable, script, tmp_path, "--layout", "py"], check=True)
    images = opening.open_images(DataOptions(data="cifar10", data_dir=str(tmp_path)))
    assert [(images.splits == split).sum() for split in ("train", "test")] == [50_000, 10_000]


def test_real_cifar10_is_read_exactly(tmp_path, real_data):
    """The published means of the channels hold for the 50,000 training images."""
    subprocess.run(
        [sys.executable, real_data / "unpack_cifar10.py", tmp_path, "--layout", "bin"], check=True
    )
    images = opening.open_images(options_of(tmp_path))
    assert len(images) == 60_000
    training = images.read(images.indices("train"))
    np.testing.assert_allclose(
        training.mean(axis=(0, 1, 2)) / 255, [0.49139968, 0.48215841, 0.44653091], atol=1e-7
    )
    labels = read_labels(options_of(tmp_path))
    assert np.bincount(labels.labels).tolist() == [6000] * 10
    np.testing.assert_array_equal(
        labels.labels[:50_000], np.load(real_data / "cifar10" / "train-labels.npy")
    )
