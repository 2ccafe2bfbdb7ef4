"""Which output of an ONNX file becomes the features, and how a map or tokens become one vector."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentlab.encoders.pretrained.card import (
    CLASS_TOKEN,
    MAP_MEAN,
    NO_POOLING,
    TOKEN_MEAN,
    EncoderSettings,
)
from latentlab.encoders.pretrained.onnx_structure import printable
from latentlab.errors import ConfigError

FEATURE_NAMES = (  # the first that an output is called, or ends with after a point or slash
    "image_embeds",
    "image_embedding",
    "image_embeddings",
    "image_features",
    "embeddings",
    "embedding",
    "features",
    "feature",
    "pooler_output",
    "pooled_output",
)
TOKEN_NAMES = ("last_hidden_state", "tokens", "patch_tokens")
SCORE_NAMES = ("logits", "logit", "prob", "softmax", "score", "class", "prediction")
NO_SCORE_NAMES = ("token", "embed", "feature")  # "class_token" is none
CLASS_COUNTS = {1000, 1001, 21841, 21843}  # of ImageNet
EXTRA_TOKENS = (1, 5, 2)  # class; class and 4 registers; class and distillation
VECTOR, TOKENS, MAP = 1, 2, 3  # axes of one picture's output
POOLINGS_OF = {VECTOR: (NO_POOLING,), TOKENS: (CLASS_TOKEN, TOKEN_MEAN), MAP: (MAP_MEAN,)}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class FeatureOutput:
    """The output that becomes the features.

    Attributes
    ----------
    name : str
        Its name in the file.
    shape : tuple of int
        Of one picture's output.
    pooling : {"none", "map mean", "class token", "token mean"}
        How it becomes one vector.
    layout : {"nhwc", "nchw"}
        Where the channels of a map are.
    assumed : tuple of str
        What the file does not say.
    """

    name: str
    shape: Shape
    pooling: str
    layout: str
    assumed: tuple[str, ...] = ()

    @property
    def are_scores(self) -> bool:
        """Whether the features look like scores of classes."""
        return _kind(self.shape) == VECTOR and _are_scores(self.name, self.shape)

    @property
    def feature_size(self) -> int:
        """Length of a vector."""
        vectors = self.pool(np.zeros((1, *self.shape), np.float32))
        return vectors.shape[1]

    def pool(self, values: np.ndarray) -> np.ndarray:
        """Return one vector per picture, float32 (n, d).

        Parameters
        ----------
        values : ndarray of shape (n, ...)
            The output.
        """
        if self.pooling == CLASS_TOKEN:
            values = values[:, 0]
        elif self.pooling == TOKEN_MEAN:
            values = values[:, leading_tokens(values.shape[1]) :].mean(axis=1, dtype=np.float32)
        elif self.pooling == MAP_MEAN:
            axes = (2, 3) if self.layout == "nchw" else (1, 2)
            values = values.mean(axis=axes, dtype=np.float32)
        return values.reshape(len(values), -1).astype(np.float32)


def leading_tokens(count: int) -> int:
    """Return how many of `count` tokens stand before those of a square of patches; 0 for none.

    Parameters
    ----------
    count : int
        Number of tokens.

    Examples
    --------
    >>> leading_tokens(197), leading_tokens(196), leading_tokens(261), leading_tokens(50)
    (1, 0, 5, 1)
    """
    if _is_square(count):
        return 0
    return next((extra for extra in EXTRA_TOKENS if _is_square(count - extra)), 0)


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count


def feature_output(
    shapes: Mapping[str, Shape], layout: str, settings: EncoderSettings
) -> FeatureOutput:
    """Return the output that becomes the features.

    A vector whose name says that it is one comes first, then tokens, then a map, then the widest
    vector that is not called scores of classes, then such scores.

    Parameters
    ----------
    shapes : mapping
        Name of an output -> shape of one picture's output; outputs that hold numbers only.
    layout : {"nhwc", "nchw"}
        Of the input; it decides where the channels of a map are if its shape does not.
    settings : EncoderSettings
        What the user gives.

    Raises
    ------
    ConfigError
        If there is no such output, or it cannot be pooled so.
    """
    name = settings.output or _best(shapes)
    if name not in shapes:
        raise ConfigError(
            ": the encoder has no such output",
            field="output",
            value=printable(name),
            hint=f"It has {_listed(shapes)}.",
        )
    shape = shapes[name]
    kind = _kind(shape)
    pooling = settings.pooling or _usual_pooling(shape)
    if pooling not in POOLINGS_OF.get(kind, ()):
        choices = " or ".join(POOLINGS_OF.get(kind, ())) or "nothing"
        raise ConfigError(
            f": the output {printable(name)} has the shape {shape}, for which there is {choices}",
            field="pooling",
            value=pooling,
        )
    place = _map_layout(shape, layout) if kind == MAP else layout
    notes = () if settings.output else _notes(name, shape, settings)
    return FeatureOutput(name, shape, pooling, place, notes)


def _best(shapes: Mapping[str, Shape]) -> str:
    order = list(shapes)
    return min(order, key=lambda name: (*_rank(name, shapes[name]), -order.index(name)))


def _rank(name: str, shape: Shape) -> tuple[int, int]:
    """Return how good an output is as features, lower is better, and its place among its like."""
    last = name.lower().removesuffix(":0").replace("/", ".").rsplit(".")[-1]
    kind = _kind(shape)
    if kind == VECTOR and last in FEATURE_NAMES:
        return 0, FEATURE_NAMES.index(last)
    if kind == TOKENS:
        return 1, TOKEN_NAMES.index(last) if last in TOKEN_NAMES else len(TOKEN_NAMES)
    if kind == MAP:
        return 2, 0
    if kind == VECTOR:
        return (4 if _are_scores(name, shape) else 3), -math.prod(shape)
    return 5, 0


def _are_scores(name: str, shape: Shape) -> bool:
    is_called_so = any(word in name.lower() for word in SCORE_NAMES)
    is_called_other = any(word in name.lower() for word in NO_SCORE_NAMES)
    return math.prod(shape) in CLASS_COUNTS or (is_called_so and not is_called_other)


def _kind(shape: Shape) -> int:
    """Return VECTOR, TOKENS or MAP; a map or list of one place is a vector."""
    longer = sum(edge > 1 for edge in shape)
    return VECTOR if len(shape) in (TOKENS, MAP) and longer == 1 else len(shape)


def _usual_pooling(shape: Shape) -> str:
    kind = _kind(shape)
    if kind == TOKENS:
        return CLASS_TOKEN if leading_tokens(shape[0]) else TOKEN_MEAN
    return MAP_MEAN if kind == MAP else NO_POOLING


def _map_layout(shape: Shape, layout: str) -> str:
    """Return where the channels of a map are: the two edges of a square picture are the same."""
    first, last = shape[1] == shape[2], shape[0] == shape[1]
    if first != last:
        return "nchw" if first else "nhwc"
    return layout


def _notes(name: str, shape: Shape, settings: EncoderSettings) -> tuple[str, ...]:
    if _kind(shape) == VECTOR and _are_scores(name, shape):
        count = math.prod(shape)
        return (f"{printable(name)} looks like scores of {count} classes: there is nothing else",)
    if _kind(shape) == TOKENS and not settings.pooling:
        count = shape[0]
        place = f"{leading_tokens(count)} before a square" if leading_tokens(count) else "no class"
        return (f"{_usual_pooling(shape)} of {count} tokens ({place})",)
    return ()


def _listed(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{printable(name)} {shape}" for name, shape in shapes.items())
