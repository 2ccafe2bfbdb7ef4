"""One way to cluster the images of a run: what k-means on vectors and DCEC have in common.

`latentlab.refinement.run_methods.run_method` gives the way that a method's name stands for, so that
nobody else asks whether the network is trained or not.
"""

import abc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.clustering.assigned import Assigned
from latentlab.config import AUTO, ClusterOptions
from latentlab.data.images import TRAIN, ImageSet
from latentlab.encoders import model_files
from latentlab.encoders.embedding import Embeddings, missing_column
from latentlab.errors import ConfigError, DataError
from latentlab.features.spec import CODE, FeatureSpec, Step
from latentlab.storage.clustering import EDIT_FILES, Clustering
from latentlab.storage.files import clear_folder, remove_folder
from latentlab.storage.run import Run
from latentlab.training import prototypes
from latentlab.training.prototypes import Purpose

# Stages that a new clustering undoes.
MADE_OF_CLUSTERS = ("evaluate", "decode", "audit", "report", "tree")


@dataclass(frozen=True)
class Traits:
    """Facts about a way of clustering that the rest of the package needs.

    Attributes
    ----------
    trains_network : bool
        The encoder is trained together with the clusters.
    finds_k : bool
        The method finds the number of clusters and takes none.
    default_features : str
        Feature steps if none are asked for; {k} stands for the number of clusters. Empty: whatever
        the encoder gives.
    required_step : str
        Feature step without which it would be another method; empty: none.
    pretrained_features : str
        Feature steps that follow the embedding of a pretrained encoder by default; empty: none.
    evens_sizes : bool
        The method tends to clusters of one size, whatever the images are.
    """

    trains_network: bool = False
    finds_k: bool = False
    default_features: str = ""
    required_step: str = ""
    pretrained_features: str = ""
    evens_sizes: bool = False


class RunMethod(abc.ABC):
    """One method of clustering at work on runs.

    Attributes
    ----------
    plugin : Clusterer or Refiner
        The method.
    traits : Traits
        What it needs and does.
    """

    plugin: Any
    traits: Traits

    @abc.abstractmethod
    def needs_prototypes(self, options: ClusterOptions) -> bool:
        """Return whether the method reads the prototypes of the run's fit, by its `options`."""

    @abc.abstractmethod
    def resumes(self, run: Run, options: ClusterOptions) -> bool:
        """Return whether `make` goes on with an interrupted clustering of these settings.

        Parameters
        ----------
        run : Run
            The run to cluster.
        options : ClusterOptions
            Resolved options of the clustering.
        """

    @abc.abstractmethod
    def make(
        self, run: Run, options: ClusterOptions, open_images: Callable[[Run], ImageSet]
    ) -> list[Path]:
        """Cluster the run's codes, assign every image and write the clustering's files.

        Parameters
        ----------
        run : Run
            Its images are embedded.
        options : ClusterOptions
            From `resolve`.
        open_images : callable
            open_images(run) -> the run's images, for methods that look at them.

        Returns
        -------
        list of pathlib.Path
            The files.
        """

    @abc.abstractmethod
    def finish(self, run: Run, options: ClusterOptions) -> None:
        """Remove what was needed for resuming, when the clustering is recorded.

        Parameters
        ----------
        run : Run
            The run to cluster.
        options : ClusterOptions
            Resolved options of the clustering.
        """

    @abc.abstractmethod
    def assign(
        self, clustering: Clustering, images: ImageSet, shards: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, Assigned]]:
        """Yield (positions, where they belong) for the images at the positions of each shard.

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        images : ImageSet
            The images to assign.
        shards : iterable of ndarray of int
            Positions of images, as many at a time as are assigned together.
        """

    @abc.abstractmethod
    def centers(self, clustering: Clustering) -> np.ndarray:
        """Return the centers of a finished clustering, float32 (k, d).

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        """

    def merges(self, clustering: Clustering) -> np.ndarray | None:
        """Return the tree that the method itself has made of its clusters; None without.

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.

        Returns
        -------
        ndarray of shape (k - 1, 4), or None
            As `ClusterTree.merges`.
        """
        return None

    def resolve(
        self,
        options: ClusterOptions,
        augment: str = "none",
        embedding_steps: FeatureSpec | None = None,
    ) -> ClusterOptions:
        """Return the options with everything that "auto" means for this method.

        Parameters
        ----------
        options : ClusterOptions
            What was asked for.
        augment : str
            How the fit has changed images.
        embedding_steps : FeatureSpec or None
            The steps to what is clustered by default, if the encoder goes on above its code; the
            method's own steps follow them.

        Raises
        ------
        ConfigError
            If a step that the method needs is missing, an option is wrong, or k is given to a
            method that finds it or missing for another.
        """
        self._check_k(options)
        self.plugin.parse_options(options.settings)
        features = options.features
        if features is None:
            features = self._default_features(options.k, embedding_steps)
        self._check_required_step(features, options.k, embedding_steps)
        if options.augment != AUTO:
            return replace(options, features=features)
        changes = augment if self.traits.trains_network else "none"
        return replace(options, features=features, augment=changes)

    def _check_k(self, options: ClusterOptions) -> None:
        if self.traits.finds_k and options.k is not None:
            problem = "finds the number of clusters by itself: leave `k` out"
        elif not self.traits.finds_k and options.k is None:
            problem = "needs `k`, a number of clusters of at least 1, or `k=auto`"
        else:
            return
        raise ConfigError(problem, field="method", value=options.method)

    def _default_features(self, k: int | None, embedding_steps: FeatureSpec | None) -> FeatureSpec:
        text = self.traits.default_features.format(k=k)
        steps = FeatureSpec.parse(text) if text else CODE
        if embedding_steps is None or text == str(CODE):
            return steps
        if not text or steps.starts_above_code:
            return embedding_steps
        # The embedding has no grid to pool over, and its last scaling would hide the steps' own.
        following = steps.steps[1:] if steps.steps[0] == Step("pool") else steps.steps
        if following and following[-1] == Step("l2"):
            following = following[:-1]
        return embedding_steps.followed_by(following)

    def _check_required_step(
        self, features: FeatureSpec, k: int | None, embedding_steps: FeatureSpec | None
    ) -> None:
        step = self.traits.required_step
        if step and not features.has(step):
            default = self._default_features(k, embedding_steps)
            raise ConfigError(
                f"needs the feature step {step}, as in `features={default}`: {features} has none",
                field="method",
                value=self.plugin.name,
            )

    def check(self, run: Run, options: ClusterOptions) -> None:
        """Refuse options that the run's encoder or its fit cannot serve.

        Parameters
        ----------
        run : Run
            The run to cluster.
        options : ClusterOptions
            From `resolve`.

        Raises
        ------
        ConfigError
            If features or method need an embedding, averages, a projection head or prototypes
            that the run does not have.
        """
        features = options.features or CODE
        needs_prototypes = self.needs_prototypes(options)
        if features.start not in model_files.columns(run):
            raise missing_column(features.start, of_vectors=run.config.vectors is not None)
        if features.averages and self.traits.trains_network:
            single = features.starting_from("embedding")
            raise ConfigError(
                f"trains the network, which sees one image at a time: choose `features={single}`",
                field="method",
                value=options.method,
            )
        if features.projects:
            prototypes.require(run, Purpose.PROJECT_STEP)
        if needs_prototypes:
            prototypes.require(run)

    def check_before(self, run: Run, options: ClusterOptions) -> None:
        """Refuse what would fail later, before anything of an older clustering is removed.

        Parameters
        ----------
        run : Run
            Its images are embedded.
        options : ClusterOptions
            From `resolve`.

        Raises
        ------
        DataError
            If there are fewer training images than clusters.
        """
        count = Embeddings(run.path).index().count(TRAIN)
        if options.k is not None and count < options.k:
            raise DataError(
                f"is more than the {count} training images",
                field="k",
                value=options.k,
                limit=count,
                hint="Choose a smaller `k`.",
            )


def start_over(run: Run, name: str) -> None:
    """Remove the files of a clustering that starts again, and files made from it.

    Parameters
    ----------
    run : Run
        The run, which this process holds.
    name : str
        Name of the clustering. Edits made by hand stay in their file.
    """
    run.forget(*(f"{stage}/{name}" for stage in MADE_OF_CLUSTERS))
    clear_folder(run.path / "clusters" / name, keep=EDIT_FILES)
    remove_folder(run.path / "audit" / name)
