"""How unlike all others an image is: its distance to the most similar ones.

The reference is a sample of the images where there are many, as by Sugiyama and Borgwardt, "Rapid
distance-based outlier detection via sampling", NeurIPS 2013: a sample ranks outliers as well as all
images do.
"""

import numpy as np

from latentlab.features.steps import unit

REFERENCE = 10_000  # images, at most, with which each is compared
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
    rng = np.random.default_rng([seed, 33])
    count = len(vectors)
    reference = np.sort(rng.choice(count, min(count, REFERENCE), replace=False))
    reduced = unit(_reduced(vectors, reference, seed)).astype(np.float32)
    row_of = np.full(count, -1)
    row_of[reference] = np.arange(len(reference))
    scores = np.zeros(count, np.float32)
    nearest = min(NEAREST, len(reference) - 1)
    if nearest < 1:
        return scores
    for start in range(0, count, BLOCK):
        cosines = reduced[start : start + BLOCK] @ reduced[reference].T
        rows = row_of[start : start + BLOCK]
        is_reference = rows >= 0
        cosines[is_reference, rows[is_reference]] = -np.inf  # an image is not its own neighbour
        largest = np.partition(cosines, -nearest, axis=1)[:, -nearest:]
        scores[start : start + BLOCK] = 1 - largest.mean(axis=1)
    return scores.clip(0, 2)


def _reduced(vectors: np.ndarray, reference: np.ndarray, seed: int) -> np.ndarray:
    """Return long vectors as their leading principal components of the reference."""
    if vectors.shape[1] <= PCA_DIMS or len(reference) <= PCA_DIMS:
        return vectors
    from sklearn.decomposition import PCA

    pca = PCA(PCA_DIMS, svd_solver="randomized", random_state=seed).fit(vectors[reference])
    reduced: np.ndarray = pca.transform(vectors)
    return reduced
