"""The settings of data, fit and clustering: frozen dataclasses; flags are made of them."""

import functools
import re
from dataclasses import dataclass
from typing import Any

from latentlab.errors import ConfigError
from latentlab.features.spec import SpecField
from latentlab.options import Values, check_options, option, recorded_values

AUTO = "auto"
SCHEDULES = ("cosine", "constant")
RESIZE_RULES = ("crop", "pad", "stretch")
PARTS, WHOLE = "parts", "whole"  # `DataOptions.decoding`
AUGMENTATIONS = ("none", "affine", "affine+flip")
LEAST_STEPS = 1000  # steps of fits that were not given epochs; see reports/few-images
_LABEL = re.compile(r"[\w+=,-][\w.+=,-]*|")
_LABELS = re.compile(r"auto|none|folder(:[1-9]\d?)?|table:.+|name:.*\{label\}.*", re.DOTALL)
_SPLIT = re.compile(r"auto|none|folder|table:.+", re.DOTALL)


@dataclass(frozen=True)
class DataOptions:
    """What data to open; every source uses the fields it needs.

    Attributes
    ----------
    data : str
        A source name ("cifar10", "digits", ...) or a path: a folder of pictures, one picture, an
        archive, a table or list of paths, parquet or arrays; see docs/data.md.
    data_dir : str or None
        Where a named source finds its files. By default the Keras cache, then a download.
    size : int or None
        Height and width in pixels. None is the source's own; 32 for folders and parquet.
    resize : {"crop", "pad", "stretch"}
        How images of another shape are brought to `size`.
    held_out : float or None
        Share of the images to hold out, in [0, 1), if the data has no split of its own. None is
        0.2 for data with labels, see `labels`, and 0 for data without.
    limit : int or None
        Read at most this many images of each split, the first in order.
    grey : bool
        Read folders and parquet as one grey channel.
    image_column, label_column : str or None
        Columns of a parquet file; None finds them.
    channels : {1, 3} or None
        Make all images grey or coloured, for a trained encoder that takes no others.
    max_pixels : int or None
        Refuse larger pictures in folders and parquet. None is 89,478,485, Pillow's own limit.
    max_bytes : int or None
        Refuse files that unpack to more than this. None is 2 GiB.
    labels : str
        Where scoring reads labels: "auto", "none", "folder", "folder:DEPTH", "table:FILE" or
        "name:PATTERN"; see `latentlab.data.layouts.layout`. Nothing else reads them.
    split : str
        Which images are held out: "auto", "none" (`held_out` decides), "folder" or "table:FILE".
    value_range : str or None
        "LOW,HIGH": the numbers that become black and white, for pictures and arrays beyond 8 bits.
        None is the range of the data set, "full" that of the number format; "deep" is None, but
        leaves pictures of 8 bits as they are. See `latentlab.data.value_range`.
    layout : str or None
        How an array is read that can be read in several ways: "nhwc", "nchw", "nhw", "hwc",
        "chw" or "hw", or the shape of an image that is stored as a row, as in "32x32x3". Numbers
        of the channels to use may follow, as in "nhwc:0,1,2".
    follow_links : bool
        Follow links that lead out of a data folder.
    decoding : {"parts", "whole"} or None
        How pictures that are read at once become pixels: a JPEG at a part of its size, where that
        leaves twice the pixels that are needed, or in its whole size. None is "parts" for new
        data; runs of older versions, which record none, have read theirs whole.
    source_options : dict
        Values for the `Options` of the source's file.
    """

    data: str = option(
        "cifar10",
        "Source name (see latentlab sources), a folder of pictures, a picture, an archive, a table"
        " or list of paths, a .parquet, .npy or .npz file.",
    )
    data_dir: str | None = option(
        None, "Where a named source finds its files [default: the Keras cache, else a download]."
    )
    size: int | None = option(
        None, "Height and width in pixels [default: the source's own; 32 for folders].", at_least=1
    )
    resize: str = option("crop", "Rule for images of another shape.", choices=RESIZE_RULES)
    held_out: float | None = option(
        None,
        "Share held out if the data has no split of its own [default: 0.2; 0 without labels].",
        at_least=0,
        less_than=1,
    )
    limit: int | None = option(None, "Use this many images of each split, for a trial.", at_least=1)
    grey: bool = option(False, "Read folders and parquet as grey.")
    image_column: str | None = option(None, "Image column of a table, or array of an npz file.")
    label_column: str | None = option(
        None, "Label column of a table or parquet file, read by evaluate only."
    )
    channels: int | None = option(None, later=True)
    max_pixels: int | None = option(
        None, "Refuse larger pictures [default: 89,478,485 pixels].", at_least=1, later=True
    )
    max_bytes: int | None = option(
        None,
        "Refuse files that unpack to more than this [default: 2 GiB].",
        at_least=1,
        later=True,
    )
    labels: str = option(
        "auto",
        "Where evaluate reads labels: auto, none, folder, folder:DEPTH, table:FILE or"
        " name:PATTERN.",
        later=True,
    )
    split: str = option(
        "auto", "Which images are held out: auto, none, folder or table:FILE.", later=True
    )
    value_range: str | None = option(
        None,
        "LOW,HIGH: numbers that become black and white, beyond 8 bits [default: the data's own].",
        later=True,
    )
    layout: str | None = option(
        None,
        "How an array is read: nhwc, nchw, nhw, hwc, chw, hw or an image's shape, as in 32x32x3;"
        " nhwc:0,1,2 chooses channels [default: the only way there is].",
        later=True,
    )
    follow_links: bool = option(False, "Follow links that lead out of a data folder.", later=True)
    decoding: str | None = option(
        None,
        "parts lets a JPEG be decoded at a part of its size where twice the pixels that are needed"
        " are left, whole does not [default: parts; a run goes on as it began].",
        choices=(PARTS, WHOLE),
        later=True,
    )
    source_options: Values = option({}, later=True)

    def __post_init__(self) -> None:
        errors = []
        if not _LABELS.fullmatch(self.labels):
            problem = (
                "must be auto, none, folder, folder:DEPTH (1 is the first below the data),"
                " table:FILE, or name:PATTERN with {label} in it, as in name:{label}_{}.png"
            )
            errors.append(ConfigError(problem, field="labels", value=self.labels))
        if not _SPLIT.fullmatch(self.split):
            problem = "must be auto, none, folder or table:FILE"
            errors.append(ConfigError(problem, field="split", value=self.split))
        check_options(self, *errors)


@dataclass(frozen=True)
class ImportOptions:
    """What to know of a file of vectors.

    Attributes
    ----------
    id_column, column, split_column, label_column : str or None
        Names of its columns of ids, vectors, splits and labels; None finds them. Vectors that
        are spread over many columns of numbers are named by patterns such as "f*", joined by
        commas. Labels are read by scoring only.
    pretraining : str
        Labels used in the training of the encoder that gave the vectors: "none", "unknown", or
        the name of a data set.
    held_out : float or None
        Share of the vectors to hold out, in [0, 1), if neither file nor images say which. None is
        0.2 for a file with labels, and 0 without.
    limit : int or None
        Use at most this many vectors of each split, if there are no images.
    max_bytes : int or None
        Refuse vectors of more bytes than this. None is 4 GiB.
    """

    id_column: str | None = option(None, "Column of ids in the file [default: it is found].")
    column: str | None = option(
        None,
        "Column of vectors in the file, or patterns of columns of numbers, as in f* [default: they"
        " are found].",
    )
    split_column: str | None = option(
        None, "Column with train or test in the file [default: one named split]."
    )
    label_column: str | None = option(None, "Column of labels in the file, for evaluate only.")
    pretraining: str = option(
        "unknown",
        "Labels used in the training of the encoder that gave the vectors: none, unknown or a name,"
        " as in ImageNet-1k.",
    )
    held_out: float | None = option(None, at_least=0, less_than=1)
    limit: int | None = option(None, at_least=1)
    max_bytes: int | None = option(None, at_least=1)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class FitOptions:
    """How the encoder is trained.

    Attributes
    ----------
    arch : str
        Name of an encoder, see `latentlab encoders`.
    arch_options : dict
        Values for that encoder's `Options`.
    epochs : int
        Passes over the training part.
    batch_size : int
        Images per step.
    learning_rate : float
        Initial learning rate of Adam, or of Muon if the objective uses it.
    schedule : {"cosine", "constant"}
        The learning rate falls to 0 along a half cosine over all steps, or stays.
    validation : float
        Share of the training images, in (0, 0.5], for early stopping and the choice of the best
        epoch.
    patience : int
        Stop after this many epochs without a better validation loss; 0 never stops.
    precision : {"auto", "float32", "mixed_bfloat16", "mixed_float16"}
        Number format of the network.
    seed : int
        Seed of the initial weights, the order of images and the choice of the validation part.
    augment : {"none", "affine", "affine+flip"}
        How images are changed while training, see `latentlab.nets.augmentation`.
    objective : str
        Name of a training objective: what the encoder is trained to do.
    objective_options : dict
        Values for that objective's `Options`.
    least_steps : int
        Raise `epochs` until training takes at least this many steps; 0 never.
    """

    arch: str = option("conv8", "Encoder (see latentlab encoders).")
    arch_options: Values = option({})
    epochs: int = option(20, "Passes over the training images.", at_least=1)
    batch_size: int = option(500, "Images per step.", at_least=1)
    learning_rate: float = option(
        1e-3, "Adam's, or Muon's if the objective uses it (--set optimizer=muon).", more_than=0
    )
    schedule: str = option(
        "cosine", "Learning rate: cosine (down to 0) or constant.", choices=SCHEDULES
    )
    validation: float = option(
        0.05, "Share of the training images used for early stopping.", more_than=0, at_most=0.5
    )
    patience: int = option(
        10, "Stop after this many epochs without improvement; 0 never.", at_least=0
    )
    precision: str = option("auto", "auto, float32, mixed_bfloat16 or mixed_float16.")
    seed: int = option(0, "Seed of weights and order.", at_least=0)
    augment: str = option(
        "none",
        "Change images while training: none, affine (shifts, rotations) or affine+flip.",
        choices=AUGMENTATIONS,
    )
    objective: str = option("reconstruction", "What the encoder is trained to do.")
    objective_options: Values = option({})
    least_steps: int = option(0, at_least=0, later=True)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class ClusterOptions:
    """How features are clustered.

    Attributes
    ----------
    k : int or None
        Number of clusters, never read from labels. None if the method finds it.
    method : str
        Name of a clustering or refinement method, see `latentlab methods`.
    features : FeatureSpec or None
        What is clustered; the constructor also takes text such as "pool+whiten+l2". None (or
        "auto") is the method's default.
    restarts : int
        k-means runs from different initial centers; the one of the lowest inertia is used.
    minibatch_above : int
        Use MiniBatchKMeans if the training features hold more numbers (images x dimensions).
    seed : int
        Seed of the initial centers, the feature steps and deep methods.
    settings : dict
        Values for the `Options` of the method.
    augment : {"auto", "none", "affine", "affine+flip"}
        How deep methods change images while training; "auto" is what the encoder was fitted with.
    label : str
        Name of the clustering's folder and of its rows in tables; "" makes one of the method and
        of the changed settings.
    """

    k: int | None = option(10)
    method: str = option("kmeans")
    features: SpecField = SpecField()
    restarts: int = option(10, "Initialisations; the best is used.", at_least=1)
    minibatch_above: int = option(
        200_000_000, "Use MiniBatchKMeans above this many numbers (images x dimensions)."
    )
    seed: int = option(0, "Seed of centers, feature steps and deep methods.", at_least=0)
    settings: Values = option({})
    augment: str = option(
        AUTO,
        "Deep methods: change images while training; auto: as in fit.",
        choices=(AUTO, *AUGMENTATIONS),
    )
    label: str = option("", "Name of the clusters [default: the method and the changed settings].")

    def __post_init__(self) -> None:
        errors = []
        if self.k is not None and self.k < 1:
            errors.append(ConfigError(": must be at least 1", field="k", value=self.k, limit=1))
        if not _LABEL.fullmatch(self.label):
            problem = ": use letters, digits and . + = , - _ only, without a point at the start"
            errors.append(ConfigError(problem, field="label", value=repr(self.label)))
        check_options(self, *errors)

    @functools.cached_property
    def name(self) -> str:
        """Name of the clustering's folder, such as "kmeans-k10-pool+whiten+l2"."""
        if self.label:
            return self.label
        changed = self._changed_settings()
        parts = [self.method]
        if self.k:
            parts.append(f"k{self.k}")
        if self.features is not None and not self.features.is_code:
            parts.append(str(self.features))
        parts += changed
        if self.seed:
            parts.append(f"seed{self.seed}")
        return "-".join(parts)

    @property
    def title(self) -> str:
        """The method as tables of scores name it, such as "kmeans" or "dcec(start=n2d)"."""
        changed = self._changed_settings()
        if self.label:
            return self.label
        return f"{self.method}({','.join(changed)})" if changed else self.method

    def recorded(self) -> Values:
        """Return the options as runs record them: features as text, k as 0 if not given."""
        return dict(self._recorded)

    @functools.cached_property
    def _recorded(self) -> Values:
        values = recorded_values(self)
        values["features"] = AUTO if self.features is None else str(self.features)
        values["k"] = self.k or 0
        return values

    @classmethod
    def of_recorded(cls, k: int, **values: Any) -> "ClusterOptions":
        """Undo `recorded`; TypeError or ValueError if the values are not such options.

        Parameters
        ----------
        k : int
            Number of clusters; 0 if the method finds it.
        **values
            The other options, as in run.json.
        """
        return cls(k=k or None, **values)

    def _changed_settings(self) -> list[str]:
        """Return what differs from the method's own settings, as NAME=VALUE."""
        changed = dict(self.settings)
        if self.augment not in (AUTO, "none"):
            changed["augment"] = self.augment
        return [f"{name}={value}" for name, value in sorted(changed.items())]
