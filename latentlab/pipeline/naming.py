"""What makes clusters easier to read: the tree over them, and what their images look like."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import DataError, RunError
from latentlab.pipeline.run_data import open_small_images
from latentlab.progress import log
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.clustering.tree import ClusterTree

TREE_FORMAT = 1
LOOKS_FORMAT = 1


def tree(run: Run, name: str | None = None) -> "ClusterTree":
    """Join clusters to larger ones step by step, without a new fit.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.

    Returns
    -------
    ClusterTree
        As in clusters/<name>/tree.json: by density for hdbscan, else by Ward's rule.

    Raises
    ------
    RunError
        If a file of the clustering is missing or damaged.
    """
    from latentlab.clustering.tree import ClusterTree
    from latentlab.clustering.tree_files import TREE_NAME, StoredTree
    from latentlab.refinement.run_methods import tree_of_clusters
    from latentlab.storage import json_form

    clustering = run.clustering(name)
    config = {"clusters": clustering.recorded_outputs(), "format": TREE_FORMAT}

    def make() -> list[Path]:
        return StoredTree(*tree_of_clusters(clustering)).write(clustering.folder)

    run.do_stage(f"tree/{clustering.name}", config, make)
    return json_form.read(ClusterTree, clustering.folder / TREE_NAME)


def take_looks(run: Run) -> None:
    """Measure brightness, colour and detail of a sample of the images, once for all clusterings.

    Parameters
    ----------
    run : Run
        Any run; one of vectors without images has no looks.
    """
    from latentlab.clustering.looks import SAMPLE, Looks, looks_of_pixels
    from latentlab.reporting.suggested_names import looks_path

    if run.config.data is None:
        return
    config = {"images": run.config.images_sha256, "sample": SAMPLE, "format": LOOKS_FORMAT}

    def make() -> list[Path]:
        try:
            images = open_small_images(run)
        except (DataError, RunError) as error:
            log.info("suggested names: without looks of the images, since %s", error)
            return []
        order = np.random.default_rng(0).permutation(len(images))
        positions = np.sort(order[:SAMPLE])
        looks = Looks(positions, looks_of_pixels(images.read(positions)))
        return [looks.write(looks_path(run))]

    run.do_stage("looks", config, make)
