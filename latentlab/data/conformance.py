"""The contract of image sources as a check that plugin authors can run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.collecting import collect
from latentlab.data.images import ImageSet
from latentlab.data.originals import Page
from latentlab.data.source import SHARD_IMAGES, ImageIndex, Shard, Source
from latentlab.data.splits import TEST, TRAIN, first_of_each

_LIMIT = 2  # images of each split that are opened for a trial
_PEEK = 3  # pictures of a shard that are looked at


def check_source(plugin: Source, data_options: DataOptions) -> None:
    """Check that a source keeps the contract of `latentlab.data.source`.

    Parameters
    ----------
    plugin : Source
        The source.
    data_options : DataOptions
        Data that the source can read. All of it is read twice, so choose a small set.

    Raises
    ------
    AssertionError
        If the source breaks the contract; the message says what to mend.
    DataError
        If the data are missing or damaged.

    Examples
    --------
    >>> check_source(Source.named("digits"), DataOptions(data="digits"))
    """
    options = plugin.parse_options(data_options.source_options)
    shards = list(plugin.shards(data_options, options))
    _require(len(shards) > 0, "`shards` yields nothing: yield at least one Shard.")
    for number, shard in enumerate(shards):
        _check_shard(f"shard {number}", shard)
    _check_together(shards)

    # The images must not depend on chance, time or an earlier call.
    index = _joined(shards)
    again = list(plugin.shards(data_options, options))
    _require(_same(index, _joined(again)), "a second call of `shards` gives other ids or splits.")
    _check_same_pixels(shards, again)
    _require(
        _same(index, plugin.index(data_options, options)),
        "`index` and `shards` disagree about ids or splits.",
    )

    title = plugin.title(data_options, options)
    _require(isinstance(title, str) and bool(title), "`title` must return a text.")
    _check_limit(plugin, data_options, index)


def _check_shard(name: str, shard: Shard) -> None:
    _require(isinstance(shard, Shard), f"{name} is a {type(shard).__name__}, not a Shard.")
    _require(len(shard) > 0, f"{name} is empty: leave it out.")
    _require(
        len(shard) <= SHARD_IMAGES,
        f"{name} has {len(shard)} images, more than {SHARD_IMAGES}: yield several.",
    )
    _require(shard.ids.dtype.kind == "U", f"the ids of {name} must be an array of str.")
    _require(
        len(shard.splits) == len(shard),
        f"{name} has {len(shard)} ids and {len(shard.splits)} splits.",
    )
    others = set(shard.splits.tolist()) - {TRAIN, TEST}
    _require(not others, f"{name} has the splits {sorted(others)}: use 'train' and 'test'.")
    _require(
        (shard.pixels is None) != (shard.pictures is None),
        f"{name} needs either pixels or pictures.",
    )
    if shard.pixels is not None:
        _check_pixels(name, shard.pixels, len(shard))
    if shard.pictures is not None:
        _check_pictures(name, shard.pictures, len(shard))


def _check_pixels(name: str, pixels: np.ndarray, count: int) -> None:
    _require(pixels.dtype == np.uint8, f"the pixels of {name} are {pixels.dtype}, not uint8.")
    _require(
        pixels.ndim == 4 and pixels.shape[3] in (1, 3),
        f"the pixels of {name} have the shape {pixels.shape}, "
        "not (m, height, width, channels) with 1 or 3 channels.",
    )
    _require(len(pixels) == count, f"{name} has {count} ids and {len(pixels)} images.")


def _check_pictures(name: str, pictures: Sequence[Any], count: int) -> None:
    _require(len(pictures) == count, f"{name} has {count} ids and {len(pictures)} pictures.")
    for position in range(min(count, _PEEK)):
        picture = pictures[position]
        _require(
            picture is None or isinstance(picture, (Path, bytes, Page)),
            f"a picture of {name} is a {type(picture).__name__}, not a Path, bytes, Page or None.",
        )


def _check_together(shards: list[Shard]) -> None:
    ids = _joined(shards).ids
    _require(len(np.unique(ids)) == len(ids), "ids are not unique among all shards.")
    shapes = {shard.pixels.shape[1:] for shard in shards if shard.pixels is not None}
    _require(len(shapes) <= 1, f"images have the shapes {sorted(shapes)}: they need one shape.")
    forms = {shard.pixels is None for shard in shards}
    _require(len(forms) == 1, "some shards hold pixels and others pictures: choose one form.")


def _check_same_pixels(shards: list[Shard], again: list[Shard]) -> None:
    for number, (shard, second) in enumerate(zip(shards, again, strict=True)):
        if shard.pixels is not None:
            _require(
                second.pixels is not None and np.array_equal(shard.pixels, second.pixels),
                f"a second call of `shards` gives other pixels in shard {number}.",
            )


def _check_limit(plugin: Source, data: DataOptions, index: ImageIndex) -> None:
    """Check that the first images of each split can be opened, twice the same and in a size."""
    limited = replace(data, limit=_LIMIT)
    images = _opened(plugin, limited)
    allowed = index.ids[first_of_each(index.splits, _LIMIT)].tolist()
    readable = [image_id for image_id in allowed if image_id in set(images.ids.tolist())]
    _require(
        images.ids.tolist() == readable and len(images) + len(images.unreadable) == len(allowed),
        f"with limit={_LIMIT}, {images.ids.tolist()} are opened and not {allowed}: "
        "a source must not apply `limit` itself.",
    )
    _require(
        images.fingerprint == _opened(plugin, limited).fingerprint,
        "the same images have another fingerprint when they are opened again.",
    )
    resized = _opened(plugin, replace(limited, size=8))
    _require(
        resized.image_shape[:2] == (8, 8),
        "with size=8, images do not become 8x8: keep their pixels.",
    )


def _opened(plugin: Source, data: DataOptions) -> ImageSet:
    return collect(plugin, data, plugin.parse_options(data.source_options))


def _joined(shards: list[Shard]) -> ImageIndex:
    ids = np.concatenate([shard.ids for shard in shards])
    return ImageIndex(ids, np.concatenate([shard.splits for shard in shards]))


def _same(first: ImageIndex, second: ImageIndex) -> bool:
    return np.array_equal(first.ids, second.ids) and np.array_equal(first.splits, second.splits)


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)
