"""A linear head of clusters on the embedding, or above it, trained with the whole network on strongly changed views of the images.

What `selflabel` and `consistency` share: the network, the views, the neighbours at the start, the decoder, which goes
on learning the code with its gradient stopped. A method says what a step takes beside images, and its loss.
"""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import RATE, Batch, CompiledSteps
from latentlab.clustering.base import cluster_means
from latentlab.clustering.heads import nearest
from latentlab.errors import ConfigError
from latentlab.nets import crops
from latentlab.refinement.base import LoopOptions, Start
from latentlab.refinement.feature_layers import vectors_of
from latentlab.training.loop import half_cosine

SETTLING = 20  # batches from which the statistics of batch normalisation are taken anew
REPORTED = ("clustering_loss", "reconstruction_loss")


@dataclass(frozen=True)
class TrainedHeadOptions(LoopOptions):
    """Settings that the methods share, beside those of the loop.

    Attributes
    ----------
    learning_rate : float
        Adam's at the start; it falls along half a cosine to 0 at the end of the last round.
    average : float
        Share of a round's steps over which the weights are averaged (exponentially, the newest count most). The network becomes
        that average at the round's end: the teacher whose assignments are the next round's. 0 takes the weights as they are.
    smallest_crop : float
        Smallest share of the image in a strong view.
    cutout : float
        Largest side of the missing square, as a share of the view's.
    neighbors : int
        Of each image at the start; and of UMAP where the start is N2D's.
    """

    start: str = "scan"
    learning_rate: float = 3e-4
    average: float = 0.5
    smallest_crop: float = 0.3
    cutout: float = 0.5
    POSITIVE: ClassVar[tuple[str, ...]] = ("learning_rate", "smallest_crop")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest_crop > 1 or not 0 <= self.cutout <= 1 or not 0 <= self.average <= 1:
            raise ConfigError(
                "--set smallest_crop must be at most 1, cutout and average between 0 and 1."
            )


class TrainedHead(abc.ABC):
    """Encoder and head in training; a `Refiner` but for what the method adds.

    Raises
    ------
    ConfigError
        If the encoder ends with its code.
    """

    def __init__(self, start: Start, options: Any, method: str) -> None:
        import keras

        if start.model.top is None:
            raise ConfigError(
                f"--method {method} needs an encoder with an embedding above its code: fit with --recipe strong."
            )
        self.model, self.options, self.seed = start.model, options, start.seed
        image = self.model.encoder.input
        z = vectors_of(self.model, start.features)
        kernel, bias = start.head if start.head is not None else _head_of(start)
        self.head = keras.layers.Dense(
            len(start.centers), activation="softmax", dtype="float32", name="clusters"
        )
        q = self.head(z)
        self.head.set_weights([kernel, bias])
        self.lower, self.decoder = (
            self.model.autoencoder.get_layer("lower"),
            self.model.autoencoder.get_layer("decode"),
        )
        self.assigner = keras.Model(image, [z, q], name="assigner")
        self.trainer = keras.Model(image, [self.model.autoencoder.output, q], name="trainer")
        self.trainer.compile(
            optimizer=keras.optimizers.Adam(options.learning_rate, **_averaging(options))
        )
        side = image.shape[1]
        self.kind = crops.ViewKind(
            side,
            (options.smallest_crop, 1.0),
            (0.4, 0.4, 0.4, 0.1),
            0.8,
            0.2,
            cutout=options.cutout,
        )
        variables = self.trainer.trainable_variables, self.trainer.non_trainable_variables
        self._train = CompiledSteps(self._loss, REPORTED, *variables, self.trainer.optimizer)
        self._above = keras.Model(self.model.encoder.output, q)
        self._centers, self.read = start.centers, start.read
        self._neighbors = np.zeros((0, 0), np.int32)
        self._rounds = self._steps = 0

    @abc.abstractmethod
    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return the scalar loss of the assignments q, (m, k), of the views of one step's images."""

    @abc.abstractmethod
    def material(
        self, images: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the images whose views a step takes, (m, height, width, channels), and what else the loss reads of them.

        Parameters
        ----------
        images, positions
            As for `Refiner.step`.
        """

    def networks(self) -> tuple[Any, Any]:
        """Return the trained model and images -> [z, q]."""
        return self.trainer, self.assigner

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Find the neighbours, the first time, and the clusters' centers."""
        if not len(self._neighbors):
            self._neighbors = nearest(z, self.options.neighbors)
        self._centers = cluster_means(z, q.argmax(axis=1), self._centers)
        self._rounds += 1

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on strong views of one batch and return the losses."""
        images, more = self.material(np.asarray(batch, np.float32), positions)
        drawn = self._draw(len(images), 11)
        self._steps += 1
        arrays = {
            "images": images,
            "views": drawn,
            RATE: np.array(self._next_rate(), np.float32),
            **more,
        }
        told = self._train({name: array[None] for name, array in arrays.items()})
        if self.options.average and self._steps % self.options.interval == 0:
            self._settle(len(self._neighbors), len(batch))
        return {name: told[name] for name in REPORTED}

    def _settle(self, count: int, size: int) -> None:
        """Take the statistics of batch normalisation anew: those that training kept are of the weights before they were averaged."""
        for number in range(SETTLING):
            positions = np.random.default_rng([self.seed, 13, self._steps, number]).integers(
                0, count, size
            )
            self.trainer(
                crops.apply(self.read(positions), self._draw(size, 14, number), self.kind.size),
                training=True,
            )

    def _draw(self, count: int, *purpose: int) -> np.ndarray:
        """Return the numbers of strong views, which depend on the seed, the step and what they are for."""
        rng = np.random.default_rng([self.seed, *purpose, self._steps])
        return crops.draw(self.kind, count, self.trainer.input_shape[1:], rng)

    def _set_head(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Set the head's weights, and their averages, which would else bring the old ones back."""
        self.head.set_weights([kernel, bias])
        optimizer = self.trainer.optimizer
        if optimizer.use_ema:
            for variable, average in zip(
                self.trainer.trainable_variables,
                optimizer._model_variables_moving_average,
                strict=True,
            ):
                if any(variable is own for own in self.head.weights):
                    average.assign(variable)

    def centers(self) -> np.ndarray:
        """Return the mean vector of each cluster's training images before the last round, float32 (k, d)."""
        return self._centers

    def set_centers(self, centers: np.ndarray) -> None:
        """Move the head so that clusters lie around new centers, where a collapsed one was filled again."""
        kernel, bias = self.head.get_weights()
        changed = np.flatnonzero(np.abs(centers - self._centers).max(axis=1) > 1e-7)
        scale = np.linalg.norm(kernel, axis=0).mean()
        kernel[:, changed] = (
            scale * centers[changed] / np.linalg.norm(centers[changed], axis=1, keepdims=True)
        ).T
        bias[changed] = bias.mean()
        self._set_head(kernel, bias)
        self._centers = centers

    def reorder(self, order: np.ndarray) -> None:
        """Number the clusters anew."""
        kernel, bias = self.head.get_weights()
        self._set_head(kernel[:, order], bias[order])
        self._centers = self._centers[order]

    def extras(self) -> dict[str, np.ndarray]:
        """Return how far training is, the centers, and the neighbours at the start."""
        return {
            "counts": np.array([self._rounds, self._steps]),
            "centers": self._centers,
            "neighbors": self._neighbors,
        }

    def set_extras(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `extras`."""
        self._rounds, self._steps = map(int, arrays["counts"])
        self._centers, self._neighbors = arrays["centers"], arrays["neighbors"]

    def _next_rate(self) -> float:
        """Return the learning rate of the step that `_steps` counts as begun: the last one, lower by what the cosine falls.

        Relative to the last one, since the loop lowers it too, where it rolls back.
        """
        total = max(1, self.options.max_steps // self.options.interval) * self.options.interval
        last = float(np.asarray(self.trainer.optimizer.learning_rate))
        return (
            last
            * half_cosine((self._steps - 1) / total)
            / half_cosine(max(0, self._steps - 2) / total)
        )

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        from keras import ops

        strong = crops.apply(batch["images"], batch["views"], self.kind.size)
        code = self.lower(strong, training=True)
        loss = self.clustering_loss(self._above(code, training=True), batch)
        rebuilt = self.decoder(ops.stop_gradient(code), training=True)
        error = ops.mean(ops.square(rebuilt - strong))
        return loss + error, {"clustering_loss": loss, "reconstruction_loss": error}


def _averaging(options: TrainedHeadOptions) -> dict[str, Any]:
    """Return what makes a Keras optimizer keep the average of the weights and, at each round's end, put it in their place."""
    steps = options.average * options.interval
    return (
        {
            "use_ema": True,
            "ema_momentum": 1 - 1 / steps,
            "ema_overwrite_frequency": options.interval,
        }
        if steps > 1
        else {}
    )


def _head_of(start: Start) -> tuple[np.ndarray, np.ndarray]:
    """Return a linear head whose clusters are the cells of the starting centers, for starts that have none of their own."""
    sharpness = 10 / max(start.spread, 1e-6)
    return sharpness * start.centers.T, -sharpness * np.square(start.centers).sum(axis=1) / 2
