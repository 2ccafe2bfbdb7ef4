"""Several seeds as one clustering: matching, voting, agreement."""

import numpy as np
import pytest

from latentlab.clustering import consensus
from latentlab.clustering.assigned import Assigned

TRUTH = np.repeat([0, 1, 2], [50, 30, 20])


def renumbered(order, noise=0, seed=0):
    """Return the true groups under other numbers, some images moved at random."""
    rng = np.random.default_rng(seed)
    found = np.array(order)[TRUTH]
    found[rng.choice(len(found), noise, replace=False)] = rng.integers(0, 3, noise)
    return found


def test_members_that_differ_by_numbers_alone_agree_wholly():
    found = consensus.unite(
        [renumbered([0, 1, 2]), renumbered([2, 0, 1]), renumbered([1, 2, 0])], np.ones(100, bool), 3
    )
    assert (found.cluster == TRUTH).all()  # the largest first
    assert (found.agreement == 1).all()
    assert consensus.agreement_of_seeds(found.ari).min == pytest.approx(1)


def test_the_vote_repairs_what_single_members_get_wrong():
    members = [
        renumbered(order, noise=15, seed=seed)
        for seed, order in enumerate([[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1], [2, 1, 0]])
    ]
    found = consensus.unite(members, np.ones(100, bool), 3)
    wrong = found.cluster != TRUTH
    alone = [
        np.mean(consensus.unite([member, member], np.ones(100, bool), 3).cluster != TRUTH)
        for member in members
    ]
    assert wrong.mean() < min(alone)
    assert found.agreement[wrong].mean() < found.agreement[~wrong].mean() if wrong.any() else True
    assert found.shares.sum(axis=1) == pytest.approx(np.ones(100))


def test_held_out_images_do_not_decide_on_the_matches():
    fitted = np.arange(100) % 2 == 0
    other = renumbered([1, 2, 0])
    other[~fitted] = 0  # nonsense on what was held out
    found = consensus.unite([TRUTH, other], fitted, 3)
    assert (found.cluster[fitted] == TRUTH[fitted]).all()


def test_a_tie_goes_to_the_reference():
    shares = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    members = [np.array([0, 1]), np.array([1, 0])]
    maps = np.array([[0, 1], [0, 1]])
    assert consensus.choose(members, maps, 1, shares).tolist() == [1, 0]


def test_the_distance_is_that_of_members_that_agree():
    members = [
        Assigned(np.array([0]), np.array([1.0]), np.array([1.0])),
        Assigned(np.array([1]), np.array([9.0]), np.array([1.0])),
    ]
    maps = np.array([[0, 1], [0, 1]])
    united = consensus.as_assigned(members, np.array([0]), np.array([[0.5, 0.5]], np.float32), maps)
    assert united.distance.tolist() == [1.0]
    assert united.margin.tolist() == [0.0]
