"""Data sets of several files: patterns of names, folders of shards, and clones of Hugging Face."""

import glob
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from latentlab.data.folder_walk import is_own_file, is_passed_over
from latentlab.data.formats.picture_folder import as_text
from latentlab.data.intake import LeftOut, PassedOverCounts
from latentlab.data.layouts.layout import split_of_name
from latentlab.data.pictures.sniffing import has_picture_suffix
from latentlab.data.splits import TEST, TRAIN
from latentlab.errors import ConfigError, DataError

MOST_STRAY = 10  # pictures beside the files of a data set that show what is in it
MOST_FILES = 100_000  # that one pattern may stand for
DEPTH = 3  # folders below a clone in which its files may lie, as in data/default/train/0000.parquet
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_FIRST_WORD = re.compile(r"[a-z]+")


def is_pattern(path: Path) -> bool:
    """Return whether a path that does not exist stands for several files.

    Parameters
    ----------
    path : Path
        Such as `shard-{000000..000003}.tar` or `train-*.parquet`.
    """
    text = str(path)
    return bool(_BRACES.search(text) or glob.has_magic(text)) and not path.exists()


def matching_files(path: Path) -> list[Path]:
    """Return the files that a pattern stands for.

    Parameters
    ----------
    path : Path
        A path with numbers or words in braces, or with the signs of the shell: * ? [].

    Raises
    ------
    ConfigError
        If it stands for more than `MOST_FILES`.
    DataError
        If one of the files in braces does not exist, or nothing matches.

    Examples
    --------
    >>> matching_files(Path("shard-{0..1}.tar"))
    Traceback (most recent call last):
    latentlab.errors.DataError: shard-0.tar does not exist, one of the files of shard-{0..1}.tar.
    """
    names = list(itertools.islice(_without_braces(str(path)), MOST_FILES + 1))
    if len(names) > MOST_FILES:
        raise ConfigError(f": it stands for more than {MOST_FILES} files", field="data")
    files: list[Path] = []
    for name in names:
        if glob.has_magic(name):
            files += sorted(map(Path, glob.glob(name)))
            continue
        if not Path(name).exists():
            raise DataError(f"{name} does not exist, one of the files of {path}.")
        files.append(Path(name))
    if not files:
        raise DataError(f"no file matches {path}. Check the path given to `data`.")
    return files


def _without_braces(text: str) -> Iterator[str]:
    match = _BRACES.search(text)
    if match is None:
        yield text
        return
    before, after = text[: match.start()], text[match.end() :]
    for word in _words(match.group(1)):
        yield from _without_braces(f"{before}{word}{after}")


def _words(inside: str) -> Iterator[str]:
    """Yield what braces stand for: numbers as long as the first one, or words."""
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        yield from inside.split(",")
        return
    first, last = numbers.groups()
    for number in range(int(first), int(last) + 1):
        yield f"{number:0{len(first)}d}"


def files_of(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files of a data set.

    Parameters
    ----------
    path : Path
        A file; a pattern; or a folder with files at its top, or else below it, as in data/.
    suffixes : sequence of str
        Ends of their names, in lower case.

    Raises
    ------
    DataError
        If there is none, or the folder holds several data sets.
    """
    if is_pattern(path):
        return matching_files(path)
    if not path.is_dir():
        return [path]
    files = folder_files(path, suffixes)
    if not files:
        raise DataError(f"{path} holds no {' or '.join(suffixes)} file.")
    names = sorted({data_set for file in files if (data_set := _data_set_of(path, file))})
    if len(names) > 1:
        raise DataError(
            f"{path} holds several data sets ({', '.join(names[:5])}): give the path of one."
        )
    return files


def folder_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files at the top of a folder, or else those at the first depth that has any.

    Parameters
    ----------
    folder : Path
        The folder.
    suffixes : sequence of str
        Ends of their names, in lower case.

    Returns
    -------
    list of Path
        In the order of their paths; empty if there is none.
    """
    level = [folder]
    for _ in range(DEPTH + 1):
        entries = [entry for place in level for entry in _visible_entries(place)]
        files = [entry for entry in entries if entry.name.lower().endswith(tuple(suffixes))]
        files = sorted(file for file in files if file.is_file())
        if files:
            return files
        level = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    return []


def _is_no_data(entry: Path) -> bool:
    """Return whether an entry of a folder is hidden, or what latentlab wrote."""
    if entry.name.startswith(".") or is_own_file(entry.name):
        return True
    return entry.is_dir() and is_passed_over(str(entry))


def _visible_entries(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if not _is_no_data(entry)]
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}.") from error


def _data_set_of(root: Path, file: Path) -> str:
    """Return the folders between, without "data" and those that are named as splits."""
    parts = file.relative_to(root).parts[:-1]
    return "/".join(part for part in parts if part != "data" and not split_of_name(part))


def split_of_file(path: Path) -> str:
    """Return the split that the name of a file stands for, or that of its folder; "" for none.

    Parameters
    ----------
    path : Path
        Such as train-00000-of-00001.parquet or test/0000.parquet.

    Examples
    --------
    >>> split_of_file(Path("val_0.tar")), split_of_file(Path("valley.tar"))
    ('test', '')
    """
    word = _FIRST_WORD.match(path.name.lower())
    return (split_of_name(word.group()) if word else "") or split_of_name(path.parent.name)


def file_splits(files: Sequence[Path], counts: Sequence[int]) -> tuple[np.ndarray, str] | None:
    """Return the split of each image of several files, and how it was found.

    Parameters
    ----------
    files : sequence of Path
        The files; names and folders such as train and validation stand for the splits.
    counts : sequence of int
        Number of images of each.

    Returns
    -------
    tuple of ndarray of str and str, or None
        "train" or "test" for each image, and a clause for the account; None if the names do not
        say it of all files.
    """
    splits = [split_of_file(file) for file in files]
    if set(splits) != {TRAIN, TEST}:
        return None
    sizes: Counter[str] = Counter()
    held_out: set[str] = set()
    for file, split, count in zip(files, splits, counts, strict=True):
        word = _word_of(file)
        sizes[word] += count
        held_out |= {word} if split == TEST else set()
    words = ", ".join(f"{word} ({count:,})" for word, count in sizes.items())
    both = " both" if len(held_out) == 2 else ""
    text = f"split by names of files: {words}; {' and '.join(sorted(held_out))}{both} held out"
    return np.repeat(np.array(splits), counts), text


def stray_pictures(folder: Path) -> tuple[LeftOut, ...]:
    """Return the pictures beside the files of a data set, for the account.

    Parameters
    ----------
    folder : Path
        The folder of the data set; for a single file there is nothing to say.

    Returns
    -------
    tuple of LeftOut
        At most one entry, with no more than `MOST_STRAY` + 1 pictures.
    """
    counts = PassedOverCounts()
    for name in itertools.islice(_picture_names(folder), MOST_STRAY + 1):
        counts.add(name, "pictures beside the data", is_expected=True)
    return counts.passed_over()


def are_data_beside_few_pictures(folder: Path, suffixes: Sequence[str]) -> bool:
    """Return whether a folder is a data set with a logo or an example beside it.

    Parameters
    ----------
    folder : Path
        A folder that holds such files, and pictures.
    suffixes : sequence of str
        Ends of the names of the files, of which at least one has to be named as a split.
    """
    if not any(map(split_of_file, folder_files(folder, suffixes))):
        return False
    return sum(entry.count for entry in stray_pictures(folder)) <= MOST_STRAY


def _picture_names(folder: Path) -> Iterator[str]:
    """Yield the names of the pictures below a folder, by their endings."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_passed_over(f"{place}/{name}"))
        for name in sorted(names):
            if has_picture_suffix(name) and not name.startswith("."):
                yield as_text(name)


def _word_of(file: Path) -> str:
    """Return the word that says that a file is held out."""
    word = _FIRST_WORD.match(file.name.lower())
    return word.group() if word and split_of_name(word.group()) else file.parent.name


def drawn_text(splits: np.ndarray) -> str:
    """Return a clause on a split that was drawn at random.

    Parameters
    ----------
    splits : ndarray of str
        "train" or "test" for each image.

    Examples
    --------
    >>> drawn_text(np.array(["train", "train"]))
    'nothing is held out'
    """
    count = int(np.count_nonzero(splits == TEST))
    return f"{count:,} are held out, drawn at random" if count else "nothing is held out"
