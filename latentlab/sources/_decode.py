"""Decode many pictures into one uint8 array: in threads, each failure kept with its reason instead of raised."""

import io
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from latentlab.errors import DataError
from latentlab.images import ImageSet, Unreadable, from_array, resize
from latentlab.sources import DataOptions, _common

THREADS = 4
CHUNK = 512


def decode(source: Path | bytes, size: int, rule: str, channels: int) -> np.ndarray | str:
    """Return one picture as uint8 (size, size, channels), or the reason why it cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                image.load()
                return resize(image, size, rule, channels)
    except Exception as error:  # Pillow's decoders raise nearly every kind: OSError, SyntaxError, struct.error, ValueError, ...
        return f"{type(error).__name__}: {' '.join(str(error).replace(str(source) if isinstance(source, Path) else '', 'file').split())}"[:200]


def collect(
    name: str,
    count: int,
    items: Iterable[tuple[str, Path | bytes | None]],
    make_splits: Callable[[np.ndarray], np.ndarray],
    options: DataOptions,
) -> ImageSet:
    """Decode `count` pictures and make an ImageSet of those that can be read.

    Parameters
    ----------
    items : iterable of (id, source)
        Path or bytes of each picture; None where there is none.
    make_splits : callable
        make_splits(kept) -> split of each kept picture; kept are positions among the items.

    Raises
    ------
    DataError
        If none can be read.
    """
    size = options.size or _common.DEFAULT_SIZE
    channels = 1 if options.grey else 3
    images = _common.allocate((count, size, size, channels))
    ids: list[str] = []
    kept: list[int] = []
    bad: list[Unreadable] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for position, (identity, result) in enumerate(_results(pool, items, size, options.resize, channels)):
            if isinstance(result, str):
                bad.append(Unreadable(identity, result))
            else:
                images[len(ids)] = result
                ids.append(identity)
                kept.append(position)
    if not ids:
        raise DataError(f"{name}: none of the {count} images can be read; the first, {bad[0].path}: {bad[0].reason}.")
    return from_array(name, images[: len(ids)], make_splits(np.array(kept)), ids, tuple(bad))


def _results(pool: ThreadPoolExecutor, items: Iterable, size: int, rule: str, channels: int) -> Iterable[tuple[str, np.ndarray | str]]:
    """Yield (id, picture or reason) in order, at most `CHUNK` pictures ahead."""

    def one(item: tuple[str, Path | bytes | None]) -> tuple[str, np.ndarray | str]:
        return item[0], "no picture here" if item[1] is None else decode(item[1], size, rule, channels)

    chunk: list = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield from pool.map(one, chunk)
            chunk = []
    yield from pool.map(one, chunk)
