"""Learn what views of one image share: swapped prediction of prototypes over several crops (SwAV), with a decoder beside it.

SwAV (Caron et al., NeurIPS 2020): every crop's embedding is projected to the unit sphere and compared with prototypes;
Sinkhorn's iterations share the two big crops' images out evenly among the prototypes, and every other crop has to predict
that code (equation 2, with the temperature tau). Crop sizes, prototypes and eps are IMC-SwAV's for small images (Ntelemis et
al., 2022); its clustering head passes no gradient to the encoder and comes after the fit: `--method imc`.

A light decoder learns to rebuild a big crop from its code, whose gradient is stopped: reconstructions and decoded
centroids work, and the encoder is none the worse for them.

The papers train with SGD and Adam; here it is AdamW or Muon (`latentlab.nets.optimizers`).

    latentlab fit --data cifar10 --recipe strong
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from scipy.special import softmax

from latentlab import backend
from latentlab.backend.steps import Batch, CompiledSteps
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet, as_input
from latentlab.encoders import ready_made
from latentlab.encoders.networks import Model
from latentlab.errors import ConfigError
from latentlab.features import feature_steps
from latentlab.nets import crops, flops
from latentlab.progress import track
from latentlab.storage import checkpoints
from latentlab.training.loop import (
    ahead,
    all_finite,
    batches,
    half_cosine,
    mean_squared_error,
    optimizer_state,
    restore_optimizer,
)

EMBEDDED = 2000  # validation images whose embeddings are watched
VALIDATED = 250  # of them at a time
OPTIMIZERS = ("adamw", "muon")
ADAM_BETAS = {"beta_1": 0.8, "beta_2": 0.999}
LEFT_TO_ADAM = ("^prototypes/", "^reconstruction/")  # the ends of the network, as Jordan advises
NORMALISED_ABOVE = 1e-3  # the projector's batch normalisation adds it to variances
MIRRORS = True  # half of all views are
SETTLED = 20  # batches from which the statistics of batch normalisation are taken anew at the end


@dataclass(frozen=True)
class Options:
    """What is compared with what.

    Attributes
    ----------
    big, small : int
        Sizes of the two kinds of crop, in pixels of a 32x32 image; other images scale them.
    n_small : int
        Small crops an image, beside two big ones.
    prototypes : int
        Number of prototypes.
    projection, hidden : int
        Dimensions of the sphere, and of the layer before it.
    temperature, epsilon : float
        tau of the prediction, and Sinkhorn's eps: smaller is sharper.
    sinkhorn_steps : int
    frozen_steps : int
        Steps before the prototypes move.
    warm_up_steps : int
        Steps while the learning rate rises.
    optimizer : {"adamw", "muon"}
        With muon, Adam trains biases, normalisation, the prototypes and the decoder's last layer.
    adam_share : float
        With muon: Adam's learning rate, as a share of the other.
    weight_decay : float
        Decoupled; with muon, of what it trains alone. Reasonable are 1e-5 for adamw and 0.1 for muon.
    steps_per_call : int
        Steps compiled into one call.
    mirror : bool
        Whether half of the crops are mirrored.
    start : str
        Name of an encoder that comes with latentlab, whose weights, projection head and prototypes are what training starts from; "" for
        random weights. The encoder must be of the same architecture, and images are brought to the size and colours that it takes.
    """

    big: int = 28
    small: int = 18
    n_small: int = 4
    prototypes: int = 1000
    projection: int = 128
    hidden: int = 512
    temperature: float = 0.1
    epsilon: float = 0.05
    sinkhorn_steps: int = 3
    frozen_steps: int = 500
    warm_up_steps: int = 500
    optimizer: str = "adamw"
    adam_share: float = 1.0
    weight_decay: float = 1e-5
    steps_per_call: int = 10
    mirror: bool = True
    start: str = ""

    def __post_init__(self) -> None:
        if (
            min(self.big, self.small) < 8
            or self.n_small < 0
            or self.prototypes < 2
            or self.steps_per_call < 1
        ):
            raise ConfigError(
                "--set big and small must be at least 8, n_small at least 0, prototypes at least 2, steps_per_call at least 1."
            )
        if (
            min(self.sinkhorn_steps, self.projection, self.hidden) < 1
            or min(self.warm_up_steps, self.frozen_steps) < 0
        ):
            raise ConfigError(
                "--set sinkhorn_steps, projection and hidden must be at least 1, warm_up_steps and frozen_steps at least 0."
            )
        if not (self.temperature > 0 and self.epsilon > 0):
            raise ConfigError("--set temperature and epsilon must be above 0.")
        if not (self.adam_share > 0 and self.weight_decay >= 0):
            raise ConfigError("--set adam_share must be above 0, weight_decay at least 0.")
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(
                f"--set optimizer={self.optimizer}: must be one of {', '.join(OPTIMIZERS)}."
            )


def sinkhorn(scores: Any, epsilon: float, steps: int) -> Any:
    """Return codes, float32 (n, k), whose rows sum to 1 and whose columns are as even as `steps` iterations make them.

    Cuturi 2013, as in SwAV's algorithm 1; `scores` are (n, k) in float32, and the work is done on logarithms, so that a small
    `epsilon` does not overflow.
    """
    from keras import ops

    logs = scores / epsilon
    for _ in range(steps):
        logs = logs - ops.logsumexp(logs, axis=0, keepdims=True)
        logs = logs - ops.logsumexp(logs, axis=1, keepdims=True)
    return ops.exp(logs)


class SwAV:
    """An encoder, its projector, its prototypes and its decoder in training."""

    keeps_best: ClassVar[bool] = False
    n_big: ClassVar[int] = 2  # big crops an image
    compared: ClassVar[str] = "swapped_loss"  # what the loss but for the decoder's part is called

    def __init__(self, model: Model, images: ImageSet, fit: FitOptions, options: Options) -> None:
        self.model, self.images, self.fit, self.options = model, images, fit, options
        self.embedder, self.top = model.embedder, cast(Any, model.top)
        self.lower, self.decoder = (
            model.autoencoder.get_layer("lower"),
            model.autoencoder.get_layer("decode"),
        )
        self.projector, self.prototypes = (
            _projector(self.embedder.output_shape[-1], options),
            _prototypes(options),
        )
        scale = min(images.image_shape[:2]) / 32
        self.big = crops.ViewKind(
            size=4 * round(options.big * scale / 4), scale=(0.2, 1.0), mirror=options.mirror
        )
        self.small = crops.ViewKind(
            size=2 * round(options.small * scale / 2), scale=(0.08, 0.4), mirror=options.mirror
        )
        self.factor = 1.0
        self._steps: CompiledSteps | None = None
        self._shared: dict[str, Any] | None = None
        if options.start:
            model.set_weights(ready_made.weights(options.start))
            above = ready_made.of_objective(options.start)
            self.projector.set_weights(above[:-1])
            self.prototypes.set_weights(above[-1:])

    def train_epoch(
        self, training: np.ndarray, epoch: int, watch: bool = False
    ) -> dict[str, float]:
        """Train one epoch; beside the usual numbers return swapped_loss (`compared`), reconstruction_loss and used_prototypes.

        Stops where the loss is not finite and returns loss and step: with `watch` the very step, and where a weight is not
        finite either, else the first step of the compiled call.
        """
        n_steps = max(1, len(training) // self.fit.batch_size)
        steps, shared = self._compiled(), self._on_device(training)
        started, seen = time.perf_counter(), 0
        sums: dict[str, float] = {}
        chosen = list(batches(training, self.fit.batch_size, self.fit.seed, epoch))
        per_call = 1 if watch else _steps_per_call(len(chosen), self.options.steps_per_call)
        parts = [
            (first, chosen[first : first + per_call]) for first in range(0, len(chosen), per_call)
        ]

        def batch_of(first: int, part: list[np.ndarray]) -> dict[str, Any]:
            made = [
                self._batch(indices, epoch, first + i, n_steps) for i, indices in enumerate(part)
            ]
            pixels = (
                {"positions": np.searchsorted(training, part)}
                if shared
                else {"images": np.stack([self.images.read(one) for one in part])}
            )
            return steps.send(_stacked(made) | pixels)

        with (
            track(f"epoch {epoch}/{self.fit.epochs}", n_steps) as bar,
            contextlib.closing(ahead(itertools.starmap(batch_of, parts))) as ready,
        ):
            for (first, part), batch in zip(parts, ready, strict=True):
                told = steps(batch, shared)
                if not math.isfinite(told["loss"]) or (
                    watch and not all_finite(self.snapshot().values())
                ):
                    return {"loss": told["loss"], "step": first + 1}
                for name, value in told.items():
                    sums[name] = sums.get(name, 0.0) + value * len(part) / len(chosen)
                seen += sum(map(len, part))
                speed = seen / (time.perf_counter() - started)
                left = (self.fit.epochs - epoch + 1) * len(training) / speed - (
                    time.perf_counter() - started
                )
                bar.update(
                    first + len(part),
                    f"loss {told['loss']:.4f}, {speed:.0f} images/s, {left / 60:.1f} min left in all",
                )
        seconds = time.perf_counter() - started
        return {
            **sums,
            "learning_rate": self._rate(n_steps * epoch, n_steps),
            "images_per_second": seen / seconds,
        }

    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Return val_loss and effective_rank, of the embeddings' covariance: 1 where all images lie on a line or a point."""
        told = {"val_loss": mean_squared_error(self.model.autoencoder, self.images, validation)}
        if len(validation) > 1:
            watched = validation[:EMBEDDED]
            pieces = [watched[i : i + VALIDATED] for i in range(0, len(watched), VALIDATED)]
            embedded = np.concatenate(
                [
                    np.asarray(self.embedder.predict_on_batch(as_input(self.images.read(piece))))
                    for piece in pieces
                ]
            )
            told |= self._watch(embedded, watched)
        return told

    def _watch(self, embedded: np.ndarray, indices: np.ndarray) -> dict[str, float]:
        """Return what is told of the embeddings, (n, d), of validation images."""
        return {"effective_rank": effective_rank(embedded)}

    def reconstruct(self, batch: np.ndarray) -> np.ndarray:
        """Return reconstructions."""
        return np.asarray(self.model.autoencoder.predict_on_batch(batch))

    def settle(self, training: np.ndarray) -> bool:
        """Take the statistics of batch normalisation anew, of whole images as they will be embedded: training kept those of crops.

        `training` holds the indices (n,) of the training images. The statistics are the means over SETTLED batches of different images, or as
        many as there are; the same whatever they were before. IMC-SwAV's code does so too, with images that are to be clustered.
        """
        from keras import layers

        nets = (self.lower, self.top, self.decoder, self.projector)
        normalising = [
            layer
            for net in nets
            for layer in net.layers
            if isinstance(layer, layers.BatchNormalization)
        ]
        momenta = [layer.momentum for layer in normalising]
        for number, indices in enumerate(
            itertools.islice(batches(training, self.fit.batch_size, self.fit.seed, 0), SETTLED)
        ):
            for layer in normalising:
                layer.momentum = number / (number + 1)
            code = self.lower(as_input(self.images.read(indices)), training=True)
            self.decoder(code, training=True)
            self.projector(self.top(code, training=True), training=True)
        for layer, momentum in zip(normalising, momenta, strict=True):
            layer.momentum = momentum
        return True

    def flops_per_image(self) -> int:
        """Return the operations of training on one image: every crop through encoder and projector, a big one through the decoder.

        Those of the optimizer, some hundredths more with muon and many images a step, are left out.
        """
        code, channels = self.lower.output_shape[-1], self.images.image_shape[2]

        def through(size: int) -> tuple[int, int]:
            """Return the multiply-adds of one crop of `size`, and of rebuilding it."""
            side = self.lower.compute_output_shape((None, size, size, channels))[1]
            up = flops.multiply_adds(self.lower, (size, size, channels)) + flops.multiply_adds(
                self.top, (side, side, code)
            )
            return up, flops.multiply_adds(self.decoder, (side, side, code))

        big, rebuilt = through(self.big.size)
        small = through(self.small.size)[0] if self.options.n_small else 0
        heads = (
            flops.multiply_adds(self.projector, self.projector.input_shape[1:])
            + self.options.projection * self.options.prototypes
        )
        crops = (
            self.n_big * big
            + self.options.n_small * small
            + (self.n_big + self.options.n_small) * heads
        )
        return flops.training_flops(crops + rebuilt)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return weights and optimizer state."""
        weights = [
            *self.model.weights(),
            *self.projector.get_weights(),
            *self.prototypes.get_weights(),
        ]
        return checkpoints.numbered("weight", weights) | optimizer_state(self._compiled().optimizer)

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `snapshot`."""
        weights = checkpoints.in_order("weight", arrays)
        above = len(self.projector.weights)
        self.model.set_weights(weights[: -above - 1])
        self.projector.set_weights(weights[-above - 1 : -1])
        self.prototypes.set_weights(weights[-1:])
        restore_optimizer(self._compiled().optimizer, arrays)

    def slow_down(self, factor: float) -> None:
        """Multiply the learning rate by `factor`."""
        self.factor *= factor

    def _compiled(self) -> CompiledSteps:
        """Return the training steps, compiled at the first call that trains."""
        if self._steps is None:
            nets = (self.lower, self.top, self.decoder, self.projector, self.prototypes)
            trainable = [variable for net in nets for variable in net.trainable_variables]
            others = [variable for net in nets for variable in net.non_trainable_variables]
            names = (self.compared, "reconstruction_loss", "used_prototypes")
            self._steps = CompiledSteps(
                self._loss,
                names,
                trainable,
                others,
                _optimizer(self.fit.learning_rate, self.options),
            )
        return self._steps

    def _on_device(self, training: np.ndarray) -> dict[str, Any]:
        """Return the pixels of the training images, sent to the device once, where they stay; nothing where they are not kept there."""
        if self._shared is None:
            size = len(training) * math.prod(self.images.image_shape)
            self._shared = (
                self._compiled().send({"pixels": self.images.read(training)})
                if backend.stays_on_device(size)
                else {}
            )
        return self._shared

    def _rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of a step counted from the first epoch's: a rise, then half a cosine down to 0."""
        total = self.fit.epochs * n_steps
        rise = min(1.0, (step + 1) / max(1, min(self.options.warm_up_steps, total // 10)))
        fall = 1.0 if self.fit.schedule == "constant" else half_cosine(min(1.0, step / total))
        return self.factor * self.fit.learning_rate * rise * fall

    def _batch(self, indices: np.ndarray, epoch: int, step: int, n_steps: int) -> dict[str, Any]:
        """Return what one step takes beside its images: the numbers of their views, and of the schedule."""
        rng = np.random.default_rng([self.fit.seed, 8, epoch, step])
        shape, count = self.images.image_shape, len(indices)
        number = (epoch - 1) * n_steps + step
        return {
            "big": np.concatenate(
                [crops.draw(self.big, count, shape, rng) for _ in range(self.n_big)]
            ),
            "small": np.concatenate(
                [crops.draw(self.small, count, shape, rng) for _ in range(self.options.n_small)]
                or [_no_views()]
            ),
            "rate": np.float32(self._rate(number, n_steps)),
            "frozen": np.float32(
                number < min(self.options.frozen_steps, self.fit.epochs * n_steps // 20)
            ),
        }

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        from keras import ops

        pixels = (
            ops.take(batch["pixels"], batch["positions"], axis=0)
            if "pixels" in batch
            else batch["images"]
        )
        images = ops.cast(pixels, "float32") / 255.0
        count = images.shape[0]
        big = crops.apply(ops.tile(images, (self.n_big, 1, 1, 1)), batch["big"], self.big.size)
        codes = self.lower(big, training=True)
        embedded = [self.top(codes, training=True)]
        if self.options.n_small:
            small = crops.apply(
                ops.tile(images, (self.options.n_small, 1, 1, 1)), batch["small"], self.small.size
            )
            embedded.append(self.top(self.lower(small, training=True), training=True))
        scores = self._scores(ops.concatenate(embedded, axis=0), batch["frozen"])
        compared, used = self._compare(ops.split(scores, scores.shape[0] // count, axis=0), batch)
        rebuilt = self.decoder(ops.stop_gradient(codes[:count]), training=True)
        error = ops.mean(ops.square(rebuilt - big[:count]))
        return compared + error, {
            self.compared: compared,
            "reconstruction_loss": error,
            "used_prototypes": used,
        }

    def _scores(self, embedded: Any, frozen: Any) -> Any:
        """Return the cosine of every projected embedding with every prototype, float32 (views x n, prototypes)."""
        from keras import ops

        prototypes = ops.convert_to_tensor(self.prototypes.kernel)
        prototypes = ops.where(frozen > 0, ops.stop_gradient(prototypes), prototypes)
        return ops.normalize(self.projector(embedded, training=True), axis=1) @ ops.normalize(
            prototypes, axis=0
        )

    def _compare(self, per_view: list[Any], batch: Batch) -> tuple[Any, Any]:
        """Return the mean cross-entropy of each big view's code and every other view's prediction, and the prototypes in use.

        `per_view` holds the scores, (n, prototypes), of each view of the images of `batch`.
        """
        from keras import ops

        predicted = [ops.log_softmax(one / self.options.temperature, axis=1) for one in per_view]
        losses = []
        for view in range(self.n_big):
            code = ops.stop_gradient(
                sinkhorn(per_view[view], self.options.epsilon, self.options.sinkhorn_steps)
            )
            losses += [
                -ops.mean(ops.sum(code * other, axis=1))
                for i, other in enumerate(predicted)
                if i != view
            ]
        return sum(losses) / len(losses), in_use(predicted[0])


def in_use(predicted: Any) -> Any:
    """Return how many prototypes images take on average, the exponential of their shares' entropy, of log shares (n, prototypes)."""
    from keras import ops

    shares = ops.mean(ops.exp(predicted), axis=0)
    return ops.exp(-ops.sum(shares * ops.log(shares + 1e-9)))


def check(model: Model, images: ImageSet, options: Options, place: Path) -> None:
    """Raise ConfigError where the encoder ends with its code, or is another than the one to start from; RunError where that is damaged."""
    if model.top is None:
        raise ConfigError(
            "this objective needs an encoder that goes on above its code: choose --arch fast8 or resnet18."
        )
    if options.start:
        _check_start(model, options)


def image_shape(options: Options) -> tuple[int, int, int] | None:
    """Return the shape (height, width, channels) that images have to be brought to; None where any will do."""
    return tuple(ready_made.describe(options.start)["image_shape"]) if options.start else None


def _check_start(model: Model, options: Options) -> None:
    """Raise ConfigError where the weights to start from are of another encoder, or of other sizes above it, than these."""
    name, described = options.start, ready_made.describe(options.start)
    above = ready_made.of_objective(name)
    if [weight.shape for weight in ready_made.weights(name)] != [
        weight.shape for weight in model.weights()
    ]:
        own = " ".join(
            [
                f"--arch {described['arch']}",
                *(f"--set {key}={value}" for key, value in described["options"].items()),
            ]
        )
        raise ConfigError(
            f"--set start={name}: its weights are of another encoder than this one. Fit with {own}, and without other options of it."
        )
    wanted = {
        "hidden": above[0].shape[1],
        "projection": above[-1].shape[0],
        "prototypes": above[-1].shape[1],
    }
    if other := [
        f"--set {key}={value}" for key, value in wanted.items() if getattr(options, key) != value
    ]:
        raise ConfigError(f"--set start={name} goes with {' '.join(other)}.")


def objective(model: Model, images: ImageSet, fit: FitOptions, options: Options) -> SwAV:
    """Return the objective at work on `model`.

    Raises
    ------
    ConfigError
        If the encoder ends with its code.
    """
    return SwAV(model, images, fit, options)


def projection_head(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the projector as two dense layers, as `features.through` takes them; its batch normalisation is in the first.

    Parameters
    ----------
    arrays
        What `snapshot` gave.
    """
    *_, hidden, gamma, beta, mean, variance, kernel, bias, _ = checkpoints.in_order(
        "weight", arrays
    )
    scale = gamma / np.sqrt(variance + NORMALISED_ABOVE)
    return {
        "kernel0": hidden * scale,
        "bias0": beta - mean * scale,
        "kernel1": kernel,
        "bias1": bias,
    }


def prototype_shares(
    arrays: dict[str, np.ndarray], options: Options
) -> Callable[[np.ndarray], np.ndarray]:
    """Return embeddings (n, d) -> their shares of the prototypes, float32 (n, prototypes): the prediction of equation 2.

    Parameters
    ----------
    arrays
        What `snapshot` gave.
    """
    head, kernel = projection_head(arrays), checkpoints.in_order("weight", arrays)[-1]
    unit = kernel / np.maximum(np.linalg.norm(kernel, axis=0), 1e-12)

    def shares(embedded: np.ndarray) -> np.ndarray:
        return softmax(
            feature_steps.unit(feature_steps.through(head, embedded)) @ unit / options.temperature,
            axis=1,
        ).astype(np.float32)

    return shares


def effective_rank(vectors: np.ndarray) -> float:
    """Return the exponential of the entropy of the shares of variance along the principal axes of vectors (n, d).

    Roy and Vetterli, 2007. Vectors are scaled to length 1 first; 0 where they are all the same, NaN where one is not finite.
    """
    if not np.isfinite(vectors).all():
        return math.nan
    unit = feature_steps.unit(vectors)
    centered = unit - unit.mean(axis=0)
    products = centered @ centered.T if len(centered) < centered.shape[1] else centered.T @ centered
    variances = np.linalg.eigvalsh(products.astype(np.float64)).clip(0)
    if variances.sum() < 1e-6 * len(vectors):
        return 0.0
    shares = variances[variances > 0] / variances.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _optimizer(rate: float, options: Options) -> Any:
    import keras

    from latentlab.nets.optimizers import Muon

    if options.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=options.weight_decay, **ADAM_BETAS)
    computed_in = keras.config.dtype_policy().compute_dtype
    return Muon(
        rate,
        weight_decay=options.weight_decay,
        adam_share=options.adam_share,
        adam_paths=LEFT_TO_ADAM,
        iterated_in="bfloat16" if computed_in == "bfloat16" else "float32",
        **ADAM_BETAS,
    )


def _projector(size: int, options: Options) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((size,)),
            layers.Dense(options.hidden, use_bias=False),
            layers.BatchNormalization(momentum=0.9, epsilon=NORMALISED_ABOVE),
            layers.Activation("relu"),
            layers.Dense(options.projection, dtype="float32"),
        ],
        name="projector",
    )


def _prototypes(options: Options) -> Any:
    from keras import layers

    layer = layers.Dense(options.prototypes, use_bias=False, dtype="float32", name="prototypes")
    layer.build((None, options.projection))
    return layer


def _steps_per_call(n_steps: int, at_most: int) -> int:
    """Return how many steps go into one compiled call: as many as divide an epoch, since each other number is compiled anew.

    Where none of at least a quarter of `at_most` does, the epoch's last call is shorter.
    """
    return next(
        (size for size in range(at_most, -(-at_most // 4) - 1, -1) if n_steps % size == 0), at_most
    )


def _stacked(steps: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}


def _no_views() -> np.ndarray:
    return np.zeros((0, crops.N_NUMBERS), np.float32)
