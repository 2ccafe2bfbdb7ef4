"""Words of names and columns that stand for clusters."""

import pytest

from latentlab.clustering.cluster_words import (
    different_names,
    telling_words,
    words_of,
    words_of_names,
)
from latentlab.config import DataOptions

CLASSES = ["cat/cat_night.png", "cat/park.png", "dog/dog_sea.png", "dog/sea.png"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("IMG_20240113_001.jpg", []),
        ("harbourBoat-2.png", ["harbour", "boat"]),
        ("train/images/0001.png", []),
        ("3f2a9bd01c77e6aa.png", []),
        ("Größe_Übung.png", ["größe", "übung"]),
        ("a/of/it.png", []),
        ("boat boat BOAT", ["boat"]),
    ],
)
def test_words_of_a_name(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize("labels", ["auto", "folder", "folder:1", "table:labels.csv"])
def test_folders_that_may_be_classes_are_not_read(labels):
    found = words_of_names(CLASSES, DataOptions(labels=labels))
    assert found == [["night"], ["park"], ["sea"], ["sea"]]


def test_folders_count_where_the_user_says_that_they_are_no_labels():
    found = words_of_names(CLASSES, DataOptions(labels="none"))
    assert found[1] == ["cat", "park"]


def test_one_folder_is_no_class():
    names = ["holiday/a1.png", "holiday/a2.png"]
    assert words_of_names(names, DataOptions()) == [["holiday"], ["holiday"]]


def test_names_that_are_labels_are_not_read():
    found = words_of_names(["cat_1.png", "dog_2.png"], DataOptions(labels="name:{label}_{}.png"))
    assert found == [[], []]


def test_vectors_have_no_layout_and_their_folders_are_not_read():
    assert words_of_names(CLASSES, None)[1] == ["park"]


def test_a_word_of_all_clusters_stands_for_none():
    words = [["sea", "photo"]] * 5 + [["wood", "photo"]] * 5
    assert telling_words(words, [0] * 5 + [1] * 5, 2) == [["sea"], ["wood"]]


def test_rare_words_stand_for_none():
    words = [["sea"]] * 2 + [[]] * 8
    assert telling_words(words, [0] * 10, 1) == [[]]


def test_dropped_images_do_not_count():
    words = [["sea"]] * 4 + [["wood"]] * 4
    assert telling_words(words, [0] * 4 + [-1] * 4, 1) == [["sea"]]


def test_names_grow_until_they_differ():
    names = different_names([["sea", "dark"], ["sea", "bright"], ["wood"], []])
    assert names == ["sea, dark", "sea, bright", "wood", None]


def test_clusters_that_nothing_tells_apart_have_no_name():
    assert different_names([["sea"], ["sea"]]) == [None, None]
