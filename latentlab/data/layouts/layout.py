"""How a folder of pictures is laid out: which of its folders are splits, and which are classes.

Everything is decided by the paths of the pictures. No file is opened, so a layout can be asked for
before anything is fitted. The names of the classes themselves are for scoring only.

- **Split folders** are siblings of which one is named as a training part (train, training, ...)
  and one as a held-out part (val, valid, validation, dev, test, testing, eval, holdout, ...), in
  any case, with additions as in `train2017`, `test_set`, `ValImages`, or `seg_train` and
  `seg_test`. They may lie at any depth, below `images` or below each class.
- **Class folders** are those that hold the pictures, without split folders and without folders
  such as `images` that only say what is in them.
"""

import functools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.data.splits import TEST, TRAIN

TRAIN_WORDS = frozenset({"train", "training", "trainval", "trn"})
HELD_OUT_WORDS = frozenset(
    {
        *("val", "valid", "validation", "validate", "dev", "devel"),
        *("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"),
    }
)
# Words that may stand beside that of a split and change nothing: train_images, TestSet, val_data.
FILLERS = frozenset(
    {
        *("set", "sets", "split", "part", "folder", "dir", "data", "dataset", "sample", "samples"),
        *("images", "image", "imgs", "img", "pictures", "photos", "pics", "jpg", "jpeg", "png"),
    }
)
# Folders that say what is in them and not of which class it is.
CONTAINERS = frozenset(
    {
        *("images", "image", "imgs", "img", "pictures", "picture", "photos", "pics", "frames"),
        *("jpg", "jpeg", "jpegimages", "png", "tif", "tiff", "data", "raw", "rgb"),
        *("masks", "mask", "labels", "annotations", "segmentations", "ground_truth", "groundtruth"),
    }
)
SHOWN_NAMES = 4  # of classes or folders that a clause lists


@dataclass(frozen=True)
class SplitFolder:
    """A folder that is a split.

    Attributes
    ----------
    path : str
        Below the data folder.
    split : {"train", "test"}
        What it stands for.
    """

    path: str
    split: str

    @property
    def name(self) -> str:
        """The name of the folder itself."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class _Place:
    """What a folder that holds pictures means.

    Attributes
    ----------
    parts : tuple of str
        The folders on its path that may be classes, outermost first.
    split_folder : SplitFolder or None
        The split folder above it, or itself.
    """

    parts: tuple[str, ...]
    split_folder: SplitFolder | None


@dataclass(frozen=True)
class Layout:
    """The layout of a folder of pictures.

    Attributes
    ----------
    folders : tuple of str
        The folder of each picture, below the data folder; "" at its top.
    split_folders : tuple of SplitFolder
        In the order of their paths; empty if no folders are named as splits.
    """

    folders: tuple[str, ...]
    split_folders: tuple[SplitFolder, ...]

    @functools.cached_property
    def counts(self) -> Counter[str]:
        """Number of pictures directly in each folder."""
        return Counter(self.folders)

    @functools.cached_property
    def splits(self) -> np.ndarray | None:
        """The split of each picture, array of str (n,); None without split folders.

        Pictures outside of the split folders are train.
        """
        if not self.split_folders:
            return None
        split_of = {
            folder: place.split_folder.split if place.split_folder else TRAIN
            for folder, place in self._places.items()
        }
        return np.array([split_of[folder] for folder in self.folders])

    @functools.cached_property
    def wrapper(self) -> str:
        """The folder that only holds all others: of the split folders, or else of all pictures."""
        if self.split_folders:
            return common_folder(os.path.dirname(split.path) for split in self.split_folders)
        return common_folder(self.counts)

    @property
    def depth(self) -> int:
        """Number of folders above the picture that lies deepest."""
        return max((len(_parts(folder)) for folder in self.counts), default=0)

    def class_folders(self, depth: int | None = None) -> list[str]:
        """Return the name of the folder that is the class of each picture, for scoring only.

        Parameters
        ----------
        depth : int or None
            1 for the folders in the data folder itself, and so on; None is the folder that holds
            the picture, without split folders and containers.

        Returns
        -------
        list of str
            "" for a picture that lies in no such folder.
        """
        if depth is None:
            names = self._class_of_folder
        else:
            parts = {folder: _parts(folder) for folder in self.counts}
            names = {
                folder: folders[depth - 1] if len(folders) >= depth else ""
                for folder, folders in parts.items()
            }
        return [names[folder] for folder in self.folders]

    @functools.cached_property
    def has_classes(self) -> bool:
        """Whether the folders can be classes: two or more, and not one for each picture."""
        return not self.no_class_reason

    @functools.cached_property
    def no_class_reason(self) -> str:
        """Why the folders cannot be classes; "" if they can."""
        sizes = self._class_sizes
        if not sizes:
            return self._without_folders()
        if len(sizes) == 1:
            return f"all images lie in the one folder {next(iter(sizes))}"
        if all(split_of_name(name) for name in sizes):
            return f"the folders {listed(sizes)} are named as splits and are no classes"
        if len(sizes) == sum(sizes.values()):
            return "each image lies in a folder of its own"
        return ""

    @functools.cached_property
    def splits_text(self) -> str:
        """Which folders are splits, in one clause; "" without any."""
        if not self.split_folders:
            return self._splits_missed()
        sizes: Counter[SplitFolder | None] = Counter()
        for folder, count in self.counts.items():
            sizes[self._places[folder].split_folder] += count
        by_split: dict[str, Counter[str]] = {TRAIN: Counter(), TEST: Counter()}
        for split_folder, count in sizes.items():
            if split_folder is not None:
                by_split[split_folder.split][split_folder.name] += count
        held_out = by_split[TEST]
        together = {1: "", 2: " both"}.get(len(held_out), " all")
        names = f"{_with_counts(held_out)}{together} held out"
        text = f"split by folders: {_with_counts(by_split[TRAIN])} fitted, {names}"
        outside = sizes[None]
        return f"{text}; {outside:,} outside of these folders fitted too" if outside else text

    @functools.cached_property
    def classes_text(self) -> str:
        """Which folders are classes, in one clause, or why none are."""
        if self.no_class_reason:
            return f"no labels, since {self.no_class_reason}"
        sizes = self._class_sizes
        text = f"labels by folders: {listed(sizes)}"
        return "; ".join([text, *self._warnings()])

    def _warnings(self) -> list[str]:
        """Return what to know of the classes, each in a clause."""
        texts = []
        missing = len(self.folders) - sum(self._class_sizes.values())
        if missing:
            images = f"{missing:,} {'image' if missing == 1 else 'images'}{self._where_missing()}"
            verb = "lies" if missing == 1 else "lie"
            texts.append(f"{images} {verb} in no class folder, not scored")
        if self._recurring:
            outer = sorted({name for names in self._recurring.values() for name in names})
            texts.append(
                f"{listed(self._recurring)} below several folders ({listed(outer)}): names that"
                " recur are one class each"
            )
        named_as_splits = [name for name in self._class_sizes if split_of_name(name)]
        if named_as_splits:
            texts.append(f"{listed(named_as_splits)} may be a split and no class")
        return texts

    def _where_missing(self) -> str:
        """Return " of test" if all pictures without a class are of one split folder, else ""."""
        places = {
            self._places[folder].split_folder
            for folder in self.counts
            if not self._class_of_folder[folder]
        }
        only = places.pop() if len(places) == 1 else None
        return f" of {only.name}" if only else ""

    def _without_folders(self) -> str:
        if self.wrapper and not self.split_folders:
            return f"all images lie in the one folder {_last(self.wrapper)}"
        if any(self.counts) and not self.split_folders:
            return f"the folders {listed(set(map(_last, filter(None, self.counts))))} name no class"
        return "the images lie in no class folders"

    def _splits_missed(self) -> str:
        """Return that folders are named as held-out splits, and none as a training split."""
        names = {part for folder in self.counts for part in _parts(folder)}
        missed = [name for name in names if _split_word(name) == ((), TEST)]
        if not missed or not self._class_sizes.keys().isdisjoint(missed):
            return ""
        return f"{listed(missed)} not taken as a split, since no folder is named train"

    @functools.cached_property
    def _places(self) -> dict[str, _Place]:
        split_of = {split.path: split for split in self.split_folders}
        parents = {os.path.dirname(split.path) for split in self.split_folders}
        skipped = len(_parts(self.wrapper))
        return {
            folder: _place(_parts(folder), split_of, parents, skipped) for folder in self.counts
        }

    @functools.cached_property
    def _class_parts(self) -> dict[str, tuple[str, ...]]:
        """For each folder the folders that name its class, the class last."""
        parts = {folder: _without_containers(self._places[folder].parts) for folder in self.counts}
        # A last folder that is the same everywhere says nothing.
        while len({folders[-1] for folders in parts.values() if folders}) == 1:
            shorter = {folder: folders[:-1] for folder, folders in parts.items()}
            if not any(shorter.values()):
                break
            parts = shorter
        return parts

    @functools.cached_property
    def _class_of_folder(self) -> dict[str, str]:
        return {
            folder: folders[-1] if folders else "" for folder, folders in self._class_parts.items()
        }

    @functools.cached_property
    def _class_sizes(self) -> Counter[str]:
        """Number of pictures of each class."""
        sizes: Counter[str] = Counter()
        for folder, name in self._class_of_folder.items():
            if name:
                sizes[name] += self.counts[folder]
        return sizes

    @functools.cached_property
    def _recurring(self) -> dict[str, set[str]]:
        """The folders above, for each class whose name lies below several of them."""
        above: dict[str, set[str]] = defaultdict(set)
        for folders in self._class_parts.values():
            if folders:
                above[folders[-1]].add("/".join(folders[:-1]))
        return {name: outer for name, outer in above.items() if len(outer) > 1}


def layout_of(paths: Sequence[str]) -> Layout:
    """Return the layout of a folder of pictures.

    Parameters
    ----------
    paths : sequence of str
        Paths of all its pictures below it, with "/".

    Examples
    --------
    >>> layout = layout_of(["train/cat/0.png", "train/dog/1.png", "Val/cat/2.png", "test/3.png"])
    >>> layout.splits.tolist()
    ['train', 'train', 'test', 'test']
    >>> layout.class_folders()
    ['cat', 'dog', 'cat', '']
    """
    folders = tuple(path.rpartition("/")[0] for path in paths)
    return Layout(folders, _split_folders(Counter(folders)))


def split_of_name(name: str) -> str:
    """Return the split that a folder's or file's name stands for; "" for none.

    Parameters
    ----------
    name : str
        Such as "Training", "val2017" or "test_images".

    Examples
    --------
    >>> [split_of_name(name) for name in ("TrainSet", "val2017", "hold-out", "cats")]
    ['train', 'test', 'test', '']
    """
    rest, split = _split_word(name)
    return "" if rest else split


def common_folder(folders: Iterable[str]) -> str:
    """Return the innermost folder that holds all others; "" if there is none.

    Parameters
    ----------
    folders : iterable of str
        Paths with "/".

    Examples
    --------
    >>> common_folder(["a/b/c", "a/b"])
    'a/b'
    """
    return "/".join(os.path.commonprefix(list(map(_parts, folders))))


def listed(names: Iterable[str]) -> str:
    """Return names as "a, b, c, d and 6 more".

    Parameters
    ----------
    names : iterable of str
        They are put in order.

    Examples
    --------
    >>> listed("edcba")
    'a, b, c, d and 1 more'
    """
    ordered = sorted(names)
    shown = ", ".join(ordered[:SHOWN_NAMES])
    more = len(ordered) - SHOWN_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _split_folders(counts: Counter[str]) -> tuple[SplitFolder, ...]:
    """Return the split folders above at least half of the pictures; none if they have fewer."""
    children: dict[str, set[str]] = defaultdict(set)
    for folder in counts:
        parts = _parts(folder)
        for depth, name in enumerate(parts):
            children["/".join(parts[:depth])].add(name)
    split_of: dict[str, str] = {}
    for depth in range(
        1 + max((parent.count("/") + 1 for parent in children if parent), default=0)
    ):
        parents = [parent for parent in children if len(_parts(parent)) == depth]
        free = [parent for parent in parents if not _is_below(parent, split_of)]
        split_of |= _split_siblings(free, children)
    covered = sum(count for folder, count in counts.items() if _is_below(folder, split_of))
    if 2 * covered < sum(counts.values()):
        return ()
    return tuple(SplitFolder(path, split_of[path]) for path in sorted(split_of))


def _split_siblings(parents: list[str], children: dict[str, set[str]]) -> dict[str, str]:
    """Return the split folders in some folders of one depth, and the split of each."""
    pairs: dict[str, str] = {}
    others: dict[str, str] = {}
    for parent in parents:
        by_rest: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        for name in children[parent]:
            rest, split = _split_word(name)
            if split:
                by_rest[rest][f"{parent}/{name}".lstrip("/")] = split
        for rest, split_of in by_rest.items():
            if set(split_of.values()) == {TRAIN, TEST}:
                pairs |= split_of
            elif not rest:
                others |= split_of
    # A class may lack one of the splits that its neighbours have.
    return pairs | others if pairs else {}


@functools.lru_cache(maxsize=4096)
def _split_word(name: str) -> tuple[tuple[str, ...], str]:
    """Return the other words of a name, without fillers, and the split; "" if it names none."""
    text = re.sub(r"(?i)(hold|held)[ _-]out", "holdout", name)
    words = [word.lower() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])", text)]
    splits = {_split_of_word(word) for word in words} - {""}
    if len(splits) != 1:
        return (), ""
    rest = (word for word in words if not _split_of_word(word) and word not in FILLERS)
    return tuple(rest), splits.pop()


def _split_of_word(word: str) -> str:
    for known, split in ((TRAIN_WORDS, TRAIN), (HELD_OUT_WORDS, TEST)):
        if word in known or any(word == name + filler for name in known for filler in FILLERS):
            return split
    return ""


def _place(
    parts: tuple[str, ...], split_of: dict[str, SplitFolder], parents: set[str], skipped: int
) -> _Place:
    """Return what a folder means; `skipped` is the number of folders of the wrapper."""
    for end in range(1, len(parts) + 1):
        split_folder = split_of.get("/".join(parts[:end]))
        if split_folder is not None:
            below = parts[end:]
            # train/train/cats, as archives unpack
            while below and _is_same_split(below[0], split_folder):
                below = below[1:]
            return _Place(parts[skipped : end - 1] + below, split_folder)
    # Beside split folders, a folder is another part of the data and no class.
    ends = [end for end in range(len(parts)) if "/".join(parts[:end]) in parents]
    if not ends:
        return _Place(parts[skipped:], None)
    beside, below = parts[ends[-1]], parts[ends[-1] + 1 :]
    return _Place(parts[skipped : ends[-1]] + below[below[:1] == (beside,) :], None)


def _is_same_split(name: str, split_folder: SplitFolder) -> bool:
    return name == split_folder.name or split_of_name(name) == split_folder.split


def _without_containers(parts: tuple[str, ...]) -> tuple[str, ...]:
    while parts and parts[-1].lower() in CONTAINERS:
        parts = parts[:-1]
    return parts


def _is_below(folder: str, others: dict[str, str]) -> bool:
    """Return whether a folder is one of others or lies below one."""
    parts = _parts(folder)
    return any("/".join(parts[:end]) in others for end in range(1, len(parts) + 1))


def _parts(folder: str) -> tuple[str, ...]:
    return tuple(folder.split("/")) if folder else ()


def _last(folder: str) -> str:
    return folder.rpartition("/")[2]


def _with_counts(sizes: Counter[str]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in sorted(sizes.items()))
