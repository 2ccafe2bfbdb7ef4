"""What is measured of clusters with groups and without, and of a number that is far off."""

from dataclasses import replace

import numpy as np
import pytest

from latentlab.clustering import trust
from latentlab.clustering.structure import kmeans_labels
from latentlab.clustering.trust import Clustered, measure
from latentlab.clustering.trust_rule import Grade, judge
from latentlab.features.spec import FeatureSpec
from latentlab.storage import json_form


def clustered(k, groups=4, n_images=160, **more):
    rng = np.random.default_rng(0)
    centers = 5 * np.eye(8)[np.arange(n_images) % groups]
    vectors = (centers + rng.normal(0, 1, centers.shape)).astype(np.float32)
    labels = kmeans_labels(vectors, k, 0, restarts=5)
    spec = FeatureSpec.parse("l2")
    return Clustered(vectors=vectors, clusters=labels, spec=spec, shape=(8,), **more)


def test_clear_groups_are_trusted():
    measures = measure(clustered(4))
    assert measures.agreement > 0.9
    assert measures.number.best == 4
    assert measures.number.support == 1
    assert judge(measures).grade == Grade.TRUST
    assert measure(clustered(4)) == measures


@pytest.mark.parametrize(("k", "groups"), [(4, 1), (20, 4), (2, 8)])
def test_no_groups_and_numbers_far_off_are_not(k, groups):
    verdict = judge(measure(clustered(k, groups)))
    assert verdict.grade == Grade.DO_NOT_TRUST
    assert verdict.sentence.startswith("Do not trust these clusters: ")


def test_measures_survive_json():
    pictures = np.zeros((160, 32, 32, 3), np.uint8)
    measures = measure(clustered(4, pictures=pictures, mirrored=clustered(4).vectors[:50]))
    assert measures.familiarity == 1  # the mirror images have the very vectors
    assert json_form.from_json(trust.Measures, json_form.to_json(measures)) == measures
    without = measure(clustered(4))
    assert "repetition" not in json_form.to_json(without)


def test_clusters_of_colours_are_seen_to_repeat_them():
    subject = clustered(4)
    shades = (64 * subject.clusters).astype(np.uint8)[:, None, None, None]
    pictures = np.broadcast_to(shades, (160, 32, 32, 3))
    measures = measure(replace(subject, pictures=pictures))
    assert measures.repetition.colours > 0.99
    assert measures.repetition.pixels > 0.99
    verdict = judge(measures)
    assert verdict.grade == Grade.WITH_CARE
    assert "colours or pixels" in verdict.sentence
