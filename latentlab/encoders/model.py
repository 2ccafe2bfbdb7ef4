"""An autoencoder: the networks that turn an image into a code and back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latentlab.encoders.encoder import embedding_hint
from latentlab.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Model:
    """An autoencoder and its parts, which share their weights.

    Attributes
    ----------
    autoencoder : keras.Model
        float32 images (n, height, width, channels) in [0, 1] -> reconstructions of that shape. It
        is the encoder itself where nothing reconstructs.
    encoder : keras.Model
        Images -> codes of shape `(n, *code_shape)`.
    decoder : keras.Model or None
        Codes -> reconstructions. None if the decoder needs more than the code (pooling switches).
    top : keras.Model or None
        Codes -> embeddings of shape (n, d), if the encoder goes on above its code. It takes codes
        of images of any size.
    reconstructs : bool
        False for a pretrained network, which has an embedding and neither code nor decoder.
    """

    autoencoder: "keras.Model"
    encoder: "keras.Model"
    decoder: "keras.Model | None"
    top: "keras.Model | None" = None
    reconstructs: bool = True

    @classmethod
    def of_network(cls, network: "keras.Model") -> "Model":
        """Make the model of a pretrained network.

        Parameters
        ----------
        network : keras.Model
            float32 images in [0, 1] -> embeddings (n, d).
        """
        return cls(network, network, decoder=None, reconstructs=False)

    @classmethod
    def from_layers(cls, image: Any, code: Any, decoder_layers: list[Any]) -> "Model":
        """Make the model of a chain of layers.

        Parameters
        ----------
        image, code : Keras tensor
            Input and output of the encoder.
        decoder_layers : list of keras.layers.Layer
            Turn the code into the reconstruction, one after the other.
        """
        import keras

        code_input = keras.Input(code.shape[1:], name="code_input")
        reconstruction = code
        decoded = code_input
        for layer in decoder_layers:
            reconstruction = layer(reconstruction)
            decoded = layer(decoded)
        return cls(
            autoencoder=keras.Model(image, reconstruction, name="autoencoder"),
            encoder=keras.Model(image, code, name="encoder"),
            decoder=keras.Model(code_input, decoded, name="decoder"),
        )

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code: (height, width, channels) or (d,)."""
        return tuple(self.encoder.output_shape[1:])

    @property
    def embedder(self) -> "keras.Model":
        """Images -> embeddings (n, d).

        Raises
        ------
        ConfigError
            If the encoder ends with its code.
        """
        import keras

        if not self.reconstructs:
            return self.encoder
        if self.top is None:
            raise ConfigError(
                "this encoder ends with its code and has no embedding: use `features=code`, or"
                f" {embedding_hint()}."
            )
        return keras.Model(self.encoder.input, self.top(self.encoder.output), name="embedder")

    def part(self, column: str) -> "keras.Model":
        """Return the network from images to the vectors that features start from.

        Parameters
        ----------
        column : {"code", "embedding", "averaged"}
        """
        if column == "averaged":
            return self._averaged()
        return self.embedder if column == "embedding" else self.encoder

    def weights(self) -> list[Any]:
        """Return all weights as arrays: those of the autoencoder, then those of the top."""
        top_weights = self.top.get_weights() if self.top is not None else []
        return [*self.autoencoder.get_weights(), *top_weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Undo `weights`.

        Parameters
        ----------
        weights : list of ndarray
            In the order of `weights`.
        """
        count = len(self.autoencoder.weights)
        self.autoencoder.set_weights(weights[:count])
        if self.top is not None:
            self.top.set_weights(weights[count:])

    def _averaged(self) -> "keras.Model":
        """Images -> the mean of the embeddings of the image and of its mirror image, (n, d)."""
        import keras

        image = self.encoder.input
        embedder = self.embedder
        both = [embedder(image), embedder(keras.ops.flip(image, axis=2))]
        return keras.Model(image, keras.layers.Average(dtype="float32")(both), name="averaged")
