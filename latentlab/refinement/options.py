"""Settings that the refinement loop needs of every method."""

from dataclasses import dataclass

from latentlab.clustering.clusterer import Clusterer
from latentlab.errors import ConfigError
from latentlab.options import CheckedOptions, check_options, option


@dataclass(frozen=True)
class LoopOptions(CheckedOptions):
    """Settings of the loop; each method adds its own.

    Attributes
    ----------
    interval : int
        Steps per round, that is between two assignments of all images.
    batch_size : int
        Images per step.
    max_steps : int
        Largest number of steps.
    tolerance : float
        Stop when a smaller share of the training images changed its cluster in a round; below 0
        settled labels never end the training.
    start : str
        Clustering method that makes the initial clusters. k-means on the features is the published
        choice. N2D (UMAP, then a Gaussian mixture) follows clusters that are not round; "scan",
        "temi" and "imc" train a linear head.
    neighbors : int
        Neighbours of UMAP for an N2D start; 20 in its paper.
    """

    interval: int = option(140, "Steps between two assignments of all images.", at_least=1)
    batch_size: int = option(256, "Images per step.", at_least=1)
    max_steps: int = option(20_000, "Largest number of steps.", at_least=1)
    tolerance: float = option(0.001, "Stop when a smaller share of images changes its cluster.")
    start: str = option("kmeans", "Clustering method that makes the initial clusters.")
    neighbors: int = option(20, "Neighbours of UMAP for an N2D start.", at_least=2)

    def __post_init__(self) -> None:
        if can_start_refinement(self.start):
            check_options(self)
            return
        choices = ", ".join(starting_methods())
        error = ConfigError(f": must be one of {choices}", field="start", value=self.start)
        check_options(self, error)

    @property
    def least_rounds(self) -> int:
        """Rounds before which settled labels do not end the training."""
        return 1


def can_start_refinement(method: str) -> bool:
    """Tell whether refinement can start from the clusters of a method.

    Parameters
    ----------
    method : str
        Name of a clustering method.

    Returns
    -------
    bool
        False also for unknown names.
    """
    if method not in Clusterer.names():
        return False
    return Clusterer.named(method).capabilities.can_start_refinement


def starting_methods() -> tuple[str, ...]:
    """List the clustering methods that refinement can start from.

    Returns
    -------
    tuple of str
        Their names, sorted.
    """
    return tuple(filter(can_start_refinement, Clusterer.names()))
