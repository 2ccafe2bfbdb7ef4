"""Build an untrained autoencoder by the name of its architecture."""

from collections.abc import Mapping

from latentlab import backend
from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model


def build(
    arch: str,
    image_shape: tuple[int, int, int],
    arch_options: Mapping[str, object] | None = None,
) -> Model:
    """Build the untrained autoencoder of an architecture.

    Parameters
    ----------
    arch : str
        Name of the architecture, such as "conv8".
    image_shape : tuple of int
        Height, width and channels of the images.
    arch_options : mapping or None
        Values for fields of the architecture's `Options`.

    Returns
    -------
    Model

    Raises
    ------
    ConfigError
        If the architecture or an option is unknown, or the image does not fit the network.
    """
    backend.current()
    encoder = Encoder.named(arch)
    return encoder.build(image_shape, encoder.parse_options(dict(arch_options or {})))
