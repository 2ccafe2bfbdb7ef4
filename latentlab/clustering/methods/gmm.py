"""A mixture of Gaussians with full covariances, by scikit-learn.

Fitted by expectation-maximisation from k-means; of `restarts` starts the most likely is used.

    latentlab cluster --run RUN --k 10 --method gmm --features umap10
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.clustering.assigned import Assigned, canonical_order, distances_to
from latentlab.clustering.clusterer import (
    Clusterer,
    ClustererCapabilities,
    FittedClusters,
    number_of_clusters,
    too_few_different,
)
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import DataError
from latentlab.progress import log

FEWEST_IMAGES = 2
REGULARISATION = 1e-6  # of the mean variance, added to the covariances


@dataclass(frozen=True)
class Mixture(FittedClusters):
    """k Gaussians; the centers are their means.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        Their shares; they sum to 1.
    precisions : ndarray of shape (k, d, d)
        Cholesky factors of the inverse covariances, in scikit-learn's form.
    """

    weights: np.ndarray
    precisions: np.ndarray

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors` (n, d) to the Gaussian of the highest posterior probability."""
        doubles = vectors.astype(np.float64)
        columns = [self._log_joint(doubles, cluster) for cluster in range(len(self.centers))]
        logits = np.stack(columns, axis=1)
        logits -= logits.max(axis=1, keepdims=True)
        soft = np.exp(logits)
        soft = soft / soft.sum(axis=1, keepdims=True)
        return Assigned.from_probabilities(soft, distances_to(self.centers, vectors))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return means, shares and precisions by name."""
        return {"centers": self.centers, "weights": self.weights, "precisions": self.precisions}

    def _log_joint(self, vectors: np.ndarray, cluster: int) -> np.ndarray:
        """Return log(share) + log density of a Gaussian at vectors (n, d), up to a constant."""
        factor = self.precisions[cluster]
        residuals = (vectors - self.centers[cluster]) @ factor
        return (
            np.log(self.weights[cluster])
            + np.log(np.diagonal(factor)).sum()
            - 0.5 * np.square(residuals).sum(axis=1)
        )


class GMM(Clusterer):
    """A mixture of Gaussians."""

    # Full covariances of a code have too many numbers to start training from; n2d has few.
    capabilities = ClustererCapabilities(pretrained_features="umap10", can_start_refinement=False)

    def fit(self, vectors: Vectors, options: ClusterOptions, settings: Any) -> Mixture:
        """Fit the Gaussians.

        Raises
        ------
        DataError
            If there are too few different vectors for k full covariances.
        """
        from sklearn.mixture import GaussianMixture

        k = number_of_clusters(options)
        matrix = vectors.matrix().astype(np.float64)
        # The regularisation must not depend on the unit of the features.
        scale = float(matrix.var(axis=0).mean()) or 1.0
        model = GaussianMixture(
            k,
            n_init=options.restarts,
            reg_covar=REGULARISATION * scale,
            random_state=options.seed,
        )
        labels = _fit_quietly(model, matrix, k)
        order = canonical_order(labels, k)
        return Mixture(
            model.means_[order].astype(np.float32),
            model.weights_[order],
            model.precisions_cholesky_[order],
            facts={
                "algorithm": "GaussianMixture",
                "inertia": float(np.square(matrix - model.means_[labels]).sum()),
                "log_likelihood": float(model.lower_bound_),
                "n_iter": int(model.n_iter_),
            },
        )

    def load(self, arrays: Mapping[str, np.ndarray]) -> Mixture:
        """Return the fitted mixture from its saved arrays."""
        return Mixture(arrays["centers"], arrays["weights"], arrays["precisions"])


def _fit_quietly(model: Any, matrix: np.ndarray, k: int) -> np.ndarray:
    """Fit a mixture and return the clusters (n,); what scikit-learn warns of becomes our own."""
    if len(matrix) < FEWEST_IMAGES:
        raise DataError(f"Gaussians take at least {FEWEST_IMAGES} training images, there is one.")
    try:
        with warnings.catch_warnings(record=True) as caught, backend.ordered_sums():
            warnings.simplefilter("always")
            labels = model.fit_predict(matrix)
    except ValueError as error:
        raise _too_many_gaussians(k, len(matrix), error) from error
    for warning in caught:
        if "distinct clusters" in str(warning.message):
            raise too_few_different(k, warning.message)
    if not model.converged_:
        log.warning("gmm: the Gaussians were still changing after %d steps", model.n_iter_)
    return labels


def _too_many_gaussians(k: int, n_images: int, error: ValueError) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(
        f"Gaussians cannot be fitted to {n_images} images ({reason})",
        field="k",
        value=k,
        hint="Choose a smaller `k`.",
    )
