"""Keras files and Keras Applications as encoders."""

from pathlib import Path

from latentlab.encoders.pretrained.card import EncoderSettings, PretrainedEncoder
from latentlab.errors import ConfigError


def open_keras_file(path: Path, settings: EncoderSettings) -> PretrainedEncoder:
    """Open a Keras file.

    Parameters
    ----------
    path : Path
        The file.
    settings : EncoderSettings
        What the user says of it.
    """
    raise ConfigError(": Keras files come with the next change", field="encoder", value=str(path))


def open_keras_application(
    name: str, weights: Path | None, settings: EncoderSettings
) -> PretrainedEncoder:
    """Open a network of Keras Applications.

    Parameters
    ----------
    name : str
        Its name.
    weights : Path or None
        Its weights; None downloads them.
    settings : EncoderSettings
        What the user says of it.
    """
    raise ConfigError(": comes with the next change", field="encoder", value=f"keras:{name}")
