"""Does an objective keep the contract? For authors of plugins, and for our own tests."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.config import FitOptions
from latentlab.data.images import TEST, TRAIN, ImageSet, from_array
from latentlab.encoders import networks
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError
from latentlab.features.fitted import through
from latentlab.training.batches import split_validation
from latentlab.training.objective import EpochResult, Objective, ObjectiveCapabilities, Trainer
from latentlab.training.snapshot import Arrays, all_finite

FIT = FitOptions(epochs=3, batch_size=8, validation=0.25, least_steps=0)
TRAINED_ON = 32  # images
DEFAULT_SHAPE = (16, 16, 3)
# The first that the objective accepts is trained.
SMALL_ENCODERS: dict[str, dict[str, int]] = {
    "conv8": {"width": 4, "code_channels": 4},
    "fast8": {"width": 8, "code_channels": 4},
}


def check_objective(plugin: Objective, options: Mapping[str, Any] | None = None) -> None:
    """Check that an objective keeps the contract of `latentlab.training.objective`.

    It trains small encoders on random images for a few steps, which takes seconds.

    Parameters
    ----------
    plugin : Objective
        The objective.
    options : mapping or None
        Values for its `Options`, if it refuses the defaults. An objective that refuses them is
        checked no further without.

    Raises
    ------
    AssertionError
        If it does not; the message says what to mend.
    """
    _check_declarations(plugin)
    try:
        parsed = plugin.parse_options(options or {})
    except ConfigError as error:
        _require(options is None, f"{plugin.name} refuses the options: {error}")
        return
    case = _Case.make(plugin, parsed)
    trainer = case.start()
    before = _copied(trainer.snapshot())
    _check_snapshot(case, trainer, before)
    after = _check_training(case, trainer, before)
    _check_resuming(case, trainer, after)
    _check_measures(case, trainer)
    _check_settling(case, trainer)
    _check_prototypes(case, after)


@dataclasses.dataclass(frozen=True)
class _Case:
    """An objective, its options and the images it is tried on."""

    plugin: Objective
    options: Any
    images: ImageSet
    arch: str
    training: np.ndarray
    validation: np.ndarray

    @classmethod
    def make(cls, plugin: Objective, options: Any) -> "_Case":
        """Find a small encoder that the objective accepts."""
        images = _random_images(plugin.image_shape(options) or DEFAULT_SHAPE)
        training, validation = split_validation(images, FIT)
        refusals = []
        for arch in SMALL_ENCODERS:
            case = cls(plugin, options, images, arch, training, validation)
            try:
                case.start()
            except ConfigError as error:
                refusals.append(str(error))
            else:
                return case
        raise AssertionError(f"{plugin.name} accepts no encoder: {' '.join(refusals)}")

    def build_model(self) -> Model:
        """Return an untrained encoder; each call returns the same weights."""
        backend.seed(FIT.seed)
        return networks.build(self.arch, self.images.image_shape, SMALL_ENCODERS[self.arch])

    def start(self) -> Trainer:
        """Return the objective at work on an untrained encoder."""
        return self.plugin.start(self.build_model(), self.images, FIT, self.options)


def _random_images(shape: tuple[int, int, int]) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (TRAINED_ON + 4, *shape), np.uint8)
    splits = np.array([TRAIN] * TRAINED_ON + [TEST] * 4)
    return from_array("random images", pixels, splits)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _check_declarations(plugin: Objective) -> None:
    _require(isinstance(plugin, Objective), "an objective must be derived from Objective")
    _require(
        isinstance(plugin.capabilities, ObjectiveCapabilities),
        f"{plugin.name}: `capabilities` must be ObjectiveCapabilities",
    )
    _require(
        dataclasses.is_dataclass(plugin.Options), f"{plugin.name}: `Options` must be a dataclass"
    )
    for field in dataclasses.fields(plugin.Options):
        has_default = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        _require(has_default, f"{plugin.name}: the option {field.name} needs a default")


def _check_snapshot(case: _Case, trainer: Trainer, arrays: Arrays) -> None:
    name = case.plugin.name
    _require(isinstance(trainer, Trainer), f"{name}: `start` must return a Trainer")
    _require(all_finite(arrays.values()), f"{name}: the first snapshot holds numbers not finite")
    for number, weight in enumerate(case.build_model().weights()):
        stored = arrays.get(f"weight-{number:04d}")
        _require(
            stored is not None and stored.shape == weight.shape,
            f"{name}: a snapshot must begin with the weights of the model, as weight-0000 and on",
        )


def _check_training(case: _Case, trainer: Trainer, before: Arrays) -> Arrays:
    """Check one epoch, and that restoring and repeating it gives the same; return its snapshot."""
    name = case.plugin.name
    result = trainer.train_epoch(case.training, 1)
    after = _copied(trainer.snapshot())
    _check_result(name, result)
    _require(not _equal(before, after), f"{name}: an epoch of training changes no weight")
    trainer.restore(before)
    _require(_equal(trainer.snapshot(), before), f"{name}: `restore` does not undo `snapshot`")
    repeated = trainer.train_epoch(case.training, 1)
    _require(
        _equal(trainer.snapshot(), after),
        f"{name}: an epoch must depend on the snapshot, the seed and its number only",
    )
    _require(repeated.losses == result.losses, f"{name}: a repeated epoch gives other losses")
    # The loop halves the rate after a collapse.
    trainer.restore(before)
    trainer.rate_factor = 0.5
    slower = trainer.train_epoch(case.training, 1)
    _require(
        math.isclose(slower.learning_rate, 0.5 * result.learning_rate),
        f"{name}: the learning rate must be multiplied by `rate_factor`",
    )
    trainer.rate_factor = 1.0
    return after


def _check_result(name: str, result: EpochResult) -> None:
    _require(isinstance(result, EpochResult), f"{name}: `train_epoch` must return an EpochResult")
    _require(next(iter(result.losses), "") == "loss", f"{name}: `losses` must begin with loss")
    _require(_are_finite(result.losses), f"{name}: a loss is not finite")
    _require(result.images_per_second > 0, f"{name}: `images_per_second` must be positive")


def _check_resuming(case: _Case, trainer: Trainer, after: Arrays) -> None:
    trainer.restore(after)
    trainer.train_epoch(case.training, 2)
    another = case.start()
    another.restore(after)
    another.train_epoch(case.training, 2)
    _require(
        _equal(trainer.snapshot(), another.snapshot()),
        f"{case.plugin.name}: a new process that restores a snapshot must train on to the same"
        " weights; the snapshot lacks something that training depends on",
    )


def _check_measures(case: _Case, trainer: Trainer) -> None:
    name = case.plugin.name
    for indices in (case.validation, case.validation[:1]):
        measures = trainer.validate(indices)
        _require("val_loss" in measures, f"{name}: `validate` must return val_loss")
        _require(_are_finite(measures), f"{name}: a measure is not finite")
    batch = np.zeros((2, *case.images.image_shape), np.float32)
    shape = trainer.reconstruct(batch).shape
    _require(shape == batch.shape, f"{name}: `reconstruct` must return images of the same shape")


def _check_settling(case: _Case, trainer: Trainer) -> None:
    trainer.settle(case.training)
    settled = _copied(trainer.snapshot())
    trainer.settle(case.training)
    _require(
        _equal(trainer.snapshot(), settled),
        f"{case.plugin.name}: settling twice must give the same as settling once",
    )


def _check_prototypes(case: _Case, arrays: Arrays) -> None:
    plugin = case.plugin
    if not plugin.capabilities.has_prototypes:
        return
    head = plugin.projection_head(arrays)
    embeddings = np.random.default_rng(0).normal(size=(5, len(head["kernel0"])))
    points = through(head, embeddings.astype(np.float32))
    prototypes = plugin.prototypes(arrays)
    _require(
        points.shape[1] == len(prototypes),
        f"{plugin.name}: prototypes must have as many rows as the projection head has outputs",
    )
    shares = plugin.prototype_shares(arrays, case.options)(embeddings)
    _require(
        shares.shape == (5, prototypes.shape[1]),
        f"{plugin.name}: shares of the prototypes must be (n, n_prototypes)",
    )
    _require(
        np.allclose(shares.sum(axis=1), 1), f"{plugin.name}: the shares of an image must sum to 1"
    )


def _copied(arrays: Arrays) -> Arrays:
    """Copy arrays: a backend may have returned its own memory."""
    return {name: np.array(array) for name, array in arrays.items()}


def _are_finite(measures: Mapping[str, float]) -> bool:
    return all(map(math.isfinite, measures.values()))


def _equal(first: Arrays, second: Arrays) -> bool:
    if first.keys() != second.keys():
        return False
    return all(np.array_equal(array, second[name]) for name, array in first.items())
