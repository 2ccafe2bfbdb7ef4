"""SwAV at work: steps of several crops per image, compiled, with a decoder trained alongside.

The method and its sources: `latentlab.training.objectives.swav`.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab import backend
from latentlab.backend.steps import RATE, Batch, CompiledSteps
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet, as_input
from latentlab.encoders.model import Model
from latentlab.encoders.ready_made import shipped
from latentlab.features.sampling import sample_by_id
from latentlab.nets import batch_norm, crops, flops
from latentlab.nets.entropy import effective_number_of
from latentlab.storage import checkpoints
from latentlab.training import collapse
from latentlab.training.batches import Prefetch, batches, steps_per_epoch
from latentlab.training.meter import EpochMeter
from latentlab.training.objective import EpochResult, NonFiniteLossError, Trainer
from latentlab.training.reconstructions import mean_squared_error
from latentlab.training.schedule import half_cosine
from latentlab.training.sinkhorn import sinkhorn
from latentlab.training.snapshot import (
    Arrays,
    all_finite,
    optimizer_state,
    restore_optimizer,
)
from latentlab.training.swav_networks import SwAVNetworks, build_optimizer
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_weights import HeadWeights

WATCHED_IMAGES = 2000  # validation images that are embedded to watch for a collapse
EMBEDDED_AT_ONCE = 250
SIZE_OF_OPTIONS = 32  # pixels of the images that the sizes of crops are given for
LONGEST_WARM_UP = 10  # the learning rate rises for at most 1/10 of all steps
LONGEST_FREEZE = 20  # prototypes stand still for at most 1/20 of all steps
FEWEST_STEPS_PER_CALL = 4  # a compiled call has at least 1/4 of the steps that are asked for


class SwAVTrainer(Trainer):
    """An encoder, its projection head, its prototypes and its decoder in training.

    Parameters
    ----------
    model : Model
        The encoder, with an embedding above its code; its weights change.
    images : ImageSet
        Where training images are read.
    fit_options : FitOptions
        Epochs, batch size, learning rate, schedule and seed.
    options : SwAVOptions
        Crops, sizes, optimizer and more.
    """

    keeps_best: ClassVar[bool] = False
    n_big: ClassVar[int] = 2  # big crops per image
    loss_name: ClassVar[str] = "swapped_loss"  # the part of the loss that is not the decoder's

    def __init__(
        self, model: Model, images: ImageSet, fit_options: FitOptions, options: SwAVOptions
    ) -> None:
        self.images = images
        self.fit_options = fit_options
        self.options = options
        self._resident_pixels: Batch | None = None
        self.embedder = model.embedder
        self.networks = SwAVNetworks.build(model, options)
        # The options give the sizes of crops for small images.
        scale = min(images.image_shape[:2]) / SIZE_OF_OPTIONS
        self.big = crops.ViewKind(
            size=4 * round(options.big * scale / 4), scale=(0.2, 1.0), mirror=options.mirror
        )
        self.small = crops.ViewKind(
            size=2 * round(options.small * scale / 2), scale=(0.08, 0.4), mirror=options.mirror
        )
        # Weights to start from replace the random ones.
        if options.start:
            model.set_weights(shipped().weights(options.start))
            self.networks.set_head(HeadWeights.of(shipped().objective_weights(options.start)))

    def train_epoch(
        self, training: np.ndarray, epoch: int, check_weights: bool = False
    ) -> EpochResult:
        """Train one epoch; see `Trainer`.

        A loss that is not finite names the first step of its compiled call; with `check_weights`
        every call is a single step.
        """
        # Made here, before the thread of Prefetch uses them too.
        compiled_steps = self.compiled_steps
        shared = self._pixels_on_device(training)
        # An epoch is cut into compiled calls, and the arrays of the next are made during each.
        calls = self._plan_calls(training, epoch, 1 if check_weights else 0)
        prepare = functools.partial(self._prepare, training=training, epoch=epoch)
        n_batches = sum(len(call.batches) for call in calls)
        means: dict[str, float] = {}
        with (
            EpochMeter(self.fit_options, epoch, len(training)) as meter,
            Prefetch(map(prepare, calls)) as prepared,
        ):
            for call, arrays in zip(calls, prepared, strict=True):
                losses = compiled_steps(arrays, shared)
                if not math.isfinite(losses["loss"]) or (check_weights and not self._is_finite()):
                    raise NonFiniteLossError(call.first_step + 1)
                # A shorter last call counts less.
                for name, value in losses.items():
                    means[name] = means.get(name, 0.0) + value * len(call.batches) / n_batches
                meter.add(losses["loss"], call.n_images, len(call.batches))
        n_steps = steps_per_epoch(len(training), self.fit_options.batch_size)
        return EpochResult(means, self._rate(n_steps * epoch, n_steps), meter.images_per_second)

    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Return val_loss and, of two images or more, what `_measure` says of their embeddings."""
        autoencoder = self.networks.model.autoencoder
        measures = {"val_loss": mean_squared_error(autoencoder, self.images, validation)}
        if len(validation) > 1:
            ids = self.images.ids[validation]
            watched = validation[sample_by_id(ids, WATCHED_IMAGES, self.fit_options.seed)]
            measures |= self._measure(self._embed(watched), watched)
        return measures

    def reconstruct(self, batch: np.ndarray) -> np.ndarray:
        """Return reconstructions."""
        return np.asarray(self.networks.model.autoencoder.predict_on_batch(batch))

    def settle(self, training: np.ndarray) -> bool:
        """Take the statistics of batch normalisation anew, of whole images as they are embedded.

        Training kept the statistics of crops. IMC-SwAV's code does so too, with the images that
        are to be clustered.
        """
        options = self.fit_options
        order = batches(training, options.batch_size, options.seed, 0)
        some = itertools.islice(order, batch_norm.SETTLING_BATCHES)
        batch_norm.settle(self.networks.normalised(), some, self._pass_through)
        return True

    def flops_per_image(self) -> int:
        """Return the operations of training on one image, without those of the optimizer.

        Every crop passes encoder and projection head, a big one the decoder.
        """
        channels, networks = self.images.image_shape[2], self.networks
        forward = self.n_big * networks.multiply_adds_of_view(self.big.size, channels)
        if self.options.n_small:
            of_small = networks.multiply_adds_of_view(self.small.size, channels)
            forward += self.options.n_small * of_small
        forward += networks.multiply_adds_of_decoding(self.big.size, channels)
        return flops.training_flops(forward)

    def snapshot(self) -> Arrays:
        """Return weights and optimizer state."""
        weights = checkpoints.numbered("weight", self.networks.weights())
        return weights | optimizer_state(self.compiled_steps.optimizer)

    def restore(self, arrays: Arrays) -> None:
        """Undo `snapshot`."""
        self.networks.set_weights(checkpoints.in_order("weight", arrays))
        restore_optimizer(self.compiled_steps.optimizer, arrays)

    @functools.cached_property
    def compiled_steps(self) -> CompiledSteps:
        """The training steps; made at the first call that trains."""
        return CompiledSteps(
            self._loss,
            (self.loss_name, "reconstruction_loss", "used_prototypes"),
            self.networks.trainable_variables(),
            self.networks.non_trainable_variables(),
            build_optimizer(self.fit_options.learning_rate, self.options),
        )

    # Validation

    def _measure(self, embeddings: np.ndarray, indices: np.ndarray) -> dict[str, float]:
        """Return measures of the embeddings (n, d) of the validation images at `indices`."""
        return {"effective_rank": collapse.effective_rank(embeddings)}

    def _embed(self, indices: np.ndarray) -> np.ndarray:
        """Return the embeddings, float32 (n, d), of images at `indices`."""
        parts = []
        for start in range(0, len(indices), EMBEDDED_AT_ONCE):
            pixels = self.images.read(indices[start : start + EMBEDDED_AT_ONCE])
            parts.append(np.asarray(self.embedder.predict_on_batch(as_input(pixels))))
        return np.concatenate(parts)

    def _pass_through(self, indices: np.ndarray) -> None:
        """Pass whole images through all networks as training does."""
        networks = self.networks
        code = networks.lower(as_input(self.images.read(indices)), training=True)
        networks.decoder(code, training=True)
        networks.projector(networks.top(code, training=True), training=True)

    def _is_finite(self) -> bool:
        return all_finite(self.snapshot().values())

    # Arrays of the steps, which NumPy draws so that every backend sees the same views

    def _plan_calls(self, training: np.ndarray, epoch: int, per_call: int) -> "list[_Call]":
        """Return the compiled calls of an epoch; `per_call` steps each, 0 for the option's."""
        options = self.fit_options
        order = list(batches(training, options.batch_size, options.seed, epoch))
        per_call = per_call or fitting_steps_per_call(len(order), self.options.steps_per_call)
        starts = range(0, len(order), per_call)
        return [_Call(first, order[first : first + per_call]) for first in starts]

    def _prepare(self, call: "_Call", training: np.ndarray, epoch: int) -> Batch:
        """Return the arrays of a compiled call, on the device."""
        n_steps = steps_per_epoch(len(training), self.fit_options.batch_size)
        steps = []
        for number, indices in enumerate(call.batches, call.first_step):
            steps.append(self._step_arrays(indices, epoch, number, n_steps))
        arrays = _stacked(steps)
        if self._pixels_on_device(training):
            arrays["positions"] = np.searchsorted(training, call.batches)
        else:
            arrays["images"] = np.stack([self.images.read(batch) for batch in call.batches])
        return self.compiled_steps.send(arrays)

    def _step_arrays(self, indices: np.ndarray, epoch: int, step: int, n_steps: int) -> Arrays:
        """Return the other inputs of a step: numbers of the views and of the schedule.

        `step` counts the steps of its epoch from 0; an epoch has `n_steps`.
        """
        rng = np.random.default_rng([self.fit_options.seed, 8, epoch, step])
        steps_done = (epoch - 1) * n_steps + step
        all_steps = self.fit_options.epochs * n_steps
        frozen_steps = min(self.options.frozen_steps, all_steps // LONGEST_FREEZE)
        return {
            "big": self._draw_views(self.big, self.n_big, len(indices), rng),
            "small": self._draw_views(self.small, self.options.n_small, len(indices), rng),
            RATE: np.array(self._rate(steps_done, n_steps), np.float32),
            "frozen": np.array(steps_done < frozen_steps, np.float32),
        }

    def _draw_views(
        self, kind: crops.ViewKind, n_views: int, n_images: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the numbers of `n_views` views of each image, view by view."""
        views = [np.zeros((0, crops.N_NUMBERS), np.float32)]
        for _ in range(n_views):
            views.append(crops.draw(kind, n_images, self.images.image_shape, rng))
        return np.concatenate(views)

    def _rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of a step: a rise, then half a cosine down to 0.

        `step` counts from the first epoch's first; an epoch has `n_steps`.
        """
        total = self.fit_options.epochs * n_steps
        warm_up = max(1, min(self.options.warm_up_steps, total // LONGEST_WARM_UP))
        rise = min(1.0, (step + 1) / warm_up)
        fall = 1.0
        if self.fit_options.schedule != "constant":
            fall = half_cosine(min(1.0, step / total))
        return self.rate_factor * self.fit_options.learning_rate * rise * fall

    def _pixels_on_device(self, training: np.ndarray) -> Batch:
        """Return the pixels of the training images, sent to the device once; {} if they are not."""
        if self._resident_pixels is None:
            self._resident_pixels = {}
            size = len(training) * math.prod(self.images.image_shape)
            if backend.stays_on_device(size):
                pixels = {"pixels": self.images.read(training)}
                self._resident_pixels = self.compiled_steps.send(pixels)
        return self._resident_pixels

    # The loss of a step

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        """Return the loss of one step and its parts."""
        from keras import ops

        images = _images_of(batch)
        networks = self.networks
        # Embed all views, the big crops first.
        big = crops.apply(ops.tile(images, (self.n_big, 1, 1, 1)), batch["big"], self.big.size)
        codes = networks.lower(big, training=True)
        embeddings = [networks.top(codes, training=True)]
        if self.options.n_small:
            embeddings.append(self._embed_small(images, batch["small"]))
        # Compare them with the prototypes, and with each other.
        scores = self._scores(ops.concatenate(embeddings, axis=0), batch["frozen"])
        n_views = scores.shape[0] // images.shape[0]
        loss, used = self._compare(ops.split(scores, n_views, axis=0), batch)
        # The decoder learns from the first view and sends no gradient to the encoder.
        count = images.shape[0]
        decoded = networks.decoder(ops.stop_gradient(codes[:count]), training=True)
        error = ops.mean(ops.square(decoded - big[:count]))
        parts = {self.loss_name: loss, "reconstruction_loss": error, "used_prototypes": used}
        return loss + error, parts

    def _embed_small(self, images: Any, numbers: Any) -> Any:
        """Return the embeddings of small crops, view by view."""
        from keras import ops

        repeated = ops.tile(images, (self.options.n_small, 1, 1, 1))
        views = crops.apply(repeated, numbers, self.small.size)
        codes = self.networks.lower(views, training=True)
        return self.networks.top(codes, training=True)

    def _scores(self, embeddings: Any, frozen: Any) -> Any:
        """Return the cosine of every view with every prototype, float32 (views x n, prototypes)."""
        from keras import ops

        prototypes = ops.convert_to_tensor(self.networks.prototypes.kernel)
        prototypes = ops.where(frozen > 0, ops.stop_gradient(prototypes), prototypes)
        points = self.networks.projector(embeddings, training=True)
        return ops.normalize(points, axis=1) @ ops.normalize(prototypes, axis=0)

    def _compare(self, scores: Sequence[Any], batch: Batch) -> tuple[Any, Any]:
        """Return the loss of the views' scores, and how many prototypes are in use.

        The loss is the mean cross-entropy of every big view's code and every other view's
        prediction. `scores` holds one tensor (n, prototypes) per view.
        """
        from keras import ops

        options = self.options
        log_shares = [ops.log_softmax(view / options.temperature, axis=1) for view in scores]
        losses = []
        for number in range(self.n_big):
            code = sinkhorn(scores[number], options.epsilon, options.sinkhorn_steps)
            code = ops.stop_gradient(code)
            for other_number, predicted in enumerate(log_shares):
                if other_number != number:
                    losses.append(-ops.mean(ops.sum(code * predicted, axis=1)))
        return sum(losses) / len(losses), used_prototypes(log_shares[0])


@dataclass(frozen=True)
class _Call:
    """The steps of one compiled call.

    Attributes
    ----------
    first_step : int
        Number of its first step in the epoch, from 0.
    batches : list of ndarray
        Positions of the images of each step.
    """

    first_step: int
    batches: list[np.ndarray]

    @property
    def n_images(self) -> int:
        """Images of all its steps."""
        return sum(map(len, self.batches))


def used_prototypes(log_shares: Any) -> Any:
    """Return how many prototypes the images of a batch take on average.

    Parameters
    ----------
    log_shares : tensor of shape (n, n_prototypes)
        Logarithms of each image's shares of the prototypes.

    Returns
    -------
    tensor of shape ()
        Exponential of the entropy of the mean shares.
    """
    from keras import ops

    return effective_number_of(ops.mean(ops.exp(log_shares), axis=0))


def fitting_steps_per_call(n_steps: int, at_most: int) -> int:
    """Return how many steps go into one compiled call.

    It is a divisor of an epoch's steps, since a call of any other length is compiled anew. If
    there is no divisor of at least a quarter of `at_most`, the epoch's last call is shorter.

    Parameters
    ----------
    n_steps : int
        Steps of an epoch.
    at_most : int
        The option `steps_per_call`.

    Returns
    -------
    int

    Examples
    --------
    >>> fitting_steps_per_call(95, 50)
    19
    """
    fewest = math.ceil(at_most / FEWEST_STEPS_PER_CALL)
    for size in range(at_most, fewest - 1, -1):
        if n_steps % size == 0:
            return size
    return at_most


def _stacked(steps: list[Arrays]) -> Arrays:
    """Return the arrays of several steps, one array per name with the steps in its first axis."""
    stacked = {}
    for name in steps[0]:
        stacked[name] = np.stack([arrays[name] for arrays in steps])
    return stacked


def _images_of(batch: Batch) -> Any:
    """Return the images of a step in [0, 1]: those that came with it, or resident ones."""
    from keras import ops

    if "pixels" in batch:
        pixels = ops.take(batch["pixels"], batch["positions"], axis=0)
    else:
        pixels = batch["images"]
    return ops.cast(pixels, "float32") / 255.0
