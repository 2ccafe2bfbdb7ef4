"""By which rule the pictures of a run become pixels: recorded, so that it is the same later on.

A JPEG that is decoded at a part of its size gives pixels that differ by a grey level or two from
those of the whole picture. Runs of one rule must not get images of the other.
"""

from dataclasses import replace

from latentlab.config import PARTS, WHOLE, DataOptions
from latentlab.data.images import ImageSet, LazyImageSet


def as_opened(data: DataOptions, images: ImageSet) -> DataOptions:
    """Return the options by which a set is read again by the rule by which it was read.

    Parameters
    ----------
    data : DataOptions
        How it was opened.
    images : ImageSet
        The images. Only pictures that are read at once have a rule to record.
    """
    is_ruled = images.source is not None and not isinstance(images, LazyImageSet)
    rule = PARTS if is_ruled and data.decoding != WHOLE else None
    return data if data.decoding == rule else replace(data, decoding=rule)


def as_recorded(data: DataOptions) -> DataOptions:
    """Return the options by which a run's own images are read again.

    Parameters
    ----------
    data : DataOptions
        Those that the run records; without a rule its pictures were read whole.
    """
    return replace(data, decoding=WHOLE) if data.decoding is None else data


def like(data: DataOptions, recorded: DataOptions | None) -> DataOptions:
    """Return the options that read images by the rule of a run.

    Parameters
    ----------
    data : DataOptions
        The images; a rule that they are given stays.
    recorded : DataOptions or None
        What the run records of its own; None if it has no images.
    """
    if data.decoding is not None or recorded is None:
        return data
    return replace(data, decoding=recorded.decoding or WHOLE)
