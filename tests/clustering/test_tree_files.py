"""Trees as files of a clustering, and after edits by hand."""

import numpy as np

from latentlab.clustering.tree import ward_tree
from latentlab.clustering.tree_files import StoredTree

CENTERS = np.array([[0.0], [1.0], [10.0]], np.float32)
COMPUTED = np.array([0, 0, 1, 1, 2, 2])


def stored():
    return StoredTree(ward_tree(CENTERS, np.array([2, 2, 2])), CENTERS)


def test_a_tree_is_read_as_it_was_written(tmp_path):
    stored().write(tmp_path)
    read = StoredTree.read(tmp_path)
    assert read.tree == stored().tree
    assert np.array_equal(read.centers, CENTERS)


def test_without_a_file_there_is_none(tmp_path):
    assert StoredTree.read(tmp_path) is None


def test_without_edits_the_tree_stays():
    assert stored().after_edits(COMPUTED, COMPUTED.copy(), 3) == stored().tree


def test_merged_and_dropped_clusters_are_no_leaves_any_more():
    edited = np.array([0, 0, 0, 0, -1, -1])
    assert stored().after_edits(COMPUTED, edited, 3).leaves == (0,)


def test_the_parts_of_a_split_cluster_join_first():
    edited = np.array([0, 3, 1, 1, 2, 2])
    tree = stored().after_edits(COMPUTED, edited, 4)
    assert tree.leaves == (0, 1, 2, 3)
    assert tree.merges[0][:3] == (0, 3, 0.0)


def test_a_moved_image_pulls_its_new_cluster():
    edited = np.array([0, 2, 1, 1, 2, 2])
    tree = stored().after_edits(COMPUTED, edited, 3)
    # Of three images 0, 10 and 10 the center is 20 / 3; the other two are at 0 and 1.
    assert tree.merges[-1][2] < stored().tree.merges[-1][2]
