"""A linear cluster head trained together with the encoder, on strong views of the images.

`selflabel` and `consistency` share this network, its views, the neighbours at the start, and the
decoder, which goes on learning the code with its gradient stopped. Each method adds its own images
and its own loss.
"""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import RATE, Batch, CompiledSteps
from latentlab.clustering.means import cluster_means
from latentlab.errors import ConfigError
from latentlab.features.neighbors import nearest_others
from latentlab.nets import crops
from latentlab.nets.batch_norm import SETTLING_BATCHES, settle
from latentlab.options import option
from latentlab.refinement.feature_layers import vectors_of
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Arrays, Refinement, Start
from latentlab.training.schedule import half_cosine

REPORTED = ("clustering_loss", "reconstruction_loss")
MOVED = 1e-7  # a center that moved further than this was re-seeded
SHARPNESS = 10.0  # of the head made from centers, in units of 1 / mean squared distance

# What the random numbers of a step are for: the last part of their seeds.
TRAINING_VIEWS = 11
PARTNERS = 12
SETTLING_IMAGES = 13
SETTLING_VIEWS = 14


@dataclass(frozen=True)
class TrainedHeadOptions(LoopOptions):
    """Settings that the methods share, beyond those of the loop.

    Attributes
    ----------
    learning_rate : float
        Initial learning rate of Adam; it falls to 0 along half a cosine until the last round ends.
    smallest_crop : float
        Smallest share of the image in a strong view.
    cutout : float
        Largest side of the missing square, as a share of the view's side.
    neighbors : int
        Neighbours of each image at the start, and of UMAP for an N2D start.
    """

    start: str = option("scan", "Clustering method that makes the initial clusters.")
    learning_rate: float = option(3e-4, "Initial learning rate of Adam.", more_than=0)
    smallest_crop: float = option(
        0.3, "Smallest share of the image in a strong view.", more_than=0, at_most=1
    )
    cutout: float = option(
        0.5, "Largest side of the missing square, as a share.", at_least=0, at_most=1
    )

    @property
    def n_steps(self) -> int:
        """Steps of all rounds together."""
        return max(1, self.max_steps // self.interval) * self.interval

    @property
    def averaged_steps(self) -> float:
        """Steps of a round over which the optimizer averages the weights; 0 for no average."""
        return 0.0


@dataclass(frozen=True)
class AveragedHeadOptions(TrainedHeadOptions):
    """Settings of methods whose network becomes the average of its weights in each round.

    Attributes
    ----------
    average : float
        Share of a round's steps over which the weights are averaged, exponentially: the newest
        count most. The network becomes that average at the round's end, and its assignments are
        the next round's targets. 0 uses the weights as they are.
    """

    average: float = option(
        0.5, "Share of a round's steps over which weights are averaged.", at_least=0, at_most=1
    )

    @property
    def averaged_steps(self) -> float:
        """Steps of a round over which the weights are averaged."""
        return self.average * self.interval


def require_embedding(start: Start, argument: str) -> None:
    """Refuse an encoder that ends with its code.

    Parameters
    ----------
    start : Start
        The start of the method.
    argument : str
        The method as messages name it, see `Plugin.argument`.

    Raises
    ------
    ConfigError
        If the encoder has no embedding.
    """
    if start.model.top is None and start.model.reconstructs:
        raise ConfigError(
            f"{argument} needs an encoder with an embedding above its code: fit with"
            " `recipe=strong`."
        )


def cosine_rates(first: float, n_steps: int) -> np.ndarray:
    """Compute the learning rate of every step, along half a cosine from `first` towards 0.

    Each rate follows from the one before in single precision. That keeps the bits of clusterings
    from earlier versions, which read the last rate back from the optimizer.

    Parameters
    ----------
    first : float
        Learning rate of the first step.
    n_steps : int
        Number of steps.

    Returns
    -------
    ndarray of shape (n_steps,), float32
        The rates.

    Examples
    --------
    >>> cosine_rates(1.0, 4).round(3).tolist()
    [1.0, 0.8539999723434448, 0.5, 0.1459999978542328]
    """
    rates = np.full(n_steps, first, np.float32)
    for step in range(1, n_steps):
        last = float(rates[step - 1])
        rates[step] = last * half_cosine(step / n_steps) / half_cosine((step - 1) / n_steps)
    return rates


class TrainedHead(Refinement):
    """Encoder and head in training.

    Parameters
    ----------
    start : Start
        An encoder with an embedding, and initial clusters.
    options : TrainedHeadOptions
        Settings of the method.
    """

    reported: ClassVar[tuple[str, ...]] = REPORTED

    def __init__(self, start: Start, options: Any) -> None:
        self.model = start.model
        self.options = options
        self.seed = start.seed
        self.read = start.read
        self.learning_rate = options.learning_rate
        self._rates = cosine_rates(options.learning_rate, options.n_steps)
        self._build(start)
        self.view_kind = crops.ViewKind(
            size=self.trainer.input_shape[1],
            scale=(options.smallest_crop, 1.0),
            cutout=options.cutout,
        )
        self._train = CompiledSteps(
            self._loss,
            self.reported,
            self.trainer.trainable_variables,
            [*self.trainer.non_trainable_variables, *self.more_variables()],
            self.trainer.optimizer,
        )
        self._centers = start.centers
        self._neighbors = np.zeros((0, 0), np.int32)
        self._rounds = 0
        self._steps = 0

    def _build(self, start: Start) -> None:
        """Put the head on the encoder and make the networks of it."""
        import keras

        # The head, from the initial clusters' own or from their centers.
        image = self.model.encoder.input
        z = vectors_of(self.model, start.features)
        self.head = keras.layers.Dense(
            len(start.centers), activation="softmax", dtype="float32", name="clusters"
        )
        q = self.head(z)
        kernel, bias = start.head or _head_of_centers(start)
        self.head.set_weights([kernel, bias])

        # The networks share their layers.
        self.lower = self.model.encoder
        self.decoder = None
        outputs = [q]
        if self.model.reconstructs:
            self.lower = self.model.autoencoder.get_layer("lower")
            self.decoder = self.model.autoencoder.get_layer("decode")
            outputs.insert(0, self.model.autoencoder.output)
        self.assigner = keras.Model(image, [z, q], name="assigner")
        self.trainer = keras.Model(image, outputs, name="trainer")
        self._assign_code = keras.Model(self.model.encoder.output, q)
        averaging = _averaging(self.options)
        self.trainer.compile(optimizer=keras.optimizers.Adam(self.learning_rate, **averaging))

    def more_variables(self) -> list[Any]:
        """Return Keras variables beyond the trainer's that the loss reads and assigns; none here.

        They are not trained.
        """
        return []

    @abc.abstractmethod
    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Compute the clustering loss of one step.

        Parameters
        ----------
        q : tensor of shape (m, k)
            Assignments of the views of the step's images.
        batch : dict of str to tensor
            What `material` returned.

        Returns
        -------
        tensor of shape ()
            The loss.
        """

    @abc.abstractmethod
    def material(self, images: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """Prepare the images and targets of one step.

        Parameters
        ----------
        images : ndarray of shape (m, height, width, channels), float32
            The step's images, as for `Refinement.step`.
        positions : ndarray of shape (m,), int
            Their places among the training images.

        Returns
        -------
        images : ndarray of shape (m', height, width, channels)
            Images of which the step uses strong views.
        arrays : dict of str to ndarray
            Whatever else the loss reads.
        """

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Compute the clusters' centers and, in the first round, the neighbours."""
        if not len(self._neighbors):
            self._neighbors = nearest_others(z, self.options.neighbors)
        self._centers = cluster_means(z, q.argmax(axis=1), self._centers)
        self._rounds += 1

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on strong views of one batch and return the losses."""
        images, arrays = self.material(np.asarray(batch, np.float32), positions)
        views = self._draw_views(len(images), TRAINING_VIEWS)
        self._steps += 1
        inputs = {"images": images, "views": views, RATE: self._rate(), **arrays}

        # CompiledSteps takes arrays of several steps; here each holds a single step.
        losses = self._train({name: array[None] for name, array in inputs.items()})
        if self._steps % self.options.interval == 0:
            self.end_round(len(batch))
        return {name: losses[name] for name in self.reported}

    def end_round(self, batch_size: int) -> None:
        """Finish the network after the last step of a round.

        Parameters
        ----------
        batch_size : int
            Images of a step.
        """
        if self.options.averaged_steps:
            self._settle(len(self._neighbors), batch_size)

    def _rate(self) -> np.ndarray:
        """Return the learning rate of the step just begun, float32 of shape ()."""
        step = min(self._steps, len(self._rates)) - 1
        return np.array(float(self._rates[step]) * self.rate_factor, np.float32)

    def _settle(self, n_images: int, batch_size: int) -> None:
        """Settle batch normalisation: training kept statistics of weights before the average."""
        views = self._settling_views(n_images, batch_size)
        settle(
            [self.trainer],
            views,
            lambda inputs: self.trainer(inputs, training=True),
            equal_weights=False,
        )

    def _settling_views(self, n_images: int, batch_size: int) -> Iterator[Any]:
        """Yield batches of strong views of random training images."""
        for number in range(SETTLING_BATCHES):
            rng = np.random.default_rng([self.seed, SETTLING_IMAGES, self._steps, number])
            positions = rng.integers(0, n_images, batch_size)
            numbers = self._draw_views(batch_size, SETTLING_VIEWS, number)
            yield crops.apply(self.read(positions), numbers, self.view_kind.size)

    def _draw_views(self, count: int, *purpose: int) -> np.ndarray:
        """Draw the numbers of strong views, by the seed, the step and their purpose."""
        rng = np.random.default_rng([self.seed, *purpose, self._steps])
        return crops.draw(self.view_kind, count, self.trainer.input_shape[1:], rng)

    def _set_head(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Set the head's weights and their averages, which would bring the old ones back."""
        self.head.set_weights([kernel, bias])
        optimizer = self.trainer.optimizer
        if not optimizer.use_ema:
            return
        averages = optimizer._model_variables_moving_average
        ids = {id(weight) for weight in self.head.weights}
        for variable, average in zip(self.trainer.trainable_variables, averages, strict=True):
            if id(variable) in ids:
                average.assign(variable)

    def centers(self) -> np.ndarray:
        """Return the mean vectors of the clusters before the last round, float32 (k, d)."""
        return self._centers

    def set_centers(self, centers: np.ndarray) -> None:
        """Move the head so that re-seeded clusters lie around their new centers, (k, d)."""
        kernel, bias = self.head.get_weights()
        moved = np.flatnonzero(np.abs(centers - self._centers).max(axis=1) > MOVED)
        scale = np.linalg.norm(kernel, axis=0).mean()
        lengths = np.linalg.norm(centers[moved], axis=1, keepdims=True)
        kernel[:, moved] = (scale * centers[moved] / lengths).T
        bias[moved] = bias.mean()
        self._set_head(kernel, bias)
        self._centers = centers

    def reorder(self, order: np.ndarray) -> None:
        """Renumber the clusters."""
        kernel, bias = self.head.get_weights()
        self._set_head(kernel[:, order], bias[order])
        self._centers = self._centers[order]

    def extras(self) -> Arrays:
        """Return the counts of rounds and steps, the centers, and the neighbours at the start."""
        return {
            "counts": np.array([self._rounds, self._steps]),
            "centers": self._centers,
            "neighbors": self._neighbors,
        }

    def set_extras(self, arrays: Arrays) -> None:
        """Restore counts, centers and neighbours."""
        self._rounds, self._steps = map(int, arrays["counts"])
        self._centers = arrays["centers"]
        self._neighbors = arrays["neighbors"]

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        """Return the loss of one step, and its parts by name."""
        from keras import ops

        views = crops.apply(batch["images"], batch["views"], self.view_kind.size)
        code = self.lower(views, training=True)
        clustering_loss = self.clustering_loss(self._assign_code(code, training=True), batch)

        if self.decoder is None:
            return clustering_loss, {"clustering_loss": clustering_loss, "reconstruction_loss": 0.0}
        # The decoder goes on learning, but its error does not reach the encoder.
        rebuilt = self.decoder(ops.stop_gradient(code), training=True)
        error = ops.mean(ops.square(rebuilt - views))
        parts = {"clustering_loss": clustering_loss, "reconstruction_loss": error}
        return clustering_loss + error, parts


def _averaging(options: TrainedHeadOptions) -> dict[str, Any]:
    """Return arguments that make a Keras optimizer average weights over the end of each round."""
    steps = options.averaged_steps
    if steps <= 1:
        return {}
    return {
        "use_ema": True,
        "ema_momentum": 1 - 1 / steps,
        "ema_overwrite_frequency": options.interval,
    }


def _head_of_centers(start: Start) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of a linear head with the cells of the centers as clusters."""
    sharpness = SHARPNESS / max(start.spread, 1e-6)
    bias = -sharpness * np.square(start.centers).sum(axis=1) / 2
    return sharpness * start.centers.T, bias
