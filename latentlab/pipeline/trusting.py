"""How far clusters can be trusted: a statement without labels, as trust/<name>.json."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import ConfigError, DataError, RunError
from latentlab.pipeline.run_data import open_run_images, open_small_images
from latentlab.progress import log
from latentlab.storage.clustering import Clustering
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.clustering.trust import Clustered
    from latentlab.clustering.trust_report import TrustReport

SIDE = 32  # pixels of the pictures that clusters are compared with
BATCH = 64  # pictures that are encoded at once


def trust_of(run: Run, name: str | None = None) -> "TrustReport":
    """Say how far clusters can be trusted; no label is read.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.

    Returns
    -------
    TrustReport
        As in trust/<name>.json.
    """
    from latentlab.clustering.trust_report import TRUST_FORMAT, TrustReport, assess
    from latentlab.storage import json_form

    clustering = run.clustering(name)
    target = run.path / "trust" / f"{clustering.name}.json"
    config = {
        "clusters": clustering.recorded_outputs(),
        "embed": run.encoder_config(),
        "format": TRUST_FORMAT,
    }

    def make() -> list[Path]:
        verdict, measures = assess(_clustered(clustering), clustering.options.seed)
        report = TrustReport(
            name=clustering.name,
            method=clustering.options.method,
            features=str(clustering.features),
            verdict=verdict,
            measures=measures,
        )
        return [json_form.write(target, report)]

    run.do_stage(f"trust/{clustering.name}", config, make, uses_network=True)
    return json_form.read(TrustReport, target)


def _clustered(clustering: Clustering) -> "Clustered":
    """Return a sample of the images of a clustering, with all that is looked at."""
    from latentlab.clustering.trust import MIRRORED, SAMPLE, Clustered
    from latentlab.encoders import model_files
    from latentlab.training import prototypes

    run = clustering.run
    spec = clustering.features
    assignments = clustering.assignments
    order = np.random.default_rng([clustering.options.seed, 43]).permutation(len(assignments.ids))
    rows = order[:SAMPLE]
    return Clustered(
        vectors=_vectors_at(run, spec.start, rows),
        clusters=assignments.clusters[rows],
        spec=spec,
        shape=model_files.vector_shape(run, spec),
        pictures=_small_pictures(run, rows),
        mirrored=_mirrored(run, spec.start, rows[:MIRRORED]),
        head=prototypes.head(run) if spec.projects else None,
    )


def _vectors_at(run: Run, column: str, rows: np.ndarray) -> np.ndarray:
    """Return the stored vectors of some images, float32 (n, d), in the order of `rows`."""
    from latentlab.encoders.embedding import Embeddings

    parts = []
    start = 0
    for part in Embeddings(run.path).parts(column=column):
        inside = rows[(rows >= start) & (rows < start + len(part))]
        parts.append((inside, part[inside - start]))
        start += len(part)
    positions = np.concatenate([inside for inside, _ in parts])
    vectors = np.concatenate([part for _, part in parts])
    # The parts are in the order of the images; `rows` may not be.
    place = np.empty(start, np.int64)
    place[positions] = np.arange(len(positions))
    return vectors[place[rows]]


def _small_pictures(run: Run, rows: np.ndarray) -> np.ndarray | None:
    """Return images at 32 x 32 pixels; None if the run has none, or they are gone."""
    from latentlab.data.pictures.resizing import resize_all

    if run.config.data is None:
        return None
    try:
        pictures = open_small_images(run).read(rows)
    except (DataError, RunError) as error:
        log.info("trust: without pictures, since %s", error)
        return None
    if pictures.shape[1:3] == (SIDE, SIDE):
        return pictures
    return resize_all(pictures, SIDE, "stretch")


def _mirrored(run: Run, column: str, rows: np.ndarray) -> np.ndarray | None:
    """Return the vectors of mirror images; None if there are no pictures or no encoder.

    Averages with the mirror image are the same for both, and say nothing.
    """
    from latentlab.encoders.image_encoder import open_encoder

    if run.config.data is None or column == "averaged":
        return None
    try:
        encode = open_encoder(run).encoding(column)
        images = open_run_images(run)
        parts = []
        for start in range(0, len(rows), BATCH):
            pixels = images.read(rows[start : start + BATCH])
            parts.append(encode(np.ascontiguousarray(pixels[:, :, ::-1])))
    except (ConfigError, DataError, RunError) as error:
        log.info("trust: without mirror images, since %s", error)
        return None
    return np.concatenate(parts)
