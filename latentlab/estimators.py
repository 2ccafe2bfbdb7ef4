"""scikit-learn faces of the pipeline: `ConvAutoencoder`, a transformer, and `DeepClustering`, a clusterer.

Both take images of shape (n, height, width[, channels]) or flattened rows (n, d). A row is an image of `image_shape`;
without one it is laid out, row by row, on the smallest square whose side is a multiple of 4, the rest filled with zeros.
uint8 values are divided by 255; others are scaled by the smallest and largest value seen in `fit` and cut to [0, 1].
"""

import math
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from latentlab import plugins
from latentlab.clustering.assignments import is_deep, resolve
from latentlab.clustering.base import Assigned, Clusterer, Vectors, assigned_softly, distances_to
from latentlab.config import ClusterOptions, FitOptions
from latentlab.data.images import TRAIN, from_array
from latentlab.encoders import networks
from latentlab.encoders.embedding import encode
from latentlab.errors import ConfigError
from latentlab.features import feature_steps
from latentlab.refinement import refined
from latentlab.storage.run import Run
from latentlab.training import loop


class _ImageEstimator(BaseEstimator):
    """Fits the autoencoder and keeps its weights as plain arrays, so that the estimator pickles and copies."""

    def _fit_autoencoder(self, x: np.ndarray) -> np.ndarray:
        """Train on `x` and return the images, uint8 (n, height, width, channels)."""
        from latentlab import backend

        self._low, self._high = (
            (0.0, 255.0) if x.dtype == np.uint8 else (float(x.min()), float(x.max()))
        )
        self.image_shape_ = self._shape_of(x)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        images = self._as_images(x)
        options = FitOptions(
            arch=self.arch,
            arch_options=self.arch_options or {},
            epochs=self.epochs,
            batch_size=min(self.batch_size, len(x)),
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            patience=0,
            seed=self._seed,
            augment=getattr(self, "augment", "none"),
        )
        backend.set_precision("auto")
        backend.seed(self._seed)
        model = networks.build(self.arch, self.image_shape_, self.arch_options)
        with tempfile.TemporaryDirectory() as folder:
            run = Run.create(folder)
            loop.train(
                model, from_array("array", images, np.full(len(images), TRAIN)), options, run
            )
            self.history_ = run.metrics()
        self.weights_ = model.autoencoder.get_weights()
        self.code_shape_ = model.code_shape
        self._n_features_out = math.prod(self.code_shape_)
        self._built = model
        return images

    def _model(self) -> networks.Model:
        if getattr(self, "_built", None) is None:
            self._built = networks.build(self.arch, self.image_shape_, self.arch_options)
            self._built.autoencoder.set_weights(self.weights_)
        return self._built

    def _encode(self, x: np.ndarray) -> np.ndarray:
        return encode(self._model().encoder, self._as_images(x))

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_built", "_assigner")}

    def _check(self, x: Any, reset: bool) -> np.ndarray:
        if not reset:
            check_is_fitted(self)
        dtypes = [
            np.float64,
            np.float32,
            np.uint8,
        ]  # the first is what lists and other types become
        return validate_data(
            self, x, reset=reset, allow_nd=True, dtype=dtypes, ensure_min_samples=2 if reset else 1
        )

    def _shape_of(self, x: np.ndarray) -> tuple[int, int, int]:
        if x.ndim == 3:
            return (x.shape[1], x.shape[2], 1)
        if x.ndim == 4:
            return (x.shape[1], x.shape[2], x.shape[3])
        if x.ndim != 2:
            raise ConfigError(
                f"images must have shape (n, height, width, channels), (n, height, width) or (n, d), not {x.shape}."
            )
        if self.image_shape is not None:
            height, width, channels = self.image_shape
            if height * width * channels != x.shape[1]:
                raise ConfigError(
                    f"rows of {x.shape[1]} numbers are not images of shape {tuple(self.image_shape)}."
                )
            return (height, width, channels)
        side = 4 * math.ceil(math.sqrt(x.shape[1]) / 4)
        return (side, side, 1)

    def _as_images(self, x: np.ndarray) -> np.ndarray:
        """Return uint8 images (n, *image_shape_)."""
        scaled = (x.astype(np.float64) - self._low) / max(self._high - self._low, 1e-12)
        flat = (scaled.clip(0, 1) * 255).round().astype(np.uint8).reshape(len(x), -1)
        missing = math.prod(self.image_shape_) - flat.shape[1]
        return np.pad(flat, ((0, 0), (0, missing))).reshape(len(x), *self.image_shape_)


class _Float32Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Marks a transformer whose output is float32 whatever its input is."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


class ConvAutoencoder(_Float32Transformer, _ImageEstimator):
    """Convolutional autoencoder: images to codes and back.

    Parameters
    ----------
    arch : str
        Encoder, see `latentlab encoders`.
    arch_options : dict or None
        Its options, for example {"code_channels": 32}.
    epochs, batch_size : int
        Passes over the images; images a step.
    learning_rate : float
        Adam's, at the start.
    schedule : {"cosine", "constant"}
        How the learning rate goes on.
    image_shape : tuple of int or None
        (height, width, channels) of flattened rows.
    random_state : int, RandomState or None
        Seed of weights and order.

    Attributes
    ----------
    weights_ : list of ndarray
        Of the autoencoder, at its best epoch by the loss on 5% of the images kept for validation.
    code_shape_ : tuple of int
        Shape of one code.
    history_ : list of dict
        One row an epoch.
    n_features_in_ : int
        Size of the second axis of the images seen in `fit`.
    """

    def __init__(
        self,
        arch: str = "conv8",
        arch_options: dict[str, Any] | None = None,
        epochs: int = 20,
        batch_size: int = 500,
        learning_rate: float = 1e-3,
        schedule: str = "cosine",
        image_shape: tuple[int, int, int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.arch = arch
        self.arch_options = arch_options
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.image_shape = image_shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on images X (see the module's text); y is ignored."""
        self._fit_autoencoder(self._check(X, reset=True))
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the flattened codes, float32 (n, d)."""
        return self._encode(self._check(X, reset=False))

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the decoded images, float32 (n, height, width, channels) in [0, 1], of flattened codes (n, d)."""
        check_is_fitted(self)
        decoder = self._model().decoder
        if decoder is None:
            raise ConfigError(
                f"{self.arch} with these options cannot decode a code alone (its decoder needs switches)."
            )
        codes = np.asarray(X, dtype=np.float32).reshape(-1, *self.code_shape_)
        return np.asarray(decoder.predict_on_batch(codes)).clip(0, 1)


class DeepClustering(_Float32Transformer, ClusterMixin, _ImageEstimator):
    """Cluster images by the code of an autoencoder trained on them.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    method : str
        Name of a file in latentlab/clustering or latentlab/refinement.
    settings : dict or None
        Options of a deep method, for example {"gamma": 0.1}.
    augment : {"none", "affine", "affine+flip"}
        How images are changed while training, see `latentlab.nets.augmentation`.
    features : str
        What of the code is clustered, see `latentlab.features.feature_steps`.
    arch, arch_options, epochs, batch_size, learning_rate, schedule, image_shape, random_state
        As for `ConvAutoencoder`.

    Attributes
    ----------
    labels_ : ndarray of shape (n,), int32
        Cluster of each image seen in `fit`.
    cluster_centers_ : ndarray of shape (n_clusters, d), float32
        In the space of the features.
    inertia_ : float
        Sum of squared distances to the centers.
    """

    def __init__(
        self,
        n_clusters: int = 10,
        method: str = "kmeans",
        features: str = "auto",
        settings: dict[str, Any] | None = None,
        augment: str = "none",
        arch: str = "conv8",
        arch_options: dict[str, Any] | None = None,
        epochs: int = 20,
        batch_size: int = 500,
        learning_rate: float = 1e-3,
        schedule: str = "cosine",
        image_shape: tuple[int, int, int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.features = features
        self.settings = settings
        self.augment = augment
        self.arch = arch
        self.arch_options = arch_options
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.image_shape = image_shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on images X (see the module's text) and cluster them; y is ignored."""
        images = self._fit_autoencoder(self._check(X, reset=True))
        codes = encode(self._model().encoder, images)
        settings = self.settings or {}
        options = resolve(
            ClusterOptions(
                k=self.n_clusters,
                method=self.method,
                features=self.features,
                seed=self._seed,
                settings=settings,
            ),
            self.augment,
        )
        if feature_steps.column(options.features) in feature_steps.ABOVE:
            raise ConfigError(
                f"method={self.method!r} with features={options.features!r} needs a trained embedding, and this estimator trains code and"
                " decoder only: choose features, or use latentlab fit --recipe strong."
            )
        assigned = (
            self._refine(images, codes, options)
            if is_deep(self.method)
            else self._cluster(codes, options)
        )
        self.labels_ = assigned.cluster
        self.inertia_ = float(np.square(assigned.distance, dtype=np.float64).sum())
        self._n_features_out = self.n_clusters
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the cluster of each image, int32 (n,)."""
        return self._assign(X)[1].cluster

    @available_if(lambda self: self.method != "kmeans")
    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the probability of each cluster, float32 (n, n_clusters); not there with method="kmeans", which has none."""
        soft = self._assign(X)[1].soft
        assert soft is not None
        return soft

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the Euclidean distance of each image to each center, float32 (n, n_clusters)."""
        return distances_to(self.cluster_centers_, self._assign(X)[0])

    def _cluster(self, codes: np.ndarray, options: ClusterOptions) -> Assigned:
        self._features = feature_steps.fit(options.features, [codes], self.code_shape_, self._seed)
        vectors = self._features.transform(codes)
        clusterer: Clusterer = plugins.load("clustering", self.method).fit(
            Vectors.of(vectors), options
        )
        self._clusterer = clusterer
        self.cluster_centers_ = clusterer.centers
        return clusterer.assign(vectors)

    def _refine(self, x: np.ndarray, codes: np.ndarray, options: ClusterOptions) -> Assigned:
        """Train encoder and clusters together on uint8 images `x`, keep the network as the bytes of its file."""
        images = from_array("array", x, np.full(len(x), TRAIN))
        model = self._model()
        with tempfile.TemporaryDirectory() as folder:
            refiner = refined.train(
                model, images, [codes], options, Path(folder), self.history_.append
            )[0]
            path = Path(folder) / "assigner.keras"
            self._assigner = refiner.networks()[1]
            self._assigner.save(path)
            self._network = path.read_bytes()
        self.weights_ = model.autoencoder.get_weights()
        self.cluster_centers_ = refiner.centers()
        return self._assign_images(x)[1]

    def _assign(self, x: Any) -> tuple[np.ndarray, Assigned]:
        """Return vectors (n, d) of images and where they belong."""
        checked = self._check(x, reset=False)
        if is_deep(self.method):
            return self._assign_images(self._as_images(checked))
        vectors = self._features.transform(self._encode(checked))
        return vectors, self._clusterer.assign(vectors)

    def _assign_images(self, x: np.ndarray) -> tuple[np.ndarray, Assigned]:
        parts = [
            refined.assign_batch(self._network_of(), x[i : i + refined.SHARD])
            for i in range(0, len(x), refined.SHARD)
        ]
        vectors = np.concatenate([z for z, _ in parts])
        return vectors, assigned_softly(
            np.concatenate([q for _, q in parts]), distances_to(self.cluster_centers_, vectors)
        )

    def _network_of(self) -> Any:
        if getattr(self, "_assigner", None) is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "assigner.keras"
                path.write_bytes(self._network)
                self._assigner = refined.load_assigner(path)
        return self._assigner
