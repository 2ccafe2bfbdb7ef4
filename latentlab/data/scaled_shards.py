"""The shards of a source, once the scale of its numbers is known."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.intake import Intake
from latentlab.data.originals import Picture
from latentlab.data.pictures.picture_scale import are_files, scale_of_pictures
from latentlab.data.quota import Quota
from latentlab.data.source import Shard, Source
from latentlab.data.value_range import DEEP, Scale, given_scale, is_given


@dataclass(frozen=True)
class ScaledShards:
    """The shards of a source, with the scale of their numbers.

    Attributes
    ----------
    data : DataOptions
        What is opened; `value_range` is that of the set.
    scale : Scale
        How numbers become pixels.
    shards : iterator of Shard
        All shards up to the limit.
    intake : Intake
        The account of the source, with the clause of the scale.
    """

    data: DataOptions
    scale: Scale
    shards: Iterator[Shard]
    intake: Intake

    @classmethod
    def of(cls, source: Source, data: DataOptions, options: Any) -> "ScaledShards":
        """Return the shards of a source; those of pictures are listed until the limit.

        Parameters
        ----------
        source : Source
            Where the images come from.
        data : DataOptions
            What to open; without `value_range` the scale is found.
        options : Options
            The source's own options.

        Raises
        ------
        ConfigError
            If `value_range` is no range.
        DataError
            If the data are missing or damaged.
        """
        reading = source.reading(data, options)
        if data.value_range is not None and is_given(data.value_range):
            scale, listed = given_scale(data.value_range), []
        else:
            listed = _until_full(reading.shards, data.limit)
            scale = _scale_of(listed, data)
            data = replace(data, value_range=scale.value_range)
        intake = reading.intake
        if scale.clause:
            intake = replace(intake, scale=scale.clause)
        return cls(data, scale, itertools.chain(listed, reading.shards), intake)


def _until_full(shards: Iterator[Shard], limit: int | None) -> list[Shard]:
    """Return the shards of pictures that a limit needs; of pixels the first shard alone."""
    quota, listed = Quota(limit), []
    for shard in shards:
        listed.append(shard)
        quota.take(shard.splits)
        if shard.pictures is None or quota.is_full:
            break
    return listed


def _scale_of(shards: Sequence[Shard], data: DataOptions) -> Scale:
    """Return the scale of listed shards; those of pixels bring it with them."""
    if shards and shards[0].pictures is None:
        return shards[0].scale
    return _scale_of_listed(shards, data)


def _scale_of_listed(shards: Sequence[Shard], data: DataOptions) -> Scale:
    """Return the scale of the pictures of some shards that a limit leaves."""
    quota = Quota(data.limit)
    places: list[tuple[int, int]] = []  # shard and position in it
    names = [np.empty(0, "U1")]
    for number, shard in enumerate(shards):
        positions = quota.take(shard.splits)
        names.append(shard.ids[positions])
        places += zip(itertools.repeat(number), positions.tolist(), strict=False)

    def picture_at(position: int) -> Picture | None:
        number, place = places[position]
        pictures = shards[number].pictures
        return None if pictures is None else pictures[place]

    all_files = all(are_files(shard.pictures or ()) for shard in shards)
    stretches_dark = data.value_range != DEEP
    return scale_of_pictures(np.concatenate(names), picture_at, all_files, stretches_dark)
