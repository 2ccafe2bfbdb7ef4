"""How unlike all others an image is: its distance to the most similar ones.

The reference is a sample of the images where there are many, as by Sugiyama and Borgwardt, "Rapid
distance-based outlier detection via sampling", NeurIPS 2013: a sample ranks outliers as well as all
images do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.features.steps import unit

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

REFERENCE = 10_000  # images, at most, with which each is compared
MANY = 200_000  # images; of more of them, each is compared with fewer
REFERENCE_OF_MANY = 2_500
NEAREST = 10
PCA_DIMS = 64  # of longer vectors
BLOCK = 2_048  # images whose cosines are in memory at once


def outlier_scores(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the outlier score of each image.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Feature vectors.
    seed : int
        Seed of the sample and of PCA.

    Returns
    -------
    ndarray of shape (n,), float32
        Mean distance, 1 less the cosine, to the 10 nearest images of the reference: from 0 to 2.

    Examples
    --------
    >>> scores = outlier_scores(np.array([[1.0, 0.0]] * 20 + [[0.0, 1.0]]))
    >>> int(scores.argmax()), float(scores.max())
    (20, 1.0)
    """
    rows = reference_rows(len(vectors), seed)
    return Reference.of(vectors[rows], rows, seed).scores([vectors])


def reference_rows(count: int, seed: int = 0) -> np.ndarray:
    """Return the images with which all are compared: all of them, or a sample.

    Parameters
    ----------
    count : int
        Number of images.
    seed : int
        Seed of the sample.

    Returns
    -------
    ndarray of int
        Ascending; 10,000 at most, or 2,500 of more than 200,000 images.
    """
    rng = np.random.default_rng([seed, 33])
    most = REFERENCE if count <= MANY else REFERENCE_OF_MANY
    return np.sort(rng.choice(count, min(count, most), replace=False))


@dataclass(frozen=True)
class Reference:
    """The images with which all are compared.

    Attributes
    ----------
    rows : ndarray of shape (m,), int
        Their positions among all images.
    vectors : ndarray of shape (m, d), float32
        Their vectors, of length 1.
    pca : sklearn.decomposition.PCA or None
        What made long vectors shorter.
    """

    rows: np.ndarray
    vectors: np.ndarray
    pca: "PCA | None"

    @classmethod
    def of(cls, vectors: np.ndarray, rows: np.ndarray, seed: int = 0) -> "Reference":
        """Return the reference.

        Parameters
        ----------
        vectors : ndarray of shape (m, d)
            Feature vectors of its images.
        rows : ndarray of shape (m,), int
            From `reference_rows`.
        seed : int
            Seed of PCA.
        """
        pca = _pca(vectors, seed)
        return cls(rows, _short(vectors, pca), pca)

    def scores(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """Return the outlier scores of all images, see `outlier_scores`.

        Parameters
        ----------
        parts : iterable of ndarray of shape (part, d)
            Feature vectors of all images, in order; one part is in memory at a time.
        """
        scores = [np.empty(0, np.float32)]
        first = 0
        for part in parts:
            for start in range(0, len(part), BLOCK):
                block = part[start : start + BLOCK]
                scores.append(self._of_block(block, first + start))
            first += len(part)
        return np.concatenate(scores)

    def _of_block(self, vectors: np.ndarray, first: int) -> np.ndarray:
        """Return the scores of some images, the first of which has number `first`."""
        nearest = min(NEAREST, len(self.rows) - 1)
        if nearest < 1:
            return np.zeros(len(vectors), np.float32)
        cosines = _short(vectors, self.pca) @ self.vectors.T
        low, high = np.searchsorted(self.rows, [first, first + len(vectors)])
        # An image is not its own neighbour.
        cosines[self.rows[low:high] - first, np.arange(low, high)] = -np.inf
        largest = np.partition(cosines, -nearest, axis=1)[:, -nearest:]
        scores: np.ndarray = (1 - largest.mean(axis=1)).clip(0, 2).astype(np.float32)
        return scores


def _pca(vectors: np.ndarray, seed: int) -> "PCA | None":
    """Return what makes vectors shorter; None if they are short, or few."""
    if vectors.shape[1] <= PCA_DIMS or len(vectors) <= PCA_DIMS:
        return None
    from sklearn.decomposition import PCA

    return PCA(PCA_DIMS, svd_solver="randomized", random_state=seed).fit(vectors)


def _short(vectors: np.ndarray, pca: "PCA | None") -> np.ndarray:
    """Return vectors of length 1, made shorter."""
    shown = vectors if pca is None else pca.transform(vectors)
    return unit(shown).astype(np.float32)
