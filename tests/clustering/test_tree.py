"""Trees over clusters: Ward's rule against SciPy's, density, cuts."""

import numpy as np
import pytest
from scipy.cluster import hierarchy

from latentlab.clustering.tree import ClusterTree, density_merges, ward_tree
from latentlab.errors import ConfigError


def centers_of(k=30, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(k, d))


def same_groups(first, second):
    return len(set(zip(first, second, strict=True))) == len(set(first)) == len(set(second))


def test_one_image_each_gives_the_tree_of_scipy():
    centers = centers_of()
    tree = ward_tree(centers, np.ones(30, int))
    assert np.allclose(tree.merges, hierarchy.linkage(centers, "ward"))


def test_sizes_count_as_that_many_images_at_the_center():
    centers = centers_of()
    sizes = np.random.default_rng(1).integers(1, 9, 30)
    tree = ward_tree(centers, sizes)
    of_images = hierarchy.linkage(np.repeat(centers, sizes, axis=0), "ward")
    assert np.allclose([merge[2] for merge in tree.merges], of_images[-29:, 2])
    assert tree.merges[-1][3] == sizes.sum()
    first_image = np.cumsum(sizes) - 1
    for k in (2, 5, 11):
        expected = hierarchy.fcluster(of_images, k, "maxclust")[first_image]
        assert same_groups(tree.cut(k).tolist(), expected.tolist())


def test_empty_clusters_are_no_leaves():
    tree = ward_tree(centers_of(4), np.array([3, 0, 2, 1]))
    assert tree.leaves == (0, 2, 3)
    assert len(tree.merges) == 2


def test_equal_centers_join_at_height_zero():
    centers = np.array([[1e3, 1], [1e3, 1], [1e3, 5]])
    tree = ward_tree(centers, np.array([4, 4, 4]))
    assert tree.merges[0][:3] == (0, 1, 0.0)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_clusters_are_not_joined(count):
    tree = ward_tree(np.zeros((1, 2)), np.array([count]))
    assert tree.merges == ()
    assert tree.leaves == tuple(range(count))


def test_cuts_lie_within_each_other():
    tree = ward_tree(centers_of(), np.ones(30, int))
    for k in range(2, 31):
        coarse, fine = tree.cut(k - 1), tree.cut(k)
        assert fine.max() + 1 == k
        assert len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == k


@pytest.mark.parametrize("k", [0, 4])
def test_more_groups_than_leaves_are_refused(k):
    tree = ward_tree(centers_of(3), np.ones(3, int))
    with pytest.raises(ConfigError, match="must be 1 to 3"):
        tree.cut(k)


def test_dense_clusters_join_where_their_images_do():
    # Images 0 to 2 and 3 to 4 are clusters, 5 is noise between them, 6 and 7 a third.
    linkage = [
        (0, 1, 0.1, 2),  # 8
        (8, 2, 0.2, 3),  # 9
        (3, 4, 0.2, 2),  # 10
        (6, 7, 0.3, 2),  # 11
        (10, 5, 1.0, 3),  # 12
        (12, 9, 2.0, 6),  # 13
        (13, 11, 5.0, 8),
    ]
    labels = np.array([0, 0, 0, 1, 1, -1, 2, 2])
    merges = density_merges(np.array(linkage), labels)
    assert merges.tolist() == [[0, 1, 2.0, 5], [2, 3, 5.0, 7]]


def test_sizes_can_be_those_of_all_images():
    tree = ClusterTree(((0, 1, 1.0, 2), (2, 3, 2.0, 3)), (0, 1, 2)).with_sizes([5, 6, 7])
    assert [merge[3] for merge in tree.merges] == [11, 18]
