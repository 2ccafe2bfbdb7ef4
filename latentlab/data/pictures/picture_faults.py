"""Why a picture cannot be read, in words that are the same for all pictures with such a fault.

A reason is one of these, and perhaps details of the picture after ": ". The account counts by what
stands before; images.parquet holds all of it.
"""

NO_PICTURE = "no picture here"
NO_FILE = "no regular file"
GONE = "no longer there"
DAMAGED = "damaged in its archive"
NO_PICTURE_INSIDE = "no picture by its content"
NOT_OPENED = "cannot be opened"
NOT_DECODED = "cannot be decoded"
TOO_LARGE = "too large"


class NotReadableError(Exception):
    """A file is no picture that can be read; the text is the reason, with nothing of the path."""


def too_many_pixels(pixels: int, max_pixels: int) -> str:
    """Return the reason why a picture is not decoded.

    Parameters
    ----------
    pixels : int
        How many it has.
    max_pixels : int
        How many it may have.
    """
    limit = f"more than {max_pixels}; if you trust it, raise `max_pixels`"
    return f"{TOO_LARGE}: it has {pixels} pixels, {limit}"


def fault_of(reason: str) -> str:
    """Return what the account counts by: a reason without the details of one picture.

    Parameters
    ----------
    reason : str
        As `latentlab.data.pictures.decode` gives it.

    Examples
    --------
    >>> fault_of("cannot be decoded: OSError: image file is truncated")
    'cannot be decoded'
    """
    return reason.partition(":")[0]
