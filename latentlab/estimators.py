"""scikit-learn estimators: `ConvAutoencoder`, a transformer, and `DeepClustering`, a clusterer.

`PretrainedFeatures`, a transformer with an encoder from elsewhere, is here too. The others take
images of shape (n, height, width[, channels]) or flattened rows (n, d). A row is an image
of `image_shape`. Without one it is laid out, row by row, on the smallest square that holds it and
has a side that is a multiple of 4; the rest is filled with zeros.

uint8 values are divided by 255. Others are scaled by the smallest and largest value seen in `fit`
and cut to [0, 1] (docs/decisions/0068-estimator-images.md).
"""

import abc
import functools
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

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

from latentlab import backend
from latentlab.clustering.assigned import Assigned, distances_to
from latentlab.clustering.clusterer import Clusterer, FittedClusters
from latentlab.clustering.vectors import Vectors
from latentlab.config import AUTO, ClusterOptions, FitOptions
from latentlab.data.images import TRAIN, from_array
from latentlab.encoders import networks
from latentlab.encoders.embedding import encode
from latentlab.encoders.model import Model
from latentlab.encoders.pretrained.transformer import PretrainedFeatures
from latentlab.errors import ConfigError
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.sampling import sampled
from latentlab.features.spec import CODE, as_spec
from latentlab.options import Values
from latentlab.refinement.deep_clustering import SHARD, DeepTraining, load_assigner
from latentlab.refinement.loop import assign_batch
from latentlab.refinement.run_methods import run_method
from latentlab.storage.run import Run
from latentlab.training import loop

if TYPE_CHECKING:
    import keras

__all__ = ["ConvAutoencoder", "DeepClustering", "PretrainedFeatures"]

ImageShape = tuple[int, int, int]

SIDE_STEP = 4  # the side of the square that rows are laid out on is a multiple of it
SMALLEST_RANGE = 1e-12  # of pixel values, so that constant images can be scaled
LARGEST_SEED = 2**31 - 1


class _Placed(NamedTuple):
    """Vectors of images, (n, d), and the clusters that they belong to."""

    vectors: np.ndarray
    assigned: Assigned


class _ImageClusters(abc.ABC):
    """Fitted clusters of images: the same for methods on vectors and for those that train."""

    centers: np.ndarray

    @abc.abstractmethod
    def place(self, model: Model, images: np.ndarray) -> _Placed:
        """Return vectors and clusters of uint8 images (n, height, width, channels)."""


class _VectorClusters(_ImageClusters):
    """Clusters of features of the code."""

    def __init__(self, features: FittedFeatures, clusters: FittedClusters) -> None:
        self._features = features
        self._clusters = clusters
        self.centers = clusters.centers

    def place(self, model: Model, images: np.ndarray) -> _Placed:
        """Return vectors and clusters of uint8 images."""
        return self.place_codes(encode(model.encoder, images))

    def place_codes(self, codes: np.ndarray) -> _Placed:
        """Return vectors and clusters of codes (n, d)."""
        vectors = self._features.transform(codes)
        return _Placed(vectors, self._clusters.assign(vectors))


class _NetworkClusters(_ImageClusters):
    """Clusters of a network that was trained with them; kept as the bytes of its file."""

    def __init__(self, assigner: "keras.Model", centers: np.ndarray) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "assigner.keras"
            assigner.save(path)
            self._file = path.read_bytes()
        self._assigner = assigner
        self.centers = centers

    def __getstate__(self) -> dict[str, object]:
        return {"_file": self._file, "centers": self.centers}

    @functools.cached_property
    def _assigner(self) -> "keras.Model":
        """The network, read again in a copy."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "assigner.keras"
            path.write_bytes(self._file)
            return load_assigner(path)

    def place(self, model: Model, images: np.ndarray) -> _Placed:
        """Return vectors and clusters of uint8 images."""
        vectors = []
        probabilities = []
        for start in range(0, len(images), SHARD):
            z, q = assign_batch(self._assigner, images[start : start + SHARD])
            vectors.append(z)
            probabilities.append(q)
        matrix = np.concatenate(vectors)
        distances = distances_to(self.centers, matrix)
        soft = np.concatenate(probabilities)
        return _Placed(matrix, Assigned.from_probabilities(soft, distances))


class _ImageEstimator(BaseEstimator):
    """Trains an autoencoder and keeps its weights as arrays, so that it pickles and copies."""

    def __init__(  # noqa: PLR0913  # a constructor
        self,
        arch: str = FitOptions.arch,
        arch_options: Values | None = None,
        epochs: int = FitOptions.epochs,
        batch_size: int = FitOptions.batch_size,
        learning_rate: float = FitOptions.learning_rate,
        schedule: str = FitOptions.schedule,
        image_shape: ImageShape | None = None,
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

    def __getstate__(self) -> Values:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_built"}

    def _fit_autoencoder(self, x: np.ndarray, augment: str = FitOptions.augment) -> np.ndarray:
        """Train on `x` and return the images, uint8 (n, height, width, channels)."""
        # How values become pixels.
        self._low = 0.0 if x.dtype == np.uint8 else float(x.min())
        self._high = 255.0 if x.dtype == np.uint8 else float(x.max())
        self.image_shape_ = self._shape_of(x)
        images = self._as_images(x)

        # The network and its settings.
        self._seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        backend.set_precision(FitOptions.precision)
        backend.seed(self._seed)
        model = networks.build(self.arch, self.image_shape_, self.arch_options)
        options = FitOptions(
            arch=self.arch,
            arch_options=self.arch_options or {},
            epochs=self.epochs,
            batch_size=min(self.batch_size, len(x)),
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            patience=0,
            seed=self._seed,
            augment=augment,
        )

        # Training, in a run that is gone afterwards.
        training_images = from_array("array", images, np.full(len(images), TRAIN))
        with tempfile.TemporaryDirectory() as folder:
            run = Run.create(folder)
            loop.train(model, training_images, options, run)
            self.history_ = run.metrics()
        self.weights_ = model.autoencoder.get_weights()
        self.code_shape_ = model.code_shape
        self._n_features_out = math.prod(self.code_shape_)
        self._built = model
        return images

    def _model(self) -> Model:
        """Return the network, built again in a copy."""
        if getattr(self, "_built", None) is None:
            self._built = networks.build(self.arch, self.image_shape_, self.arch_options)
            self._built.autoencoder.set_weights(self.weights_)
        return self._built

    def _encode(self, x: np.ndarray) -> np.ndarray:
        return encode(self._model().encoder, self._as_images(x))

    def _check(self, x: Any, reset: bool) -> np.ndarray:
        """Return X as an array of numbers; `reset` is True in `fit`."""
        if not reset:
            check_is_fitted(self)
        # Lists and other types become the first of these.
        dtypes = [np.float64, np.float32, np.uint8]
        least = 2 if reset else 1
        return validate_data(
            self, x, reset=reset, allow_nd=True, dtype=dtypes, ensure_min_samples=least
        )

    def _shape_of(self, x: np.ndarray) -> ImageShape:
        """Return the shape of one image."""
        if x.ndim == 3:
            return (x.shape[1], x.shape[2], 1)
        if x.ndim == 4:
            return (x.shape[1], x.shape[2], x.shape[3])
        if x.ndim != 2:
            raise ConfigError(
                "images must have shape (n, height, width, channels), (n, height, width) or (n, d),"
                f" not {x.shape}."
            )
        if self.image_shape is None:
            side = SIDE_STEP * math.ceil(math.sqrt(x.shape[1]) / SIDE_STEP)
            return (side, side, 1)
        height, width, channels = self.image_shape
        if height * width * channels != x.shape[1]:
            shape = tuple(self.image_shape)
            raise ConfigError(f"rows of {x.shape[1]} numbers are not images of shape {shape}.")
        return (height, width, channels)

    def _as_images(self, x: np.ndarray) -> np.ndarray:
        """Return uint8 images (n, *image_shape_)."""
        scale = max(self._high - self._low, SMALLEST_RANGE)
        scaled = (x.astype(np.float64) - self._low) / scale
        rows = (scaled.clip(0, 1) * 255).round().astype(np.uint8).reshape(len(x), -1)
        n_missing = math.prod(self.image_shape_) - rows.shape[1]
        return np.pad(rows, ((0, 0), (0, n_missing))).reshape(len(x), *self.image_shape_)


class _Float32Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Marks a transformer that gives float32 for every kind of input."""

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
    epochs : int
        Passes over the images.
    batch_size : int
        Images per step; at most all.
    learning_rate : float
        Initial learning rate of Adam.
    schedule : {"cosine", "constant"}
        The learning rate falls to 0 along a half cosine, or stays.
    image_shape : tuple of int or None
        (height, width, channels) of flattened rows; None lays them out on a square.
    random_state : int, RandomState or None
        Seed of weights and order.

    Attributes
    ----------
    weights_ : list of ndarray
        Weights of the autoencoder at its best epoch, by the loss on 5% of the images.
    code_shape_ : tuple of int
        Shape of one code.
    image_shape_ : tuple of int
        (height, width, channels) of one image.
    history_ : list of dict
        One row per epoch: losses and seconds.
    n_features_in_ : int
        Size of the second axis of the images seen in `fit`.
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on images.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, d)
            Images, see the module's text.
        y : object
            Ignored.

        Returns
        -------
        ConvAutoencoder
            The estimator itself.

        Raises
        ------
        ConfigError
            If the shape of X does not fit, or an option is wrong.
        TrainingError
            If the loss is not finite.
        """
        self._fit_autoencoder(self._check(X, reset=True))
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Encode images.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, d)
            Images as in `fit`.

        Returns
        -------
        ndarray of shape (n, d), float32
            Flattened codes.
        """
        return self._encode(self._check(X, reset=False))

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Flattened codes.

        Returns
        -------
        ndarray of shape (n, height, width, channels), float32
            Images with values in [0, 1].

        Raises
        ------
        ConfigError
            If the decoder needs more than the code.
        """
        check_is_fitted(self)
        decoder = self._model().decoder
        if decoder is None:
            raise ConfigError(
                "with these options cannot decode a code alone (its decoder needs switches)",
                field="arch",
                value=self.arch,
            )
        codes = np.asarray(X, dtype=np.float32).reshape(-1, *self.code_shape_)
        return np.asarray(decoder.predict_on_batch(codes)).clip(0, 1)


class DeepClustering(_Float32Transformer, ClusterMixin, _ImageEstimator):
    """Cluster images by the code of an autoencoder that is trained on them.

    Parameters
    ----------
    n_clusters : int or None
        Number of clusters; None if the method finds it.
    method : str
        Clustering or refinement method, see `latentlab methods`.
    features : str
        What of the code is clustered, such as "pool+whiten+l2" (see `latentlab.features.spec`);
        "auto" is the method's default.
    settings : dict or None
        Options of the method, for example {"gamma": 0.1}.
    augment : {"none", "affine", "affine+flip"}
        How images are changed while training, see `latentlab.nets.augmentation`.
    arch : str
        Encoder, see `latentlab encoders`.
    arch_options : dict or None
        Its options, for example {"code_channels": 32}.
    epochs : int
        Passes over the images.
    batch_size : int
        Images per step; at most all.
    learning_rate : float
        Initial learning rate of Adam.
    schedule : {"cosine", "constant"}
        The learning rate falls to 0 along a half cosine, or stays.
    image_shape : tuple of int or None
        (height, width, channels) of flattened rows; None lays them out on a square.
    random_state : int, RandomState or None
        Seed of weights, order, features and clusters.

    Attributes
    ----------
    labels_ : ndarray of shape (n,), int32
        Cluster of each image seen in `fit`.
    cluster_centers_ : ndarray of shape (n_clusters, d), float32
        Centers in the space of the features.
    inertia_ : float
        Sum of squared distances to the centers.
    """

    def __init__(  # noqa: PLR0913  # a constructor
        self,
        n_clusters: int | None = ClusterOptions.k,
        method: str = ClusterOptions.method,
        features: str = AUTO,
        settings: Values | None = None,
        augment: str = FitOptions.augment,
        arch: str = FitOptions.arch,
        arch_options: Values | None = None,
        epochs: int = FitOptions.epochs,
        batch_size: int = FitOptions.batch_size,
        learning_rate: float = FitOptions.learning_rate,
        schedule: str = FitOptions.schedule,
        image_shape: ImageShape | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            arch=arch,
            arch_options=arch_options,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            schedule=schedule,
            image_shape=image_shape,
            random_state=random_state,
        )
        self.n_clusters = n_clusters
        self.method = method
        self.features = features
        self.settings = settings
        self.augment = augment

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on images and cluster them.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, d)
            Images, see the module's text.
        y : object
            Ignored.

        Returns
        -------
        DeepClustering
            The estimator itself.

        Raises
        ------
        ConfigError
            If the shape of X does not fit, an option is wrong, or the method needs a trained
            embedding.
        DataError
            If there are fewer images than clusters.
        TrainingError
            If the loss is not finite.
        """
        images = self._fit_autoencoder(self._check(X, reset=True), self.augment)
        codes = encode(self._model().encoder, images)
        options = self._cluster_options()
        if run_method(self.method).traits.trains_network:
            network_clusters = self._refine(images, codes, options)
            assigned = network_clusters.place(self._model(), images).assigned
            self._clusters: _ImageClusters = network_clusters
        else:
            vector_clusters = self._cluster(codes, options)
            assigned = vector_clusters.place_codes(codes).assigned
            self._clusters = vector_clusters
        self.cluster_centers_ = self._clusters.centers
        self.labels_ = assigned.cluster
        self.inertia_ = float(np.square(assigned.distance, dtype=np.float64).sum())
        self._n_features_out = len(self.cluster_centers_)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the cluster of each image.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, d)
            Images as in `fit`.

        Returns
        -------
        ndarray of shape (n,), int32
        """
        return self._place(X).assigned.cluster

    @available_if(lambda self: self.method != "kmeans")
    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the probability of each cluster; k-means has no such method.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, d)
            Images as in `fit`.

        Returns
        -------
        ndarray of shape (n, n_clusters), float32
            Rows sum to 1.

        Raises
        ------
        ConfigError
            If the method has no probabilities.
        """
        soft = self._place(X).assigned.soft
        if soft is None:
            raise ConfigError("has no probabilities", field="method", value=self.method)
        return soft

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the Euclidean distance of each image to each center.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, d)
            Images as in `fit`.

        Returns
        -------
        ndarray of shape (n, n_clusters), float32
            In the space of the features.
        """
        return distances_to(self.cluster_centers_, self._place(X).vectors)

    def _cluster_options(self) -> ClusterOptions:
        """Return the options with what "auto" means for the method."""
        asked = ClusterOptions(
            k=self.n_clusters,
            method=self.method,
            features=as_spec(self.features),
            seed=self._seed,
            settings=self.settings or {},
        )
        options = run_method(self.method).resolve(asked, self.augment)
        features = options.features or CODE
        if features.starts_above_code:
            raise ConfigError(
                f"with `features={features}` needs a trained embedding, and this estimator trains"
                " code and decoder only",
                field="method",
                value=self.method,
                hint="Choose other `features`, or use `fit(recipe='strong')`.",
            )
        return options

    def _cluster(self, codes: np.ndarray, options: ClusterOptions) -> _VectorClusters:
        spec = options.features or CODE
        some = sampled([codes], np.arange(len(codes)), self._seed)
        features = fit_features(spec, some, self.code_shape_, self._seed)
        method = Clusterer.named(self.method)
        settings = method.parse_options(options.settings)
        vectors = Vectors.of(features.transform(codes))
        return _VectorClusters(features, method.fit(vectors, options, settings))

    def _refine(
        self, images: np.ndarray, codes: np.ndarray, options: ClusterOptions
    ) -> _NetworkClusters:
        """Train encoder and clusters together on uint8 images."""
        model = self._model()
        with tempfile.TemporaryDirectory() as folder:
            training = DeepTraining(
                model=model,
                images=from_array("array", images, np.full(len(images), TRAIN)),
                codes=[codes],
                options=options,
                folder=Path(folder),
                record=lambda row: self.history_.append(row.to_json()),
            )
            refinement = training.run().refinement
        self.weights_ = model.autoencoder.get_weights()
        return _NetworkClusters(refinement.assigner, refinement.centers())

    def _place(self, x: Any) -> _Placed:
        """Return vectors and clusters of images as a user gives them."""
        checked = self._check(x, reset=False)
        return self._clusters.place(self._model(), self._as_images(checked))
