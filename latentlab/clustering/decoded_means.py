"""Decoded mean codes of clusters, and of ways from one to the next: clusters/<name>/decoded.npz."""

from pathlib import Path

import numpy as np

from latentlab.clustering.means import RunningMeans
from latentlab.encoders.embedding import Embeddings
from latentlab.encoders.model import Model
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import ASSIGNMENTS_NAME, DECODED_NAME
from latentlab.storage.files import atomic_path
from latentlab.storage.run import Run

PATH_STEPS = 8


def write_decoded(run: Run, name: str, k: int, model: Model) -> Path:
    """Write decoded.npz of clusters on the run's codes.

    Methods that train the encoder have other codes and write theirs themselves.

    Parameters
    ----------
    run : Run
    name : str
        Name of the clustering.
    k : int
        Number of clusters.
    model : Model
        The run's autoencoder, with a decoder.

    Returns
    -------
    pathlib.Path
        The file.
    """
    folder = run.path / "clusters" / name
    clusters = Assignments.read(folder / ASSIGNMENTS_NAME).clusters
    means = RunningMeans(k, int(np.prod(model.code_shape)))
    start = 0
    for codes in Embeddings(run.path).parts():
        means.add(codes, clusters[start : start + len(codes)])
        start += len(codes)
    return save_decoded(folder / DECODED_NAME, model, means.result())


def save_decoded(path: Path, model: Model, means: np.ndarray) -> Path:
    """Decode mean codes and the ways between them, and write both.

    Parameters
    ----------
    path : pathlib.Path
        The file. It holds "centroids", uint8 (k, height, width, channels), and "paths" of shape
        (k, steps, ...), from each cluster to the next.
    model : Model
        An autoencoder with a decoder.
    means : ndarray of shape (k, d)
        Mean code of each cluster.

    Returns
    -------
    pathlib.Path
        The file.
    """
    assert model.decoder is not None
    k = len(means)
    next_means = np.roll(means, -1, axis=0)
    share = np.linspace(0, 1, PATH_STEPS)[None, :, None]
    paths = (1 - share) * means[:, None] + share * next_means[:, None]

    codes = np.concatenate([means, paths.reshape(-1, means.shape[1])]).astype(np.float32)
    pictures = np.asarray(model.decoder.predict_on_batch(codes.reshape(-1, *model.code_shape)))
    pixels = (pictures.clip(0, 1) * 255).round().astype(np.uint8)
    path_pixels = pixels[k:].reshape(k, PATH_STEPS, *pixels.shape[1:])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, centroids=pixels[:k], paths=path_pixels)
    return path
