"""Suggested names of clusters: words of names and columns, or else what sets the images apart.

Neither labels nor scores are read; tests/reporting/test_suggested_names.py gives other labels and
gets the same names.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from latentlab.clustering.cluster_words import (
    different_names,
    telling_words,
    words_of,
    words_of_names,
)
from latentlab.clustering.looks import LOOKS_NAME, Looks, looks_of_shapes
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.privacy import public_ids
from latentlab.storage import guard
from latentlab.storage.run import Run

WORD_SAMPLE = 20_000  # images whose names are read

Columns = Mapping[str, Sequence[str | None]]
"""Texts that came with the images, by the name of their column; never that of labels."""

Shapes = tuple[Sequence[float], Sequence[float]]
"""Widths and heights of the original pictures, NaN where they are not known."""


def suggested_names(
    summary: ClusteringSummary, columns: Columns | None = None, shapes: Shapes | None = None
) -> tuple[str | None, ...]:
    """Return a name for each cluster that a summary shows, edits included.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering; its labels and scores are not read.
    columns : mapping of str to sequence of n str, or None
        Texts or categories that came with the images. Labels are no such column.
    shapes : (sequence of n float, sequence of n float), or None
        Widths and heights of the original pictures.

    Returns
    -------
    tuple of str or None
        One per cluster, such as "harbour" or "dark, bluish". None where nothing tells the cluster
        from the others.
    """
    sources = [_words_of_images(summary, columns or {})]
    looks = looks_of(summary.run, shapes)
    if looks is not None:
        sources.append(looks.words_of(summary.clusters, summary.k))
    candidates = [list(itertools.chain(*words)) for words in zip(*sources, strict=True)]
    return tuple(different_names(candidates))


def _words_of_images(summary: ClusteringSummary, columns: Columns) -> list[list[str]]:
    """Return the words of names and columns that stand for each cluster."""
    rows = np.random.default_rng(0).permutation(len(summary.images))[:WORD_SAMPLE]
    names = public_ids(summary.images.ids[rows].tolist())
    words = words_of_names(names, summary.run.config.data)
    for texts in columns.values():
        for own, row in zip(words, rows.tolist(), strict=True):
            own.extend(words_of(texts[row] or ""))
    return telling_words(words, summary.clusters[rows].tolist(), summary.k)


def looks_of(run: Run, shapes: Shapes | None = None) -> Looks | None:
    """Return the looks of a sample of a run's images; None if they were not taken.

    Parameters
    ----------
    run : Run
        The run.
    shapes : (sequence of n float, sequence of n float), or None
        Widths and heights of all original pictures.
    """
    path = looks_path(run)
    if not guard.is_there(path):
        return None
    looks = Looks.read(path)
    if shapes is None:
        return looks
    at = looks.positions
    of_shapes = looks_of_shapes(np.asarray(shapes[0])[at], np.asarray(shapes[1])[at])
    return Looks(at, looks.values | of_shapes)


def looks_path(run: Run) -> Path:
    """Return the file of the looks of a run's images; it need not exist.

    Parameters
    ----------
    run : Run
        The run.
    """
    return run.path / "looks" / LOOKS_NAME
