"""Does an encoder keep the contract? Checks for our tests and for authors of plugins."""

import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.encoders.encoder import Encoder
from latentlab.errors import ConfigError
from latentlab.plugins import Plugin

USUAL_SHAPE = (32, 32, 3)
SMALL_SIDES = (1, 4)  # pixels


def check_encoder(plugin: Encoder) -> None:
    """Check that an encoder keeps the contract of `latentlab.encoders.encoder`.

    Parameters
    ----------
    plugin : Encoder
        From `Encoder.named`.

    Raises
    ------
    AssertionError
        If it does not; the text tells the plugin's author what to mend.
    """
    check_declarations(plugin, "latentlab ")
    backend.start()
    case = _Case(plugin)
    case.check_shapes()
    case.check_decoder()
    case.check_embedding()
    case.check_weights()
    case.check_saving()
    for side in SMALL_SIDES:
        case.check_small_images((side, side, USUAL_SHAPE[2]))


def check_declarations(plugin: Plugin, command: str) -> None:
    """Check the options and the docstring of any plugin.

    Parameters
    ----------
    plugin : Plugin
    command : str
        Beginning of the example command line in the docstring of the plugin's file.

    Raises
    ------
    AssertionError
        If they do not keep the contract.
    """
    options = plugin.Options
    require(dataclasses.is_dataclass(options), "Options must be a dataclass.")
    is_frozen = options.__dataclass_params__.frozen  # type: ignore[attr-defined]
    require(is_frozen, "Options must be frozen: write @dataclass(frozen=True).")
    try:
        options()
    except TypeError as error:
        raise AssertionError(f"Every field of Options needs a default: {error}.") from error
    text = sys.modules[type(plugin).__module__].__doc__ or ""
    require(
        command in text, f"The file's docstring must hold an example that begins with {command!r}."
    )


def require(condition: bool, sentence: str) -> None:
    """Raise AssertionError with `sentence` unless `condition` holds."""
    if not condition:
        raise AssertionError(sentence)


class _Case:
    """An untrained model of an encoder, and its outputs for a few images."""

    def __init__(self, plugin: Encoder) -> None:
        self.plugin = plugin
        self.images = np.random.default_rng(0).random((4, *USUAL_SHAPE), dtype=np.float32)
        self.model = plugin.build(USUAL_SHAPE, plugin.Options())
        self.codes = self.model.encoder.predict_on_batch(self.images)
        self.reconstruction = self.model.autoencoder.predict_on_batch(self.images)

    def check_shapes(self) -> None:
        require(
            self.reconstruction.shape == self.images.shape,
            "The autoencoder must restore the images' shape.",
        )
        require(
            self.reconstruction.dtype == np.float32,
            'The reconstruction must be float32: give the last layer dtype="float32".',
        )
        require(
            self.codes.dtype == np.float32,
            'The code must be float32: give its layer dtype="float32".',
        )
        code_shape = self.model.code_shape
        require(len(code_shape) in (1, 3), "A code is a vector, or a map of three axes.")
        require(
            self.codes.shape == (len(self.images), *code_shape),
            "`code_shape` is not the shape of a code.",
        )

    def check_decoder(self) -> None:
        if self.model.decoder is None:
            return
        decoded = self.model.decoder.predict_on_batch(self.codes)
        require(
            np.allclose(decoded, self.reconstruction, atol=1e-5),
            "The decoder must make of the codes what the autoencoder makes of the images.",
        )

    def check_embedding(self) -> None:
        has_embedding = self.model.top is not None
        require(
            has_embedding == self.plugin.capabilities.has_embedding,
            "`capabilities.has_embedding` must say whether the model has a `top`.",
        )
        if has_embedding:
            embedding = self.model.embedder.predict_on_batch(self.images)
            require(embedding.ndim == 2, "An embedding must be a vector.")
            require(embedding.dtype == np.float32, "An embedding must be float32.")

    def check_weights(self) -> None:
        rebuilt = self.plugin.build(USUAL_SHAPE, self.plugin.Options())
        rebuilt.set_weights(self.model.weights())
        self._require_same_codes(rebuilt.encoder, "A network with the same weights")

    def check_saving(self) -> None:
        import keras

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "encoder.keras"
            self.model.encoder.save(path)
            loaded = keras.saving.load_model(path)
        self._require_same_codes(loaded, "The encoder that Keras has saved and loaded")

    def check_small_images(self, image_shape: tuple[int, int, int]) -> None:
        height, width, _ = image_shape
        try:
            self.plugin.build(image_shape, self.plugin.Options())
        except ConfigError:
            return
        except Exception as error:
            raise AssertionError(
                f"Images of {height}x{width} pixels must give a ConfigError, or work: `build`"
                f" raised {type(error).__name__}: {error}"
            ) from error

    def _require_same_codes(self, encoder: Any, subject: str) -> None:
        codes = encoder.predict_on_batch(self.images)
        require(np.allclose(codes, self.codes, atol=1e-5), f"{subject} must give the same codes.")
