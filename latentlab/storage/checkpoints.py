"""Numbered checkpoints of a loop: arrays and a small state, in a folder that is whole or absent.

    epoch-0007/arrays.npz    weights and the like
    epoch-0007/state.json    {"state": {...}, "state_sha256": "...", "arrays_sha256": "..."}

Older versions wrote the state alone, without digests.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.errors import RunError
from latentlab.storage import guard, memory_budget
from latentlab.storage.files import atomic_folder, fingerprint, remove_folder, sha256
from latentlab.storage.integrity import DamagedFileError
from latentlab.storage.npz import read_npz

ARRAYS_NAME = "arrays.npz"
STATE_NAME = "state.json"
DIGESTS = {"state_sha256", "arrays_sha256"}


def save(
    place: Path,
    kind: str,
    number: int,
    arrays: Mapping[str, np.ndarray],
    state: Mapping[str, Any],
    keep: Iterable[int] = (),
) -> None:
    """Write one checkpoint, then remove all others except those to keep.

    Parameters
    ----------
    place : Path
        Folder of all checkpoints.
    kind : str
        Unit of the count, such as "epoch".
    number : int
        Number of this checkpoint.
    arrays : mapping of str to ndarray
        Weights and the like.
    state : mapping
        Everything else that a resumed loop needs, as JSON.
    keep : iterable of int
        Numbers of the other checkpoints that stay.
    """
    with atomic_folder(folder_of(place, kind, number)) as folder:
        named: dict[str, Any] = dict(arrays)
        np.savez(folder / ARRAYS_NAME, **named)
        value = {
            "state": state,
            "state_sha256": fingerprint(state),
            "arrays_sha256": sha256(folder / ARRAYS_NAME),
        }
        (folder / STATE_NAME).write_text(json.dumps(value))
    prune(place, kind, (number, *keep))


def prune(place: Path, kind: str, keep: Iterable[int]) -> None:
    """Remove the checkpoints that are not to be kept.

    Call it on resuming too: a kill may come between the two steps of `save`.

    Parameters
    ----------
    place : Path
        Folder of all checkpoints.
    kind : str
        Unit of the count, such as "epoch".
    keep : iterable of int
        Numbers of the checkpoints that stay.
    """
    names = {folder_of(place, kind, number).name for number in keep}
    for folder in place.glob(f"{kind}-*"):
        if folder.name not in names:
            remove_folder(folder)


def newest(place: Path, kind: str) -> Path | None:
    """Return the folder of the checkpoint with the highest number.

    Parameters
    ----------
    place : Path
        Folder of all checkpoints.
    kind : str
        Unit of the count, such as "epoch".

    Returns
    -------
    Path or None
        None if there is no checkpoint.
    """
    guard.listing(place)
    folder_by_number = {}
    for folder in place.glob(f"{kind}-*"):
        match = re.fullmatch(rf"{kind}-(\d+)", folder.name)
        if match:
            folder_by_number[int(match[1])] = folder
    return folder_by_number[max(folder_by_number)] if folder_by_number else None


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoint.

    Returns
    -------
    arrays : dict of str to ndarray
    state : dict
        As they were saved.

    Raises
    ------
    RunError
        If it is damaged.
    """
    try:
        guard.reading(folder / STATE_NAME)
        guard.reading(folder / ARRAYS_NAME)
        arrays = read_npz(folder / ARRAYS_NAME)
        state = json.loads(memory_budget.json_content(folder / STATE_NAME))
        return arrays, _state_of(state, folder)
    except DamagedFileError:
        raise RunError(
            f"the checkpoint {folder} was changed or damaged since it was written."
            " Remove it to resume from the one before."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"the checkpoint {folder} cannot be read ({error})."
            " Remove it to resume from the one before."
        ) from error


def _state_of(value: Any, folder: Path) -> Any:
    """Return the state that the content of state.json holds; ValueError if it is another."""
    if not isinstance(value, dict) or {name for name in value if name in DIGESTS} != DIGESTS:
        return value  # of an older version, or not of this form: whoever takes it says so
    if fingerprint(value.get("state")) != value["state_sha256"]:
        raise ValueError(f"{STATE_NAME} was changed or damaged")
    if sha256(folder / ARRAYS_NAME) != value["arrays_sha256"]:
        raise ValueError(f"{ARRAYS_NAME} was changed or damaged")
    return value["state"]


def folder_of(place: Path, kind: str, number: int) -> Path:
    """Return the folder of one checkpoint.

    Parameters
    ----------
    place : Path
        Folder of all checkpoints.
    kind : str
        Unit of the count, such as "epoch".
    number : int
        Number of the checkpoint.

    Returns
    -------
    Path

    Examples
    --------
    >>> folder_of(Path("checkpoints"), "epoch", 7).name
    'epoch-0007'
    """
    return place / f"{kind}-{number:04d}"


def numbered(name: str, arrays: Iterable[Any]) -> dict[str, np.ndarray]:
    """Return a list of arrays as a mapping with numbered names.

    Parameters
    ----------
    name : str
        Prefix of the names.
    arrays : iterable of array_like
        The arrays.

    Returns
    -------
    dict of str to ndarray

    Examples
    --------
    >>> numbered("weight", [[1, 2], [3]])
    {'weight-0000': array([1, 2]), 'weight-0001': array([3])}
    """
    return {f"{name}-{i:04d}": np.asarray(array) for i, array in enumerate(arrays)}


def in_order(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the arrays with numbered names as a list: the way back from `numbered`.

    Parameters
    ----------
    name : str
        Prefix of the names.
    arrays : mapping of str to ndarray
        Arrays of this prefix and of others.

    Returns
    -------
    list of ndarray

    Examples
    --------
    >>> in_order("weight", numbered("weight", [[1, 2], [3]]))
    [array([1, 2]), array([3])]
    """
    return [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}-")]
