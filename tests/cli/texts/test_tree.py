"""The text of a tree over clusters."""

import numpy as np

from latentlab.cli.texts.tree import MOST_LINES, tree_text
from latentlab.clustering.tree import ClusterTree, ward_tree


def test_a_large_tree_ends_in_a_line_that_says_so():
    centers = np.random.default_rng(0).normal(size=(100, 2))
    lines = tree_text(ward_tree(centers, np.ones(100, int))).splitlines()
    assert len(lines) == MOST_LINES + 2
    assert "tree.json" in lines[-1]


def test_a_single_cluster_is_a_line():
    assert tree_text(ClusterTree((), (0,))).splitlines()[1:] == ["  cluster 0"]


def test_without_clusters_there_are_no_lines():
    assert len(tree_text(ClusterTree((), ())).splitlines()) == 1
