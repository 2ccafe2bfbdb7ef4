"""A mixture of Gaussians with full covariances, fitted by expectation-maximisation from k-means, scikit-learn's.

latentlab cluster --run RUN --k 10 --method gmm --features umap10
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.clustering.base import (
    Assigned,
    Clusterer,
    Vectors,
    assigned_softly,
    canonical_order,
    distances_to,
)
from latentlab.config import ClusterOptions
from latentlab.errors import DataError

REGULARISATION = 1e-6


@dataclass(frozen=True)
class Mixture:
    """k Gaussians.

    Attributes
    ----------
    centers : ndarray of shape (k, d), float32
        Their means.
    weights : ndarray of shape (k,)
        Their shares; sum to 1.
    precisions : ndarray of shape (k, d, d)
        Cholesky factors of the inverse covariances, as scikit-learn keeps them.
    """

    centers: np.ndarray
    weights: np.ndarray
    precisions: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign feature vectors (n, d) to the Gaussian of the highest posterior probability."""
        logits = np.stack(
            [self._log_joint(vectors.astype(np.float64), c) for c in range(len(self.centers))],
            axis=1,
        )
        logits -= logits.max(axis=1, keepdims=True)
        soft = np.exp(logits)
        return assigned_softly(
            soft / soft.sum(axis=1, keepdims=True), distances_to(self.centers, vectors)
        )

    def _log_joint(self, vectors: np.ndarray, c: int) -> np.ndarray:
        """Return log(share) + log density of Gaussian c at vectors (n, d), up to a constant."""
        factor = self.precisions[c]
        residuals = (vectors - self.centers[c]) @ factor
        return (
            np.log(self.weights[c])
            + np.log(np.diagonal(factor)).sum()
            - 0.5 * np.square(residuals).sum(axis=1)
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return means, shares and precisions by name."""
        return {"centers": self.centers, "weights": self.weights, "precisions": self.precisions}


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Fit options.k Gaussians to `vectors`; of options.restarts starts the most likely is kept.

    Raises
    ------
    DataError
        If there are too few different vectors for so many full covariances.
    """
    from sklearn.mixture import GaussianMixture

    matrix = vectors.matrix().astype(np.float64)
    scale = (
        float(matrix.var(axis=0).mean()) or 1.0
    )  # so that the regularisation does not depend on the features' unit
    model = GaussianMixture(
        options.k,
        n_init=options.restarts,
        reg_covar=REGULARISATION * scale,
        random_state=options.seed,
    )
    try:
        with backend.ordered_sums():
            labels = model.fit_predict(matrix)
    except ValueError as error:
        message = " ".join(str(error).split())
        raise DataError(
            f"--k {options.k} Gaussians cannot be fitted to {len(matrix)} images ({message}). Choose a smaller --k."
        ) from error
    order = canonical_order(labels, options.k)
    facts = {
        "algorithm": "GaussianMixture",
        "inertia": float(np.square(matrix - model.means_[labels]).sum()),
        "log_likelihood": float(model.lower_bound_),
        "n_iter": int(model.n_iter_),
    }
    return Mixture(
        model.means_[order].astype(np.float32),
        model.weights_[order],
        model.precisions_cholesky_[order],
        facts,
    )


def load(arrays: dict[str, np.ndarray]) -> Clusterer:
    """Return the fitted mixture from its saved arrays."""
    return Mixture(arrays["centers"], arrays["weights"], arrays["precisions"])
