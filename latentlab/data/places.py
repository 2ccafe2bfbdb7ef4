"""Where data are looked for and kept: Keras' cache and latentlab's own."""

import os
from pathlib import Path


def keras_datasets() -> Path:
    """Return the folder in which Keras keeps downloaded data.

    Returns
    -------
    pathlib.Path
        $KERAS_HOME/datasets or ~/.keras/datasets; it may not exist.
    """
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def cache_folder(*parts: str) -> Path:
    """Return a folder of latentlab's own cache.

    Parameters
    ----------
    *parts : str
        Names of folders below it.

    Returns
    -------
    pathlib.Path
        It may not exist.
    """
    import platformdirs

    return Path(platformdirs.user_cache_dir("latentlab"), *parts)
