"""The feature steps: how each learns from training vectors, and how it transforms vectors."""

import numpy as np

from latentlab.backend.umap_import import import_umap
from latentlab.errors import ConfigError
from latentlab.features.neighbors import nearest
from latentlab.features.spec import FeatureSpec, Step
from latentlab.progress import log

Arrays = dict[str, np.ndarray]

PCA_DIMENSIONS = 50
UMAP_DIMENSIONS = 10
FEWEST_FOR_UMAP = 5  # vectors
PLACING_NEIGHBORS = 15  # fitted images that place a new one on UMAP's coordinates
LARGEST_EXACT_PCA = 1000  # dimensions up to which the covariance matrix is decomposed exactly
SMALLEST_VARIANCE = 1e-12
SMALLEST_LENGTH = 1e-12


def check_pool(spec: FeatureSpec, code_shape: tuple[int, ...]) -> None:
    """Refuse a pool step on codes that it cannot divide.

    Parameters
    ----------
    spec : FeatureSpec
        Its first step is pool.
    code_shape : tuple of int
        (height, width, channels) or (d,).

    Raises
    ------
    ConfigError
        If the code has no height and width, or the grid does not divide them.
    """
    grid = spec.steps[0].number or 1
    if len(code_shape) != 3:
        problem = f": pool needs a code with height and width; this one has {code_shape[0]} numbers"
    elif code_shape[0] % grid or code_shape[1] % grid:
        size = f"{code_shape[0]}x{code_shape[1]}"
        problem = f": a {size} code cannot be divided into a {grid}x{grid} grid"
    else:
        return
    raise ConfigError(problem, field="features", value=repr(str(spec)))


def learn_step(step: Step, vectors: np.ndarray, seed: int, neighbors: int) -> Arrays:
    """Return the arrays that a step learns from training vectors.

    Parameters
    ----------
    step : Step
        One of pca, whiten and umap.
    vectors : ndarray of shape (n, d), float32
        Training vectors after the earlier steps.
    seed : int
        Seed of PCA's solver and of UMAP.
    neighbors : int
        Neighbours of UMAP.
    """
    if step.name == "umap":
        return _learn_umap(vectors, step.number or UMAP_DIMENSIONS, seed, neighbors)
    return _learn_pca(vectors, step.number or PCA_DIMENSIONS, step.name == "whiten", seed)


def apply_step(
    step: Step, vectors: np.ndarray, code_shape: tuple[int, ...], learned: Arrays
) -> np.ndarray:
    """Return vectors (n, d) as transformed by a fitted step.

    Parameters
    ----------
    step : Step
        The step to apply.
    vectors : ndarray of shape (n, d)
        The vectors before the step.
    code_shape : tuple of int
        Shape of one code, which "pool" needs.
    learned : mapping of str to ndarray
        Arrays that the step learnt from the training vectors.
    """
    if step.name == "pool":
        return _pool(vectors, step.number or 1, code_shape)
    if step.name == "l2":
        return unit(vectors)
    if step.name == "project":
        return through(learned, vectors)
    if step.name == "umap":
        return _place(vectors, learned["reference"], learned["coordinates"])
    return ((vectors - learned["mean"]) @ learned["directions"]).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) scaled to length 1; zeros stay.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        The vectors to scale.

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, SMALLEST_LENGTH)


def through(head: Arrays, vectors: np.ndarray) -> np.ndarray:
    """Return the output of a projection head, (n, d'): dense layers with relu between them.

    Parameters
    ----------
    head : dict
        kernel0 of shape (d, h), bias0 (h,), kernel1 (h, d') and so on.
    vectors : ndarray of shape (n, d)
        Embeddings.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> through({"kernel0": np.eye(2), "bias0": np.ones(2)}, np.array([[1.0, -3.0]])).tolist()
    [[2.0, -2.0]]
    """
    for number in range(len(head) // 2):
        if number:
            vectors = np.maximum(vectors, 0)
        vectors = vectors @ head[f"kernel{number}"] + head[f"bias{number}"]
    return vectors


def _pool(vectors: np.ndarray, grid: int, code_shape: tuple[int, ...]) -> np.ndarray:
    height, width, channels = code_shape
    cell_shape = (len(vectors), grid, height // grid, grid, width // grid, channels)
    return vectors.reshape(cell_shape).mean(axis=(2, 4)).reshape(len(vectors), -1)


def _learn_pca(vectors: np.ndarray, count: int, whiten: bool, seed: int) -> Arrays:
    from sklearn.decomposition import PCA

    if len(vectors) < 2:  # one vector has no directions: any will do
        direction = np.eye(vectors.shape[1], 1, dtype=np.float32)
        return {"mean": vectors.mean(axis=0).astype(np.float32), "directions": direction}
    solver = "covariance_eigh" if vectors.shape[1] <= LARGEST_EXACT_PCA else "randomized"
    pca = PCA(min(count, *vectors.shape), svd_solver=solver, random_state=seed)
    with np.errstate(invalid="ignore"):  # shares of no variance at all, of equal vectors
        pca.fit(vectors)
    scale = np.sqrt(np.maximum(pca.explained_variance_, SMALLEST_VARIANCE)) if whiten else 1.0
    directions = (pca.components_.T / scale).astype(np.float32)
    return {"mean": pca.mean_.astype(np.float32), "directions": directions}


def _learn_umap(vectors: np.ndarray, dimensions: int, seed: int, neighbors: int) -> Arrays:
    if len(vectors) < FEWEST_FOR_UMAP:
        # There is no neighbourhood to learn from: the vectors stay.
        return {"reference": vectors, "coordinates": vectors.astype(np.float32)}
    umap = import_umap()
    log.info("UMAP of %s vectors ...", f"{len(vectors):,}")

    mapper = umap.UMAP(
        n_neighbors=min(neighbors, len(vectors) - 1),
        min_dist=0.0,
        n_components=dimensions,
        # The spectral start needs more images than coordinates.
        init="spectral" if len(vectors) > dimensions + 1 else "random",
        random_state=seed,
        n_jobs=1,
    )
    coordinates = mapper.fit_transform(vectors).astype(np.float32)
    return {"reference": vectors, "coordinates": coordinates}


def _place(vectors: np.ndarray, reference: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Return UMAP's coordinates of fitted vectors, and the neighbours' weighted mean for others."""
    distances, neighbors = nearest(reference, vectors, PLACING_NEIGHBORS)
    weights = 1.0 / np.maximum(distances, 1e-9)
    # A fitted vector takes its own coordinates: its other neighbours have no say.
    weights[distances[:, 0] < 1e-6, 1:] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weights, coordinates[neighbors]).astype(np.float32)
