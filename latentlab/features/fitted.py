"""Fitted feature steps: learnt from the training images, applied to any image.

The steps are saved as plain arrays, so that new images go through the same ones.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from latentlab.errors import ConfigError
from latentlab.features.spec import STATELESS_STEPS, FeatureSpec, Step
from latentlab.features.steps import Arrays, apply_step, check_pool, learn_step, through, unit

__all__ = ["Arrays", "FittedFeatures", "fit_features", "through", "unit"]

UMAP_NEIGHBORS = 15


@dataclass(frozen=True)
class FittedFeatures:
    """Fitted steps.

    Attributes
    ----------
    spec : FeatureSpec
        The steps.
    code_shape : tuple of int
        Shape of one code before it was flattened: (height, width, channels) or (d,).
    arrays : tuple of dict
        What each step has learnt, name -> array.
    """

    spec: FeatureSpec
    code_shape: tuple[int, ...]
    arrays: tuple[Arrays, ...]

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Return the features, float32 (n, d'), of `codes`, flattened to (n, d)."""
        vectors = codes.astype(np.float32, copy=False)
        for step, learned in self.learned_steps():
            vectors = apply_step(step, vectors, self.code_shape, learned)
        return vectors

    def learned_steps(self) -> Iterator[tuple[Step, Arrays]]:
        """Yield each step with its learnt arrays."""
        return zip(self.spec.steps, self.arrays, strict=True)

    def to_arrays(self) -> Arrays:
        """Return everything as flat named arrays, for an .npz file."""
        named: Arrays = {}
        for number, learned in enumerate(self.arrays):
            for name, array in learned.items():
                named[f"features-{number}-{name}"] = array
        named["features-spec"] = np.array(str(self.spec))
        named["features-code-shape"] = np.array(self.code_shape)
        return named

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "FittedFeatures":
        """Return the features from the `arrays` of `to_arrays`; other names are ignored."""
        spec = FeatureSpec.parse(str(arrays["features-spec"]))
        learned: list[Arrays] = [{} for _ in spec.steps]
        for key, array in arrays.items():
            parts = key.split("-", 2)
            if parts[0] == "features" and parts[1].isdigit():
                learned[int(parts[1])][parts[2]] = array
        shape = tuple(int(size) for size in arrays["features-code-shape"])
        return cls(spec, shape, tuple(learned))


def fit_features(
    spec: FeatureSpec,
    batches: Iterable[np.ndarray],
    code_shape: tuple[int, ...],
    seed: int,
    neighbors: int = UMAP_NEIGHBORS,
    head: Callable[[], Arrays] | None = None,
) -> FittedFeatures:
    """Fit feature steps on the codes of training images.

    Parameters
    ----------
    spec : FeatureSpec
        The steps to fit.
    batches : iterable of ndarray of shape (m, d)
        Flattened codes of the training images, all of which are used; none is read if every step
        is stateless. `latentlab.features.sampling.sampled` draws some of many.
    code_shape : tuple of int
        (height, width, channels) or (d,).
    seed : int
        Seed of PCA's solver and of UMAP.
    neighbors : int
        Neighbours of UMAP while it is fitted.
    head : callable or None
        Returns the projection head for the step "project"; None if there is none.

    Returns
    -------
    FittedFeatures
        The steps, ready to transform any codes.

    Raises
    ------
    ConfigError
        If a step cannot be applied to such codes.

    Examples
    --------
    >>> codes = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32)
    >>> fit_features(FeatureSpec.parse("l2"), [codes], (2,), seed=0).transform(codes).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 1.0]]
    """
    if spec.has("pool"):
        check_pool(spec, code_shape)
    projection_head = _projection_head(spec, head)
    if spec.is_stateless:
        arrays = tuple(projection_head if step.name == "project" else {} for step in spec.steps)
        return FittedFeatures(spec, code_shape, arrays)
    learned: list[Arrays] = []
    vectors = np.concatenate(list(batches))
    for step in spec.steps:
        if step.name in STATELESS_STEPS:
            learned.append(projection_head if step.name == "project" else {})
        else:
            learned.append(learn_step(step, vectors, seed, neighbors))
        # Each step is fitted on the output of the steps before it.
        vectors = apply_step(step, vectors, code_shape, learned[-1])
    return FittedFeatures(spec, code_shape, tuple(learned))


def _projection_head(spec: FeatureSpec, head: Callable[[], Arrays] | None) -> Arrays:
    if not spec.projects:
        return {}
    if head is None:
        raise ConfigError(
            ": project needs a run whose encoder was trained with a projection head",
            field="features",
            value=repr(str(spec)),
            hint="Fit with `recipe=strong`.",
        )
    return head()
