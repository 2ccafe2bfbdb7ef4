"""The two splits, "train" and "test": random draw, numbered ids, first images of each."""

import numpy as np

from latentlab.errors import ConfigError

TRAIN = "train"
TEST = "test"
HELD_OUT = 0.2  # share of labelled data without a split of their own


def numbered_ids(splits: np.ndarray) -> np.ndarray:
    """Return an id for each image, made of its split and its number in that split.

    Parameters
    ----------
    splits : ndarray of shape (n,), str
        Split of each image.

    Returns
    -------
    ndarray of shape (n,), str
        Such as "train/00017".

    Examples
    --------
    >>> numbered_ids(np.array(["train", "test", "train"])).tolist()
    ['train/00000', 'test/00000', 'train/00001']
    """
    ids = np.empty(len(splits), dtype="U24")
    for split in np.unique(splits):
        members = np.flatnonzero(splits == split)
        ids[members] = [f"{split}/{number:05d}" for number in range(len(members))]
    return ids


def held_out_splits(
    n_images: int, share: float | None, has_labels: bool = True, seed: int = 0
) -> np.ndarray:
    """Return a random split, for data without a published one.

    Images are held out to be scored, so that data without labels are clustered whole unless a
    share is asked for.

    Parameters
    ----------
    n_images : int
        Number of images.
    share : float or None
        Share of the images to hold out, in [0, 1). None is `HELD_OUT` with labels, else 0.
    has_labels : bool
        Whether scoring would find labels in the data.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of shape (n_images,), str
        "test" for the images that are held out, "train" for the others.

    Raises
    ------
    ConfigError
        If the share is out of range.

    Examples
    --------
    >>> held_out_splits(10, 0.3).tolist().count("test")
    3
    """
    if share is None:
        share = HELD_OUT if has_labels else 0.0
    if not 0 <= share < 1:
        raise ConfigError("must be at least 0 and below 1", field="held_out", value=share)
    splits = np.full(n_images, TRAIN, dtype="U5")
    # 20 keeps this draw apart from the other draws of the same seed.
    order = np.random.default_rng([seed, 20]).permutation(n_images)
    splits[order[: round(share * n_images)]] = TEST
    return splits


def first_of_each(splits: np.ndarray, limit: int | None) -> np.ndarray:
    """Return the positions of the first images of each split.

    Parameters
    ----------
    splits : ndarray of shape (n,), str
        Split of each image.
    limit : int or None
        Number of images per split; None is all of them.

    Returns
    -------
    ndarray of int64
        Positions, ascending.

    Examples
    --------
    >>> first_of_each(np.array(["train", "train", "test"]), 1).tolist()
    [0, 2]
    """
    if limit is None:
        return np.arange(len(splits))
    first = [np.flatnonzero(splits == split)[:limit] for split in np.unique(splits)]
    return np.sort(np.concatenate(first)) if first else np.arange(0)
