"""Fitted feature steps as Keras layers, so that gradients pass through them."""

from typing import Any

import numpy as np

from latentlab.encoders.model import Model
from latentlab.errors import ConfigError
from latentlab.features.fitted import FittedFeatures
from latentlab.features.spec import FeatureSpec, Step

Arrays = dict[str, np.ndarray]


def check_gradients(spec: FeatureSpec) -> None:
    """Refuse features through which no gradient can pass.

    Parameters
    ----------
    spec : FeatureSpec
        The feature steps.

    Raises
    ------
    ConfigError
        If UMAP is among them.

    Examples
    --------
    >>> check_gradients(FeatureSpec.parse("pool2+pca6+l2"))
    """
    if spec.has("umap"):
        raise ConfigError(
            ": no gradient passes through UMAP, so that deep methods cannot use it",
            field="features",
            value=repr(str(spec)),
        )


def vectors_of(model: Model, features: FittedFeatures) -> Any:
    """Build the feature steps on top of an encoder.

    Parameters
    ----------
    model : Model
        The autoencoder; the features start from its code or embedding.
    features : FittedFeatures
        Fitted steps; their specification has passed `check_gradients`.

    Returns
    -------
    tensor of shape (n, d)
        Keras tensor of the feature vectors.
    """
    from keras import layers

    vectors = model.part(features.spec.start).output
    for step, learned in features.learned_steps():
        if step.name != "pool" and not _is_flat(vectors):
            vectors = layers.Flatten()(vectors)
        vectors = _apply(step, learned, vectors)
    if _is_flat(vectors):
        return vectors
    return layers.Flatten(dtype="float32")(vectors)


def _is_flat(vectors: Any) -> bool:
    return len(vectors.shape) == 2


def _apply(step: Step, learned: Arrays, vectors: Any) -> Any:
    """Return the output of one feature step as a Keras tensor."""
    if step.name == "pool":
        return _average_pool(step.number or 1, vectors)
    if step.name == "project":
        return _projection_head(learned, vectors)
    if step.name in ("pca", "whiten"):
        return _fixed_projection(learned, vectors)
    return _unit_length(vectors)


def _average_pool(grid: int, vectors: Any) -> Any:
    from keras import layers

    _, height, width, _ = vectors.shape
    size = (height // grid, width // grid)
    return layers.AveragePooling2D(size, dtype="float32")(vectors)


def _unit_length(vectors: Any) -> Any:
    from keras import layers

    return layers.UnitNormalization(axis=-1, dtype="float32")(vectors)


def _projection_head(learned: Arrays, vectors: Any) -> Any:
    """Return the projection head's output: dense layers that are trained on with the encoder."""
    from keras import layers

    count = len(learned) // 2
    for number in range(count):
        kernel = learned[f"kernel{number}"]
        bias = learned[f"bias{number}"]
        activation = "relu" if number < count - 1 else None
        layer = layers.Dense(len(bias), activation=activation, dtype="float32")
        vectors = layer(vectors)

        # A constant initialiser would write the weights into the saved file's configuration.
        layer.set_weights([kernel, bias])
    return vectors


def _fixed_projection(learned: Arrays, vectors: Any) -> Any:
    """Return the projection on PCA's axes, which stay fixed while the encoder moves."""
    from keras import layers

    directions = learned["directions"]
    layer = layers.Dense(directions.shape[1], trainable=False, dtype="float32")
    projected = layer(vectors)
    layer.set_weights([directions, -learned["mean"] @ directions])
    return projected
