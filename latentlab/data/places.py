"""Where data are looked for and kept: Keras' cache and latentlab's own."""

import os
from pathlib import Path

from latentlab.private_folders import cache_home, private_folder


def keras_datasets() -> Path:
    """Return the folder in which Keras keeps downloaded data.

    Returns
    -------
    pathlib.Path
        $KERAS_HOME/datasets or ~/.keras/datasets; it may not exist.
    """
    chosen = os.path.expanduser(os.environ.get("KERAS_HOME", ""))
    # A path that is not whole would mean another folder in each working directory.
    home = chosen if os.path.isabs(chosen) else os.path.expanduser("~/.keras")
    return Path(home) / "datasets"


def name_of_path(path: str | Path) -> str:
    """Return the name of a file or folder, also of one that is called "." or "..".

    A link keeps its own name. Bytes that are not UTF-8 are spelled out.

    Parameters
    ----------
    path : str or pathlib.Path
        As a user gives it.

    Returns
    -------
    str
        "/" of the root.

    Examples
    --------
    >>> name_of_path("scans/photos/"), name_of_path("scans/photos/..")
    ('photos', 'scans')
    """
    absolute = os.path.abspath(os.path.expanduser(path))
    name = os.path.basename(absolute) or absolute
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no name of a file under this locale
        return name


def cache_folder(*parts: str) -> Path:
    """Return a folder of latentlab's own cache.

    Parameters
    ----------
    *parts : str
        Names of folders below it.

    Returns
    -------
    pathlib.Path
        It may not exist. Without a home it is a folder for temporary files.
    """
    home = cache_home() or private_folder("cache")
    return home.joinpath(*parts)
