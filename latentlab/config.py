"""The settings of each stage: frozen dataclasses, checked all at once, written as TOML."""

import dataclasses
import re
import typing
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from latentlab.errors import ConfigError, RunError

SCHEDULES = ("cosine", "constant")
LEAST_STEPS = 1000  # of fits whose epochs nobody has chosen (reports/few-images)
AUGMENTATIONS = ("none", "affine", "affine+flip")


def later(default: Any) -> Any:
    """Return the field of an option that came after the first released run format.

    At its default it is left out of what runs record, so that a run that an older version began is the same run still.
    """
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class DataOptions:
    """What data to open; every source uses the fields it needs.

    Attributes
    ----------
    data : str
        A source name ("cifar10", "digits", ...) or a path: a folder, a .npy, .npz or .parquet file.
    data_dir : str or None
        Where a named source finds its files; default: the Keras cache, else a download.
    size : int or None
        Height and width in pixels; None keeps the source's own (32 for folders and parquet).
    resize : {"crop", "pad", "stretch"}
        How images of another shape are brought to `size`.
    held_out : float
        Share of the images held out where the data has no split of its own, in [0, 1).
    limit : int or None
        Keep at most this many images of each split, the first in order (for trials).
    grey : bool
        Read folders and parquet as one grey channel.
    channels : {1, 3} or None
        Make all images grey or coloured, which folders and parquet do by `grey`; None leaves them. Where a trained encoder takes no others.
    image_column, label_column : str or None
        Columns of a parquet file; None finds them.
    max_pixels : int or None
        Larger pictures of folders and parquet are refused, one by one; None is 89,478,485, which is Pillow's own limit.
    max_bytes : int or None
        Files whose contents are larger, once unpacked into memory, are refused; None is 2 GiB.
    """

    data: str = "cifar10"
    data_dir: str | None = None
    size: int | None = None
    resize: str = "crop"
    held_out: float = 0.2
    limit: int | None = None
    grey: bool = False
    image_column: str | None = None
    label_column: str | None = None
    channels: int | None = later(None)
    max_pixels: int | None = later(None)
    max_bytes: int | None = later(None)


@dataclass(frozen=True)
class FitOptions:
    """How the encoder is trained.

    Attributes
    ----------
    arch : str
        Name of a file in latentlab/encoders.
    arch_options : dict
        Values for that file's `Options`.
    epochs, batch_size : int
        Passes over the training part; images a step.
    learning_rate : float
        Adam's, or Muon's where the objective has it, at the start.
    schedule : {"cosine", "constant"}
        How the learning rate goes on: to 0 along a half cosine over all steps, or unchanged.
    validation : float
        Share of the training images, in (0, 0.5], kept for early stopping and the choice of the best epoch.
    patience : int
        Stop after this many epochs without a better validation loss; 0 never stops.
    precision : str
        "auto", "float32", "mixed_bfloat16" or "mixed_float16".
    seed : int
        Of the initial weights, the order of the images and the choice of the validation part.
    augment : str
        How images are changed while training, see `latentlab.nets.augmentation`.
    objective : str
        Name of a file in latentlab/objectives: what the encoder is trained to do.
    objective_options : dict
        Values for that file's `Options`.
    least_steps : int
        Where `epochs` are fewer training steps than this, as they are of few images, more of them are trained; 0 never.
    """

    arch: str = "conv8"
    arch_options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 20
    batch_size: int = 500
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    validation: float = 0.05
    patience: int = 10
    precision: str = "auto"
    seed: int = 0
    augment: str = "none"
    objective: str = "reconstruction"
    objective_options: dict[str, Any] = field(default_factory=dict)
    least_steps: int = later(0)

    def __post_init__(self) -> None:
        _check(
            (self.epochs >= 1, f"--epochs must be at least 1, not {self.epochs}"),
            (self.batch_size >= 1, f"--batch-size must be at least 1, not {self.batch_size}"),
            (self.learning_rate > 0, f"--learning-rate must be positive, not {self.learning_rate}"),
            (
                self.schedule in SCHEDULES,
                f"--schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}",
            ),
            (
                0 < self.validation <= 0.5,
                f"--validation must be above 0 and at most 0.5, not {self.validation}",
            ),
            (self.least_steps >= 0, f"--least-steps must be at least 0, not {self.least_steps}"),
            (self.patience >= 0, f"--patience must be at least 0, not {self.patience}"),
            (self.seed >= 0, f"--seed must be at least 0, not {self.seed}"),
            (
                self.augment in AUGMENTATIONS,
                f"--augment must be one of {', '.join(AUGMENTATIONS)}, not {self.augment!r}",
            ),
        )


@dataclass(frozen=True)
class ClusterOptions:
    """How the code is clustered.

    Attributes
    ----------
    k : int
        Number of clusters; never read from labels. 0 where the method finds it.
    method : str
        Name of a file in latentlab/clustering.
    features : str
        What is clustered: "code" as it is, or steps joined by "+", such as "pool+whiten+l2" (see `latentlab.features.feature_steps`);
        "auto" is what the method is used with.
    restarts : int
        k-means runs from different initial centres; the one of the lowest inertia is kept.
    minibatch_above : int
        MiniBatchKMeans is used where the training images' features hold more numbers than this (images x dimensions).
    seed : int
        Of the initial centres, of the feature steps and of deep methods.
    settings : dict
        Values for the `Options` of a deep method's file.
    augment : str
        How deep methods change images while training, see `latentlab.nets.augmentation`; "auto" is what the encoder was fitted
        with.
    label : str
        Name of the clustering's folder and of its rows in tables; "" makes one of the method and of what was changed.
    """

    k: int = 10
    method: str = "kmeans"
    features: str = "auto"
    restarts: int = 10
    minibatch_above: int = 200_000_000
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    augment: str = "auto"
    label: str = ""

    def __post_init__(self) -> None:
        _check(
            (
                re.fullmatch(r"[\w+=,-][\w.+=,-]*|", self.label) is not None,
                f"--name {self.label!r}: use letters, digits and . + = , - _ only, without a point at the start",
            ),
            (self.k >= 0, f"--k must be at least 1, not {self.k}"),
            (self.restarts >= 1, f"--restarts must be at least 1, not {self.restarts}"),
            (self.seed >= 0, f"--seed must be at least 0, not {self.seed}"),
            (
                self.augment in ("auto", *AUGMENTATIONS),
                f"--augment must be one of auto, {', '.join(AUGMENTATIONS)}, not {self.augment!r}",
            ),
        )

    @property
    def name(self) -> str:
        """Name of the clustering's folder in the run, for example "kmeans-k10-pool+whiten+l2" or "dcec-k10-start=n2d"."""
        if self.label:
            return self.label
        features = "" if self.features in ("auto", "code") else f"-{self.features}"
        settings = "".join(f"-{text}" for text in self._told())
        seed = f"-seed{self.seed}" if self.seed else ""
        number = f"-k{self.k}" if self.k else ""
        return f"{self.method}{number}{features}{settings}{seed}"

    @property
    def title(self) -> str:
        """The method as tables of scores name it, for example "kmeans" or "dcec(start=n2d)"."""
        if self.label:
            return self.label
        return f"{self.method}({','.join(self._told())})" if self._told() else self.method

    def _told(self) -> list[str]:
        """Return what differs from the method's own settings, as NAME=VALUE."""
        changed = (
            self.settings
            if self.augment in ("auto", "none")
            else {**self.settings, "augment": self.augment}
        )
        return [f"{key}={value}" for key, value in sorted(changed.items())]


@dataclass(frozen=True)
class NoOptions:
    """The options of a plugin that has none."""


def plugin_options(kind: type, values: dict[str, Any], owner: str) -> Any:
    """Return `kind`, the `Options` dataclass of a plugin, with `values` from --set in it.

    Parameters
    ----------
    owner : str
        How messages name the plugin, for example "--arch conv8".

    Raises
    ------
    ConfigError
        If there is no such option, or a value has another type than the option.
    """
    types = typing.get_type_hints(kind)
    known = sorted(field.name for field in dataclasses.fields(kind))
    if unknown := sorted(set(values) - set(known)):
        raise ConfigError(
            f"{owner} has no option {', '.join(unknown)}: it has {', '.join(known) or 'none'}."
        )
    for name, value in values.items():
        wanted = typing.get_args(types[name]) or (types[name],)
        accepted = (*wanted, int) if float in wanted else wanted
        if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in wanted):
            words = " or ".join("null" if one is NoneType else one.__name__ for one in wanted)
            raise ConfigError(f"{owner}: --set {name}={value} must be of type {words}.")
    return kind(**values)


def option_names(kind: type) -> list[str]:
    """Return the names of the options in a plugin's `Options`."""
    return [one.name for one in dataclasses.fields(kind)]


def as_dict(options: Any) -> dict[str, Any]:
    """Return a dataclass of options as a plain dictionary, without those `later` ones that are at their default."""
    unchanged = {
        one.name
        for one in dataclasses.fields(options)
        if one.metadata.get("later") and getattr(options, one.name) == one.default
    }
    return {
        name: value for name, value in dataclasses.asdict(options).items() if name not in unchanged
    }


def recorded(kind: type, values: Any, where: Any) -> Any:
    """Return `kind`, a dataclass of options, with the values that a run recorded.

    Raises
    ------
    RunError
        If they are not such options: the run is damaged, or was written by another version.
    """
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{where} records settings that this version does not know ({error}). Fit or cluster again."
        ) from error


def as_toml(tables: dict[str, Any]) -> str:
    """Return dataclasses of options as TOML, one table each; values that are None are left out."""
    import tomli_w

    return tomli_w.dumps(
        {
            name: {k: v for k, v in as_dict(options).items() if v is not None}
            for name, options in tables.items()
        }
    )


def _check(*rules: tuple[bool, str]) -> None:
    broken = [text for holds, text in rules if not holds]
    if broken:
        raise ConfigError("; ".join(broken) + ".")
