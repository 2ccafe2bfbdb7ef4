"""List the images of a source without decoding them: ids, splits, originals, fingerprint."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.collecting import entries, slice_if_possible, unreadable_of
from latentlab.data.images import ImageSet, LazyImageSet, check_pixels, with_channels
from latentlab.data.intake import Intake
from latentlab.data.known_files import FileState, KnownFiles, file_states
from latentlab.data.originals import Originals, PictureFiles, PixelArrays
from latentlab.data.pictures.decode import PictureForm
from latentlab.data.pictures.picture_pass import Unreadable
from latentlab.data.quota import Quota
from latentlab.data.scaled_shards import ScaledShards
from latentlab.data.source import Shard, Source
from latentlab.errors import ConfigError, DataError


def list_images(
    source: Source,
    data: DataOptions,
    known: KnownFiles | None,
    tick: Callable[[int], object] = int,
) -> ImageSet:
    """List the images of a source.

    Parameters
    ----------
    source : Source
        Where the images come from.
    data : DataOptions
        What to open; `size` is needed where the source has no default.
    known : KnownFiles or None
        States of the picture files at an earlier time.
    tick : callable
        Called with the number of images that are listed.

    Returns
    -------
    LazyImageSet
        All images within `limit`, also those that cannot be read.

    Raises
    ------
    ConfigError
        If no size is known.
    DataError
        If the data are missing or damaged, or there is no image.
    """
    options = source.parse_options(data.source_options)
    size = data.size or source.capabilities.default_size
    if size is None:
        raise ConfigError("is needed to read these images one by one", field="size")
    scaled = ScaledShards.of(source, data, options)
    listing = _Listing(source.title(data, options), scaled.intake, known, tick)
    quota = Quota(data.limit)
    for shard in scaled.shards:
        listing.add(shard, quota.take(shard.splits))
        if quota.is_full:
            break
    listing.intake = replace(scaled.intake, is_limited=quota.is_cut)
    return listing.image_set(scaled.data, size)


@dataclass
class _Listing:
    """The images of the shards so far."""

    name: str
    intake: Intake
    known: KnownFiles | None
    tick: Callable[[int], object]
    ids: list[np.ndarray] = field(default_factory=list)
    splits: list[np.ndarray] = field(default_factory=list)
    files: PictureFiles = field(default_factory=PictureFiles)
    states: list[FileState] = field(default_factory=list)
    arrays: PixelArrays = field(default_factory=PixelArrays)
    unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, shard: Shard, positions: np.ndarray) -> None:
        """Add the images of a shard that the limit leaves."""
        self.unreadable += unreadable_of(shard, positions)
        positions = shard.without_faults(positions)
        if len(positions) == 0:
            return
        self.ids.append(shard.ids[positions])
        self.splits.append(shard.splits[positions])
        if shard.pictures is not None:
            wanted = entries(shard.pictures, positions)
            for state in file_states(self.ids[-1].tolist(), wanted, self.known):
                self.states.append(state)
                self.tick(len(self.states))
            self.files.add(shard.pictures, positions)
        elif shard.pixels is not None:
            check_pixels(self.name, shard.pixels)
            self.arrays.add(shard.pixels[slice_if_possible(positions)])
        else:
            raise DataError(f"{self.name}: a shard has neither pixels nor pictures.")

    def image_set(self, data: DataOptions, size: int) -> LazyImageSet:
        """Return all images."""
        if not self.ids:
            raise DataError(f"{self.name}: no readable image was found.")
        if len(self.arrays) and self.states:
            raise DataError(f"{self.name}: some shards have pixels and others pictures.")
        form = PictureForm.of(data, size)
        images = self._of_pixels(form) if len(self.arrays) else self._of_pictures(form)
        images = replace(images, value_range=data.value_range, unreadable=tuple(self.unreadable))
        return images if data.channels is None else with_channels(images, data.channels)

    def _of_pixels(self, form: PictureForm) -> LazyImageSet:
        form = replace(form, channels=self.arrays.image_shape[2])
        return self._image_set(form, self.arrays, [self.arrays.fingerprint()])

    def _of_pictures(self, form: PictureForm) -> LazyImageSet:
        form = replace(form, grey=form.channels == 1)
        content = [state.sha256 or state.reason for state in self.states]
        images = self._image_set(form, self.files, content)
        files = KnownFiles.of(images.ids, self.states)
        return replace(images, source=self.files.picture, files=files)

    def _image_set(
        self, form: PictureForm, originals: Originals, content: list[str]
    ) -> LazyImageSet:
        ids, splits = np.concatenate(self.ids), np.concatenate(self.splits)
        return LazyImageSet(
            name=self.name,
            ids=ids,
            splits=splits,
            image_shape=(form.size, form.size, form.channels),
            fingerprint=_fingerprint(ids, splits, form, content),
            originals=originals,
            form=form,
            source_intake=self.intake,
        )


def _fingerprint(ids: np.ndarray, splits: np.ndarray, form: PictureForm, content: list[str]) -> str:
    """Return the SHA-256 of names, form and content."""
    words = f"{form.size} {form.rule} {form.channels} {form.grey}"
    if form.value_range is not None:
        words += f" {form.value_range.text}"
    digest = hashlib.sha256(f"{words}\n".encode())
    for column in (ids.tolist(), splits.tolist(), content):
        digest.update("\0".join(column).encode(errors="backslashreplace"))
        digest.update(b"\n")
    return digest.hexdigest()
