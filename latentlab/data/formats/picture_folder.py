"""Pictures in a folder: their paths, and the splits and classes that folder names stand for."""

import os
from pathlib import Path, PurePosixPath

import numpy as np

from latentlab.data.splits import TEST, TRAIN, held_out_splits
from latentlab.errors import DataError

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
HELD_OUT_FOLDERS = ("test", "val", "valid", "validation")


def picture_paths(root: Path) -> list[str]:
    """Return the paths of all pictures in a folder and its sub-folders.

    Hidden files and folders are skipped. Links to folders are followed, each folder once.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    list of str
        Sorted paths below the folder, with "/".

    Raises
    ------
    DataError
        If there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. Check the path given to `data`.")
    paths: list[str] = []
    visited: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real_path = os.path.realpath(folder)
        if real_path in visited:
            folders.clear()
            continue
        visited.add(real_path)
        # os.walk goes on into the folders that are left in its list.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        paths += [(below / name).as_posix() for name in files if _is_picture(name)]
    if not paths:
        raise DataError(
            f"{root} holds no pictures ({', '.join(SUFFIXES)}). Check the path given to `data`."
        )
    return sorted(paths)


def as_text(path: str) -> str:
    r"""Return a path as UTF-8, since tables hold text only; other bytes are spelled out.

    Parameters
    ----------
    path : str
        A path as Python gives it.

    Examples
    --------
    >>> as_text("caf\udce9.png")
    'caf\\xe9.png'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def folder_splits(paths: list[str], held_out: float | None) -> np.ndarray:
    """Return the split of each picture.

    Parameters
    ----------
    paths : list of str
        Paths as `picture_paths` gives them.
    held_out : float or None
        Share to hold out at random if the folder has no folders "train" and "test" at the top.

    Returns
    -------
    ndarray of str
        "train" or "test" for each path.
    """
    if not has_split_folders(paths):
        return held_out_splits(len(paths), held_out)
    tops = [path.partition("/")[0] for path in paths]
    return np.array([TEST if top in HELD_OUT_FOLDERS else TRAIN for top in tops])


def has_split_folders(paths: list[str]) -> bool:
    """Return whether the top folders are splits: "train", and "test" or one of its other names.

    Parameters
    ----------
    paths : list of str
        Paths as `picture_paths` gives them.

    Examples
    --------
    >>> has_split_folders(["train/cats/0.png", "val/cats/1.png"])
    True
    """
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    return TRAIN in tops and not tops.isdisjoint(HELD_OUT_FOLDERS)


def class_folder(path: str, has_splits: bool) -> str:
    """Return the name of the folder in which a picture lies, for `latentlab.scoring.labels` only.

    Parameters
    ----------
    path : str
        A path as `picture_paths` gives it.
    has_splits : bool
        Whether the folders at the top are splits.

    Returns
    -------
    str
        "" if the picture lies at the top or directly in a split's folder.

    Examples
    --------
    >>> class_folder("train/cats/0.png", has_splits=True)
    'cats'
    """
    folders = PurePosixPath(path).parts[:-1]
    if has_splits and folders and folders[0] in (TRAIN, *HELD_OUT_FOLDERS):
        folders = folders[1:]
    return folders[-1] if folders else ""


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
