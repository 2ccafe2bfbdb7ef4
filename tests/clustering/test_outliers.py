"""Outlier scores: who is unlike all others, with all images or a sample as the reference."""

import numpy as np
import pytest

from latentlab.clustering import outliers
from latentlab.clustering.outliers import outlier_scores


def grouped(count, dims=8):
    """Vectors in three directions, and one in a fourth."""
    rng = np.random.default_rng(0)
    vectors = np.eye(dims)[np.arange(count) % 3] + rng.normal(0, 0.05, (count, dims))
    vectors[-1] = -np.ones(dims)
    return vectors


@pytest.mark.parametrize(("dims", "reference"), [(8, 10_000), (8, 100), (200, 10_000)])
def test_the_image_that_is_like_no_other_has_the_highest_score(dims, reference, monkeypatch):
    monkeypatch.setattr(outliers, "REFERENCE", reference)
    scores = outlier_scores(grouped(301, dims))
    assert (scores.dtype, scores.argmax()) == (np.float32, 300)
    assert scores[-1] > 3 * np.median(scores)


def test_scores_are_exact_where_all_images_are_the_reference():
    vectors = grouped(50)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = 1 - unit @ unit.T
    np.fill_diagonal(distances, np.inf)
    expected = np.sort(distances, axis=1)[:, : outliers.NEAREST].mean(axis=1)
    np.testing.assert_allclose(outlier_scores(vectors), expected, atol=1e-5)


def test_parts_have_the_scores_of_the_whole(monkeypatch):
    monkeypatch.setattr(outliers, "BLOCK", 30)
    vectors = grouped(301, 100)
    rows = outliers.reference_rows(301)
    parts = outliers.Reference.of(vectors[rows], rows).scores(np.array_split(vectors, 4))
    np.testing.assert_allclose(parts, outlier_scores(vectors), atol=1e-6)


def test_very_many_images_are_compared_with_fewer_and_the_outlier_stays_first(monkeypatch):
    monkeypatch.setattr(outliers, "MANY", 300)
    monkeypatch.setattr(outliers, "REFERENCE_OF_MANY", 60)
    assert len(outliers.reference_rows(300)) == 300
    assert len(outliers.reference_rows(301)) == 60
    assert outlier_scores(grouped(301)).argmax() == 300


@pytest.mark.parametrize("count", [1, 2])
def test_few_images_have_a_score_too(count):
    assert np.isfinite(outlier_scores(grouped(3)[:count])).all()
