"""Learn from another run's encoder, so that a smaller network does nearly what a large one does (distillation).

    L = - mean sum_j q_j log p_j,    q = softmax(z C / tau) of the teacher's z,    p = softmax(z' C / tau)

z is where the teacher's projection head puts the whole image, z' where the student's own head puts a crop of it, both on the unit
sphere, and C are the teacher's prototypes, which stay as they are (Hinton et al., 2015, with the prototypes of SwAV for classes; Fang et
al., ICLR 2021, do so with the images of a queue). The teacher must have been trained by swav and have embedded the same images. Its z
are computed once, so that a fit costs no more than one pass of the student an image; in return crops show the student what the teacher
was not asked about. A decoder beside it as for swav.

    latentlab embed --run runs/teacher
    latentlab fit --objective distill --set teacher=runs/teacher --arch fast8
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab import embedding, features, prototypes
from latentlab.backend.steps import Batch
from latentlab.config import FitOptions
from latentlab.encoders import Model
from latentlab.errors import ConfigError
from latentlab.images import ImageSet
from latentlab.objectives import swav
from latentlab.run import Run
from latentlab.training import as_input

projection_head, prototype_shares = swav.projection_head, swav.prototype_shares


@dataclass(frozen=True)
class Options:
    """Who is the teacher, and what the student sees.

    Attributes
    ----------
    teacher : str
        Its run.
    big : int
        Size of the crop, in pixels of a 32x32 image; other images scale it.
    smallest : float
        Smallest share of the image's area in the crop.
    hidden, temperature, warm_up_steps, optimizer, adam_share, weight_decay, steps_per_call
        As for swav.
    """

    teacher: str = ""
    big: int = 28
    smallest: float = 0.4
    hidden: int = 512
    temperature: float = 0.1
    warm_up_steps: int = 500
    optimizer: str = "muon"
    adam_share: float = 0.3
    weight_decay: float = 0.1
    steps_per_call: int = 10

    def __post_init__(self) -> None:
        if not self.teacher:
            raise ConfigError("--objective distill needs a teacher: --set teacher=RUN, a run that was trained with --recipe strong.")
        if not 0 < self.smallest <= 1:
            raise ConfigError("--set smallest must be above 0 and at most 1.")
        self.of_swav()

    def of_swav(self) -> swav.Options:
        """Return them as swav takes them; ConfigError as there."""
        shared = {name: value for name, value in dataclasses.asdict(self).items() if name not in ("teacher", "smallest")}
        return swav.Options(**shared, n_small=0, frozen_steps=0)


class Distillation(swav.SwAV):
    """A student in training: swav, but that its one crop is compared with what the teacher says of the image."""

    n_big: ClassVar[int] = 1
    compared: ClassVar[str] = "distillation_loss"

    def __init__(self, model: Model, images: ImageSet, fit: FitOptions, options: Options) -> None:
        self.targets, kernel = _teacher(images, options)
        sizes = {"projection": kernel.shape[0], "prototypes": kernel.shape[1]}
        super().__init__(model, images, fit, dataclasses.replace(options.of_swav(), **sizes))
        self.big = dataclasses.replace(self.big, scale=(options.smallest, 1.0))
        self.prototypes.set_weights([kernel])
        self.prototypes.trainable = False

    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Return what swav does, and agreement: the mean cosine of student and teacher, in [-1, 1], on whole images it was not trained on."""
        cosines = []
        for start in range(0, len(validation), swav.VALIDATED):
            piece = validation[start : start + swav.VALIDATED]
            placed = np.asarray(self.projector(self.embedder(as_input(self.images.read(piece)), training=False), training=False))
            cosines.append((_unit(placed) * self.targets[piece]).sum(axis=1))
        return {**super().validate(validation), "agreement": float(np.concatenate(cosines).mean())}

    def _batch(self, indices: np.ndarray, epoch: int, step: int, n_steps: int) -> dict[str, Any]:
        return {**super()._batch(indices, epoch, step, n_steps), "targets": self.targets[indices]}

    def _compare(self, per_view: list[Any], batch: Batch) -> tuple[Any, Any]:
        """Return the mean cross-entropy of the teacher's shares of the prototypes and the student's, and the prototypes in use."""
        from keras import ops

        known = batch["targets"] @ ops.normalize(ops.convert_to_tensor(self.prototypes.kernel), axis=0)
        predicted = ops.log_softmax(per_view[0] / self.options.temperature, axis=1)
        taught = ops.softmax(known / self.options.temperature, axis=1)
        return -ops.mean(ops.sum(taught * predicted, axis=1)), swav.in_use(predicted)


def objective(model: Model, images: ImageSet, fit: FitOptions, options: Options) -> Distillation:
    """Return the objective at work on `model`.

    Raises
    ------
    ConfigError
        If the encoder ends with its code.
    ConfigError, RunError
        As `check` does.
    """
    return Distillation(model, images, fit, options)


def check(images: ImageSet, options: Options) -> None:
    """Raise what is wrong with the teacher, before anything is done.

    Raises
    ------
    ConfigError
        If the teacher has no projection head and prototypes, or other images.
    RunError
        If it is no run, or has not embedded its images.
    """
    _teacher(images, options)


def _teacher(images: ImageSet, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Return where the teacher puts every image, float32 (n, d) of length 1, and its prototypes (d, m); errors as in `check`."""
    run = Run.open(options.teacher)
    prototypes.check(run, ("a teacher needs the projection head and prototypes", "choose another --set teacher"))
    if run.manifest["config"].get("images_sha256") != images.fingerprint:
        raise ConfigError(f"--set teacher={options.teacher}: it was fitted on other images than these. Give the same --data and its options.")
    embedded = np.concatenate(list(embedding.read_parts(run.path / "embeddings", column="embedding")))
    if len(embedded) != len(images):
        raise ConfigError(f"--set teacher={options.teacher}: {len(embedded)} of {len(images)} images are embedded. Run: latentlab embed --run RUN")
    return _unit(features.through(prototypes.head(run)(), embedded)), prototypes.kernel(run)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
