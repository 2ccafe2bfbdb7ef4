"""A folder of pictures as users have them: any size, mode and depth, some broken."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.processes import words
from helpers.runs import small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import DataError
from latentlab.scoring.labels import read_labels
from latentlab.storage import tables


def save(path, colour=(200, 30, 30), size=(40, 30), mode="RGB", **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **settings)


def open_(folder, **more):
    return opening.open_images(DataOptions(data=str(folder), **more))


def test_pictures_of_all_kinds_become_one_size(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.jpg", mode="CMYK")
    save(tmp_path / "c.gif", mode="P")
    save(tmp_path / "d.bmp", mode="L")
    save(tmp_path / "e.WEBP", size=(7, 90))
    save(tmp_path / "deep" / "er" / "f.tiff")
    deep = np.full((20, 20), 65535, np.uint16)
    deep[:, :10] = 0
    Image.fromarray(deep).save(tmp_path / "g.png")
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(tmp_path / "h.png")
    images = open_(tmp_path, held_out=0.0)
    assert images.ids.tolist() == [
        "a.png",
        "b.jpg",
        "c.gif",
        "d.bmp",
        "deep/er/f.tiff",
        "e.WEBP",
        "g.png",
        "h.png",
    ]
    assert images.image_shape == (32, 32, 3)
    pixels = images.read(np.arange(8))
    np.testing.assert_allclose(pixels[0, 16, 16], [200, 30, 30], atol=3)
    assert pixels[6, :, 20:].min() == 255  # 16-bit white
    assert pixels[7].min() == 255  # transparent, on white


def test_resize_rules(tmp_path):
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 255
    Image.fromarray(image).save(tmp_path / "wide.png")
    crop, pad, stretch = (
        open_(tmp_path, held_out=0.0, size=20, resize=rule).read(np.arange(1))[0]
        for rule in ("crop", "pad", "stretch")
    )
    assert crop.mean() > 240
    assert pad[0].max() == 0
    assert 70 < stretch.mean() < 100


def test_exif_orientation_is_applied(tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16] = 255
    picture = Image.fromarray(image)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.png", exif=exif)
    pixels = open_(tmp_path, held_out=0.0).read(np.arange(1))[0]
    assert pixels[:14].max() == 0
    assert pixels[18:].min() == 255


def test_sub_folders_are_held_out_labels(tmp_path):
    for name in ("cats", "dogs"):
        for i in range(3):
            save(tmp_path / name / f"{i}.png")
    labels = read_labels(DataOptions(data=str(tmp_path)))
    assert labels.class_names == ("cats", "dogs")
    assert labels.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_train_and_test_folders_are_the_splits(tmp_path):
    for split in ("train", "test"):
        for name in ("cats", "dogs"):
            save(tmp_path / split / name / "0.png")
    images = open_(tmp_path)
    assert dict(zip(images.ids.tolist(), images.splits.tolist(), strict=True)) == {
        "test/cats/0.png": "test",
        "test/dogs/0.png": "test",
        "train/cats/0.png": "train",
        "train/dogs/0.png": "train",
    }
    assert read_labels(DataOptions(data=str(tmp_path))).class_names == ("cats", "dogs")


def test_flat_folder_has_no_labels(tmp_path):
    save(tmp_path / "a.png")
    assert read_labels(DataOptions(data=str(tmp_path))) is None


def test_unreadable_pictures_are_listed_counted_and_skipped(tmp_path, caplog):

    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / "photos" / f"{i:02d}.png"
        )
    (tmp_path / "photos" / "empty.png").write_bytes(b"")
    (tmp_path / "photos" / "half.png").write_bytes(
        (tmp_path / "photos" / "00.png").read_bytes()[:200]
    )
    (tmp_path / "photos" / "text.jpg").write_text("not a picture")
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "photos"), size=16),
        small_fit(epochs=1, batch_size=4),
        tmp_path / "run",
    )
    rows = tables.read(run.path / "images.parquet").to_pylist()
    bad = {row["id"]: row["reason"] for row in rows if row["status"] == "unreadable"}
    assert set(bad) == {"empty.png", "half.png", "text.jpg"}
    assert all(bad.values())
    assert run.fact("unreadable") == 3
    assert "3 of what may be 15 images are left out" in caplog.text
    assert "unreadable: 1 (cannot be decoded), 1 (empty)" in caplog.text


def test_all_unreadable_is_an_error(tmp_path):
    (tmp_path / "a.png").write_text("nonsense")
    with pytest.raises(DataError, match=r"none of the 1 images can be read; the first, a\.png"):
        open_(tmp_path)


def test_decompression_bombs_are_listed_not_decoded(tmp_path):
    save(tmp_path / "ok.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    images = open_(tmp_path, held_out=0.0)
    assert images.ids.tolist() == ["ok.png"]
    assert "raise `max_pixels`" in images.unreadable[0].reason


def test_missing_and_empty_folders_are_errors(tmp_path):
    (tmp_path / ".hidden").mkdir()
    save(tmp_path / ".hidden" / "a.png")
    with pytest.raises(DataError, match="holds no pictures"):
        open_(tmp_path)


def test_links_that_go_round_end(tmp_path):
    save(tmp_path / "sub" / "a.png")
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    assert open_(tmp_path, held_out=0.0).ids.tolist().count("sub/a.png") == 1


def test_real_cifar10_as_a_folder_of_classes(tmp_path, real_data):
    line = "{} {} {} --layout folders --limit 200"
    command = words(line, sys.executable, real_data / "unpack_cifar10.py", tmp_path)
    subprocess.run(command, check=True)
    options = DataOptions(data=str(tmp_path / "cifar10"))
    images = opening.open_images(options)
    assert len(images) == 400
    assert (images.splits == "test").sum() == 200
    labels = read_labels(options)
    assert labels.class_names == (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    truth = np.load(real_data / "cifar10" / "train-labels.npy")[:200]
    assert (
        np.bincount(labels.labels[images.splits == "train"], minlength=10).tolist()
        == np.bincount(truth, minlength=10).tolist()
    )


def test_pictures_that_are_programs_or_no_files_are_listed(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "good.png")
    (tmp_path / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    )
    os.mkfifo(tmp_path / "b.png")
    images = opening.open_images(DataOptions(data=str(tmp_path)))
    assert images.ids.tolist() == ["good.png"]
    assert [bad.path for bad in images.unreadable] == ["a.png", "b.png"]


def test_a_name_that_is_no_utf8_becomes_text(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    os.rename(tmp_path / "x.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    images = opening.open_images(DataOptions(data=str(tmp_path)))
    assert images.ids.tolist() == ["caf\\xe9.png"]


def test_dark_sixteen_bit_pictures_stay_dark_on_the_full_scale(tmp_path):
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "x.png")
    assert open_(tmp_path, value_range="full").read(np.array([0])).max() == 1


def save_pages(path, count, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (count, 32, 32, 3)
    pixels = np.random.default_rng(seed).integers(0, 250, shape).astype(np.uint8)
    first, *others = map(Image.fromarray, pixels)
    first.save(path, save_all=True, append_images=others)
    return pixels


@pytest.mark.parametrize("lazy", [False, True])
def test_pages_are_images_with_the_class_of_their_file(tmp_path, lazy):
    cats = save_pages(tmp_path / "cats" / "scan.tif", 3)
    dogs = save_pages(tmp_path / "dogs" / "wave.png", 2, seed=1)
    options = DataOptions(data=str(tmp_path), held_out=0.0)
    images = opening.open_images(options, lazy=lazy)
    pages = [f"cats/scan.tif#{number}" for number in (1, 2, 3)]
    assert images.ids.tolist() == [*pages, "dogs/wave.png#1", "dogs/wave.png#2"]
    np.testing.assert_array_equal(images.read(np.arange(5)), np.concatenate([cats, dogs]))
    labels = read_labels(options)
    assert labels.ids.tolist() == images.ids.tolist()
    assert labels.labels.tolist() == [0, 0, 0, 1, 1]
    whole = opening.open_picture(images, 2, options)
    np.testing.assert_array_equal(np.asarray(whole), cats[2])


def test_pages_are_known_by_their_file_and_number(tmp_path):
    save_pages(tmp_path / "scan.tif", 3)
    options = DataOptions(data=str(tmp_path), held_out=0.0)
    first = opening.open_images(options, lazy=True)
    assert len(set(first.files.sha256)) == 3
    assert len(set(first.files.bytes.tolist())) == 1
    again = opening.open_images(options, lazy=True, known=first.files)
    assert again.fingerprint == first.fingerprint
    save_pages(tmp_path / "scan.tif", 3, seed=9)
    changed = opening.open_images(options, lazy=True, known=first.files)
    assert set(changed.files.sha256).isdisjoint(first.files.sha256)


def test_pictures_win_over_tables_and_outputs_beside_them(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png")
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1 and so on")
    save(tmp_path / "runs" / "one" / "report" / "figures" / "map.png")
    (tmp_path / "runs" / "one" / "run.json").write_text('{"format": 1, "stages": {}}')
    images = open_(tmp_path)
    assert images.ids.tolist() == ["0.png", "1.png", "2.png"]
    assert [entry.text for entry in images.intake.passed_over] == ["3 own output"]
    with pytest.raises(DataError, match="a run of latentlab"):
        open_(tmp_path / "runs" / "one" / "report")


def test_what_cannot_be_read_is_counted_by_its_fault(tmp_path):
    for number in range(4):
        save(tmp_path / f"{number}.png", (60 * number, 9, 9))
    for number in range(3):
        (tmp_path / f"lost{number}.png").write_text(f"../../all/{number}.png")
        half = (tmp_path / f"{number}.png").read_bytes()[: 60 + number]
        (tmp_path / f"half{number}.png").write_bytes(half)
    account = open_(tmp_path).intake
    found = {entry.reason: entry.count for entry in account.unreadable}
    assert found == {"cannot be decoded": 3, "no picture by its content": 3}
    assert account.is_loud


def test_links_out_of_the_folder_are_followed_on_request_only(tmp_path):
    save(tmp_path / "data" / "a.png")
    save(tmp_path / "else" / "b.png")
    (tmp_path / "data" / "b.png").symlink_to(tmp_path / "else" / "b.png")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "else")
    images = open_(tmp_path / "data")
    assert images.ids.tolist() == ["a.png"]
    assert images.intake.passed_over[0].reason == "links that lead out of the folder"
    assert open_(tmp_path / "data", follow_links=True).ids.tolist() == ["a.png", "more/b.png"]
