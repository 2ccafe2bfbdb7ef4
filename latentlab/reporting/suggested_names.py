"""Suggested names: words of names and columns or of a vocabulary, or what sets images apart.

Neither labels nor scores are read; tests/reporting/test_suggested_names.py gives other labels and
gets the same names.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.clustering.cluster_words import (
    different_names,
    telling_words,
    words_of,
    words_of_names,
)
from latentlab.clustering.looks import LOOKS_NAME, Looks, looks_of_shapes
from latentlab.encoders.vocabulary import Vocabulary
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.privacy import public_ids
from latentlab.storage import guard
from latentlab.storage.run import Run

WORD_SAMPLE = 20_000  # images whose names are read

Columns = Mapping[str, Sequence[str | None]]
"""Texts that came with the images, by the name of their column; never that of labels."""

Shapes = tuple[Sequence[float], Sequence[float]]
"""Widths and heights of the original pictures, NaN where they are not known."""


@dataclass(frozen=True)
class NameSource:
    """What names of clusters are made of; read once, for clusters that may change by hand.

    Attributes
    ----------
    rows : ndarray of shape (m,), int
        Positions of images, at most 20,000 at random.
    words : list of list of str
        Words of the names and columns of these images.
    vocabulary : Vocabulary or None
        Words of a list that an image-text encoder has compared with the images.
    looks : Looks or None
        Brightness, colour and more of a sample of the images.
    """

    rows: np.ndarray
    words: list[list[str]]
    vocabulary: Vocabulary | None
    looks: Looks | None

    @classmethod
    def of(
        cls,
        summary: ClusteringSummary,
        columns: Columns | None = None,
        shapes: Shapes | None = None,
    ) -> "NameSource":
        """Read what there is; parameters as those of `suggested_names`.

        Parameters
        ----------
        summary : ClusteringSummary
            The clustering; only its images and its run are read.
        columns : mapping of str to sequence of n str, or None
            Texts or categories that came with the images.
        shapes : (sequence of n float, sequence of n float), or None
            Widths and heights of the original pictures.
        """
        rows = np.random.default_rng(0).permutation(len(summary.images))[:WORD_SAMPLE]
        names = public_ids(summary.images.ids[rows].tolist())
        words = words_of_names(names, summary.run.config.data)
        for texts in (columns or {}).values():
            for words_of_image, row in zip(words, rows.tolist(), strict=True):
                words_of_image.extend(words_of(texts[row] or ""))
        return cls(rows, words, Vocabulary.read(summary.run), looks_of(summary.run, shapes))

    def names(self, clusters: np.ndarray, k: int) -> tuple[str | None, ...]:
        """Return a name for each cluster; None where nothing tells it from the others.

        Parameters
        ----------
        clusters : ndarray of shape (n,), int
            Cluster of each image of the run, -1 for none.
        k : int
            Number of clusters.
        """
        sources = [telling_words(self.words, clusters[self.rows].tolist(), k)]
        for further in (self.vocabulary, self.looks):
            if further is not None:
                sources.append(further.words_of(clusters, k))
        candidates = [list(itertools.chain(*words)) for words in zip(*sources, strict=True)]
        return tuple(different_names(candidates))


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
    return NameSource.of(summary, columns, shapes).names(summary.clusters, summary.k)


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
