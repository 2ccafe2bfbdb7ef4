"""Whether data that are named again are those of a run, though typed otherwise or updated since."""

from dataclasses import replace
from pathlib import Path

from latentlab.config import DataOptions
from latentlab.data import decoding, whereabouts
from latentlab.data.images import ImageSet
from latentlab.pipeline.run_data import have_changed, images_fingerprint
from latentlab.storage.manifest import MANIFEST_NAME, RunConfig
from latentlab.storage.run import Run


def decoded_as_before(run_path: str | Path, data: DataOptions) -> DataOptions:
    """Return options that decode pictures as a run has done that may be there already.

    Parameters
    ----------
    run_path : str or pathlib.Path
        The run folder.
    data : DataOptions
        What is to be opened.
    """
    if not (Path(run_path) / MANIFEST_NAME).is_file():
        return data
    run = Run.open(run_path)
    return decoding.like(data, run.config.data) if run.has_config else data


def as_recorded(run: Run, config: RunConfig, images: ImageSet) -> RunConfig:
    """Return the settings of a run as it has recorded them, if the same is asked for now.

    The path of the data may be typed from another working folder, or be that of a copy, and
    `update` may have taken in other images since.

    Parameters
    ----------
    run : Run
        The run, which this process holds.
    config : RunConfig
        What is asked for.
    images : ImageSet
        Its images.

    Returns
    -------
    RunConfig
        `config` itself if it asks for anything else.

    Raises
    ------
    RunError
        If all is the same, but images were added, are gone or have changed.
    """
    if not run.has_config or config.data is None or run.config.data is None:
        return config
    recorded = run.config
    assert recorded.data is not None
    path = whereabouts.typed_path(recorded.data)
    data = config.data if path is None else whereabouts.with_path(config.data, path)
    spelled_alike = replace(config, data=data, images_sha256=recorded.images_sha256)
    if spelled_alike.to_json() != run.recorded_config:
        return config
    is_known_place = config.data == recorded.data or whereabouts.is_same_place(run, config.data)
    if images.fingerprint == images_fingerprint(run):
        if not is_known_place and whereabouts.are_lost(run):
            _note_move(run, config)
        return spelled_alike
    if is_known_place and run.record("fit") is not None:
        raise have_changed(run, images, config.data)
    return config


def _note_move(run: Run, config: RunConfig) -> None:
    assert config.data is not None
    path = whereabouts.typed_path(config.data)
    if path is not None:
        run.note(**{whereabouts.MOVED_TO: whereabouts.place_of(path, run.path)})
