"""The contract of encoder architectures: one file per architecture, found by its name.

An architecture file defines one subclass of `Encoder`. Nothing else has to be touched, and
`latentlab.testing.check_encoder` says whether it keeps the contract. The networks are made of
plain Keras layers, so that plain Keras opens the saved files without latentlab.
"""

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from latentlab.errors import ConfigError
from latentlab.plugins import Plugin

if TYPE_CHECKING:
    from latentlab.encoders.model import Model


@dataclass(frozen=True)
class EncoderCapabilities:
    """Facts about an architecture that the rest of the package needs.

    Attributes
    ----------
    has_embedding : bool
        The network goes on above its code, to an embedding (`Model.top`).
    """

    has_embedding: bool = False


class Encoder(Plugin, abc.ABC):
    """An architecture of autoencoders.

    Attributes
    ----------
    name : str
        Name of its file, with dashes.
    Options : type
        Frozen dataclass of the architecture's sizes, with a default for every field.
    capabilities : EncoderCapabilities
    """

    kind: ClassVar[str] = "encoders"
    capabilities: ClassVar[EncoderCapabilities] = EncoderCapabilities()

    @abc.abstractmethod
    def build(self, image_shape: tuple[int, int, int], options: Any) -> "Model":
        """Build an untrained autoencoder; `Model.from_layers` puts it together.

        Parameters
        ----------
        image_shape : tuple of int
            Height, width and channels of the images. Their values lie in [0, 1].
        options : Options
            The architecture's sizes, already parsed.

        Raises
        ------
        ConfigError
            If the images are too small for the network, or do not fit it otherwise.
        """

    def require_multiple(self, image_shape: tuple[int, int, int], factor: int) -> None:
        """Check that both sides of the images can be halved often enough.

        Parameters
        ----------
        image_shape : tuple of int
            Height, width and channels.
        factor : int
            Both sides have to be multiples of this many pixels.

        Raises
        ------
        ConfigError
            If they are not.
        """
        height, width, _ = image_shape
        fits = height % factor == 0 and width % factor == 0
        if not fits or min(height, width) < factor:
            nearest_size = max(factor, round(max(height, width) / factor) * factor)
            raise self.error(
                f"needs image sides that are multiples of {factor}, not {height}x{width}:"
                f" use `size={nearest_size}`"
            )

    def error(self, problem: str) -> ConfigError:
        """Return an error about this architecture.

        Parameters
        ----------
        problem : str
            Continues the sentence that begins with the architecture's name.
        """
        return ConfigError(problem, field="arch", value=self.name)


def embedding_hint() -> str:
    """Return the architectures with an embedding as errors name them, "`arch=x` or y"."""
    names = []
    for name in Encoder.names():
        if Encoder.named(name).capabilities.has_embedding:
            names.append(name)
    if not names:
        return "an architecture with an embedding"
    return " or ".join([f"`arch={names[0]}`", *names[1:]])
