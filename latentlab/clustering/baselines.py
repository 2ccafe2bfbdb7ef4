"""What any method must beat, computed with the run: k-means on raw pixels, on their PCA, and on the untrained encoder.

Where the code goes through feature steps before k-means, the pixels go through the same ones too, so that a gain is not
ascribed to the encoder that is the steps' own. No label takes part; `latentlab.scoring.evaluation` scores afterwards.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from latentlab import plugins
from latentlab.clustering import base
from latentlab.clustering.base import Vectors
from latentlab.config import ClusterOptions
from latentlab.data.images import ImageSet
from latentlab.encoders import networks
from latentlab.encoders.embedding import encode
from latentlab.features import feature_steps
from latentlab.progress import log
from latentlab.storage import tables
from latentlab.storage.run import Run

SHARD = 2048
PCA_DIMS = 50


Assignment = tuple[np.ndarray, np.ndarray, np.ndarray]


def assignments_of(
    run: Run, options: ClusterOptions, open_images: Callable[[Run], ImageSet]
) -> dict[str, Assignment]:
    """Return the baselines' (ids, splits, clusters) for the run's data, k and seed, computed once and kept in the run.

    Parameters
    ----------
    open_images : callable
        open_images(run) -> ImageSet; called only where something has to be computed.
    """
    plain = dataclasses.replace(options, method="kmeans", features="code")
    fitted = run.manifest["config"]["fit"]
    makers: dict[str, Callable[[ImageSet], np.ndarray]] = {
        "pixels+kmeans": lambda images: pixels(images, plain),
        "pca+kmeans": lambda images: pca(images, plain),
        "untrained+kmeans": lambda images: untrained(
            images, plain, fitted["arch"], fitted["arch_options"], fitted["seed"]
        ),
    }
    if steps := steps_for_pixels(options.features):
        makers[f"pixels+{steps}+kmeans"] = lambda images: cluster_vectors(
            images, flat, steps, plain
        )
    found: dict[str, Assignment] = {}
    images = None
    for method, make in makers.items():
        path = (
            run.path
            / "baselines"
            / f"{method.removesuffix('+kmeans')}-k{plain.k}-seed{plain.seed}{_effort(plain)}.parquet"
        )
        if not path.exists():
            log.info("baseline: %s", method)
            images = images or open_images(run)
            columns = {
                "id": images.ids.tolist(),
                "split": images.splits.tolist(),
                "cluster": make(images),
            }
            tables.write(path, pa.table(columns))
        found[method] = tables.read_assignment(path)
    return found


def _effort(options: ClusterOptions) -> str:
    """Return what names other settings of k-means than the usual ones: a baseline has the same as what it is compared with."""
    usual = ClusterOptions()
    restarts = f"-restarts{options.restarts}" if options.restarts != usual.restarts else ""
    return restarts + (
        f"-minibatch{options.minibatch_above}"
        if options.minibatch_above != usual.minibatch_above
        else ""
    )


def steps_for_pixels(spec: str) -> str:
    """Return the feature steps that make sense on raw pixels: all but "project", "pool" and a mere "l2"; "" where none is left."""
    steps = [
        text
        for text in map(str.strip, spec.split("+"))
        if text not in (*feature_steps.COLUMNS, "project") and not text.startswith("pool")
    ]
    return "+".join(steps) if steps != ["l2"] else ""


def pixels(images: ImageSet, options: ClusterOptions) -> np.ndarray:
    """Return the cluster of each image, int32 (n,), by k-means on its pixels in [0, 1]."""
    return cluster_vectors(images, flat, "code", options)


def pca(images: ImageSet, options: ClusterOptions) -> np.ndarray:
    """Return the cluster of each image, int32 (n,), by k-means on 50 principal components of its pixels."""
    return cluster_vectors(images, flat, f"pca{PCA_DIMS}", options)


def untrained(
    images: ImageSet, options: ClusterOptions, arch: str, arch_options: dict, seed: int
) -> np.ndarray:
    """Return the cluster of each image, int32 (n,), by k-means on the code of the encoder's initial weights."""
    from latentlab import backend

    backend.seed(seed)
    encoder = networks.build(arch, images.image_shape, arch_options).encoder
    return cluster_vectors(images, lambda batch: encode(encoder, batch), "code", options)


def cluster_vectors(
    images: ImageSet, embed: Callable[[np.ndarray], np.ndarray], steps: str, options: ClusterOptions
) -> np.ndarray:
    """Fit on the training split and return the cluster of every image, int32 (n,).

    Parameters
    ----------
    embed : callable
        uint8 images (m, height, width, channels) -> float32 vectors (m, d).
    steps : str
        Feature steps, see `latentlab.features.feature_steps`.
    """
    training = images.indices("train")

    def codes(indices: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(indices), SHARD):
            yield embed(images.read(indices[start : start + SHARD]))

    n_dims = embed(images.read(training[:1])).shape[1]
    fitted = feature_steps.fit(steps, codes(training), (n_dims,), options.seed)
    width = fitted.transform(embed(images.read(training[:1]))).shape[1]
    vectors = Vectors(
        len(training), width, lambda: (fitted.transform(part) for part in codes(training))
    )
    clusterer: base.Clusterer = plugins.load("clustering", "kmeans").fit(vectors, options)
    log.debug("k-means on %s: %s", steps, clusterer.facts)
    return np.concatenate(
        [clusterer.assign(fitted.transform(part)).cluster for part in codes(np.arange(len(images)))]
    )


def flat(batch: np.ndarray) -> np.ndarray:
    """Return uint8 images (n, height, width, channels) as float32 vectors (n, height x width x channels) in [0, 1]."""
    return batch.reshape(len(batch), -1).astype(np.float32) / np.float32(255)
