"""Splits and classes of folders, as data sets in the wild lay them out, from paths alone."""

import time

import pytest

from latentlab.data.layouts.layout import layout_of, split_of_name


def below(*folders, count=3):
    return [f"{folder}/{i}.png".lstrip("/") for folder in folders for i in range(count)]


def splits_and_classes(paths):
    """Return the classes of each split as sets, by the name of the split."""
    layout = layout_of(paths)
    assert layout.splits is not None
    found = {}
    for split, name in zip(layout.splits.tolist(), layout.class_folders(), strict=True):
        found.setdefault(split, set()).add(name)
    return found


WITH_CLASSES = {"train": {"cat", "dog"}, "test": {"cat", "dog"}}


@pytest.mark.parametrize(
    ("training", "held_out"),
    [
        ("train", "val"),
        ("train", "test"),
        ("Train", "Valid"),
        ("TRAIN", "VALIDATION"),
        ("training", "testing"),
        ("Training", "Test"),
        ("train", "dev"),
        ("train", "eval"),
        ("train", "holdout"),
        ("train", "hold-out"),
        ("train", "held_out"),
        ("train2017", "val2017"),
        ("training_set", "test_set"),
        ("trainingSet", "testSet"),
        ("TrainImages", "TestImages"),
        ("train_images", "test_images"),
        ("trainset", "testset"),
        ("seg_train", "seg_test"),
        ("bounding_box_train", "bounding_box_test"),
    ],
)
@pytest.mark.parametrize("wrapper", ["", "set/", "set/set/", "images/"])
def test_spellings_of_splits_below_any_wrapper(training, held_out, wrapper):
    folders = [f"{wrapper}{s}/{c}" for s in (training, held_out) for c in ("cat", "dog")]
    assert splits_and_classes(below(*folders)) == WITH_CLASSES


@pytest.mark.parametrize(
    "folders",
    [
        ["train/train/cat", "train/train/dog", "test/test/cat", "test/test/dog"],
        ["cat/train", "cat/test", "dog/train", "dog/test"],
        ["train/cat/images", "train/dog/images", "val/cat/images", "val/dog/images"],
        ["a/train/cat", "a/train/dog", "a/test/cat", "a/test/dog", "a/a/train/cat", "a/a/test/dog"],
    ],
)
def test_splits_inside_out_doubled_and_above_containers(folders):
    assert splits_and_classes(below(*folders)) == WITH_CLASSES


def test_val_and_test_are_both_held_out_and_the_clause_says_so():
    paths = below(*[f"{s}/{c}" for s in ("train", "val", "test") for c in ("cat", "dog")])
    layout = layout_of(paths)
    assert layout.splits.tolist().count("train") == 6
    assert layout.splits_text == (
        "split by folders: train (6) fitted, test (6), val (6) both held out"
    )
    assert layout.classes_text == "labels by folders: cat, dog"


def test_a_flat_test_folder_has_no_labels_and_the_clause_counts_it():
    layout = layout_of(below("my/my/train/cat", "my/my/train/dog", "my/my/test"))
    assert layout.wrapper == "my/my"
    assert layout.class_folders() == ["cat"] * 3 + ["dog"] * 3 + [""] * 3
    assert layout.classes_text.endswith("3 images of test lie in no class folder, not scored")


def test_a_folder_beside_the_splits_is_fitted_and_is_no_class():
    layout = layout_of(below("Train/0", "Train/1", "Test", "Meta"))
    assert set(layout.class_folders()) == {"", "0", "1"}
    assert layout.splits[-3:].tolist() == ["train"] * 3
    assert "3 outside of these folders fitted too" in layout.splits_text
    assert layout_of(below("train/a", "test/b", "extra/a")).class_folders()[-1] == "a"


@pytest.mark.parametrize(
    "folders",
    [
        ["train/images", "valid/images", "test/images"],
        ["images/train", "images/val", "masks/train", "masks/val"],
        ["train", "test"],
        ["images/train2017", "images/val2017"],
    ],
)
def test_splits_without_classes(folders):
    layout = layout_of(below(*folders))
    assert layout.splits is not None
    assert not layout.has_classes
    assert set(layout.class_folders()) == {""}
    assert layout.classes_text == "no labels, since the images lie in no class folders"


@pytest.mark.parametrize(
    ("folders", "reason"),
    [
        (["only"], "all images lie in the one folder only"),
        (["images"], "all images lie in the one folder images"),
        (["", "only"], "all images lie in the one folder only"),
        (["train"], "all images lie in the one folder train"),
        (["a/only"], "all images lie in the one folder only"),
        (["val", "test"], "the folders test, val are named as splits"),
        (["images", "masks"], "the folders images, masks name no class"),
        ([""], "the images lie in no class folders"),
    ],
)
def test_folders_that_are_no_classes(folders, reason):
    layout = layout_of(below(*folders))
    assert layout.splits is None
    assert not layout.has_classes
    assert layout.classes_text.startswith(f"no labels, since {reason}")


def test_a_class_for_each_picture_is_none():
    layout = layout_of(below("a", "b", "c", count=1))
    assert layout.no_class_reason == "each image lies in a folder of its own"
    assert layout_of(below("a", "b", "c", count=2)).has_classes


def test_names_that_recur_below_several_folders_are_told():
    layout = layout_of(below("p1/left", "p1/right", "p2/left", "p2/right"))
    assert layout.has_classes
    assert layout.class_folders()[:4] == ["left"] * 3 + ["right"]
    assert "left, right below several folders (p1, p2): names that recur" in layout.classes_text
    assert layout.class_folders(depth=1)[:7] == ["p1"] * 6 + ["p2"]
    assert set(layout.class_folders(depth=3)) == {""}


def test_the_last_folder_that_all_share_is_no_class():
    layout = layout_of(below("cat/scans/x", "dog/scans/x"))
    assert set(layout.class_folders()) == {"cat", "dog"}


def test_names_of_splits_without_a_training_folder_are_told():
    layout = layout_of(below("cats", "dogs", "test"))
    assert layout.has_classes
    assert "test may be a split and no class" in layout.classes_text
    both = layout_of(below("val/cat", "val/dog", "test/cat", "test/dog"))
    assert both.splits is None
    assert both.splits_text == "test, val not taken as a split, since no folder is named train"
    assert set(both.class_folders()) == {"cat", "dog"}


def test_a_class_called_train_is_no_split():
    layout = layout_of(below("bus", "car", "train"))
    assert layout.splits is None
    assert layout.has_classes
    assert "train may be a split" in layout.classes_text


def test_split_folders_with_few_of_the_pictures_are_none():
    assert layout_of(below("trip", count=20) + below("p/train", "p/test")).splits is None


@pytest.mark.parametrize("name", ["cats", "latest", "contest", "trainer", "valley", "device", "1"])
def test_words_that_only_contain_a_split(name):
    assert split_of_name(name) == ""


def test_a_hundred_thousand_paths_take_a_moment():
    paths = [f"set/{s}/class{i % 1000}/{i}.png" for s in ("train", "val") for i in range(50_000)]
    start = time.perf_counter()
    layout = layout_of(paths)
    assert layout.splits_text
    assert layout.classes_text
    assert len(layout.class_folders()) == 100_000
    assert time.perf_counter() - start < 5
