"""The clustering layer is Student's t and keeps its settings."""

import numpy as np


def test_clustering_layer_is_students_t_and_saves_all_its_settings(tmp_path):
    import keras

    from latentlab.nets.layers import ClusteringLayer

    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    centers = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    vectors = keras.Input((3,))
    layer = ClusteringLayer(4, alpha=2.0, scale=3.0)
    model = keras.Model(vectors, layer(vectors))
    layer.set_centers(centers)
    squared = np.square(z[:, None] - centers[None]).sum(axis=2)
    kernel = (1 + squared / 6) ** -1.5
    np.testing.assert_allclose(
        model.predict(z, verbose=0), kernel / kernel.sum(axis=1, keepdims=True), rtol=1e-4
    )
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert (loaded.layers[-1].n_clusters, loaded.layers[-1].alpha, loaded.layers[-1].scale) == (
        4,
        2.0,
        3.0,
    )
    np.testing.assert_array_equal(loaded.predict(z, verbose=0), model.predict(z, verbose=0))
