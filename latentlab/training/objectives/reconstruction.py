"""Rebuild the image from its code: Adam on the mean squared error of images in [0, 1].

latentlab fit --objective reconstruction
"""

import math

import numpy as np

from latentlab import backend
from latentlab.config import FitOptions
from latentlab.data.images import ImageSet, as_input
from latentlab.encoders.model import Model
from latentlab.nets import flops
from latentlab.nets.augmentation import augment
from latentlab.options import NoOptions
from latentlab.training.batches import batches, steps_per_epoch
from latentlab.training.meter import EpochMeter
from latentlab.training.objective import EpochResult, NonFiniteLossError, Objective, Trainer
from latentlab.training.reconstructions import mean_squared_error
from latentlab.training.schedule import learning_rate
from latentlab.training.snapshot import Arrays, all_finite, restore, snapshot


class ReconstructionTrainer(Trainer):
    """An autoencoder in training.

    Parameters
    ----------
    model : Model
        The autoencoder; its weights change.
    images : ImageSet
        Where training images are read.
    options : FitOptions
        Learning rate, batch size, augmentation and seed.
    """

    def __init__(self, model: Model, images: ImageSet, options: FitOptions) -> None:
        import keras

        self.network = model.autoencoder
        self.images = images
        self.options = options
        self.network.compile(
            optimizer=keras.optimizers.Adam(options.learning_rate),
            loss="mse",
            jit_compile=backend.jit_compile(),
        )
        self.network.optimizer.build(self.network.trainable_variables)

    def train_epoch(
        self, training: np.ndarray, epoch: int, check_weights: bool = False
    ) -> EpochResult:
        """Train one epoch; see `Trainer`."""
        options = self.options
        n_steps = steps_per_epoch(len(training), options.batch_size)
        loss = rate = math.nan
        self.network.reset_metrics()
        with EpochMeter(options, epoch, len(training)) as meter:
            order = batches(training, options.batch_size, options.seed, epoch)
            for step, indices in enumerate(order):
                # Rate and augmentation depend on the step only, so that a resumed run is the same.
                rate = self._rate((epoch - 1) * n_steps + step, options.epochs * n_steps)
                loss = self._train_step(
                    indices, np.random.default_rng([options.seed, 4, epoch, step]), rate
                )
                if not math.isfinite(loss) or (check_weights and not self._has_finite_weights()):
                    raise NonFiniteLossError(step + 1)
                meter.add(loss, len(indices))
        return EpochResult({"loss": loss}, rate, meter.images_per_second)

    def validate(self, validation: np.ndarray) -> dict[str, float]:
        """Return val_loss."""
        return {"val_loss": mean_squared_error(self.network, self.images, validation)}

    def reconstruct(self, batch: np.ndarray) -> np.ndarray:
        """Return reconstructions."""
        return np.asarray(self.network.predict_on_batch(batch))

    def flops_per_image(self) -> int:
        """Return the operations of training on one image."""
        forward = flops.multiply_adds(self.network, self.images.image_shape)
        return flops.training_flops(forward)

    def snapshot(self) -> Arrays:
        """Return weights and optimizer state."""
        return snapshot(self.network)

    def restore(self, arrays: Arrays) -> None:
        """Undo `snapshot`."""
        restore(self.network, arrays)

    def _rate(self, step: int, n_steps: int) -> float:
        return self.rate_factor * learning_rate(self.options, step, n_steps)

    def _train_step(self, indices: np.ndarray, rng: np.random.Generator, rate: float) -> float:
        """Train on the images at `indices`; return the mean loss of the epoch so far."""
        self.network.optimizer.learning_rate = rate
        batch = augment(as_input(self.images.read(indices)), self.options.augment, rng)
        return float(self.network.train_on_batch(batch, batch))

    def _has_finite_weights(self) -> bool:
        return all_finite(self.network.get_weights())


class Reconstruction(Objective):
    """Mean squared error between an image and what the decoder makes of its code."""

    Options = NoOptions

    def start(
        self, model: Model, images: ImageSet, fit_options: FitOptions, options: NoOptions
    ) -> Trainer:
        """Return the autoencoder in training."""
        return ReconstructionTrainer(model, images, fit_options)
