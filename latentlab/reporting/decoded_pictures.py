"""Which decoded mean codes say something: a page shows no others.

No label takes part: a picture has to have contrast, and to differ from those of the other clusters.
"""

import numpy as np

SMALLEST_RANGE = 16  # of 256 levels, between the 2nd and the 98th percentile of a picture
SMALLEST_DIFFERENCE = 5  # levels, root mean square, from the mean of all pictures


def say_something(pictures: np.ndarray) -> np.ndarray:
    """Return which decoded pictures are worth a look, bool (k,).

    Parameters
    ----------
    pictures : ndarray of shape (k, height, width, channels), uint8
        One of each cluster.

    Examples
    --------
    >>> black = np.zeros((8, 8, 1), np.uint8)
    >>> striped = np.where(np.arange(8)[:, None] % 2, 200, 0).astype(np.uint8)
    >>> say_something(np.stack([black, np.broadcast_to(striped[..., None], (8, 8, 1))])).tolist()
    [False, True]
    """
    if not pictures.size:
        return np.zeros(len(pictures), bool)
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    low, high = np.percentile(flat, (2, 98), axis=1)
    has_contrast = high - low >= SMALLEST_RANGE
    if len(flat) == 1:
        return has_contrast
    differences = np.sqrt(np.square(flat - flat.mean(axis=0)).mean(axis=1))
    return has_contrast & (differences >= SMALLEST_DIFFERENCE)
