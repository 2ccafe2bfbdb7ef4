"""Scores against hand-computed tables, slow oracles and invariants."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from latentlab.scoring import metrics


def table_of(clusters, classes):
    return metrics.contingency(
        np.array(clusters), np.array(classes), max(clusters) + 1, max(classes) + 1
    )


def test_purity_and_accuracy_by_hand():
    # cluster 0: classes 0 0 1; cluster 1: classes 0 0; cluster 2: class 1. Majority 2 + 2 + 1 of 6.
    table = table_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(table, [[2, 1], [2, 0], [0, 1]])
    assert metrics.purity(table) == pytest.approx(5 / 6)
    assert metrics.accuracy(table) == pytest.approx(3 / 6)


def test_mapped_share_uses_the_given_map_and_counts_unmapped_clusters_as_wrong():
    table = np.array([[2, 8], [5, 5]])
    assert metrics.mapped_share(table, np.array([0, 1])) == pytest.approx(7 / 20)
    assert metrics.mapped_share(table, np.array([0, -1])) == pytest.approx(2 / 20)
    np.testing.assert_allclose(
        metrics.mapped_share(np.stack([table, 2 * table]), np.array([1, 1])), [13 / 20, 13 / 20]
    )


def test_maps_of_rectangular_tables_by_hand():
    more_clusters = metrics.maps_of(np.array([[9, 1], [8, 0], [0, 5], [0, 0]]))
    assert more_clusters.majority.tolist() == [0, 0, 1, -1]
    assert more_clusters.matched.tolist()[:3] == [0, -1, 1]
    fewer_clusters = metrics.maps_of(np.array([[9, 1, 7], [0, 5, 1]]))
    assert fewer_clusters.majority.tolist() == fewer_clusters.matched.tolist() == [0, 1]


def test_recalls_and_balanced_purity_by_hand():
    # The majority map gives all clusters to class 0. Class 1 is found nowhere, and the purity
    # of 0.9 hides it.
    table = np.array([[50, 5, 0], [40, 5, 0]])
    np.testing.assert_allclose(
        metrics.recalls(table, metrics.maps_of(table).majority), [1, 0, np.nan]
    )
    values = {row.metric: row.value for row in metrics.score(table)}
    assert values["purity"] == pytest.approx(0.9)
    assert values["balanced_purity"] == pytest.approx(0.5)


def slow_accuracy(table):
    k, n_classes = table.shape
    size = max(k, n_classes)
    square = np.zeros((size, size))
    square[:k, :n_classes] = table
    return (
        max(
            sum(square[i, j] for i, j in enumerate(order))
            for order in itertools.permutations(range(size))
        )
        / table.sum()
    )


labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(labels)
def test_metrics_keep_their_invariants(pairs):
    clusters, classes = map(np.array, zip(*pairs, strict=True))
    table = metrics.contingency(clusters, classes, 4, 5)
    purity, accuracy = metrics.purity(table), metrics.accuracy(table)
    assert accuracy == pytest.approx(slow_accuracy(table))
    assert accuracy <= purity + 1e-12
    assert purity >= table.sum(axis=0).max() / table.sum() - 1e-12
    assert metrics.purity(table[::-1]) == purity
    drawn_classes, drawn_clusters = classes.tolist(), clusters.tolist()
    assert metrics.nmi(table) == pytest.approx(
        normalized_mutual_info_score(drawn_classes, drawn_clusters), abs=1e-9
    )
    assert metrics.ari(table) == pytest.approx(
        adjusted_rand_score(drawn_classes, drawn_clusters), abs=1e-9
    )
    finer = np.vstack([table[:1] // 2, table[:1] - table[:1] // 2, table[1:]])
    assert metrics.purity(finer) >= purity - 1e-12


def test_chance_agrees_with_shuffling_labels():
    rng = np.random.default_rng(1)
    clusters, classes = rng.integers(0, 5, 400), rng.choice(4, 400, p=[0.6, 0.2, 0.1, 0.1])
    by_chance = metrics.chance(metrics.contingency(clusters, classes, 5, 4))
    shuffled = [
        metrics.purity(metrics.contingency(clusters, rng.permutation(classes), 5, 4))
        for _ in range(300)
    ]
    assert by_chance["purity"] == pytest.approx(np.mean(shuffled), abs=0.004)
    assert by_chance["purity"] >= 0.6 - 0.02


@pytest.mark.parametrize(
    ("k", "n", "expected"), [(10, 10_000, 0.115), (10, 50_000, 0.107), (100, 10_000, 0.151)]
)
def test_chance_of_balanced_classes_is_what_simulation_gave(k, n, expected):
    rng = np.random.default_rng(0)
    table = metrics.contingency(rng.integers(0, k, n), np.arange(n) % 10, k, 10)
    assert metrics.chance(table)["purity"] == pytest.approx(expected, abs=0.003)


def test_chance_under_the_training_maps_agrees_with_shuffling_both_splits():
    rng = np.random.default_rng(2)
    sizes, mix = [0.5, 0.3, 0.2], [0.4, 0.35, 0.25]

    def shuffled_tables(n):
        return metrics.contingency(rng.choice(3, n, p=sizes), rng.choice(3, n, p=mix), 3, 3)

    training, held_out = shuffled_tables(90), shuffled_tables(60)
    by_chance = metrics.chance(held_out, training, repeats=1000)
    clusters, classes = (
        np.repeat(numbers.ravel(), held_out.ravel()) for numbers in np.indices((3, 3))
    )
    own, theirs = (np.repeat(numbers.ravel(), training.ravel()) for numbers in np.indices((3, 3)))
    told = {"purity_train_map": [], "acc_train_map": [], "nmi": []}
    for _ in range(1000):
        maps = metrics.maps_of(metrics.contingency(own, rng.permutation(theirs), 3, 3))
        table = metrics.contingency(clusters, rng.permutation(classes), 3, 3)
        told["purity_train_map"].append(metrics.mapped_share(table, maps.majority))
        told["acc_train_map"].append(metrics.mapped_share(table, maps.matched))
        told["nmi"].append(metrics.nmi(table))
    for name, values in told.items():
        assert by_chance[name] == pytest.approx(np.mean(values), abs=0.01), name
    assert by_chance["purity_train_map"] < by_chance["purity"]


def test_score_of_perfect_and_of_single_cluster():
    classes = np.arange(60) % 3
    perfect = {row.metric: row.value for row in metrics.score(table_of((classes + 1) % 3, classes))}
    assert perfect == pytest.approx(dict.fromkeys(metrics.METRICS, 1.0))
    single = {
        row.metric: row
        for row in metrics.score(metrics.contingency(np.zeros(60, int), classes, 3, 3))
    }
    assert single["purity"].value == pytest.approx(1 / 3)
    assert single["purity"].chance == pytest.approx(1 / 3)
    assert single["nmi"].value == 0.0
