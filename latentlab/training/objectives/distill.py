r"""Learn from another run's encoder, so that a small network does nearly what a large one does.

    L = - mean sum_j q_j log p_j,    q = softmax(z C / tau) of the teacher's z,
                                     p = softmax(z' C / tau) of the student's z'

z is where the teacher's projection head puts the whole image, z' where the student's head puts a
crop of it, both on the unit sphere. C are the teacher's prototypes, which stay as they are (Hinton
et al., 2015, with the prototypes of SwAV for classes; Fang et al., ICLR 2021, do so with the images
of a queue). The teacher must have a projection head and prototypes, as swav trains them, and have
embedded the same images. Its z are computed once, so that a step costs only the student's crop. A
decoder is trained alongside, as in swav.

    latentlab cluster --encoder cifar10-resnet18 --k 10 --run runs/teacher
    latentlab fit --objective distill --set teacher=runs/teacher --arch fast8 \
        --learning-rate 0.01 --batch-size 256 --patience 0

A run of one's own can teach too, once `latentlab embed --run runs/teacher` is done.
"""

from pathlib import Path
from typing import Any, ClassVar

from latentlab.config import FitOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.model import Model
from latentlab.training import teachers
from latentlab.training.distill_trainer import DistillOptions, DistillTrainer
from latentlab.training.objective import Trainer
from latentlab.training.objectives.swav import SwAV


class Distill(SwAV):
    """The teacher's shares of its prototypes, for crops of the same images."""

    Options: ClassVar[type] = DistillOptions

    def start(
        self, model: Model, images: ImageSet, fit_options: FitOptions, options: Any
    ) -> Trainer:
        """Return the student in training; errors as in `check`."""
        return DistillTrainer(model, images, fit_options, options)

    def check(self, model: Model, images: ImageSet, options: Any, folder: Path) -> None:
        """Refuse an encoder without an embedding, and a run that cannot teach.

        Raises
        ------
        ConfigError
            If the teacher is this very run, has no projection head and prototypes, or was fitted
            on other images; or if the encoder has no embedding.
        RunError
            If the teacher is no finished run, has not embedded its images, or is damaged.
        """
        super().check(model, images, options.of_swav(), folder)
        teachers.check_apart(options.teacher, folder)
        teachers.read_teacher(options.teacher, images)

    def image_shape(self, options: Any) -> tuple[int, int, int] | None:
        """Return None: the images have the teacher's shape, which `check` sees to."""
        return None
