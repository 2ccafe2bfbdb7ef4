"""Distillation: SwAV with one crop, compared with the output of a teacher.

The method and its sources: `latentlab.training.objectives.distill`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError, RunError
from latentlab.features.fitted import unit
from latentlab.options import CheckedOptions, check_options, option
from latentlab.training import teachers
from latentlab.training.snapshot import Arrays
from latentlab.training.swav_options import OPTIMIZERS, SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer, used_prototypes

DIGEST = "teacher-0000"  # name of the teacher's digest in checkpoints
NOT_OF_SWAV = ("teacher", "smallest")


@dataclass(frozen=True)
class DistillOptions(CheckedOptions):
    """The teacher and the images that the student sees.

    Attributes
    ----------
    teacher : str
        Folder of its run.
    big : int
        Size of the crop, in pixels of a 32x32 image; other images scale it.
    smallest : float
        Smallest share of the image's area in the crop.
    hidden, temperature, warm_up_steps, optimizer, adam_share, weight_decay, steps_per_call
        As for `SwAVOptions`.
    """

    teacher: str = option("", "Folder of the teacher's run.")
    big: int = option(28, "Side of the crop of a 32x32 image.", at_least=8)
    smallest: float = option(0.4, "Smallest share of the area.", more_than=0, at_most=1)
    hidden: int = option(512, "Width of the layer before the sphere.", at_least=1)
    temperature: float = option(0.1, "Temperature of both predictions.", more_than=0)
    warm_up_steps: int = option(500, "Steps while the learning rate rises.", at_least=0)
    optimizer: str = option("muon", "Optimizer.", choices=OPTIMIZERS)
    adam_share: float = option(0.3, "Adam's share of muon's learning rate.", more_than=0)
    weight_decay: float = option(0.1, "Decoupled weight decay.", at_least=0)
    steps_per_call: int = option(10, "Steps compiled into one call.", at_least=1)

    def __post_init__(self) -> None:
        if not self.teacher:
            raise ConfigError(
                "`objective=distill` needs a teacher: `objective_options.teacher=RUN`, a run that"
                " was trained with `recipe=strong`."
            )
        check_options(self)

    def of_swav(self) -> SwAVOptions:
        """Return the options as SwAV takes them."""
        values = dataclasses.asdict(self)
        for name in NOT_OF_SWAV:
            del values[name]
        return SwAVOptions(**values, n_small=0, frozen_steps=0)


class DistillTrainer(SwAVTrainer):
    """A student in training: SwAV with one crop, which is compared with the teacher's image.

    Parameters
    ----------
    model : Model
        The student, with an embedding above its code; its weights change.
    images : ImageSet
        The images that the teacher has embedded.
    fit_options : FitOptions
        Epochs, batch size, learning rate, schedule and seed.
    options : DistillOptions
        The teacher, the crop and more.

    Raises
    ------
    ConfigError, RunError
        As `latentlab.training.teachers.read_teacher`.
    """

    n_big: ClassVar[int] = 1
    loss_name: ClassVar[str] = "distillation_loss"

    def __init__(
        self, model: Model, images: ImageSet, fit_options: FitOptions, options: DistillOptions
    ) -> None:
        self.teacher_path = options.teacher
        self.teacher = teachers.read_teacher(options.teacher, images)
        n_dims, n_prototypes = self.teacher.prototypes.shape
        swav_options = dataclasses.replace(
            options.of_swav(), projection=n_dims, prototypes=n_prototypes
        )
        super().__init__(model, images, fit_options, swav_options)
        self.big = dataclasses.replace(self.big, scale=(options.smallest, 1.0))
        # The student learns to use the teacher's prototypes as they are.
        self.networks.prototypes.set_weights([self.teacher.prototypes])
        self.networks.prototypes.trainable = False

    def snapshot(self) -> Arrays:
        """Return weights, optimizer state and the digest of the teacher."""
        return {**super().snapshot(), DIGEST: self.teacher.digest}

    def restore(self, arrays: Arrays) -> None:
        """Undo `snapshot`.

        Raises
        ------
        RunError
            If the teacher is another than before.
        """
        digest = arrays.get(DIGEST)
        if digest is None or not np.array_equal(digest, self.teacher.digest):
            raise RunError(
                f"the teacher {self.teacher_path} has changed since this fit began."
                " Bring it back, or fit again with `resume=False`."
            )
        super().restore(arrays)

    def _measure(self, embeddings: np.ndarray, indices: np.ndarray) -> dict[str, float]:
        """Return what SwAV does, and the agreement of student and teacher on whole images.

        Agreement is their mean cosine, in [-1, 1]. The student did not learn from these images;
        whether the teacher did depends on its own validation images.
        """
        points = unit(np.asarray(self.networks.projector.predict_on_batch(embeddings)))
        cosines = (points * self.teacher.points[indices]).sum(axis=1)
        return {**super()._measure(embeddings, indices), "agreement": float(cosines.mean())}

    def _step_arrays(self, indices: np.ndarray, epoch: int, step: int, n_steps: int) -> Arrays:
        """Return the inputs of one step of SwAV, and the teacher's targets for the images."""
        arrays = super()._step_arrays(indices, epoch, step, n_steps)
        return {**arrays, "targets": self.teacher.points[indices]}

    def _compare(self, scores: Sequence[Any], batch: Batch) -> tuple[Any, Any]:
        """Return the cross-entropy of the teacher's and the student's shares of the prototypes."""
        from keras import ops

        temperature = self.options.temperature
        prototypes = ops.convert_to_tensor(self.networks.prototypes.kernel)
        cosines = batch["targets"] @ ops.normalize(prototypes, axis=0)
        predicted = ops.log_softmax(scores[0] / temperature, axis=1)
        taught = ops.softmax(cosines / temperature, axis=1)
        return -ops.mean(ops.sum(taught * predicted, axis=1)), used_prototypes(predicted)
