"""What names of clusters are made of where no words tell: what their images look like."""

from pathlib import Path

import numpy as np

from latentlab.errors import DataError, RunError
from latentlab.pipeline.run_data import open_small_images
from latentlab.progress import log
from latentlab.storage.run import Run

LOOKS_FORMAT = 1


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
