"""Clusters that were joined by cutting a tree: numbers, margins, probabilities."""

import numpy as np
import pytest

from latentlab.clustering.assigned import Assigned, grouped, joined
from latentlab.clustering.clusterer import Centers
from latentlab.clustering.cuts import grouped_assignments, groups_at
from latentlab.clustering.methods.hdbscan import DensityClusters
from latentlab.clustering.tree import ward_tree
from latentlab.errors import ConfigError
from latentlab.storage.assignments import Assignments

CENTERS = np.array([[0.0], [1.0], [9.0], [10.0]], np.float32)
TREE = ward_tree(CENTERS, np.array([2, 2, 2, 2]))


def assignments_of(clusters, **columns):
    clusters = np.array(clusters, np.int32)
    ids = np.array([str(i) for i in range(len(clusters))])
    return Assignments(ids, np.full(len(clusters), "train"), clusters, **columns)


def test_the_largest_joined_cluster_gets_number_0():
    groups = groups_at(TREE, 2, assignments_of([0, 1, 2, 2, 3]), 4)
    assert groups.tolist() == [1, 1, 0, 0]


def test_held_out_images_do_not_decide_on_numbers():
    assignments = assignments_of([0, 1, 2, 2, 3])
    assignments.splits[2:] = "test"
    assert groups_at(TREE, 2, assignments, 4).tolist() == [0, 0, 1, 1]


def test_an_empty_cluster_is_joined_to_another():
    tree = ward_tree(CENTERS, np.array([2, 0, 2, 2]))
    groups = groups_at(tree, 3, assignments_of([0, 2, 2, 2, 3, 3]), 4)
    assert set(groups.tolist()) == {0, 1, 2}


def test_more_clusters_than_there_are_cannot_be_cut():
    with pytest.raises(ConfigError, match="must be 1 to 4"):
        groups_at(TREE, 5, assignments_of([0, 1, 2, 3]), 4)


def test_margins_are_those_between_joined_clusters():
    clusters = Centers(CENTERS).grouped(np.array([0, 0, 1, 1]))
    assigned = clusters.assign(np.array([[0.5], [5.0], [10.0]], np.float32))
    assert assigned.cluster.tolist() == [0, 0, 1]
    assert assigned.distance.tolist() == [0.5, 4.0, 0.0]
    assert assigned.margin.tolist() == [8.0, 0.0, 9.0]


def test_probabilities_of_parts_are_added():
    soft = np.array([[0.4, 0.35, 0.25], [0.1, 0.2, 0.7]], np.float32)
    before = Assigned.from_probabilities(soft, np.ones((2, 3), np.float32))
    after = grouped(before, np.array([1, 0, 0]))
    assert np.allclose(after.soft, [[0.6, 0.4], [0.9, 0.1]])
    # An image follows its cluster, also where the others have more together.
    assert after.cluster.tolist() == [1, 0]
    assert np.allclose(after.margin, [0.0, 0.8])


def test_dense_clusters_are_joined_with_their_neighbours():
    reference = np.repeat(CENTERS, 10, axis=0) + np.linspace(0, 0.1, 40)[:, None]
    labels = np.repeat([0, 1, 2, -1], 10)
    clusters = DensityClusters.of(reference.astype(np.float32), labels, {})
    after = clusters.grouped(np.array([0, 0, 1])).assign(np.array([[0.6]], np.float32))
    assert after.cluster.tolist() == [0]
    assert after.margin.tolist() == [1.0]  # all 15 neighbours are of the two joined ones


def test_agreement_and_start_follow():
    soft = np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]], np.float32)
    before = assignments_of(
        [0, 2],
        distance=np.ones(2, np.float32),
        margin=np.zeros(2, np.float32),
        soft=soft,
        agreement=np.array([0.5, 0.75], np.float32),
        start=np.array([1, 2], np.int32),
    )
    after = grouped_assignments(before, np.array([0, 0, 1]), None)
    assert after.clusters.tolist() == [0, 1]
    assert after.start.tolist() == [0, 1]
    assert np.allclose(after.agreement, [1.0, 0.75])
    assert np.allclose(after.margin, [1.0, 0.5])


def test_an_image_that_gets_another_cluster_again_has_no_margin():
    before = assignments_of([0, 1], distance=np.ones(2), margin=np.ones(2))
    again = Assigned(np.array([0, 0]), np.array([2.0, 2.0]), np.array([3.0, 3.0]))
    after = grouped_assignments(before, np.array([0, 1]), again)
    assert after.clusters.tolist() == [0, 1]
    assert after.margin.tolist() == [3.0, 0.0]


def test_parts_are_put_together():
    parts = [Assigned(np.array([i]), np.array([1.0]), np.array([2.0])) for i in range(3)]
    whole = joined(parts)
    assert whole.cluster.tolist() == [0, 1, 2]
    assert whole.soft is None
