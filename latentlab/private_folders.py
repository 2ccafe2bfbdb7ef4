"""Folders that nobody else writes to: what is read from them is as safe as the user's account.

Libraries unpickle what they find in their caches, so that a cache in the working directory, in a
folder of everybody or of another user is code of somebody else.
"""

import contextlib
import functools
import os
import stat
import sys
from pathlib import Path

from latentlab.errors import RunError

CACHE_VARIABLE = "LATENTLAB_CACHE"
_MEMORY = ("/dev/shm",)  # can be written to in most containers whose disk cannot
_WRITTEN_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def private_folder(name: str) -> Path:
    """Return a folder of ours for what can be made again, mode 0700, made if it is not there.

    Parameters
    ----------
    name : str
        What it is for, such as "numba"; the name of the folder below our cache.

    Returns
    -------
    pathlib.Path
        Absolute and without links. It is below `cache_home()` if that can be kept from others; if
        not, a folder for temporary files that goes when the process ends.

    Raises
    ------
    RunError
        If not even a folder for temporary files can be made.
    """
    return lasting_cache(name) or _temporary_folder(name)


def lasting_cache(name: str) -> Path | None:
    """Return the folder `name` of our cache; None where none can be kept from others.

    Parameters
    ----------
    name : str
        As for `private_folder`.
    """
    home = cache_home()
    return None if home is None else _made_private(home / name)


def private_state(name: str) -> Path | None:
    """Return a folder of ours for what must last, such as a user's decisions.

    It is below $XDG_STATE_HOME/latentlab or ~/.local/state/latentlab, mode 0700.

    Parameters
    ----------
    name : str
        What it is for; the name of the folder.

    Returns
    -------
    pathlib.Path or None
        None where no folder can be kept from others.
    """
    chosen = _absolute_folder("XDG_STATE_HOME")
    home = _home()
    if chosen is None and home is not None:
        chosen = home / ".local" / "state"
    return None if chosen is None else _made_private(chosen / "latentlab" / name)


def cache_home() -> Path | None:
    """Return the folder of our cache, which may not exist; None without a home.

    $LATENTLAB_CACHE, or latentlab below $XDG_CACHE_HOME, or below what the system has for caches:
    ~/.cache on Linux. Variables that are no absolute path are passed over: they would mean another
    folder in each working directory.
    """
    chosen = _absolute_folder(CACHE_VARIABLE)
    if chosen is not None:
        return chosen
    chosen = _absolute_folder("XDG_CACHE_HOME")
    if chosen is not None:
        return chosen / "latentlab"
    if sys.platform.startswith(("win", "darwin")):
        import platformdirs

        return Path(platformdirs.user_cache_dir("latentlab"))
    home = _home()
    return None if home is None else home / ".cache" / "latentlab"


def is_kept_from_others(folder: Path) -> bool:
    """Return whether only this user and the administrator can change what is in a folder.

    The folder has to be ours, and no folder above it may let others rename it.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder, absolute and without links.
    """
    if not hasattr(os, "geteuid"):
        return True  # Windows: a user's profile is closed to others by its access list
    state = os.lstat(folder)
    is_ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
    if not is_ours or state.st_mode & _WRITTEN_BY_OTHERS:
        return False
    return all(_lets_nobody_rename(os.lstat(parent)) for parent in folder.parents)


def is_closed_to_others(folder: Path) -> bool:
    """Return whether only this user and the administrator could have put files into a folder.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder of either, absolute and without links.
    """
    if not hasattr(os, "geteuid"):
        return True
    if os.lstat(folder).st_mode & stat.S_IWOTH:
        return False
    return all(_lets_nobody_rename(os.lstat(path)) for path in (folder, *folder.parents))


def _lets_nobody_rename(state: os.stat_result) -> bool:
    """Return whether others cannot replace what is in a folder above ours."""
    if state.st_uid not in (0, os.geteuid()):
        return False
    if state.st_mode & stat.S_ISVTX:  # /tmp: only the owner of an entry renames it
        return True
    # Many systems give each user a group of the user's own, and folders that it may write to.
    is_open_to_group = state.st_mode & stat.S_IWGRP and state.st_gid != os.getegid()
    return not is_open_to_group and not state.st_mode & stat.S_IWOTH


def _absolute_folder(variable: str) -> Path | None:
    """Return the folder that a variable names; None if it is not set, or no absolute path."""
    text = os.environ.get(variable, "")
    return Path(text) if os.path.isabs(text) else None


def _home() -> Path | None:
    """Return the user's home; None without one, or if HOME is no absolute path."""
    with contextlib.suppress(RuntimeError):
        home = Path.home()
        if home.is_absolute():
            return home
    return None


def _made_private(folder: Path) -> Path | None:
    """Return the folder without links, made if it is not there; None if it is not ours alone."""
    try:
        parent = folder.parent
        _make(parent)
        real = parent.resolve(strict=True) / folder.name
        _make(real)
        if not is_kept_from_others(real) or not os.access(real, os.W_OK | os.X_OK):
            return None
        if stat.S_IMODE(real.stat().st_mode) != stat.S_IRWXU:
            real.chmod(stat.S_IRWXU)
        return real
    except (OSError, ValueError, RuntimeError):  # a null byte; a circle of links
        return None


def _make(folder: Path) -> None:
    """Make a folder and those above it that are missing, all for this user only."""
    if not folder.is_dir():
        _make(folder.parent)
        with contextlib.suppress(FileExistsError):  # another process was faster
            folder.mkdir(mode=stat.S_IRWXU)


@functools.cache
def _temporary_folder(name: str) -> Path:
    import atexit  # most commands need no such folder, and --help answers at once
    import tempfile

    reasons = []
    for place in (None, *_MEMORY):  # None: where Python puts temporary files
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"latentlab-{name}-", dir=place)).resolve()
        except OSError as error:
            reasons.append(error.strerror or str(error))
        else:
            atexit.register(_remove, folder, os.getpid())
            return folder
    raise RunError(
        f"no folder for temporary files can be written to ({reasons[0]})",
        hint="Set TMPDIR to one.",
    )


def _remove(folder: Path, maker: int) -> None:
    """Remove a temporary folder at the end of the process that made it, not of its children."""
    import shutil

    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)
