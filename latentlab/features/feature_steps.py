"""What of an image is clustered: "code" as it is, or label-free steps joined by "+", for example "pool+whiten+l2".

    embedding   first only: start from the embedding above the code, where the encoder has one, in the place of the code
    averaged    first only: start from the mean of the embeddings of the image and of its mirror image, where the encoder was trained on
                mirrored views too
    project     after embedding or averaged only: through the projection head that the fit has trained above it, where it has one; its loss compares
                views of images there (SwAV)
    pool[N]     average the code over an N x N grid of its height and width (N = 1: global average pooling)
    pca[N]      the N directions of most variance (50)
    whiten[N]   the same, each scaled to variance 1
    l2          each image's vector scaled to length 1
    umap[N]     N UMAP coordinates (10), 15 neighbours, minimal distance 0; a new image gets the average of its 15
                nearest fitted images' coordinates, weighted by 1 / distance

The steps are fitted on training images only and saved as plain arrays, so that new images go through the same ones.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from latentlab import backend
from latentlab.errors import ConfigError

Arrays = dict[str, np.ndarray]
SAMPLE = 50_000
COLUMNS = (
    "code",
    "embedding",
    "averaged",
)  # of the parquet parts, see `latentlab.encoders.embedding`
ABOVE = COLUMNS[1:]  # of encoders that go on above their code
PROJECTED = "embedding+project+l2"  # what is clustered and mapped where a fit has trained a projection head above its embedding
NEIGHBORS = 15
GIVEN = ("pool", "l2", "project")  # steps that no images are needed for


@dataclass(frozen=True)
class Features:
    """Fitted steps.

    Attributes
    ----------
    spec : str
        The steps as text.
    code_shape : tuple of int
        Shape of one code before it was flattened.
    arrays : tuple of dict
        What each step learned, name -> array.
    """

    spec: str
    code_shape: tuple[int, ...]
    arrays: tuple[Arrays, ...]

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Return the features, float32 (n, d'), of flattened codes (n, d)."""
        vectors = codes.astype(np.float32, copy=False)
        for (name, number), learned in zip(parse(self.spec), self.arrays, strict=True):
            vectors = _apply(name, number, vectors, self.code_shape, learned)
        return vectors

    def to_arrays(self) -> Arrays:
        """Return everything as flat named arrays, for an .npz file."""
        named = {
            f"features-{i}-{name}": a
            for i, learned in enumerate(self.arrays)
            for name, a in learned.items()
        }
        return named | {
            "features-spec": np.array(self.spec),
            "features-code-shape": np.array(self.code_shape),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Features":
        """Undo `to_arrays`; other names are ignored."""
        spec = str(arrays["features-spec"])
        learned = [
            {
                name.split("-", 2)[2]: a
                for name, a in arrays.items()
                if name.startswith(f"features-{i}-")
            }
            for i in range(len(parse(spec)))
        ]
        return cls(spec, tuple(int(n) for n in arrays["features-code-shape"]), tuple(learned))


def column(spec: str) -> str:
    """Return what a specification starts from, one of COLUMNS."""
    first = spec.split("+")[0]
    return first if first in ABOVE else "code"


def siblings(spec: str) -> list[str]:
    """Return a specification and, where it starts above the code, the same steps from the other of ABOVE."""
    start = column(spec)
    return [
        spec,
        *(spec.replace(start, other, 1) for other in ABOVE if start in ABOVE and other != start),
    ]


def averages(spec: str) -> bool:
    """Return whether a specification starts from the mean with the mirror image's embedding."""
    return column(spec) == "averaged"


def projects(spec: str) -> bool:
    """Return whether a specification goes through the projection head."""
    return any(name == "project" for name, _ in parse(spec))


def parse(spec: str) -> list[tuple[str, int | None]]:
    """Return the steps of a specification as (name, number or None).

    Raises
    ------
    ConfigError
        If a step is unknown.
    """
    if spec in COLUMNS:
        return []
    start = column(spec)
    steps = []
    for text in spec.removeprefix(f"{start}+" if start in ABOVE else "").split("+"):
        match = re.fullmatch(r"(project|pool|pca|whiten|l2|umap)(\d+)?", text.strip())
        if match is None or (match[1] in ("l2", "project") and match[2]) or match[2] == "0":
            raise ConfigError(
                f"--features {spec!r}: unknown step {text!r}. Use code, embedding, averaged, or steps of project, pool[N], pca[N], whiten[N], l2,"
                ' umap[N] joined by "+".'
            )
        steps.append((match[1], int(match[2]) if match[2] else None))
    if any(name == "pool" for name, _ in steps[1:]):
        raise ConfigError(
            f"--features {spec!r}: pool must be the first step, since it needs the code's height and width."
        )
    if any(name == "project" for name, _ in steps[1 if start in ABOVE else 0 :]):
        raise ConfigError(
            f"--features {spec!r}: project can only follow embedding or averaged, as in embedding+project+l2."
        )
    return steps


def fit(
    spec: str,
    batches: Iterable[np.ndarray],
    code_shape: tuple[int, ...],
    seed: int,
    neighbors: int = NEIGHBORS,
    head: Callable[[], Arrays] | None = None,
) -> Features:
    """Fit the steps on codes.

    Parameters
    ----------
    spec : str
        See the module's text.
    batches : iterable of ndarray of shape (m, d)
        Flattened codes of the training images; the first 50,000 are used, and none where all steps are of GIVEN.
    code_shape : tuple of int
        (height, width, channels) or (d,).
    seed : int
        Of PCA's solver and of UMAP.
    neighbors : int
        Of UMAP, while it is fitted.
    head : callable or None
        head() gives the projection head for `project`, as `through` takes it; None where there is none.

    Raises
    ------
    ConfigError
        If a step is unknown, or cannot be had of these codes.
    """
    steps = parse(spec)
    if steps and steps[0][0] == "pool":
        _check_pool(spec, steps[0][1] or 1, code_shape)
    given: Arrays = {}
    if projects(spec):
        if head is None:
            raise ConfigError(
                f"--features {spec!r}: project needs a run whose encoder was trained with a projection head (--recipe strong)."
            )
        given = head()
    if all(name in GIVEN for name, _ in steps):
        return Features(
            spec, code_shape, tuple(given if name == "project" else {} for name, _ in steps)
        )
    learned: list[Arrays] = []
    vectors = np.concatenate(list(_first(batches, SAMPLE)))
    for name, number in steps:
        learned.append(
            given if name == "project" else _learn(name, number, vectors, seed, neighbors)
        )
        vectors = _apply(name, number, vectors, code_shape, learned[-1])
    return Features(spec, code_shape, tuple(learned))


def _first(batches: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    for batch in batches:
        yield batch[:count]
        count -= len(batch)
        if count <= 0:
            return


def _check_pool(spec: str, grid: int, code_shape: tuple[int, ...]) -> None:
    if len(code_shape) != 3:
        raise ConfigError(
            f"--features {spec!r}: pool needs a code with height and width; this one has {code_shape[0]} numbers."
        )
    if code_shape[0] % grid or code_shape[1] % grid:
        raise ConfigError(
            f"--features {spec!r}: a {code_shape[0]}x{code_shape[1]} code cannot be divided into a {grid}x{grid} grid."
        )


def _learn(name: str, number: int | None, vectors: np.ndarray, seed: int, neighbors: int) -> Arrays:
    if name in ("pca", "whiten"):
        return _learn_pca(vectors, number or 50, name == "whiten", seed)
    if name == "umap":
        return _learn_umap(vectors, number or 10, seed, neighbors)
    return {}


def _apply(
    name: str, number: int | None, vectors: np.ndarray, code_shape: tuple[int, ...], learned: Arrays
) -> np.ndarray:
    if name == "pool":
        return _pool(vectors, number or 1, code_shape)
    if name == "l2":
        return unit(vectors)
    if name == "project":
        return through(learned, vectors)
    if name == "umap":
        return _place(vectors, learned["reference"], learned["coordinates"])
    return ((vectors - learned["mean"]) @ learned["directions"]).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) scaled to length 1; zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def through(head: Arrays, vectors: np.ndarray) -> np.ndarray:
    """Return what a projection head makes of vectors (n, d), (n, d'): dense layers with relu between them.

    Parameters
    ----------
    head : dict
        kernel0 of shape (d, h), bias0 (h,), kernel1 (h, d') and so on.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    """
    for number in range(len(head) // 2):
        vectors = (np.maximum(vectors, 0) if number else vectors) @ head[f"kernel{number}"] + head[
            f"bias{number}"
        ]
    return vectors


def _pool(vectors: np.ndarray, grid: int, code_shape: tuple[int, ...]) -> np.ndarray:
    height, width, channels = code_shape
    cells = vectors.reshape(len(vectors), grid, height // grid, grid, width // grid, channels)
    return cells.mean(axis=(2, 4)).reshape(len(vectors), -1)


def _learn_pca(vectors: np.ndarray, count: int, whiten: bool, seed: int) -> Arrays:
    from sklearn.decomposition import PCA

    pca = PCA(
        min(count, *vectors.shape),
        svd_solver="covariance_eigh" if vectors.shape[1] <= 1000 else "randomized",
        random_state=seed,
    ).fit(vectors)
    scale = np.sqrt(np.maximum(pca.explained_variance_, 1e-12)) if whiten else 1.0
    return {
        "mean": pca.mean_.astype(np.float32),
        "directions": (pca.components_.T / scale).astype(np.float32),
    }


def _learn_umap(vectors: np.ndarray, dimensions: int, seed: int, neighbors: int) -> Arrays:
    with backend.frameworks_hidden():
        import umap

    mapper = umap.UMAP(
        n_neighbors=min(neighbors, len(vectors) - 1),
        min_dist=0.0,
        n_components=dimensions,
        random_state=seed,
        n_jobs=1,
    )
    return {"reference": vectors, "coordinates": mapper.fit_transform(vectors).astype(np.float32)}


def _place(vectors: np.ndarray, reference: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Return the coordinates of fitted vectors, and the neighbours' weighted average for others."""
    from sklearn.neighbors import NearestNeighbors

    finder = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(reference))).fit(reference)
    distances, neighbors = finder.kneighbors(vectors)
    weights = 1.0 / np.maximum(distances, 1e-9)
    weights[distances[:, 0] < 1e-6, 1:] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weights, coordinates[neighbors]).astype(np.float32)
