"""Numbered checkpoints of a loop: arrays without pickle and a small state, each in a folder that is there whole or not at all."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.errors import RunError
from latentlab.storage.files import atomic_folder, remove_folder
from latentlab.storage.npz import read_npz


def save(
    place: Path,
    kind: str,
    number: int,
    arrays: dict[str, np.ndarray],
    state: dict[str, Any],
    keep: Iterable[int] = (),
) -> None:
    """Write `<place>/<kind>-<number>/`, then remove the other checkpoints but those of the numbers in `keep`."""
    with atomic_folder(folder_of(place, kind, number)) as folder:
        contents: dict[str, Any] = dict(arrays)
        np.savez(folder / "arrays.npz", **contents)
        (folder / "state.json").write_text(json.dumps(state))
    prune(place, kind, (number, *keep))


def prune(place: Path, kind: str, keep: Iterable[int]) -> None:
    """Remove the checkpoints but those of the numbers in `keep`; to be called on resuming too, since a kill comes between the two of `save`."""
    kept = {folder_of(place, kind, number).name for number in keep}
    for old in place.glob(f"{kind}-*"):
        if old.name not in kept:
            remove_folder(old)


def newest(place: Path, kind: str) -> Path | None:
    """Return the folder of the checkpoint with the highest number, or None."""
    numbered_folders = [
        (int(found[1]), path)
        for path in place.glob(f"{kind}-*")
        if (found := re.fullmatch(rf"{kind}-(\d+)", path.name))
    ]
    return max(numbered_folders, default=(0, None))[1]


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays and state of a checkpoint.

    Raises
    ------
    RunError
        If it is damaged.
    """
    try:
        return read_npz(folder / "arrays.npz"), json.loads((folder / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise RunError(
            f"the checkpoint {folder} cannot be read ({error}). Remove it to resume from the one before."
        ) from error


def folder_of(place: Path, kind: str, number: int) -> Path:
    """Return the folder of one checkpoint."""
    return place / f"{kind}-{number:04d}"


def numbered(name: str, arrays: Iterable[Any]) -> dict[str, np.ndarray]:
    """Return a list of arrays as "<name>-0000" and so on."""
    return {f"{name}-{i:04d}": np.asarray(array) for i, array in enumerate(arrays)}


def in_order(name: str, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Undo `numbered`."""
    return [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}-")]
