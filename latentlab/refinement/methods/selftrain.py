"""Self-training: an averaged teacher labels the images, and the network learns their strong views.

It starts from a head on the vectors as they are: "scan", "temi" or "imc". In each step the teacher,
whose weights are a running average of the network's, sees a weak view of every image: a mirrored
crop. Where it is confident, the network learns its label on a strong view: another crop, 4 of 14
operations of RandAugment, and a square missing. Classes count alike. This is the third step of SCAN
(ECCV 2020) with the averaged teacher that its authors advise where clusters are weak.

Only trusted images take part: the teacher is confident, and most of the image's 100 neighbours at
the start have its label, as in RUC and SPICE. They are chosen anew in each round, so their share
grows with the teacher's confidence. Before the first round the head's sharpness is set so that its
mean confidence equals its mean agreement with the neighbours: without labels, that is what it
deserves.

`labelled` images of each step are drawn from the trusted ones of the start, with the labels of the
start: FixMatch from trusted labels (SPICE's last stage).

If training lowers mean confidence or the agreement of neighbours, the clusters of the start are
returned, and the result says so.

    latentlab cluster --run RUN --k 10 --method selftrain
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latentlab.backend.steps import Batch
from latentlab.features.neighbors import nearest_others
from latentlab.nets import crops, strong_views
from latentlab.nets.batch_norm import SETTLING_BATCHES
from latentlab.options import option
from latentlab.refinement.averaged_teacher import AveragedTeacher
from latentlab.refinement.refiner import Arrays, Refinement, Refiner, RefinerCapabilities, Start
from latentlab.refinement.trained_head import (
    REPORTED,
    SETTLING_IMAGES,
    TrainedHead,
    TrainedHeadOptions,
    require_embedding,
)
from latentlab.refinement.trusted import (
    agreement_with_neighbors,
    fitting_sharpness,
    trusted_images,
)

LOG_OFFSET = 1e-8  # keeps the logarithm of a probability finite
SMALLEST_CROP = 0.6  # of the image's area, in weak views
STUDENT = "student-{:04d}"  # name of a weight in checkpoints
LEAST_FALL = 0.02  # of a measure, before training counts as worse
PRIOR_MOMENTUM = 0.99  # of the mean prediction that alignment divides by

# What the random numbers of a step are for, beyond those of `TrainedHead`.
LABELLED_IMAGES = 15


@dataclass(frozen=True)
class SelfTrainOptions(TrainedHeadOptions):
    """Settings of the method.

    Attributes
    ----------
    tolerance : float
        As for `LoopOptions`; by default settled labels do not end the training.
    neighbors : int
        Neighbours of each image at the start.
    momentum : float
        Share of the teacher's weights that stays at each step.
    threshold : float
        Smallest confidence of the teacher in a label that is learnt, as a share of the confidence
        that smoothed labels allow.
    agreement : float
        Smallest share of neighbours with the same label, of images that take part.
    labelled : int
        Trusted images of the start in each step, beside its batch; 0 is self-labelling alone.
    smoothing : float
        Share of a label that is spread over all clusters.
    operations : int
        Operations of RandAugment in a strong view.
    align : bool
        Whether the teacher's predictions are moved towards clusters of equal size. Leave it off
        where classes differ in size.
    """

    interval: int = option(195, "Steps between two assignments of all images.", at_least=1)
    max_steps: int = option(11_700, "Largest number of steps.", at_least=1)
    tolerance: float = option(-1.0, "Stop when a smaller share of images changes its cluster.")
    neighbors: int = option(100, "Neighbours of each image at the start.", at_least=2)
    learning_rate: float = option(1e-4, "Initial learning rate of Adam.", more_than=0)
    smallest_crop: float = option(
        0.6, "Smallest share of the image in a strong view.", more_than=0, at_most=1
    )
    momentum: float = option(0.999, "Share of the teacher that stays.", at_least=0, less_than=1)
    threshold: float = option(0.95, "Smallest confidence of a label.", at_least=0, at_most=1)
    agreement: float = option(
        0.5, "Smallest share of neighbours with the same label.", at_least=0, at_most=1
    )
    labelled: int = option(0, "Trusted images of the start in each step.", at_least=0)
    smoothing: float = option(0.1, "Share of a label spread over all.", at_least=0, less_than=1)
    operations: int = option(4, "Operations in a strong view.", at_least=0, at_most=14)
    align: bool = option(False, "Move predictions towards clusters of equal size.")


class SelfTrain(Refiner):
    """Training on the labels of an averaged teacher."""

    Options = SelfTrainOptions
    capabilities = RefinerCapabilities(default_features="embedding+l2")

    def start(self, start: Start, options: SelfTrainOptions) -> Refinement:
        """Build the networks around the encoder; ConfigError if it has no embedding."""
        require_embedding(start, self.argument)
        return SelfTraining(start, options)


@dataclass(frozen=True)
class Certainty:
    """How sure clusters are, without labels.

    Attributes
    ----------
    confidence : float
        Mean probability of the images' clusters.
    agreement : float
        Mean share of neighbours in the same cluster.
    """

    confidence: float
    agreement: float

    @classmethod
    def of(cls, q: np.ndarray, neighbors: np.ndarray) -> "Certainty":
        """Return the certainty of assignments.

        Parameters
        ----------
        q : ndarray of shape (n, k)
            Probabilities of the clusters.
        neighbors : ndarray of shape (n, m), int
            Positions of each image's neighbours.
        """
        agreement = agreement_with_neighbors(q.argmax(axis=1), neighbors)
        return cls(float(q.max(axis=1).mean()), float(agreement.mean()))

    def fall_to(self, later: "Certainty") -> str:
        """Return which measure has fallen by more than `LEAST_FALL`, in words; "" for none.

        Parameters
        ----------
        later : Certainty
            Of the clusters after training.

        Examples
        --------
        >>> Certainty(0.9, 0.9).fall_to(Certainty(0.95, 0.8))
        'the agreement of neighbours fell from 0.900 to 0.800'
        """
        if later.confidence < self.confidence - LEAST_FALL:
            return f"mean confidence fell from {self.confidence:.3f} to {later.confidence:.3f}"
        if later.agreement < self.agreement - LEAST_FALL:
            text = "the agreement of neighbours fell"
            return f"{text} from {self.agreement:.3f} to {later.agreement:.3f}"
        return ""


class SelfTraining(TrainedHead):
    """A student in training, and its averaged teacher.

    The network holds the student's weights during a round, and the teacher's between rounds: these
    assign the images, and are what remains.

    Parameters
    ----------
    start : Start
        An encoder with an embedding, and initial clusters.
    options : SelfTrainOptions
        Settings of the method.
    """

    reported: ClassVar[tuple[str, ...]] = (*REPORTED, "used_share")

    def __init__(self, start: Start, options: SelfTrainOptions) -> None:
        super().__init__(start, options)
        size = self.trainer.input_shape[1]
        self.strong_kind = strong_views.StrongKind(
            size, options.operations, options.smallest_crop, options.cutout
        )
        self.weak_kind = crops.ViewKind(
            size, (SMALLEST_CROP, 1.0), jitter_chance=0.0, grey_chance=0.0
        )
        # Before a checkpoint is read
        self._first_weights = self.trainer.get_weights()
        self._student: list[np.ndarray] = []
        self._trusted = np.zeros(0, bool)
        self._first_labels = np.zeros(0, np.int32)
        self._first_trusted = np.zeros(0, np.int64)
        self._first = Certainty(0.0, 0.0)

    def more_variables(self) -> list[Any]:
        """Return the teacher's weights and the mean of its predictions."""
        import keras

        labeller = keras.Model(self.assigner.input, self.assigner.outputs[1], name="labeller")
        self.teacher = AveragedTeacher(labeller, self.options.momentum)
        k = self.head.units
        self.prior = keras.Variable(np.full(k, 1 / k, np.float32), trainable=False, name="prior")
        return [*self.teacher.weights, self.prior]

    @property
    def ceiling(self) -> float:
        """Confidence of a network that has learnt smoothed labels to the last."""
        return 1 - self.options.smoothing * (1 - 1 / self.head.units)

    @property
    def threshold(self) -> float:
        """Smallest confidence of a label that is learnt."""
        return self.options.threshold * self.ceiling

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Choose the images to trust, and let the student go on."""
        is_first = not len(self._neighbors)
        super().begin_round(z, q)
        if is_first:
            q = self._begin(q)
        agreement = self.options.agreement
        self._trusted = trusted_images(q, self._neighbors, self.threshold, agreement)
        self.teacher.start_anew()
        self.trainer.set_weights(self._student)

    def _begin(self, q: np.ndarray) -> np.ndarray:
        """Note where training starts, make the head as sure as its neighbours allow; return q so.

        `q` are the assignments (n, k) of the start.
        """
        options = self.options
        self._first = Certainty.of(q, self._neighbors)
        sharpness = fitting_sharpness(q, self._first.agreement * self.ceiling)
        kernel, bias = self.head.get_weights()
        self._set_head(sharpness * kernel, sharpness * bias)
        sharper = sharpened(q, sharpness)
        trusted = trusted_images(sharper, self._neighbors, self.threshold, options.agreement)
        self._first = Certainty.of(sharper, self._neighbors)
        self._first_labels = q.argmax(axis=1).astype(np.int32)
        self._first_trusted = np.flatnonzero(trusted)
        self._student = self.trainer.get_weights()
        return sharper

    def material(self, images: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """Return the step's images behind the labelled ones, whether to trust each, and labels."""
        count = self.options.labelled
        rng = np.random.default_rng([self.seed, LABELLED_IMAGES, self._steps])
        labelled = rng.choice(self._first_trusted, count) if count else self._first_trusted[:0]
        weak = crops.draw(self.weak_kind, count + len(images), self.trainer.input_shape[1:], rng)
        arrays = {
            "weak": weak,
            "trusted": self._trusted[positions].astype(np.float32),
            "labels": self._first_labels[labelled],
        }
        if count:
            images = np.concatenate([self.read(labelled), images])
        return images, arrays

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch and return the losses and the shares of images that are used."""
        losses = super().step(batch, positions)
        return losses | {"trusted_share": float(self._trusted.mean())}

    def end_round(self, batch_size: int) -> None:
        """Keep the student, and give the network the teacher's weights."""
        self._student = self.trainer.get_weights()
        self.teacher.replace_student()
        self._settle(len(self._neighbors), batch_size)

    def _settling_views(self, n_images: int, batch_size: int) -> Iterator[Any]:
        """Yield batches of random training images as they are: so they are assigned."""
        for number in range(SETTLING_BATCHES):
            rng = np.random.default_rng([self.seed, SETTLING_IMAGES, self._steps, number])
            yield self.read(rng.integers(0, n_images, batch_size))

    def _draw_views(self, count: int, *purpose: int) -> np.ndarray:
        """Draw the numbers of strong views, by the seed, the step and their purpose."""
        rng = np.random.default_rng([self.seed, *purpose, self._steps])
        return strong_views.draw(self.strong_kind, count, self.trainer.input_shape[1:], rng)

    # The way back

    def go_back_if_worse(self, z: np.ndarray, q: np.ndarray) -> str:
        """Return to the start if training lowered a measure without labels, and say which."""
        neighbors = nearest_others(z, self._neighbors.shape[1])
        reason = self._first.fall_to(Certainty.of(q, neighbors))
        if reason:
            self.trainer.set_weights(self._first_weights)
        return reason

    # The loss of a step

    def _loss(self, batch: Batch) -> tuple[Any, dict[str, Any]]:
        """Return the loss of one step, and its parts by name."""
        from keras import ops

        # The teacher's labels of weak views
        n_labelled = self.options.labelled
        images = batch["images"]
        weak = crops.apply(images, batch["weak"], self.weak_kind.size)
        self.teacher.follow()
        taught = self._aligned(self.teacher.predict(weak[n_labelled:]))

        # The student's assignments of strong views, and of the labelled images' weak ones
        strong = strong_views.apply(
            images[n_labelled:], batch["views"][n_labelled:], self.strong_kind.size
        )
        views = ops.concatenate([weak[:n_labelled], strong]) if n_labelled else strong
        code = self.lower(views, training=True)
        q = self._assign_code(code, training=True)
        loss, used_share = self.clustering_loss(q[n_labelled:], batch | {"taught": taught})
        if n_labelled:
            labels = ops.one_hot(batch["labels"], self.head.units)
            loss += ops.mean(self._divergence(labels, q[:n_labelled]))

        parts = {"clustering_loss": loss, "reconstruction_loss": 0.0, "used_share": used_share}
        if self.decoder is None:
            return loss, parts
        # The decoder goes on learning, but its error does not reach the encoder.
        rebuilt = self.decoder(ops.stop_gradient(code), training=True)
        parts["reconstruction_loss"] = ops.mean(ops.square(rebuilt - views))
        return loss + parts["reconstruction_loss"], parts

    def clustering_loss(self, q: Any, batch: Batch) -> Any:
        """Return the loss of the teacher's labels, classes weighted alike, and the share used."""
        from keras import ops

        taught = batch["taught"]
        is_sure = ops.cast(ops.max(taught, axis=1) >= self.threshold, "float32")
        used = is_sure * batch["trusted"]
        labels = ops.one_hot(ops.argmax(taught, axis=1), self.head.units)
        sizes = ops.sum(labels * used[:, None], axis=0)
        weight = used * ops.sum(labels / ops.maximum(sizes, 1.0), axis=1)
        loss = ops.sum(weight * self._divergence(labels, q))
        return loss / (ops.sum(weight) + LOG_OFFSET), ops.mean(used)

    def _divergence(self, labels: Any, q: Any) -> Any:
        """Return the cross-entropy of smoothed one-hot labels (n, k) and assignments, (n,)."""
        from keras import ops

        smoothing = self.options.smoothing
        targets = (1 - smoothing) * labels + smoothing / self.head.units
        return -ops.sum(targets * ops.log(q + LOG_OFFSET), axis=1)

    def _aligned(self, taught: Any) -> Any:
        """Return predictions (n, k) whose running mean is even (ReMixMatch), if that is asked."""
        from keras import ops

        if not self.options.align:
            return taught
        mean = ops.mean(taught, axis=0)
        self.prior.assign(PRIOR_MOMENTUM * self.prior + (1 - PRIOR_MOMENTUM) * mean)
        scaled = taught / ops.maximum(ops.convert_to_tensor(self.prior), LOG_OFFSET)
        return scaled / ops.sum(scaled, axis=1, keepdims=True)

    # Changes from outside, and checkpoints

    def _set_head(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Set the head's weights, of the student too."""
        super()._set_head(kernel, bias)
        if not self._student:
            return
        ids = [id(weight) for weight in self.trainer.weights]
        for variable, value in zip(self.head.weights, (kernel, bias), strict=True):
            self._student[ids.index(id(variable))] = value

    def extras(self) -> Arrays:
        """Return what `TrainedHead` does, and the student, the start and the running mean."""
        arrays = super().extras()
        for number, weight in enumerate(self._student):
            arrays[STUDENT.format(number)] = weight
        first = [self._first.confidence, self._first.agreement]
        return arrays | {
            "prior": np.asarray(self.prior),
            "first-labels": self._first_labels,
            "first-trusted": self._first_trusted,
            "first-certainty": np.array(first, np.float32),
        }

    def set_extras(self, arrays: Arrays) -> None:
        """Restore all of `extras`."""
        super().set_extras(arrays)
        names = sorted(name for name in arrays if name.startswith(STUDENT.format(0)[:-4]))
        self._student = [arrays[name] for name in names]
        self.prior.assign(arrays["prior"])
        self._first_labels = arrays["first-labels"]
        self._first_trusted = arrays["first-trusted"]
        self._first = Certainty(*map(float, arrays["first-certainty"]))


def sharpened(q: np.ndarray, sharpness: float) -> np.ndarray:
    """Return probabilities whose logits are multiplied.

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Probabilities of the clusters.
    sharpness : float
        Factor of the logits.

    Examples
    --------
    >>> sharpened(np.array([[0.75, 0.25]]), 2.0).round(2).tolist()
    [[0.9, 0.1]]
    """
    powers = (q / q.max(axis=1, keepdims=True)).astype(np.float64) ** sharpness
    return powers / powers.sum(axis=1, keepdims=True)
