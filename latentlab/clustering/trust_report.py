"""The trust statement of a clustering: what was measured, and the verdict."""

from dataclasses import dataclass

import numpy as np

from latentlab.clustering.structure import LEAST_IMAGES
from latentlab.clustering.trust import Clustered, Measures, measure
from latentlab.clustering.trust_rule import Grade, Verdict, judge
from latentlab.storage.json_form import json_field

TRUST_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class TrustReport:
    """How far a clustering can be trusted, without labels.

    Attributes
    ----------
    name : str
        Name of the clustering.
    method, features : str
        How it was made.
    verdict : Verdict
        The grade and its reasons.
    measures : Measures or None
        What was measured; None if there are too few images, or a single cluster.
    """

    name: str
    method: str
    features: str
    verdict: Verdict
    measures: Measures | None = json_field(optional=True)

    @property
    def grade(self) -> Grade:
        """The verdict's grade."""
        return Grade(self.verdict.grade)


def can_be_measured(clusters: np.ndarray) -> bool:
    """Return whether there are enough images and clusters to say anything.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
        Cluster of each image.
    """
    return len(clusters) >= LEAST_IMAGES and 1 < len(np.unique(clusters)) <= len(clusters) // 2


def assess(clustered: Clustered, seed: int = 0) -> tuple[Verdict, Measures | None]:
    """Return the verdict on clusters and what was measured of them.

    Parameters
    ----------
    clustered : Clustered
        The clusters.
    seed : int
        Of everything that is drawn.
    """
    if can_be_measured(clustered.clusters):
        measures = measure(clustered, seed)
        return judge(measures), measures
    n_images = len(clustered.clusters)
    reason = f"{clustered.k} clusters of {n_images} images are too few images to say more"
    if clustered.k < 2:
        reason = "all images are in one cluster"
    return Verdict(Grade.DO_NOT_TRUST, (reason,)), None
