"""Where a command works: in a run, or on images with an encoder that is at hand.

    latentlab cluster --run runs/mine --k 10
    latentlab cluster --encoder dinov2.onnx --data photos --k 10
    latentlab cluster --data photos --k 10            # with the encoder for photos

With images the run is made first, by default as runs/ENCODER-DATA.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlab.cli._options import (
    IMAGE_NAMES,
    RUNS_FOLDER,
    image_options,
    last_run,
    open_run,
    typed_names,
)
from latentlab.cli.generated import together
from latentlab.cli.moved import open_moved
from latentlab.cli.settings import parse_settings
from latentlab.config import DataOptions
from latentlab.errors import ConfigError
from latentlab.options import parse_options

if TYPE_CHECKING:
    from latentlab.encoders.pretrained.card import EncoderSettings
    from latentlab.storage.run import Run

ENCODER_HELP = (
    "An encoder that is at hand, instead of a run: a name of `latentlab encoders --ready-made`, an"
    " .onnx or .keras file, keras:NAME:WEIGHTS, or hf:OWNER/MODEL[:FILE] [default for folders of"
    " photos: efficientnet-lite0]."
)
_NOT_IN_A_NAME = re.compile(r"[^\w.+=,-]+")

encoder_option = click.option("--encoder", help=ENCODER_HELP)
encoder_set_option = click.option(
    "--encoder-set",
    "encoder_settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --encoder FILE: what the file does not say of itself: size, scale, mean, std,"
    " colours, layout, output, pooling, pretraining or licence, as in mean=0.5; repeatable.",
)
place_options = together(
    click.option(
        "--run",
        "run_path",
        help=f"Run folder [default: the run below {RUNS_FOLDER}/ that was used last; of a new run"
        f" {RUNS_FOLDER}/ENCODER-DATA].",
    ),
    encoder_option,
    encoder_set_option,
    click.option("--data", help="The images for an encoder, as in fit, instead of a run."),
    image_options(),
)


@dataclass(frozen=True)
class Place:
    """A run, or images and an encoder of which a run is made.

    Attributes
    ----------
    run_path : str or None
        The run folder as typed.
    encoder : str or None
        The encoder as typed.
    encoder_settings : tuple of str
        NAME=VALUE, from --encoder-set.
    data : str or None
        The images as typed.
    image_values : mapping
        Further fields of `DataOptions` -> value, defaults included.
    typed : frozenset of str
        Names that were written on the command line.
    """

    run_path: str | None
    encoder: str | None
    encoder_settings: tuple[str, ...]
    data: str | None
    image_values: Mapping[str, Any]
    typed: frozenset[str]

    @classmethod
    def of(cls, context: click.Context) -> "Place":
        """Return the place of a command that is being run.

        Parameters
        ----------
        context : click.Context
            The context of a command with `place_options`.
        """
        params = context.params
        return cls(
            run_path=params["run_path"],
            encoder=params["encoder"],
            encoder_settings=params["encoder_settings"],
            data=params["data"],
            image_values={name: params[name] for name in IMAGE_NAMES},
            typed=typed_names(context),
        )

    @property
    def makes_a_run(self) -> bool:
        """Whether a run is made of images and an encoder."""
        return self.encoder is not None or self.data is not None

    def check(self) -> None:
        """Raise ConfigError if options are given that would do nothing."""
        if self.makes_a_run:
            return
        flags = [f"--{name.replace('_', '-')}" for name in IMAGE_NAMES if name in self.typed]
        if self.encoder_settings:
            flags.append("--encoder-set")
        if flags:
            verb = "belongs" if len(flags) == 1 else "belong"
            raise ConfigError(
                f"{' and '.join(flags)} {verb} to --encoder and --data: the run knows its own"
                " images."
            )

    def open(self) -> "Run":
        """Return the run; it is made if images or an encoder are named."""
        from latentlab import pipeline

        self.check()
        if not self.makes_a_run:
            return open_run(last_run() if self.run_path is None else self.run_path)
        if self._is_about_a_finished_run():
            return open_moved(str(self.run_path), self.data)
        data = self.data_options()
        encoder = self.encoder or pipeline.default_encoder(data)
        return pipeline.use_encoder(data, encoder, self._new_run_path(encoder), self.settings())

    def _is_about_a_finished_run(self) -> bool:
        """Return whether --data says where the pictures of a run are, so that none is made."""
        from latentlab.data.source import Source
        from latentlab.storage.run import Run

        is_more_said = self.encoder is not None or bool(self.typed & {*IMAGE_NAMES})
        if is_more_said or self.run_path is None:
            return False
        if not (Path(self.run_path) / "run.json").exists():
            return False
        run = Run.open(self.run_path)
        if run.record("fit") is None or run.config.data is None:
            return False
        return self.data == run.config.data.data or self.data not in Source.names()

    def data_options(self) -> DataOptions:
        """Return the images for the encoder."""
        data = DataOptions().data if self.data is None else self.data
        return DataOptions(data=data, **self.image_values)

    def settings(self) -> "EncoderSettings | None":
        """Return what is known of the encoder; None if nothing was typed."""
        from latentlab.encoders.pretrained.card import EncoderSettings

        if not self.encoder_settings:
            return None
        values = parse_settings(self.encoder_settings)
        if "mean" in values or "std" in values:
            values |= {name: str(values[name]) for name in ("mean", "std") if name in values}
        owner = f"`encoder={self.encoder}`"
        return parse_options(EncoderSettings, values, owner, "encoder_settings")

    def _new_run_path(self, encoder: str) -> str:
        """Return the folder of the run to make: as typed, or named by encoder and images."""
        if self.run_path is not None:
            return self.run_path
        name = _short_name(encoder)
        if self.data is not None:
            name = f"{name}-{_short_name(self.data)}"
        return f"{RUNS_FOLDER}/{name}"


def _short_name(text: str) -> str:
    """Return a name for a folder: the last part of a path, without an encoder's suffix.

    Examples
    --------
    >>> _short_name("../models/dino v2.onnx"), _short_name("hf:facebook/dinov2:model.onnx")
    ('dino-v2', 'dinov2-model')
    """
    from latentlab.data.places import name_of_path

    stem = name_of_path(text).removesuffix(".onnx").removesuffix(".keras").removesuffix(".h5")
    name = _NOT_IN_A_NAME.sub("-", stem).strip("-.")
    return name or "images"
