"""From the text that a user gives as `encoder` to a pretrained encoder.

model.onnx                   an ONNX file
model.keras                  a Keras file
keras:NAME[:WEIGHTS]         a network of Keras Applications, with a file of weights
hf:OWNER/MODEL[@REV][:FILE]  an ONNX file of the hub
efficientnet-lite0           the encoder of the extra latentlab[photos]
"""

from pathlib import Path

from latentlab.encoders.pretrained.card import EncoderSettings, PretrainedEncoder
from latentlab.errors import ConfigError

PHOTOS_NAME = "efficientnet-lite0"
ONNX_SUFFIX = ".onnx"
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
KERAS_PREFIX = "keras:"
HUB_PREFIX = "hf:"


def open_pretrained(reference: str, settings: EncoderSettings | None = None) -> PretrainedEncoder:
    """Open a pretrained encoder.

    Parameters
    ----------
    reference : str
        See the module.
    settings : EncoderSettings or None
        What the user says of it; None is nothing.

    Raises
    ------
    ConfigError
        If there is no such encoder, or it cannot be used; the message says why.
    """
    from latentlab.encoders.pretrained import (
        hub,
        keras_applications,
        keras_models,
        onnx_files,
        photos,
    )

    settings = settings or EncoderSettings()
    if reference == PHOTOS_NAME:
        return photos.open_photos(settings)
    if reference.startswith(HUB_PREFIX):
        return hub.open_hub(reference.removeprefix(HUB_PREFIX), settings)
    if reference.startswith(KERAS_PREFIX):
        name, _, weights = reference.removeprefix(KERAS_PREFIX).partition(":")
        path = Path(weights).expanduser() if weights else None
        return keras_applications.open_keras_application(name, path, settings)
    path = Path(reference).expanduser()
    if path.suffix.lower() == ONNX_SUFFIX:
        return onnx_files.open_onnx(_existing(path), settings)
    if path.suffix.lower() in KERAS_SUFFIXES:
        return keras_models.open_keras_file(_existing(path), settings)
    raise unknown_encoder(reference)


def is_pretrained(reference: str) -> bool:
    """Return whether a text has the form of a pretrained encoder's reference.

    Parameters
    ----------
    reference : str
        The text.

    Examples
    --------
    >>> is_pretrained("models/dino.onnx"), is_pretrained("cifar10-strong")
    (True, False)
    """
    if reference == PHOTOS_NAME or reference.startswith((HUB_PREFIX, KERAS_PREFIX)):
        return True
    return Path(reference).suffix.lower() in (ONNX_SUFFIX, *KERAS_SUFFIXES)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(
            ": there is no such file", field="encoder", value=str(path), hint="Check the path."
        )
    if not path.is_file():
        raise ConfigError(": is no regular file", field="encoder", value=str(path))
    return path


def unknown_encoder(reference: str) -> ConfigError:
    """Return the error for an encoder that is neither at hand nor a file.

    Parameters
    ----------
    reference : str
        What was given as `encoder`.
    """
    from latentlab.encoders.ready_made import shipped

    names = ", ".join([*shipped().names(), PHOTOS_NAME])
    return ConfigError(
        ": unknown encoder",
        field="encoder",
        value=repr(reference),
        hint=f"Give {names}, an .onnx or .keras file, keras:NAME:WEIGHTS or hf:OWNER/MODEL.",
    )
