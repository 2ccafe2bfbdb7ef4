"""What a run keeps of choices that were left to the data, so that it stays as it was made."""

from dataclasses import replace

from latentlab.config import DataOptions
from latentlab.data.images import ImageSet
from latentlab.data.splits import HELD_OUT, TEST


def settled(data: DataOptions, images: ImageSet) -> DataOptions:
    """Return options that open the same images in the same splits, whatever is added to the data.

    A table of labels that is laid beside pictures later on, for instance, does not move pictures
    of an earlier run into its held-out part.

    Parameters
    ----------
    data : DataOptions
        What was opened.
    images : ImageSet
        The images that it gave.
    """
    if data.held_out is not None:
        return data
    return replace(data, held_out=HELD_OUT if TEST in images.splits else 0.0)
