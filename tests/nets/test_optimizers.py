"""Muon: against its definition, against Keras' own where there is one, and against Adam."""

import keras
import numpy as np
import pytest
from keras import ops

from latentlab.nets.optimizers import ADAM_SIZE, Muon, orthonormal


def steps(optimizer, start, gradients, path="layer"):
    variable = keras.Variable(start, name=path)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable)


@pytest.fixture
def normal():
    """Return a function that draws an array of a shape."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(40, 8), (8, 40), (16, 16)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape, normal):
    matrix = normal(*shape)
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    made = np.asarray(orthonormal(matrix))
    values = np.diag(u.T @ made @ v.T)
    kept = s > 0.05 * s[0]  # five steps lift what is not too small
    assert values[kept].min() > 0.6
    assert values.max() < 1.3
    np.testing.assert_allclose((u * values) @ v, made, atol=1e-4)


def test_a_matrix_of_zeros_stays_one():
    assert not np.asarray(orthonormal(np.zeros((6, 4), np.float32))).any()


def test_bfloat16_iterates_to_nearly_the_same(normal):
    matrix = normal(64, 32)
    here, there = (
        np.asarray(ops.cast(orthonormal(ops.cast(matrix, kind)), "float32"))
        for kind in ("float32", "bfloat16")
    )
    assert np.linalg.norm(here - there) < 0.1 * np.linalg.norm(here)


def test_matrices_move_as_with_keras_own(normal):
    start, gradients = normal(24, 10), [normal(24, 10) for _ in range(4)]
    ours = steps(Muon(0.01, weight_decay=0.1), start, gradients)
    theirs = steps(
        keras.optimizers.Muon(0.01, weight_decay=0.1, rms_rate=ADAM_SIZE, exclude_embeddings=False),
        start,
        gradients,
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_kernel_of_a_convolution_is_a_matrix(normal):
    start, gradients = normal(3, 3, 4, 10), [normal(3, 3, 4, 10) for _ in range(3)]
    kernel = steps(Muon(0.01), start, gradients)
    matrix = steps(
        Muon(0.01), start.reshape(36, 10), [gradient.reshape(36, 10) for gradient in gradients]
    )
    np.testing.assert_allclose(kernel.reshape(36, 10), matrix, atol=1e-6)


def test_vectors_and_what_is_named_are_adams(normal):
    start, gradients = normal(12), [normal(12) for _ in range(4)]
    adam = steps(keras.optimizers.Adam(0.003, beta_1=0.8), start, gradients)
    np.testing.assert_allclose(
        steps(Muon(0.01, adam_share=0.3, beta_1=0.8), start, gradients), adam, atol=1e-6
    )
    table, slopes = start.reshape(3, 4), [gradient.reshape(3, 4) for gradient in gradients]
    named = steps(Muon(0.003, beta_1=0.8, adam_paths=("^prototypes",)), table, slopes, "prototypes")
    np.testing.assert_allclose(named.reshape(12), adam, atol=1e-6)
    assert not np.allclose(
        steps(Muon(0.003, beta_1=0.8, adam_paths=("^prototypes",)), table, slopes, "others"),
        table.reshape(3, 4) + (adam - start).reshape(3, 4),
    )


def test_weight_decay_is_of_matrices_alone():
    nothing = [np.zeros(6, np.float32)]
    np.testing.assert_array_equal(
        steps(Muon(0.1, weight_decay=0.5), np.ones(6, np.float32), nothing), 1
    )
    table, zeros = np.ones((2, 3), np.float32), [nothing[0].reshape(2, 3)]
    np.testing.assert_allclose(steps(Muon(0.1, weight_decay=0.5), table, zeros), 0.95)
    np.testing.assert_array_equal(
        steps(Muon(0.1, weight_decay=0.5, adam_paths=("^end",)), table, zeros, "end"), 1
    )


def test_it_is_made_again_of_its_settings():
    made = Muon(
        0.02,
        momentum=0.9,
        adam_share=0.3,
        adam_paths=("^end",),
        iterated_in="bfloat16",
        weight_decay=0.01,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert type(again) is Muon
    assert again.get_config() == made.get_config()
