"""The estimators against scikit-learn's own checks, and on real digits."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentlab.errors import ConfigError
from latentlab.estimators import ConvAutoencoder, DeepClustering

pytestmark = pytest.mark.run  # each check trains a network

TINY = {
    "arch_options": {"width": 8, "code_channels": 4},
    "epochs": 1,
    "batch_size": 50,
    "random_state": 0,
}
SKIPPED = {
    "check_methods_subset_invariance": (
        "float32 convolutions round differently for another batch size"
    ),
    "check_methods_sample_order_invariance": (
        "float32 convolutions round differently for another place in the batch"
    ),
}


@pytest.mark.usefixtures("uncompiled")
@parametrize_with_checks(
    [ConvAutoencoder(**TINY), DeepClustering(n_clusters=3, **TINY)],
    expected_failed_checks=lambda estimator: SKIPPED,
)
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    return (load_digits().images * (255 / 16)).astype(np.uint8)[:300]


def test_conv_autoencoder_lowers_the_error_and_decodes(digits):
    model = ConvAutoencoder(
        epochs=15, batch_size=30, arch_options={"width": 16}, random_state=0
    ).fit(digits)
    codes = model.transform(digits)
    rebuilt = model.inverse_transform(codes)
    assert codes.shape == (300, 2 * 2 * 16)
    assert rebuilt.shape == (300, 8, 8, 1)
    error = np.square(rebuilt[..., 0] - digits / 255).mean()
    assert error < 0.6 * model.history_[0]["val_loss"]
    assert error < np.var(digits / 255, axis=0).mean()


def test_deep_clustering_same_seed_same_labels_and_predict_agrees(digits):
    settings = {"n_clusters": 10, "epochs": 3, "batch_size": 50, "arch_options": {"width": 8}}
    first = DeepClustering(**settings, random_state=3).fit(digits)
    second = DeepClustering(**settings, random_state=3).fit(digits)
    np.testing.assert_array_equal(first.labels_, second.labels_)
    np.testing.assert_array_equal(first.predict(digits), first.labels_)
    assert (first.transform(digits).argmin(axis=1) == first.labels_).mean() > 0.99


def test_deep_clustering_pickled_copy_predicts_the_same(digits):
    model = DeepClustering(
        n_clusters=4, epochs=1, batch_size=50, features="pool+whiten+l2", random_state=0
    ).fit(digits)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(digits), model.predict(digits))


def test_estimators_take_part_in_a_pipeline(digits):
    steps = make_pipeline(ConvAutoencoder(**TINY), Normalizer())
    assert np.allclose(np.linalg.norm(clone(steps).fit_transform(digits), axis=1), 1, atol=1e-5)


def test_flattened_rows_give_the_codes_of_their_images(digits):
    images = ConvAutoencoder(**TINY).fit(digits)
    rows = ConvAutoencoder(**TINY, image_shape=(8, 8, 1)).fit(digits.reshape(300, -1))
    np.testing.assert_allclose(
        images.transform(digits), rows.transform(digits.reshape(300, -1)), atol=1e-5
    )


@pytest.mark.parametrize("method", ["dec", "dcn", "vade"])
def test_deep_methods_fit_predict_transform_and_pickle(digits, method):
    settings = {"interval": 5, "batch_size": 50, "max_steps": 10}
    model = DeepClustering(
        10,
        method=method,
        settings=settings,
        augment="affine",
        arch="mlp",
        epochs=1,
        batch_size=50,
        random_state=0,
    )
    labels = model.fit_predict(digits)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(digits), labels)
    soft, distances = copy.predict_proba(digits), copy.transform(digits)
    assert soft.shape == distances.shape == (300, 10)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(soft.argmax(axis=1), labels)
    if method != "vade":  # whose Gaussians have variances of their own
        np.testing.assert_array_equal(distances.argmin(axis=1), labels)


def test_plain_kmeans_has_no_probabilities():
    assert not hasattr(DeepClustering(), "predict_proba")
    assert hasattr(DeepClustering(method="gmm"), "predict_proba")


def test_a_method_on_an_embedding_that_is_not_trained_is_refused():
    x = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    with pytest.raises(ConfigError, match="needs a trained embedding"):
        DeepClustering(
            2,
            method="consistency",
            arch="fast8",
            arch_options={"width": 4},
            epochs=1,
            batch_size=10,
        ).fit(x)
