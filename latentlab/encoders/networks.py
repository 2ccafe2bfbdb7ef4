"""What turns an image into a code and back: one file an architecture, found by its name.

An encoder file defines

    Options                                   a frozen dataclass, every field defaulted
    build(image_shape, options) -> Model      an untrained autoencoder for images of (height, width, channels) in [0, 1]

and nothing else has to be touched. The networks are made of plain Keras layers, so that plain Keras opens the saved
files without latentlab.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latentlab import backend, plugins
from latentlab.config import plugin_options
from latentlab.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Model:
    """An autoencoder and its two halves, which share their weights.

    Attributes
    ----------
    autoencoder : keras.Model
        float32 images (n, height, width, channels) in [0, 1] -> reconstructions of the same shape.
    encoder : keras.Model
        images -> code, of shape (n, *code_shape).
    decoder : keras.Model or None
        code -> reconstruction; None where the decoder needs more than the code (pooling switches).
    top : keras.Model or None
        code -> embedding, of shape (n, d), where the encoder goes on above its code; its parts take images of any size.
    """

    autoencoder: "keras.Model"
    encoder: "keras.Model"
    decoder: "keras.Model | None"
    top: "keras.Model | None" = None

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code: (8, 8, channels) or (d,)."""
        return tuple(self.encoder.output_shape[1:])

    @property
    def embedder(self) -> "keras.Model":
        """Images -> embedding (n, d) of an encoder that goes on above its code.

        Raises
        ------
        ConfigError
            If it does not.
        """
        import keras

        if self.top is None:
            raise ConfigError(
                "this encoder ends with its code and has no embedding: use --features code, or --arch fast8 or resnet18."
            )
        return keras.Model(self.encoder.input, self.top(self.encoder.output), name="embedder")

    def part(self, column: str) -> "keras.Model":
        """Return images -> the vectors that features start from: the encoder for "code", the embedder for "embedding" and, twice, "averaged"."""
        if column == "averaged":
            return self._averaged()
        return self.embedder if column == "embedding" else self.encoder

    def _averaged(self) -> "keras.Model":
        """Images -> the mean of the embeddings of the image and of its mirror image, (n, d)."""
        import keras

        image, embedder = self.encoder.input, self.embedder
        both = [embedder(image), embedder(keras.ops.flip(image, axis=2))]
        return keras.Model(image, keras.layers.Average(dtype="float32")(both), name="averaged")

    def weights(self) -> list[Any]:
        """Return every weight as an array, in a fixed order: the autoencoder's, then those above the code."""
        return [
            *self.autoencoder.get_weights(),
            *(self.top.get_weights() if self.top is not None else []),
        ]

    def set_weights(self, weights: list[Any]) -> None:
        """Undo `weights`."""
        own = len(self.autoencoder.weights)
        self.autoencoder.set_weights(weights[:own])
        if self.top is not None:
            self.top.set_weights(weights[own:])


def build(
    arch: str, image_shape: tuple[int, int, int], options: dict[str, Any] | None = None
) -> Model:
    """Build the untrained autoencoder `arch` with the given option values.

    Raises
    ------
    ConfigError
        If the architecture or an option is unknown, or the image is too small for the network.
    """
    backend.select()
    module = plugins.load("encoders", arch)
    return module.build(
        image_shape, plugin_options(module.Options, options or {}, f"--arch {arch}")
    )


def require_multiple(arch: str, image_shape: tuple[int, int, int], factor: int) -> None:
    """Raise ConfigError unless height and width are multiples of `factor` pixels."""
    height, width, _ = image_shape
    if height % factor or width % factor or min(height, width) < factor:
        near = max(factor, round(max(height, width) / factor) * factor)
        raise ConfigError(
            f"--arch {arch} needs image sides that are multiples of {factor}, not {height}x{width}: use --size {near}."
        )


def assemble(image: Any, code: Any, decode: list) -> Model:
    """Make the three models of a chain: `image` -> `code` tensors, then the list `decode` of layers."""
    import keras

    code_input = keras.Input(code.shape[1:], name="code_input")
    reconstruction, decoded = code, code_input
    for layer in decode:
        reconstruction, decoded = layer(reconstruction), layer(decoded)
    return Model(
        autoencoder=keras.Model(image, reconstruction, name="autoencoder"),
        encoder=keras.Model(image, code, name="encoder"),
        decoder=keras.Model(code_input, decoded, name="decoder"),
    )
