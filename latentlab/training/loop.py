"""Train an encoder, one epoch at a time.

An epoch is a function of weights, optimizer state, seed and epoch number. A killed run therefore
resumes to exactly the weights that it would have had. What a step is, the objective says: see
`latentlab.training.objective`. Why Keras' own `fit` is not used:
docs/decisions/0011-own-training-loop.md.
"""

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.model import Model
from latentlab.errors import TrainingError
from latentlab.progress import log
from latentlab.storage.files import write_json
from latentlab.storage.fit_summary import FitSummary
from latentlab.storage.json_form import to_json
from latentlab.storage.run import Run
from latentlab.training import reconstructions
from latentlab.training.batches import batches, split_validation, steps_per_epoch
from latentlab.training.fit_progress import Collapse, FitProgress
from latentlab.training.objective import EpochResult, NonFiniteLossError, Objective, Trainer
from latentlab.training.snapshot import Arrays, all_finite
from latentlab.training.state import TrainingState
from latentlab.training.tensorboard import ScalarLog

LEAST_RANK = 1.05  # effective dimensions of the embedding; below, it has collapsed
MOST_RECOVERIES = 3
NON_FINITE_FILE = "non-finite.json"


@dataclass(frozen=True)
class EpochRow:
    """One epoch as a row of metrics.jsonl.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    result : EpochResult
        Losses and speed of its training.
    validation : dict of str to float
        Measures of the validation images: "val_loss" and more.
    seconds : float
        Of training and validation.
    """

    epoch: int
    result: EpochResult
    validation: dict[str, float]
    seconds: float

    @property
    def val_loss(self) -> float:
        """Mean squared reconstruction error of the validation images."""
        return self.validation["val_loss"]

    @property
    def effective_rank(self) -> float:
        """Effective dimensions of the embedding; infinite where the objective does not measure."""
        return self.validation.get("effective_rank", math.inf)

    def to_json(self) -> dict[str, Any]:
        """Return the row."""
        return {
            "stage": "fit",
            "epoch": self.epoch,
            **self.result.losses,
            "learning_rate": self.result.learning_rate,
            "images_per_second": self.result.images_per_second,
            **self.validation,
            "seconds": self.seconds,
        }


def train(
    model: Model, images: ImageSet, options: FitOptions, run: Run, keep_every: int = 0
) -> FitSummary:
    """Train an encoder on the training split; it ends with the weights of the best epoch.

    The best epoch has the lowest loss on a validation part of the training images. For objectives
    without such a loss it is the last. One row per epoch goes to metrics.jsonl. Training resumes
    from the newest checkpoint of the run. An epoch after which the embedding has collapsed is
    undone, and tried again with half the learning rate.

    Parameters
    ----------
    model : Model
        The encoder; its weights change.
    images : ImageSet
        Images of all splits.
    options : FitOptions
        Objective, epochs, learning rate, seed and more.
    run : Run
        Where metrics, checkpoints and examples go.
    keep_every : int
        Checkpoints of the epochs 0, n, 2n and on stay on disk; 0: only the newest and the best.

    Returns
    -------
    FitSummary

    Raises
    ------
    TrainingError
        If the loss or a gradient is not finite, or the embedding collapses again and again. The
        weights of the last good epoch are in the run's checkpoints.
    """
    fit = _Fit(model, images, options, run, keep_every)
    if fit.state.is_new:
        fit.record_untrained()
    with ScalarLog(run.path / "tensorboard") as scalars:
        while not fit.is_over():
            row, arrays = fit.train_epoch()
            if row.effective_rank < LEAST_RANK:
                fit.undo_collapse(row)
            else:
                fit.keep(row, arrays)
                scalars.add(row.to_json())
    fit.finish()
    return fit.summary()


def check_settings(model: Model, images: ImageSet, options: FitOptions, folder: Path) -> None:
    """Raise what `train` would raise of wrong settings, before anything is done.

    Parameters
    ----------
    model : Model
        The encoder that is to be trained.
    images : ImageSet
        Images of all splits.
    options : FitOptions
        Settings of the training.
    folder : pathlib.Path
        Folder of the run.

    Raises
    ------
    ConfigError
        If a setting is wrong, or does not go with the encoder.
    TrainingError
        If there are too few images.
    """
    objective = Objective.named(options.objective)
    objective_options = objective.parse_options(options.objective_options)
    split_validation(images, options)
    objective.check(model, images, objective_options, folder)


def with_least_steps(options: FitOptions, n_images: int) -> FitOptions:
    """Raise `epochs` so that training takes at least `least_steps` steps.

    Parameters
    ----------
    options : FitOptions
        Settings of the training.
    n_images : int
        Images to train on.

    Returns
    -------
    FitOptions
        The same settings if there are enough epochs already.
    """
    steps = steps_per_epoch(n_images, options.batch_size)
    epochs = max(options.epochs, math.ceil(options.least_steps / steps))
    return dataclasses.replace(options, epochs=epochs)


class _Fit:
    """One training of an encoder: its parts of the images, its trainer and its state."""

    def __init__(
        self, model: Model, images: ImageSet, options: FitOptions, run: Run, keep_every: int
    ) -> None:
        self.images = images
        self.run = run
        self.training, self.validation = split_validation(images, options)
        self.options = with_least_steps(options, len(self.training))
        self.trainer = _start(model, images, self.options)
        self.state = TrainingState(
            self.trainer, run.path / "checkpoints", "epoch", FitProgress(keep_every)
        )
        if self.state.resume():
            self.state.progress.keep_every = keep_every or self.state.progress.keep_every
            self.state.prune()

    def is_over(self) -> bool:
        """Return whether all epochs are trained, or too many without a better one."""
        progress, patience = self.state.progress, self.options.patience
        waits = self.trainer.keeps_best and patience > 0
        gave_up = waits and progress.epoch - progress.best_epoch >= patience
        return progress.epoch >= self.options.epochs or gave_up

    def record_untrained(self) -> None:
        """Record the losses before training, and the state that a first epoch goes back to.

        Raises
        ------
        TrainingError
            If they are not finite: see docs/decisions/0012-untrained-losses.md.
        """
        # The blog post that this project began with reports the loss on one image.
        loss = self.trainer.validate(self.validation[:1])["val_loss"]
        measures = self.trainer.validate(self.validation)
        if not (math.isfinite(loss) and _are_finite(measures)):
            raise TrainingError(
                "the untrained network gives numbers that are not finite:"
                f" {backend.current()} miscalculates in precision"
                f" {self.run.precision}."
                " Choose `precision=float32`, or another `backend`."
            )
        row = {"stage": "fit", "epoch": 0, "loss_one_image": loss, **measures}
        self.run.append_metrics(row)
        log.info("loss on one image before training: %.5f", loss)
        self._write_examples(0)
        self._keep_arrays(self.trainer.snapshot())

    def train_epoch(self) -> tuple[EpochRow, Arrays]:
        """Train and validate the next epoch; return its row and the snapshot after it.

        Raises
        ------
        TrainingError
            If the loss or a weight is not finite; the trainer is then back at the epoch before.
        """
        started = time.perf_counter()
        epoch = self.state.progress.epoch + 1
        # Train: a loss that is not finite ends the epoch.
        try:
            result = self.trainer.train_epoch(self.training, epoch)
        except NonFiniteLossError:
            raise self._explain_divergence() from None
        # A gradient that is not finite shows in the weights.
        arrays = self.trainer.snapshot()
        if not (_are_finite(result.losses) and all_finite(arrays.values())):
            raise self._explain_divergence()
        # The network may overflow on images that were not trained on.
        validation = self.trainer.validate(self.validation)
        if not _are_finite(validation):
            raise self._explain_divergence()
        return EpochRow(epoch, result, validation, time.perf_counter() - started), arrays

    def undo_collapse(self, row: EpochRow) -> None:
        """Go back to the epoch before with half the learning rate.

        Raises
        ------
        TrainingError
            If that has not helped several times.
        """
        # Slowing down has not helped so far: give up.
        recoveries = self.state.progress.recoveries
        if len(recoveries) == MOST_RECOVERIES:
            self._go_back()
            raise TrainingError(
                f"the embedding has collapsed in epoch {row.epoch} (effective rank"
                f" {row.effective_rank:.2f}), with a smaller learning rate too: lower"
                " `learning_rate`, or use more images. The last good epoch is in the run's"
                " checkpoints."
            )
        # The progress gives the new learning rate; its checkpoint is written at once.
        recoveries.append(Collapse(row.epoch, effective_rank=row.effective_rank))
        self.state.roll_back()
        self.state.write()
        log.warning(
            "the embedding has collapsed in epoch %d: back to the epoch before, with half the"
            " learning rate",
            row.epoch,
        )

    def keep(self, row: EpochRow, arrays: Arrays) -> None:
        """Take an epoch for the last good one: write its examples, its row and its checkpoint."""
        self.state.progress.advance(row.val_loss, self.trainer.keeps_best)
        self._write_examples(row.epoch)
        # The row comes before the checkpoint: a kill in between repeats the epoch and its row.
        self.run.append_metrics(row.to_json())
        self._keep_arrays(arrays)
        log.info(
            "epoch %(epoch)d: loss %(loss).5f, validation %(val_loss).5f,"
            " %(images_per_second).0f images/s",
            row.to_json(),
        )

    def finish(self) -> None:
        """Bring the trainer to the best epoch and settle it."""
        best_epoch = self.state.progress.best_epoch
        self.trainer.restore(self.state.load_arrays(best_epoch))
        if self.trainer.settle(self.training):
            self.state.replace_arrays(best_epoch, self.trainer.snapshot())

    def summary(self) -> FitSummary:
        """Return the summary of the fit."""
        progress = self.state.progress
        return FitSummary(
            epochs=progress.epoch,
            best_epoch=progress.best_epoch,
            best_val_loss=progress.best_val_loss,
            stopped_early=progress.epoch < self.options.epochs,
            images_per_second=_median_speed(self.run),
            recoveries=tuple(map(to_json, progress.recoveries)),
            flops_per_image=_count_flops(self.trainer),
            peak_memory=backend.peak_memory(),
        )

    def _keep_arrays(self, arrays: Arrays) -> None:
        """Hold a snapshot; write it unless it is big and no epoch is better than another."""
        progress = self.state.progress
        is_last = progress.epoch == self.options.epochs
        is_regular = progress.epoch in progress.regular_epochs()
        self.state.keep(arrays, must_write=self.trainer.keeps_best or is_last or is_regular)

    def _write_examples(self, epoch: int) -> None:
        if reconstructions.is_shown(epoch, self.options.epochs):
            pixels = self.images.read(self.validation[: reconstructions.SHOWN_IMAGES])
            reconstructions.write_examples(self.run.path, epoch, pixels, self.trainer.reconstruct)

    def _go_back(self) -> None:
        """Undo the training since the last good epoch, and make sure of its checkpoint."""
        self.state.roll_back()
        self.state.write_if_missing()

    def _explain_divergence(self) -> TrainingError:
        """Go back to the epoch before and return the error that names the batch at fault."""
        # Find the step, and with it the images.
        epoch = self.state.progress.epoch + 1
        step = self._find_diverging_step(epoch)
        advice = (
            f"Lower `learning_rate` (now {self.options.learning_rate:g})."
            f" The run stands at its last good epoch, {epoch - 1}."
        )
        # Training is sound, validation is not.
        if step is None:
            return TrainingError(
                "the loss or embedding of the validation images is not finite after epoch"
                f" {epoch}. {advice}"
            )
        # A batch of images is too long for a message.
        ids = self._ids_of_step(epoch, step)
        path = self.run.path / NON_FINITE_FILE
        write_json(path, {"epoch": epoch, "step": step, "images": ids})
        return TrainingError(
            f"the loss or a gradient is not finite in epoch {epoch}, step {step}, whose"
            f" {len(ids)} images, {ids[0]} the first, are listed in {path}. {advice}"
        )

    def _find_diverging_step(self, epoch: int) -> int | None:
        """Train an epoch again, looking at the weights after every step.

        A gradient that is not finite shows in the weights after its step, but in the loss only one
        step later.
        """
        self._go_back()
        step = None
        try:
            self.trainer.train_epoch(self.training, epoch, check_weights=True)
        except NonFiniteLossError as error:
            step = error.step
        self._go_back()
        return step

    def _ids_of_step(self, epoch: int, step: int) -> list[str]:
        of_epoch = batches(self.training, self.options.batch_size, self.options.seed, epoch)
        return self.images.ids[list(of_epoch)[step - 1]].tolist()


def _start(model: Model, images: ImageSet, options: FitOptions) -> Trainer:
    objective = Objective.named(options.objective)
    objective_options = objective.parse_options(options.objective_options)
    return objective.start(model, images, options, objective_options)


def _are_finite(measures: dict[str, float]) -> bool:
    return all(map(math.isfinite, measures.values()))


def _median_speed(run: Run) -> float | None:
    """Return the median images per second of the epochs of a fit."""
    speeds = []
    for row in run.metrics():
        if row.get("stage") == "fit" and row["epoch"] > 0:
            speeds.append(row["images_per_second"])
    return float(np.median(speeds)) if speeds else None


def _count_flops(trainer: Trainer) -> int | None:
    """Return the operations of training on one image; None where they cannot be counted."""
    try:
        return int(trainer.flops_per_image())
    except Exception as error:  # only a report: no fit may fail at its very end
        log.info("operations were not counted: %s", " ".join(str(error).split()))
        return None
