"""Which arrays of a NumPy file hold images, labels and splits: by their names and shapes alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentlab.data.splits import TEST, TRAIN
from latentlab.errors import ConfigError, DataError
from latentlab.storage.npz import ArrayHeader

IMAGE_NAMES = ("x", "image", "images", "img", "imgs", "picture", "pictures", "pixels", "data")
IMAGE_PLACES = ("arr_0",)  # what numpy.savez calls arrays that were given no name
LABEL_NAMES = ("y", "label", "labels", "target", "targets", "class", "classes", "category")
LABEL_PLACES = ("arr_1",)
NO_LABELS = ("id", "ids", "index", "indices", "name", "names", "filename", "filenames", "path")
VALIDATION = "val"
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "tr"), TRAIN),
    **dict.fromkeys(("test", "testing", "te"), TEST),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
}
MOST_CLASSES = 10_000  # columns of labels that name one class of each row by a 1


@dataclass(frozen=True)
class ImageNames:
    """The arrays of a file that hold images.

    Attributes
    ----------
    images : tuple of str
        Their names, those of training first; "" for the array of an .npy file.
    splits : tuple of str
        "train", "val", "test", or "" where the name says nothing, for each.
    labels : tuple of str
        The array of labels of each; "" where there is none.
    others : tuple of str
        Arrays of images that are passed over.
    """

    images: tuple[str, ...]
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    others: tuple[str, ...] = ()


def split_of(name: str) -> str:
    """Return the split that a name of an array speaks of; "" if none.

    Parameters
    ----------
    name : str
        The name.

    Examples
    --------
    >>> split_of("val_images"), split_of("X_train"), split_of("values")
    ('val', 'train', '')
    """
    splits = (SPLIT_WORDS.get(word) for word in _words(name))
    return next((split for split in splits if split), "")


def choose(
    path: Path, headers: Mapping[str, ArrayHeader], wanted: str, wanted_labels: str
) -> ImageNames:
    """Return which arrays of a file hold images and which labels.

    Parameters
    ----------
    path : Path
        The file, for messages.
    headers : mapping of str to ArrayHeader
        What its arrays are.
    wanted, wanted_labels : str
        Names that the user has given, joined by commas; "" finds them.

    Returns
    -------
    ImageNames
        At least one array of images.

    Raises
    ------
    ConfigError
        If an array that was named is not there, or several could be meant.
    DataError
        If no array can hold images.
    """
    images = _given(path, headers, wanted, "image_column") or _found_images(path, headers)
    splits = tuple(split_of(name) for name in images) if len(images) > 1 else ("",)
    labels = _given(path, headers, wanted_labels, "label_column")
    if labels and len(labels) != len(images):
        raise ConfigError(
            f": it names {_count(labels, 'array')} of labels for {_count(images, 'array')} of"
            f" images ({', '.join(images)})",
            field="label_column",
            value=wanted_labels,
        )
    if not labels:
        labels = tuple(_label_name(headers, name) for name in images)
    others = [name for name in headers if _may_be_images(headers[name]) and name not in images]
    return ImageNames(images, splits, labels, tuple(others))


def _count(names: Sequence[str], word: str) -> str:
    return f"{len(names)} {word}{'' if len(names) == 1 else 's'}"


def _given(
    path: Path, headers: Mapping[str, ArrayHeader], wanted: str, field: str
) -> tuple[str, ...]:
    """Return the names that a user has given, those of training first."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in headers:
            has = ", ".join(headers) or "none"
            raise ConfigError(f": {path} has no such array; it has {has}", field=field, value=name)
    return tuple(sorted(names, key=_split_order))


def _split_order(name: str) -> int:
    return (TRAIN, "", VALIDATION, TEST).index(split_of(name))


def _found_images(path: Path, headers: Mapping[str, ArrayHeader]) -> tuple[str, ...]:
    if tuple(headers) == ("",):
        return ("",)
    candidates = [name for name, header in headers.items() if _may_be_images(header)]
    candidates = candidates or [name for name, header in headers.items() if _may_be_rows(header)]
    if not candidates:
        raise DataError(
            f"{path} holds {_listed(headers) or 'nothing'}: none of its arrays has a shape that"
            " images have, (n, height, width) or (n, height, width, channels)."
        )
    selection = _one_or_splits(candidates)
    if not selection:
        # By their names some are meant: images beside masks, x_train beside templates.
        named = [name for name in candidates if _is_named(name, IMAGE_NAMES, IMAGE_PLACES)]
        with_split = [name for name in named if split_of(name)]
        selection = _one_or_splits(with_split) or _one_or_splits(named)
    if not selection:
        raise ConfigError(
            f"{path} holds several arrays that could be images: {_listed(headers, candidates)}."
            f" Say which: `image_column={candidates[0]}`, or several with commas."
        )
    return selection


def _one_or_splits(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that leave one reading only: a single one, or one for each split."""
    splits = [split_of(name) for name in names]
    is_whole = TRAIN in splits and "" not in splits and len(set(splits)) == len(splits)
    if len(names) == 1 or is_whole:
        return tuple(sorted(names, key=_split_order))
    return ()


def _label_name(headers: Mapping[str, ArrayHeader], images: str) -> str:
    """Return the name of the labels of an array of images; "" if there are none or several."""
    split = split_of(images)
    candidates = [name for name, header in headers.items() if _may_be_labels(header)]
    candidates = [name for name in candidates if name != images and split_of(name) == split]
    candidates = [name for name in candidates if not set(_words(name)) & set(NO_LABELS)]
    named = [name for name in candidates if _is_named(name, LABEL_NAMES, LABEL_PLACES)]
    if len(named) > 1:  # y before its kin, such as coarse_labels
        named = [name for name in named if name.lower() in LABEL_NAMES][:1]
    return named[0] if len(named) == 1 else ""


def _may_be_images(header: ArrayHeader) -> bool:
    """Return whether an array has a shape of images; of pixels that stand in rows it has none."""
    return header.dtype.kind in "uifb" and len(header.shape) in (3, 4)


def _may_be_rows(header: ArrayHeader) -> bool:
    return header.dtype.kind in "uifb" and len(header.shape) == 2 and header.shape[1] > 1


def _may_be_labels(header: ArrayHeader) -> bool:
    if header.dtype.kind not in "uifbUS":
        return False
    return len(header.shape) == 1 or (len(header.shape) == 2 and header.shape[1] <= MOST_CLASSES)


def _is_named(name: str, words: Sequence[str], places: Sequence[str]) -> bool:
    return name in places or bool(set(_words(name)) & set(words))


def _words(name: str) -> list[str]:
    """Return the words of a name, an x or y that is written with one apart from it."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[XY])(?=[a-z])", "_", name)
    words: list[str] = []
    for word in re.split(r"[^a-z0-9]+", apart.lower()):
        is_joined = word[:1] in ("x", "y") and word[1:] in SPLIT_WORDS
        words += [word[0], word[1:]] if is_joined else [word]
    return [word for word in words if word]


def _listed(headers: Mapping[str, ArrayHeader], names: Sequence[str] | None = None) -> str:
    """Return arrays with their shapes, as text."""
    chosen = list(headers) if names is None else names
    return ", ".join(f"{name} {headers[name].shape}" for name in chosen)
