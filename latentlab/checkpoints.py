"""Numbered checkpoints of a loop: arrays without pickle and a small state, each in a folder that is there whole or not at all."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.errors import RunError
from latentlab.files import atomic_folder


def save(place: Path, kind: str, number: int, arrays: dict[str, np.ndarray], state: dict[str, Any], keep: Iterable[int] = ()) -> None:
    """Write `<place>/<kind>-<number>/`, then remove the other checkpoints but those of the numbers in `keep`."""
    with atomic_folder(folder_of(place, kind, number)) as folder:
        contents: dict[str, Any] = dict(arrays)
        np.savez(folder / "arrays.npz", **contents)
        (folder / "state.json").write_text(json.dumps(state))
    kept = {folder_of(place, kind, n).name for n in (number, *keep)}
    for old in place.glob(f"{kind}-*"):
        if old.name not in kept:
            _remove(old)


def newest(place: Path, kind: str) -> Path | None:
    """Return the folder of the checkpoint with the highest number, or None."""
    return max(place.glob(f"{kind}-*"), default=None)


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays and state of a checkpoint.

    Raises
    ------
    RunError
        If it is damaged.
    """
    try:
        with np.load(folder / "arrays.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads((folder / "state.json").read_text())
    except Exception as error:  # damaged zip files raise many kinds
        raise RunError(f"the checkpoint {folder} cannot be read ({error}). Remove it to resume from the one before.") from error


def folder_of(place: Path, kind: str, number: int) -> Path:
    """Return the folder of one checkpoint."""
    return place / f"{kind}-{number:04d}"


def numbered(name: str, arrays: Iterable[Any]) -> dict[str, np.ndarray]:
    """Return a list of arrays as "<name>-0000" and so on."""
    return {f"{name}-{i:04d}": np.asarray(array) for i, array in enumerate(arrays)}


def in_order(name: str, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Undo `numbered`."""
    return [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}-")]


def _remove(folder: Path) -> None:
    """Remove a checkpoint so that a kill in between leaves no half of it under its name."""
    doomed = folder.with_name(f".tmp-old-{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
