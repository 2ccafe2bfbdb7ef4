"""Rebuild the image from its code: Adam on the mean squared error of images in [0, 1].

latentlab fit --objective reconstruction
"""

import math
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab import backend
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet, as_input
from latentlab.encoders.networks import Model
from latentlab.nets import flops
from latentlab.nets.augmentation import augment
from latentlab.progress import track
from latentlab.training.loop import (
    all_finite,
    batches,
    learning_rate,
    mean_squared_error,
    restore,
    snapshot,
)


@dataclass(frozen=True)
class Options:
    """There are none."""


class Reconstruction:
    """An autoencoder in training."""

    keeps_best: ClassVar[bool] = True

    def __init__(self, model: Model, images: ImageSet, fit: FitOptions) -> None:
        import keras

        self.net, self.images, self.fit, self.factor = model.autoencoder, images, fit, 1.0
        self.net.compile(
            optimizer=keras.optimizers.Adam(fit.learning_rate),
            loss="mse",
            jit_compile=backend.jit_compile(),
        )
        self.net.optimizer.build(self.net.trainable_variables)

    def train_epoch(
        self, training: np.ndarray, epoch: int, watch: bool = False
    ) -> dict[str, float]:
        """Train one epoch and return loss, learning_rate and images_per_second.

        Stops where the loss is not finite, with `watch` where a weight is not either, and returns loss and step.
        """
        net, fit = self.net, self.fit
        n_steps = max(1, len(training) // fit.batch_size)
        started, seen, loss, rate = time.perf_counter(), 0, math.nan, math.nan
        net.reset_metrics()
        with track(f"epoch {epoch}/{fit.epochs}", n_steps) as bar:
            for step, indices in enumerate(batches(training, fit.batch_size, fit.seed, epoch)):
                rate = self.factor * learning_rate(
                    fit, (epoch - 1) * n_steps + step, fit.epochs * n_steps
                )
                net.optimizer.learning_rate = rate
                batch = augment(
                    as_input(self.images.read(indices)),
                    fit.augment,
                    np.random.default_rng([fit.seed, 4, epoch, step]),
                )
                loss = float(net.train_on_batch(batch, batch))
                if not math.isfinite(loss) or (watch and not all_finite(net.get_weights())):
                    return {"loss": loss, "step": step + 1}
                seen += len(batch)
                speed = seen / (time.perf_counter() - started)
                left = (fit.epochs - epoch + 1) * len(training) / speed - (
                    time.perf_counter() - started
                )
                bar.update(
                    step + 1,
                    f"loss {loss:.5f}, {speed:.0f} images/s, {left / 60:.1f} min left in all",
                )
        seconds = time.perf_counter() - started
        return {"loss": loss, "learning_rate": rate, "images_per_second": seen / seconds}

    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Return val_loss."""
        return {"val_loss": mean_squared_error(self.net, self.images, validation)}

    def reconstruct(self, batch: np.ndarray) -> np.ndarray:
        """Return reconstructions."""
        return np.asarray(self.net.predict_on_batch(batch))

    def settle(self, training: np.ndarray) -> bool:
        """Change nothing: training sees the images as they will be embedded."""
        return False

    def flops_per_image(self) -> int:
        """Return the operations of training on one image."""
        return flops.training_flops(flops.multiply_adds(self.net, self.images.image_shape))

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return weights and optimizer state."""
        return snapshot(self.net)

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `snapshot`."""
        restore(self.net, arrays)

    def slow_down(self, factor: float) -> None:
        """Multiply the learning rate by `factor`."""
        self.factor *= factor


def objective(model: Model, images: ImageSet, fit: FitOptions, options: Any) -> Reconstruction:
    """Return the objective at work on `model`."""
    return Reconstruction(model, images, fit)
