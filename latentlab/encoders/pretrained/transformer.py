"""A scikit-learn transformer around a pretrained encoder: images in, features out."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from latentlab.data.images import from_array, with_channels
from latentlab.data.pictures.resizing import resize_all
from latentlab.encoders.pretrained.card import EncoderSettings, PretrainedEncoder
from latentlab.encoders.pretrained.opening import open_pretrained
from latentlab.errors import DataError

BATCH = 256  # images that are resized and encoded together


class PretrainedFeatures(TransformerMixin, BaseEstimator):
    """Turns images into the features of a pretrained encoder; nothing is fitted.

    Parameters
    ----------
    encoder : str
        A file, "keras:NAME:WEIGHTS", "hf:OWNER/MODEL" or "efficientnet-lite0".
    resize : {"crop", "pad", "stretch"}
        How images of another shape are brought to the encoder's size.
    settings : dict or None
        Fields of `EncoderSettings` that the encoder's files do not say, such as {"scale": "0-1"}.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.pipeline import make_pipeline
    >>> model = make_pipeline(PretrainedFeatures("dinov2.onnx"), KMeans(10))
    """

    def __init__(
        self, encoder: str, resize: str = "crop", settings: dict[str, Any] | None = None
    ) -> None:
        self.encoder = encoder
        self.resize = resize
        self.settings = settings

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __getstate__(self) -> dict[str, Any]:
        # The open network cannot be pickled; a copy opens its file again.
        return {name: value for name, value in self.__dict__.items() if name != "_opened"}

    def fit(self, X: Any, y: None = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Open the encoder, to say early what is wrong with it.

        Parameters
        ----------
        X : ignored
        y : None
            Ignored.
        """
        self._open()
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Return the features of images, float32 (n, feature_size).

        Parameters
        ----------
        X : ndarray of shape (n, height, width[, channels]), uint8
            Grey or RGB images of any size.

        Raises
        ------
        DataError
            If it is another kind of array.
        """
        encoder = self._open()
        images = np.asarray(X)
        if images.ndim == 3:
            images = images[..., np.newaxis]
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
            raise DataError(
                "images must be uint8 of shape (n, height, width) or (n, height, width, 3), not"
                f" {images.dtype} {images.shape}."
            )
        parts = []
        for start in range(0, len(images), BATCH):
            parts.append(self._encode(encoder, images[start : start + BATCH]))
        if not parts:
            return np.zeros((0, encoder.card.feature_size), np.float32)
        return np.concatenate(parts)

    def _encode(self, encoder: PretrainedEncoder, images: np.ndarray) -> np.ndarray:
        size, _, channels = encoder.card.image_shape
        resized = resize_all(images, size, self.resize)
        image_set = from_array("images", resized, np.full(len(resized), "train"))
        return encoder.encode(with_channels(image_set, channels).read(np.arange(len(resized))))

    def _open(self) -> PretrainedEncoder:
        key = (self.encoder, tuple(sorted((self.settings or {}).items())))
        opened = self.__dict__.get("_opened")
        if opened is None or opened[0] != key:
            encoder = open_pretrained(self.encoder, EncoderSettings(**(self.settings or {})))
            opened = (key, encoder)
            self._opened = opened
        return opened[1]
