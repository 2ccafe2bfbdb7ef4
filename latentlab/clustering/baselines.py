"""Baselines of a run: k-means on what pictures give without any trained network.

    colours     histogram of the colours
    hog         histograms of the directions of edges
    pixels      raw pixels
    pca         50 principal components of the pixels
    untrained   the encoder before its training, if it was trained in this run

A run whose encoder came trained has these of its pictures at 32 x 32 pixels; a run without
pictures has none.

If the code goes through feature steps before k-means, the pixels go through the same steps too.
So a gain that comes from the steps is not ascribed to the encoder. No label takes part;
`latentlab.scoring.evaluate` scores afterwards.

Runs on the same pictures share them: see `latentlab.storage.shared_results`.
"""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import latentlab
from latentlab import backend
from latentlab.clustering.clusterer import Clusterer, number_of_clusters
from latentlab.clustering.pixel_features import colour_histograms, edge_histograms
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions, FitOptions
from latentlab.data.images import TRAIN, ImageSet
from latentlab.encoders import networks
from latentlab.encoders.embedding import encode
from latentlab.errors import DataError
from latentlab.features.fitted import fit_features
from latentlab.features.sampling import sampled
from latentlab.features.spec import CODE, FeatureSpec, Step
from latentlab.progress import log
from latentlab.storage import guard, shared_results
from latentlab.storage.assignments import Assignments
from latentlab.storage.files import fingerprint
from latentlab.storage.run import Run

SHARD = 2048
VERSION = 1  # of all that is computed here: another one computes anew what runs share
PCA_OF_PIXELS = FeatureSpec.parse("pca50")

Embed = Callable[[np.ndarray], np.ndarray]  # uint8 images -> float32 vectors (n, d)


@dataclass(frozen=True)
class Baseline:
    """One baseline.

    Attributes
    ----------
    method : str
        Name in tables of scores, such as "pixels+kmeans".
    features : FeatureSpec
        Steps between the vectors and k-means.
    make_embed : callable
        make_embed(images) returns the function from images to vectors.
    network : mapping
        What the vectors follow from beside the images, such as the network that is built.
    """

    method: str
    features: FeatureSpec
    make_embed: Callable[[ImageSet], Embed]
    network: Mapping[str, object] = field(default_factory=dict)


def baselines_of(
    run: Run, options: ClusterOptions, open_images: Callable[[Run], ImageSet]
) -> dict[str, Assignments]:
    """Return the baselines of a run, computed once and stored in its folder baselines/.

    Parameters
    ----------
    run : Run
    options : ClusterOptions
        Number of clusters, seed, restarts and features of the clustering to compare with.
    open_images : callable
        open_images(run) -> ImageSet; called only if something has to be computed.

    Returns
    -------
    dict
        Method -> assignments. Empty if the run has no pictures; without those baselines to which
        fewer images look different than there are clusters.
    """
    if run.config.data is None:
        log.info("baselines: %s has no pictures, so there are none", run.path)
        return {}
    kmeans_options = replace(options, method="kmeans", features=CODE)
    images = functools.cache(lambda: _Pictures(open_images(run)))
    by_method = {}
    for baseline in _baselines(run.config.fit, options.features or CODE):
        path = run.path / "baselines" / _file_name(baseline.method, kmeans_options)
        if guard.is_whole(path) or _make(baseline, images(), kmeans_options, path):
            by_method[baseline.method] = Assignments.read(path)
    return by_method


@dataclass(frozen=True)
class _Pictures:
    """The pictures of a run, and what they are known by among those of all runs."""

    images: ImageSet

    @functools.cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of ids, splits, shape and pixels."""
        images = self.images
        shape = repr((len(images), images.image_shape))
        digest = hashlib.sha256(shape.encode())
        for name, split in zip(images.ids.tolist(), images.splits.tolist(), strict=True):
            digest.update(f"{name}\0{split}\n".encode())
        for indices in images.shards(SHARD):
            digest.update(images.read(indices).tobytes())
        return digest.hexdigest()


def _make(baseline: Baseline, pictures: _Pictures, options: ClusterOptions, path: Path) -> bool:
    """Write a baseline; False if too few images differ in what it looks at, such as colours."""
    images = pictures.images
    key = _key_of(baseline, pictures, options)
    clusters = shared_results.look_up(key, len(images), number_of_clusters(options))
    try:
        if clusters is None:
            log.info("baseline: %s", baseline.method)
            embed = baseline.make_embed(images)
            clusters = cluster_images(images, embed, baseline.features, options)
            shared_results.keep(key, clusters)
        else:
            log.info("baseline: %s, as another run on these images has it", baseline.method)
        Assignments(images.ids, images.splits, clusters).write(path)
    except DataError as error:
        if error.field != "k":
            raise
        log.info("baseline: %s is left out: %s", baseline.method, error)
        return False
    return True


def steps_for_pixels(spec: FeatureSpec) -> FeatureSpec | None:
    """Return the feature steps that make sense on raw pixels: all but "project" and "pool".

    Parameters
    ----------
    spec : FeatureSpec
        Features of a clustering.

    Returns
    -------
    FeatureSpec or None
        None if no step is left, or a mere "l2".

    Examples
    --------
    >>> str(steps_for_pixels(FeatureSpec.parse("pool+whiten+l2")))
    'whiten+l2'
    """
    steps = spec.without("project", "pool").steps
    if not steps or steps == (Step("l2"),):
        return None
    return FeatureSpec(steps=steps)


def cluster_images(
    images: ImageSet, embed: Embed, features: FeatureSpec, options: ClusterOptions
) -> np.ndarray:
    """Fit k-means on the training split and assign every image.

    Parameters
    ----------
    images : ImageSet
    embed : callable
        uint8 images (m, height, width, channels) -> float32 vectors (m, d).
    features : FeatureSpec
        Steps between the vectors and k-means.
    options : ClusterOptions
        Number of clusters, restarts and seed.

    Returns
    -------
    ndarray of shape (n,), int32
        Cluster of each image.
    """
    training = images.indices(TRAIN)

    def vectors_at(positions: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(positions), SHARD):
            yield embed(images.read(positions[start : start + SHARD]))

    # Fit the steps, then k-means on their output.
    first = embed(images.read(training[:1]))
    some = sampled(vectors_at(training), images.ids[training], options.seed)
    fitted = fit_features(features, some, first.shape[1:], options.seed)
    vectors = Vectors(
        len(training),
        fitted.transform(first).shape[1],
        lambda: map(fitted.transform, vectors_at(training)),
    )
    kmeans = Clusterer.named("kmeans")
    clusters = kmeans.fit(vectors, options, kmeans.parse_options({}))
    log.debug("k-means on %s: %s", features, clusters.facts)

    labels = []
    for part in vectors_at(np.arange(len(images))):
        labels.append(clusters.assign(fitted.transform(part)).cluster)
    return np.concatenate(labels)


def flat(batch: np.ndarray) -> np.ndarray:
    """Return images as vectors of their pixels in [0, 1], float32 (n, d).

    Parameters
    ----------
    batch : ndarray of shape (n, height, width, channels), uint8
    """
    return batch.reshape(len(batch), -1).astype(np.float32) / np.float32(255)


def _baselines(fit: FitOptions | None, features: FeatureSpec) -> list[Baseline]:
    """Return the baselines; `fit` is None if the encoder came trained."""

    def pixels(images: ImageSet) -> Embed:
        return flat

    baselines = [
        Baseline("pixels+kmeans", CODE, pixels),
        Baseline("pca+kmeans", PCA_OF_PIXELS, pixels),
        Baseline("colours+kmeans", CODE, lambda images: colour_histograms),
        Baseline("hog+kmeans", CODE, lambda images: edge_histograms),
    ]
    if fit is not None:
        network = {"arch": fit.arch, "options": fit.arch_options, "seed": fit.seed}
        network["backend"] = backend.current()
        baselines.append(Baseline("untrained+kmeans", CODE, _untrained(fit), network))
    # The pixels through the steps of the clustering, so that their gain is seen apart.
    steps = steps_for_pixels(features)
    if steps is not None:
        baselines.append(Baseline(f"pixels+{steps}+kmeans", steps, pixels))
    return baselines


def _untrained(fit: FitOptions) -> Callable[[ImageSet], Embed]:
    """Return what makes the encoder as it was before its training."""

    def make(images: ImageSet) -> Embed:
        backend.seed(fit.seed)
        model = networks.build(fit.arch, images.image_shape, fit.arch_options)
        return lambda batch: encode(model.encoder, batch)

    return make


def _key_of(baseline: Baseline, pictures: _Pictures, options: ClusterOptions) -> str:
    """Return a digest of everything that the clusters of a baseline follow from."""
    settings = {
        "version": VERSION,
        "latentlab": latentlab.__version__,
        "method": baseline.method,
        "features": str(baseline.features),
        "network": dict(baseline.network),
        "k": options.k,
        "seed": options.seed,
        "restarts": options.restarts,
        "minibatch_above": options.minibatch_above,
    }
    return fingerprint(settings | {"images": pictures.digest})


def _file_name(method: str, options: ClusterOptions) -> str:
    """Return the file of a baseline; unusual settings of k-means are part of its name."""
    usual = ClusterOptions()
    name = f"{method.removesuffix('+kmeans')}-k{options.k}-seed{options.seed}"
    if options.restarts != usual.restarts:
        name += f"-restarts{options.restarts}"
    if options.minibatch_above != usual.minibatch_above:
        name += f"-minibatch{options.minibatch_above}"
    return f"{name}.parquet"
