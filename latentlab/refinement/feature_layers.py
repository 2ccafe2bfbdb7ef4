"""The fitted feature steps as Keras layers, so that gradients pass through them."""

from typing import Any

import numpy as np

from latentlab.encoders.networks import Model
from latentlab.errors import ConfigError
from latentlab.features.feature_steps import Features, column, parse


def check(spec: str) -> None:
    """Raise ConfigError if a feature step has no gradient (UMAP)."""
    if any(name == "umap" for name, _ in parse(spec)):
        raise ConfigError(
            f"--features {spec!r}: no gradient passes through UMAP, so that deep methods cannot use it."
        )


def vectors_of(model: Model, features: Features) -> Any:
    """Return the Keras tensor (n, d) that `features`, which passed `check`, makes of the output of `model`'s encoder or embedder."""
    from keras import layers

    code = model.part(column(features.spec)).output
    vectors, flat = code, len(code.shape) == 2
    for (name, number), learned in zip(parse(features.spec), features.arrays, strict=True):
        if name == "pool":
            grid = number or 1
            vectors = layers.AveragePooling2D(
                (code.shape[1] // grid, code.shape[2] // grid), dtype="float32"
            )(vectors)
        if not flat and name != "pool":
            vectors, flat = layers.Flatten()(vectors), True
        if name == "project":
            vectors = _projection_head(learned, vectors)
        if name in ("pca", "whiten"):
            vectors = _fixed_projection(learned, vectors)
        if name == "l2":
            vectors = layers.UnitNormalization(axis=-1, dtype="float32")(vectors)
    return vectors if flat else layers.Flatten(dtype="float32")(vectors)


def _projection_head(learned: dict[str, np.ndarray], vectors: Any) -> Any:
    """Return what the projection head makes of vectors: dense layers that are trained on with the encoder."""
    from keras import layers

    count = len(learned) // 2
    for number in range(count):
        kernel, bias = learned[f"kernel{number}"], learned[f"bias{number}"]
        layer = layers.Dense(
            len(bias), activation="relu" if number < count - 1 else None, dtype="float32"
        )
        vectors = layer(vectors)
        layer.set_weights(
            [kernel, bias]
        )  # an initialiser of constants would write them into the saved file's configuration
    return vectors


def _fixed_projection(learned: dict[str, np.ndarray], vectors: Any) -> Any:
    """Return what PCA's directions make of vectors: a dense layer that is not trained. The encoder moves, the axes stay."""
    from keras import layers

    directions = learned["directions"]
    layer = layers.Dense(directions.shape[1], trainable=False, dtype="float32")
    projected = layer(vectors)
    layer.set_weights([directions, -learned["mean"] @ directions])
    return projected
