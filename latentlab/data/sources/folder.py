"""A folder of pictures, with all its sub-folders.

Files with a picture's ending are read in the order of their paths; hidden files and folders are passed over. The id is
the path below the folder. Pictures of any size and mode become `--size` pixels square by `--resize` (crop by default).

Splits: folders `train` and `test` (or `val`, `valid`, `validation`) at the top, where there are both; else a share
(--held-out) drawn at random. Held-out labels: the name of the folder that a picture lies in; a picture that lies at the
top, or directly in a split's folder, has none.

A picture that cannot be read is listed in the run and skipped.
"""

import os
from pathlib import Path, PurePosixPath

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import common, decode
from latentlab.data.images import TEST, TRAIN, ImageSet, held_out_splits
from latentlab.data.opening import Labels
from latentlab.errors import DataError

SUFFIXES = {
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".jp2",
    ".pbm",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
    ".avif",
}
HELD_OUT_FOLDERS = ("test", "val", "valid", "validation")


def open_images(options: DataOptions) -> ImageSet:
    """Open the folder that `options.data` names.

    Raises
    ------
    DataError
        If it holds no picture, or none that can be read.
    """
    common.check(options)
    root = common.source_path(options, "folder")
    paths, splits = _chosen(root, options)
    items = ((_id_of(path), root / path) for path in paths)
    return decode.collect(
        root.name,
        len(paths),
        items,
        lambda kept: splits[kept],
        options,
        lambda position: root / paths[position],
    )


def read_labels(options: DataOptions) -> Labels | None:
    """Read the labels from the names of the sub-folders; None where there are no sub-folders."""
    paths, splits = _chosen(common.source_path(options, "folder"), options)
    has_splits = _has_split_folders(paths)
    names = [_id_of(_class_of(path, has_splits)) for path in paths]
    if not any(names):
        return None
    labels, class_names = common.encode_labels(names)
    return Labels(np.array([_id_of(path) for path in paths]), labels, class_names)


def _chosen(root: Path, options: DataOptions) -> tuple[list[str], np.ndarray]:
    """Return the paths below `root` and their splits, after --limit."""
    paths = _pictures(root)
    if not paths:
        raise DataError(
            f"{root} holds no pictures ({', '.join(sorted(SUFFIXES))}). Check the path given to --data."
        )
    splits = _splits(paths, options)
    keep = common.first_of_each(splits, options.limit)
    return [paths[i] for i in keep], splits[keep]


def _pictures(root: Path) -> list[str]:
    """Return the sorted posix paths of all pictures below `root`; links to folders are followed once."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. Check the path given to --data.")
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = (
            [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        )
        files = [] if real in seen else files
        seen.add(real)
        below = Path(folder).relative_to(root)
        found += [
            (below / name).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def _id_of(path: str) -> str:
    """Return the path, its bytes that are no UTF-8 spelled out: tables hold text only."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _has_split_folders(paths: list[str]) -> bool:
    tops = {PurePosixPath(path).parts[0] for path in paths if "/" in path}
    return TRAIN in tops and any(name in tops for name in HELD_OUT_FOLDERS)


def _splits(paths: list[str], options: DataOptions) -> np.ndarray:
    if not _has_split_folders(paths):
        return held_out_splits(len(paths), options.held_out)
    return np.array([TEST if path.split("/")[0] in HELD_OUT_FOLDERS else TRAIN for path in paths])


def _class_of(path: str, has_splits: bool) -> str:
    """Return the name of the folder a picture lies in, "" where that is the top or a split's folder."""
    folders = PurePosixPath(path).parts[:-1]
    if has_splits and folders and folders[0] in (TRAIN, *HELD_OUT_FOLDERS):
        folders = folders[1:]
    return folders[-1] if folders else ""
