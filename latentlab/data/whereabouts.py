"""Where the pictures of a run are, from whatever folder and on whatever disk it is used.

run.json keeps the path as it was typed. Beside it stand

    "place"     {"absolute": "/home/me/photos", "relative": "../../photos"}
    "moved_to"  the same, once the pictures were found elsewhere

The relative path begins at the run's folder: a run that is copied together with its pictures finds
the copies. What is there first counts:

    1. the place that they moved to: from the run's folder, then by its absolute path
    2. the place that the run was made from, in the same order
    3. the path as it was typed, from the working folder
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.formats.file_sets import is_pattern, matching_files
from latentlab.data.source import Source
from latentlab.errors import ConfigError, DataError
from latentlab.storage.run import Run

PLACE = "place"  # entries of run.json
MOVED_TO = "moved_to"


def typed_path(data: DataOptions) -> str | None:
    """Return the path among options of data; None if a named source finds its files itself.

    Parameters
    ----------
    data : DataOptions
        What to open.

    Examples
    --------
    >>> typed_path(DataOptions(data="photos")), typed_path(DataOptions(data="digits"))
    ('photos', None)
    """
    return data.data_dir if data.data in Source.names() else data.data


def with_path(data: DataOptions, path: str) -> DataOptions:
    """Return options of data that open the same from another path.

    Parameters
    ----------
    data : DataOptions
        What to open.
    path : str
        Where it is now.
    """
    if data.data in Source.names():
        return replace(data, data_dir=path)
    return replace(data, data=path)


def place_of(path: str, run_folder: Path) -> dict[str, str]:
    """Return a place as run.json holds it.

    Parameters
    ----------
    path : str
        A path from the working folder.
    run_folder : pathlib.Path
        The run's folder.
    """
    absolute = os.path.abspath(os.path.expanduser(path))
    place = {"absolute": absolute}
    with contextlib.suppress(ValueError):  # another drive of Windows
        place["relative"] = os.path.relpath(absolute, os.path.realpath(run_folder))
    return place


def record_place(run: Run, data: DataOptions) -> None:
    """Note where the pictures are that a run is made of.

    Parameters
    ----------
    run : Run
        The run, which this process holds.
    data : DataOptions
        Its data, as typed.
    """
    path = typed_path(data)
    if path is not None:
        run.note(**{PLACE: place_of(path, run.path), "source": opening.resolve(data)})


def remember_move(run: Run, path: str) -> None:
    """Note where the pictures of a run are now.

    Parameters
    ----------
    run : Run
        The run.
    path : str
        A path from the working folder.

    Raises
    ------
    RunError
        If the run cannot be written.
    """
    with run.lock():
        run.note(**{MOVED_TO: place_of(path, run.path)})


def places(run: Run) -> list[str]:
    """Return where the pictures of a run may be, the likeliest first.

    Parameters
    ----------
    run : Run
        A run of images that have a path.
    """
    candidates = [run.pictures_at] if run.pictures_at else []
    candidates += [*_noted(run, MOVED_TO), *_noted(run, PLACE)]
    typed = typed_path(run.config.images)
    if typed is not None:
        candidates.append(os.path.abspath(os.path.expanduser(typed)))
        if not run.fact(PLACE):
            # Older runs say no more; most lie in runs/ of the folder where they were made.
            candidates.append(os.path.abspath(run.path / ".." / ".." / typed))
    return list(dict.fromkeys(candidates))


def located(run: Run) -> Iterator[DataOptions]:
    """Yield the options that open a run's data, from each place where something is.

    Parameters
    ----------
    run : Run
        A run of images.

    Raises
    ------
    DataError
        If there is nothing at any of the places.
    """
    data = run.config.images
    if typed_path(data) is None:
        yield data
        return
    looked_in = places(run)
    present = [path for path in looked_in if _is_there(path)]
    if not present:
        raise lost(run, looked_in)
    for path in present:
        yield with_path(data, path)


def first_located(run: Run) -> DataOptions:
    """Return the options that open a run's data from the first place where something is.

    Parameters
    ----------
    run : Run
        A run of images.

    Raises
    ------
    DataError
        If there is nothing at any of the places.
    """
    return next(located(run))


def are_lost(run: Run) -> bool:
    """Return whether nothing is at any of the places where a run's images may be.

    Parameters
    ----------
    run : Run
        A run of images.
    """
    try:
        first_located(run)
    except DataError:
        return True
    return False


def lost(run: Run, looked_in: list[str]) -> DataError:
    """Return the error for pictures that are nowhere.

    Parameters
    ----------
    run : Run
        The run.
    looked_in : list of str
        The places.
    """
    return DataError(
        f"the pictures of {run.path} are not there: looked in {', '.join(looked_in)}",
        hint="Say where they are now with `data`.",
    )


def is_same_place(run: Run, data: DataOptions) -> bool:
    """Return whether a path, as typed now, is one where a run's data are known to be.

    Parameters
    ----------
    run : Run
        A run of images.
    data : DataOptions
        What was typed, from the working folder.
    """
    path = typed_path(data)
    if path is None:
        return False
    real = os.path.realpath(os.path.expanduser(path))
    noted = [*_noted(run, MOVED_TO), *_noted(run, PLACE)]
    return real in map(os.path.realpath, noted)


def _noted(run: Run, name: str) -> list[str]:
    """Return the paths of a place in run.json, that from the run's folder first."""
    place = run.fact(name)
    if not isinstance(place, Mapping):
        return []
    paths = []
    relative, absolute = place.get("relative"), place.get("absolute")
    if isinstance(relative, str):
        paths.append(os.path.normpath(os.path.join(os.path.realpath(run.path), relative)))
    if isinstance(absolute, str):
        paths.append(absolute)
    return paths


def _is_there(path: str) -> bool:
    """Return whether there is something at a path, or at all that a pattern stands for."""
    try:
        place = Path(path)
        return bool(matching_files(place)) if is_pattern(place) else place.exists()
    except (OSError, ValueError, DataError):
        return False


def check_exists(path: str) -> None:
    """Raise ConfigError if there is nothing at a path.

    Parameters
    ----------
    path : str
        As typed.
    """
    if not _is_there(os.path.expanduser(path)):
        raise ConfigError("does not exist", field="data", value=path)
