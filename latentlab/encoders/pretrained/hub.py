"""ONNX files of a model hub, through huggingface_hub (the extra latentlab[hub])."""

from latentlab.encoders.pretrained.card import EncoderSettings, PretrainedEncoder
from latentlab.errors import ConfigError


def open_hub(text: str, settings: EncoderSettings) -> PretrainedEncoder:
    """Open an encoder of the hub.

    Parameters
    ----------
    text : str
        OWNER/MODEL, and after it @REVISION and :FILE if they are given.
    settings : EncoderSettings
        What the user says of it.
    """
    raise ConfigError(": the hub comes with the next change", field="encoder", value=f"hf:{text}")
