"""The contract of encoder architectures: one file per architecture, found by its name.

An architecture file defines one subclass of `Encoder`. Nothing else has to be touched, and
`latentlab.testing.check_encoder` says whether it keeps the contract. The networks are made of
plain Keras layers, so that plain Keras opens the saved files without latentlab.
"""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

from latentlab.encoders.networks import Model

try:
    from latentlab.plugins import Plugin
except ImportError:
    from latentlab.encoders.plugin_stand_in import Plugin


@dataclass(frozen=True)
class EncoderCapabilities:
    """What the rest of the package has to know about an architecture.

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
    def build(self, image_shape: tuple[int, int, int], options: Any) -> Model:
        """Build an untrained autoencoder.

        Parameters
        ----------
        image_shape : tuple of int
            Height, width and channels of the images, whose values lie in [0, 1].
        options : Options
            The architecture's own sizes, already parsed.

        Raises
        ------
        ConfigError
            If the images are too small for the network, or do not fit it otherwise.
        """
