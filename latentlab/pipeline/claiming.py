"""Begin a run: refuse one that was begun otherwise, write what it is begun with."""

from collections.abc import Mapping
from typing import Any

from latentlab.data import account, opening, whereabouts
from latentlab.data.image_changes import write_pixel_list
from latentlab.data.images import TEST, TRAIN, ImageSet
from latentlab.errors import RunError
from latentlab.pipeline.run_data import write_image_list, write_known_files
from latentlab.storage.files import atomic_path
from latentlab.storage.manifest import RunConfig
from latentlab.storage.run import Run


def refuse_others(run: Run, config: RunConfig, way_out: str = "") -> None:
    """Raise RunError if a run was started with other settings.

    Parameters
    ----------
    run : Run
        The run.
    config : RunConfig
        The settings.
    way_out : str
        What the message offers besides another folder.
    """
    recorded = run.recorded_config
    if recorded is not None and recorded != config.to_json():
        raise RunError(
            f"{run.path} holds a run with other settings"
            f" ({_differences(recorded, config.to_json())}). Choose another `run`{way_out}."
        )


def claim(run: Run, config: RunConfig, images: ImageSet) -> None:
    """Write a run's settings and list of images; what it has of other settings is removed.

    Parameters
    ----------
    run : Run
        The run, which this process holds.
    config : RunConfig
        The settings.
    images : ImageSet
        Its images.
    """
    import tomli_w

    recorded = run.recorded_config
    if recorded == config.to_json():
        return
    if recorded is not None:
        run.clear()
    with atomic_path(run.path / "config.toml") as path:
        path.write_text(tomli_w.dumps(_toml_tables(config)), encoding="utf-8")
    write_image_list(images, run.path)
    write_known_files(images, run.path)
    if config.data is not None:
        write_pixel_list(images, run.path)
        whereabouts.record_place(run, config.data)
    run.note(
        config=config.to_json(),
        data=images.name if config.data is None else opening.name_of(config.data),
        images=count_by_split(images),
        unreadable=len(images.unreadable),
        intake=account.record_of(images),
    )


def count_by_split(images: ImageSet) -> dict[str, int]:
    """Return the number of images of each split, as run.json records it.

    Parameters
    ----------
    images : ImageSet
        The images of a run.
    """
    return {split: int((images.splits == split).sum()) for split in (TRAIN, TEST)}


def _toml_tables(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Return the settings of a run as tables of TOML, which has no null."""
    tables = {}
    for name, values in config.to_json().items():
        if isinstance(values, dict):
            tables[name] = {key: value for key, value in values.items() if value is not None}
    return tables


def _differences(recorded: Any, wanted: Mapping[str, Any]) -> str:
    """Return how recorded settings differ from wanted ones, in words."""
    texts = []
    for table in ("data", "fit"):
        old_values = recorded.get(table) or {}
        new_values = wanted.get(table) or {}
        if not old_values or not new_values:
            continue  # trained here or elsewhere: said below
        for name in sorted({*old_values, *new_values}):
            old, new = old_values.get(name), new_values.get(name)
            if old != new:
                texts.append(f"{name} was {old!r} and is {new!r}")
    if recorded.get("weights_sha256") != wanted.get("weights_sha256"):
        texts.append("the encoder's weights were others")
    if recorded.get("vectors") != wanted.get("vectors"):
        texts.append("the vectors are others")
    texts += _encoder_differences(recorded, wanted)
    return "; ".join(texts) or "the images changed"


def _encoder_differences(recorded: Any, wanted: Mapping[str, Any]) -> list[str]:
    """Return how the encoders differ, in words."""
    before, now = _encoder_name(recorded), _encoder_name(wanted)
    if before != now:
        return [f"the encoder was {before or 'trained'} and is {now or 'to be trained'}"]
    if recorded.get("pretrained") != wanted.get("pretrained"):
        return [f"the encoder {now} has other content or other settings"]
    return []


def _encoder_name(config: Mapping[str, Any]) -> str:
    """Return the name of an encoder that was not trained in the run; "" for one that was."""
    if config.get("vectors"):
        return "a file of vectors"
    pretrained = config.get("pretrained") or {}
    return pretrained.get("name") or config.get("ready_made") or ""
