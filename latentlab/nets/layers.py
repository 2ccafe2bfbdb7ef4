"""Clustering layers of the deep methods.

They are plain Keras layers: any Keras program that imports this module opens the saved networks.
"""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="latentlab")
class ClusteringLayer(keras.layers.Layer):
    """Soft assignment of vectors to trainable centers by Student's t kernel.

    It is equation 1 of Xie et al., ICML 2016::

        q_ij  proportional to  (1 + |z_i - m_j|^2 / (alpha scale)) ^ (-(alpha + 1) / 2)

    Input: float32 (n, d). Output: float32 (n, n_clusters); rows sum to 1.

    Parameters
    ----------
    n_clusters : int
        Number of centers.
    alpha : float
        Degrees of freedom; 1 in the paper.
    scale : float
        Squared distance that counts as 1; 1 in the paper. For squared distances far below it q is
        nearly uniform. For distances far beyond it q depends on their ratios only, which is as
        sharp as it gets.
    **settings
        Settings of every Keras layer.
    """

    def __init__(
        self, n_clusters: int, alpha: float = 1.0, scale: float = 1.0, **settings: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", **settings})
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.scale = scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the centers, (n_clusters, d)."""
        self.centers = self.add_weight(
            name="centers", shape=(self.n_clusters, input_shape[-1]), initializer="glorot_uniform"
        )

    def call(self, z: Any) -> Any:
        """Return q, (n, n_clusters), for vectors z, (n, d)."""
        squared = ops.sum(ops.square(ops.expand_dims(z, 1) - self.centers), axis=2)
        unit = self.alpha * self.scale
        exponent = -(self.alpha + 1.0) / 2.0
        if self.alpha > 1:
            # A high power of a large distance is 0 in float32 for all centers: hence logarithms.
            return ops.softmax(exponent * ops.log1p(squared / unit), axis=1)
        q = ops.power(1.0 + squared / unit, exponent)
        return q / ops.sum(q, axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Return (n, n_clusters)."""
        return (input_shape[0], self.n_clusters)

    def set_centers(self, centers: np.ndarray) -> None:
        """Set the centers.

        Parameters
        ----------
        centers : ndarray of shape (n_clusters, d)
            The new centers.
        """
        self.centers.assign(centers)

    def get_config(self) -> dict[str, Any]:
        """Return every setting; the centers are saved with the weights."""
        return {
            **super().get_config(),
            "n_clusters": self.n_clusters,
            "alpha": self.alpha,
            "scale": self.scale,
        }


@keras.saving.register_keras_serializable(package="latentlab")
class MixtureLayer(keras.layers.Layer):
    """Posterior probabilities of the Gaussians of a trainable mixture with diagonal covariances.

    Input: float32 (n, d). Output: float32 (n, n_clusters), rows sum to 1.

    Parameters
    ----------
    n_clusters : int
        Number of Gaussians.
    **settings
        Settings of every Keras layer.
    """

    def __init__(self, n_clusters: int, **settings: Any) -> None:
        super().__init__(**{"dtype": "float32", **settings})
        self.n_clusters = n_clusters

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make means and log variances, (n_clusters, d), and logits of shares, (n_clusters,)."""
        shape = (self.n_clusters, input_shape[-1])
        self.means = self.add_weight(name="means", shape=shape, initializer="glorot_uniform")
        self.log_variances = self.add_weight(name="log_variances", shape=shape, initializer="zeros")
        self.logits = self.add_weight(name="logits", shape=(self.n_clusters,), initializer="zeros")

    def log_joint(self, z: Any) -> Any:
        """Return log(share) + log density of each Gaussian.

        Parameters
        ----------
        z : tensor of shape (n, d)
            Vectors.

        Returns
        -------
        tensor of shape (n, n_clusters)
        """
        variances = ops.exp(self.log_variances)
        squared = ops.square(ops.expand_dims(z, 1) - self.means) / variances
        density = -0.5 * ops.sum(squared + self.log_variances + np.log(2 * np.pi), axis=2)
        return ops.log_softmax(self.logits) + density

    def call(self, z: Any) -> Any:
        """Return the posterior probabilities, (n, n_clusters), at vectors z, (n, d)."""
        return ops.softmax(self.log_joint(z), axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Return (n, n_clusters)."""
        return (input_shape[0], self.n_clusters)

    def get_config(self) -> dict[str, Any]:
        """Return every setting; the Gaussians are saved with the weights."""
        return {**super().get_config(), "n_clusters": self.n_clusters}
