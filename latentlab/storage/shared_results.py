"""Results that runs share: clusters of the same images by the same settings are computed once.

    <cache>/results/<key>.npy    int32 (n,): cluster of each image

The key is a digest of everything that the clusters follow from, so neither images nor names can be
read from it. The folder is one of ours that only the user can write to, see
`latentlab.private_folders`; where there can be none, nothing is shared. Any file in it may be
removed at any time.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.errors import RunError
from latentlab.private_folders import lasting_cache
from latentlab.progress import log
from latentlab.storage.files import atomic_path

FOLDER = "results"
MOST_BYTES = 256 << 20  # of all files: what was used longest ago goes first
_NAME = re.compile(r"[0-9a-f]{64}\.npy")


@dataclass(frozen=True)
class SharedResult:
    """A file of shared results.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    bytes : int
        Its size.
    last_used : float
        When it was written or read, in seconds since 1970.
    """

    path: Path
    bytes: int
    last_used: float


def look_up(key: str, n_images: int, k: int) -> np.ndarray | None:
    """Return the clusters that were kept under a key, int32 (n_images,); None if there are none.

    Parameters
    ----------
    key : str
        64 hexadecimal digits, as of `latentlab.storage.files.fingerprint`.
    n_images : int
        A file of another number is passed over.
    k : int
        So is one with a cluster that is not below it.
    """
    folder = lasting_cache(FOLDER)
    if folder is None:
        return None
    path = folder / f"{key}.npy"
    try:
        clusters = np.load(path, allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):  # not there, or cut by a full disk
        return None
    is_right = clusters.dtype == np.int32 and clusters.shape == (n_images,)
    if not is_right or clusters.min() < 0 or clusters.max() >= k:
        return None
    return clusters


def keep(key: str, clusters: np.ndarray) -> None:
    """Keep clusters for other runs; if they cannot be written, that is no error.

    Parameters
    ----------
    key : str
        As for `look_up`.
    clusters : ndarray of shape (n,), int32
        Cluster of each image.
    """
    folder = lasting_cache(FOLDER)
    if folder is None:
        return
    try:
        with atomic_path(folder / f"{key}.npy") as path, path.open("wb") as file:
            np.save(file, np.asarray(clusters, np.int32), allow_pickle=False)
    except (OSError, RunError) as error:
        log.debug("the clusters are not kept for other runs: %s", error)
    _make_room()


def shared_results() -> list[SharedResult]:
    """Return all shared results, what was used last first."""
    folder = lasting_cache(FOLDER)
    results = []
    for path in folder.iterdir() if folder is not None else ():
        with contextlib.suppress(OSError):  # another process has removed it
            if _NAME.fullmatch(path.name):
                state = path.stat()
                results.append(SharedResult(path, state.st_size, state.st_mtime))
    return sorted(results, key=lambda result: (-result.last_used, result.path.name))


def clear() -> list[SharedResult]:
    """Remove all shared results and return what they were."""
    results = shared_results()
    for result in results:
        _remove(result)
    return results


def _make_room() -> None:
    """Remove what was used longest ago, until the rest is within `MOST_BYTES`."""
    total = 0
    for result in shared_results():
        total += result.bytes
        if total > MOST_BYTES:
            _remove(result)


def _remove(result: SharedResult) -> None:
    with contextlib.suppress(OSError):
        result.path.unlink()
