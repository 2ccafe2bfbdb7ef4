"""Learn from another run's encoder, so that a smaller network does nearly what a large one does (distillation).

    L = - mean sum_j q_j log p_j,    q = softmax(z C / tau) of the teacher's z,    p = softmax(z' C / tau)

z is where the teacher's projection head puts the whole image, z' where the student's own head puts a crop of it, both on the unit
sphere, and C are the teacher's prototypes, which stay as they are (Hinton et al., 2015, with the prototypes of SwAV for classes; Fang et
al., ICLR 2021, do so with the images of a queue). The teacher must have a projection head and prototypes, as swav trains them, and have
embedded the same images. Its z are computed once, so that a step costs the student's one crop. A decoder beside it as for swav.

    latentlab cluster --encoder cifar10-resnet18 --k 10 --run runs/teacher        or of a run of one's own: latentlab embed --run runs/teacher
    latentlab fit --objective distill --set teacher=runs/teacher --arch fast8 --learning-rate 0.01 --batch-size 256 --patience 0
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.networks import Model
from latentlab.errors import ConfigError, RunError
from latentlab.features import feature_steps
from latentlab.training import teachers
from latentlab.training.objectives import swav

DIGEST = "teacher-0000"  # its name in checkpoints

projection_head, prototype_shares, MIRRORS = (
    swav.projection_head,
    swav.prototype_shares,
    swav.MIRRORS,
)


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
            raise ConfigError(
                "--objective distill needs a teacher: --set teacher=RUN, a run that was trained with --recipe strong."
            )
        if not 0 < self.smallest <= 1:
            raise ConfigError("--set smallest must be above 0 and at most 1.")
        if self.big < 8 or min(self.hidden, self.steps_per_call) < 1 or self.warm_up_steps < 0:
            raise ConfigError(
                "--set big must be at least 8, hidden and steps_per_call at least 1, warm_up_steps at least 0."
            )
        if not (self.temperature > 0 and self.adam_share > 0 and self.weight_decay >= 0):
            raise ConfigError(
                "--set temperature and adam_share must be above 0, weight_decay at least 0."
            )
        self.of_swav()

    def of_swav(self) -> swav.Options:
        """Return them as swav takes them."""
        shared = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in ("teacher", "smallest")
        }
        return swav.Options(**shared, n_small=0, frozen_steps=0)


class Distillation(swav.SwAV):
    """A student in training: swav, but that its one crop is compared with what the teacher says of the image."""

    n_big: ClassVar[int] = 1
    compared: ClassVar[str] = "distillation_loss"

    def __init__(self, model: Model, images: ImageSet, fit: FitOptions, options: Options) -> None:
        self.teacher, self.teacher_path = teachers.read(options.teacher, images), options.teacher
        sizes = {
            "projection": self.teacher.prototypes.shape[0],
            "prototypes": self.teacher.prototypes.shape[1],
        }
        super().__init__(model, images, fit, dataclasses.replace(options.of_swav(), **sizes))
        self.big = dataclasses.replace(self.big, scale=(options.smallest, 1.0))
        self.prototypes.set_weights([self.teacher.prototypes])
        self.prototypes.trainable = False

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return weights, optimizer state, and by what they were taught."""
        return {**super().snapshot(), DIGEST: self.teacher.digest}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `snapshot`.

        Raises
        ------
        RunError
            If the teacher is not the one it was.
        """
        if DIGEST not in arrays or not np.array_equal(arrays[DIGEST], self.teacher.digest):
            raise RunError(
                f"the teacher {self.teacher_path} has changed since this fit began. Bring it back, or fit again with --no-resume."
            )
        super().restore(arrays)

    def _watch(self, embedded: np.ndarray, indices: np.ndarray) -> dict[str, float]:
        """Return what swav does, and agreement: the mean cosine of student and teacher, in [-1, 1], on whole images.

        The student did not learn from them; whether its teacher did depends on seed and share of the teacher's own validation images.
        """
        placed = np.asarray(self.projector.predict_on_batch(embedded))
        return {
            **super()._watch(embedded, indices),
            "agreement": float(
                (feature_steps.unit(placed) * self.teacher.points[indices]).sum(axis=1).mean()
            ),
        }

    def _batch(self, indices: np.ndarray, epoch: int, step: int, n_steps: int) -> dict[str, Any]:
        return {
            **super()._batch(indices, epoch, step, n_steps),
            "targets": self.teacher.points[indices],
        }

    def _compare(self, per_view: list[Any], batch: Batch) -> tuple[Any, Any]:
        """Return the mean cross-entropy of the teacher's shares of the prototypes and the student's, and the prototypes in use."""
        from keras import ops

        known = batch["targets"] @ ops.normalize(
            ops.convert_to_tensor(self.prototypes.kernel), axis=0
        )
        predicted = ops.log_softmax(per_view[0] / self.options.temperature, axis=1)
        taught = ops.softmax(known / self.options.temperature, axis=1)
        return -ops.mean(ops.sum(taught * predicted, axis=1)), swav.in_use(predicted)


def objective(model: Model, images: ImageSet, fit: FitOptions, options: Options) -> Distillation:
    """Return the objective at work on `model`; errors as in `check`."""
    return Distillation(model, images, fit, options)


def check(model: Model, images: ImageSet, options: Options, place: Path) -> None:
    """Raise what is wrong with encoder or teacher, before anything is done.

    Raises
    ------
    ConfigError
        If the encoder ends with its code, or the teacher is this very run, has no projection head and prototypes, or other images.
    RunError
        If the teacher is no finished run, has not embedded its images, or is damaged.
    """
    swav.check(model, images, options.of_swav(), place)
    teachers.check_apart(options.teacher, place)
    teachers.read(options.teacher, images)
