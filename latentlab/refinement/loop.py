"""The refinement loop: assign all images, train one round, save a checkpoint, until labels settle.

A round is a function of the state in its checkpoint and of (seed, round number). A killed run
therefore resumes to the same end.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from latentlab.data.images import ImageSet, as_input
from latentlab.nets.augmentation import augment
from latentlab.nets.entropy import effective_number
from latentlab.progress import log, track
from latentlab.refinement.guards import collapsed, reseed
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Refinement
from latentlab.storage.json_form import json_field
from latentlab.training.state import Progress, TrainingState

BATCH = 500  # images that are assigned at once
MOST_RECOVERIES = 5  # repairs and roll-backs before the loop gives up
SLOWER = 0.1  # factor on the learning rate at each roll-back


# Results


@dataclass(frozen=True, kw_only=True)
class Reseeding:
    """Collapsed clusters were refilled from others.

    Attributes
    ----------
    round : int
        Rounds trained before.
    clusters, donors : tuple of int
        The collapsed clusters, and the clusters that were split for them.
    """

    round: int
    kind: Literal["re-seeded"] = json_field(key="what", default="re-seeded")
    clusters: tuple[int, ...]
    donors: tuple[int, ...] = json_field(key="from")

    def renumbered(self, new_numbers: np.ndarray) -> "Reseeding":
        """Return the event with new cluster numbers.

        Parameters
        ----------
        new_numbers : ndarray of shape (k,), int
            The new number of each cluster.
        """
        return Reseeding(
            round=self.round,
            clusters=tuple(int(new_numbers[cluster]) for cluster in self.clusters),
            donors=tuple(int(new_numbers[cluster]) for cluster in self.donors),
        )


@dataclass(frozen=True, kw_only=True)
class RollBack:
    """Training diverged and went back to the last good round.

    Attributes
    ----------
    round : int
        Rounds trained before.
    losses : dict of str to str
        Mean losses of the diverged round as text, since JSON has no infinity.
    step : int
        Step of the round at which the numbers were no longer finite.
    first_image : str
        Id of the first image in that step's batch.
    """

    round: int
    kind: Literal["rolled back"] = json_field(key="what", default="rolled back")
    losses: dict[str, str]
    step: int
    first_image: str

    def renumbered(self, new_numbers: np.ndarray) -> "RollBack":
        """Return the event as it is: it names no cluster, so `new_numbers` change nothing."""
        return self


@dataclass(frozen=True)
class RoundRow:
    """One round in history.jsonl.

    Attributes
    ----------
    epoch : int
        Number of the round, from 1.
    losses : dict of str to float
        Mean losses of its steps.
    label_change : float
        Share of the training images that changed their cluster.
    effective_clusters : float
        See `latentlab.nets.entropy.effective_number`.
    confidence : float
        Mean of the images' largest soft assignment.
    sizes : tuple of int
        Training images in each cluster.
    recoveries : int
        Number of repairs and roll-backs so far.
    """

    epoch: int
    losses: dict[str, float]
    label_change: float
    effective_clusters: float
    confidence: float
    sizes: tuple[int, ...]
    recoveries: int

    def to_json(self) -> dict[str, Any]:
        """Return the row for history.jsonl; each loss has its own key."""
        row: dict[str, Any] = {"stage": "refine", "epoch": self.epoch, **self.losses}
        row["label_change"] = self.label_change
        row["effective_clusters"] = self.effective_clusters
        row["confidence"] = self.confidence
        row["sizes"] = list(self.sizes)
        row["recoveries"] = self.recoveries
        return row


@dataclass(frozen=True)
class RefinementSummary:
    """How a refinement went, for result.json.

    Attributes
    ----------
    rounds, steps : int
        Rounds and steps trained.
    stopped : {"settled", "max_steps", "diverged"}
        Why it ended.
    recoveries : tuple of Reseeding or RollBack
        Repairs on the way, in order.
    went_back : str
        Why the clusters of the start were returned; "" if those of the last round are.
    """

    rounds: int
    steps: int
    stopped: str
    recoveries: tuple[Reseeding | RollBack, ...]
    went_back: str = ""

    def renumbered(self, order: np.ndarray) -> "RefinementSummary":
        """Return the summary with new cluster numbers in its recoveries.

        Parameters
        ----------
        order : ndarray of shape (k,), int
            The old number of each new cluster.
        """
        new_numbers = np.argsort(order)
        recoveries = tuple(event.renumbered(new_numbers) for event in self.recoveries)
        return dataclasses.replace(self, recoveries=recoveries)


# Schedule


@dataclass(frozen=True)
class Schedule:
    """When all images are assigned anew, and when training stops.

    Attributes
    ----------
    interval : int
        Steps per round, that is between two assignments of all images.
    batch_size : int
        Images per step.
    tolerance : float
        Stop when a smaller share of the training images changed its cluster in a round.
    max_steps : int
        Largest number of steps.
    augment : str
        How training changes images, see `latentlab.nets.augmentation`. Images are assigned
        unchanged.
    seed : int
        Seed of the batches and of the augmentation.
    least_rounds : int
        Rounds before which settled labels do not end the training.
    """

    interval: int
    batch_size: int
    tolerance: float
    max_steps: int
    augment: str
    seed: int
    least_rounds: int = 1

    @classmethod
    def of(cls, settings: LoopOptions, augment: str, seed: int) -> "Schedule":
        """Make the schedule of a method's settings.

        Parameters
        ----------
        settings : LoopOptions
            The method's settings.
        augment : str
            See the class.
        seed : int
            See the class.
        """
        return cls(
            interval=settings.interval,
            batch_size=settings.batch_size,
            tolerance=settings.tolerance,
            max_steps=settings.max_steps,
            augment=augment,
            seed=seed,
            least_rounds=settings.least_rounds,
        )

    @property
    def last_round(self) -> int:
        """Number of rounds that make at most `max_steps` steps, at least 1."""
        return max(1, self.max_steps // self.interval)

    def batches(self, count: int, number: int) -> Iterator[np.ndarray]:
        """Yield the image positions of each step of one round.

        Every image is used once per epoch, in an order that is drawn anew for each epoch. Epochs
        go on across rounds.

        Parameters
        ----------
        count : int
            Number of training images.
        number : int
            Number of the round, from 0.
        """
        size = min(self.batch_size, count)
        per_epoch = count // size
        drawn_for = -1
        for step in range(number * self.interval, (number + 1) * self.interval):
            epoch, place = divmod(step, per_epoch)
            if epoch != drawn_for:
                order = np.random.default_rng([self.seed, 5, epoch]).permutation(count)
                drawn_for = epoch
            yield order[place * size : (place + 1) * size]


# Assignments


class SoftAssignment(NamedTuple):
    """Vectors and soft assignments of n images.

    Attributes
    ----------
    z : ndarray of shape (n, d), float32
        Their vectors.
    q : ndarray of shape (n, k), float32
        Their probabilities of each cluster.
    """

    z: np.ndarray
    q: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The most probable cluster of each image, (n,)."""
        return self.q.argmax(axis=1)

    @property
    def sizes(self) -> np.ndarray:
        """Number of images in each cluster, (k,)."""
        return np.bincount(self.labels, minlength=self.q.shape[1])

    @property
    def is_finite(self) -> bool:
        """Whether every number is finite."""
        return bool(np.isfinite(self.q).all() and np.isfinite(self.z).all())


def assign_all(refinement: Refinement, images: ImageSet, indices: np.ndarray) -> SoftAssignment:
    """Assign images by the network as it is now.

    Parameters
    ----------
    refinement : Refinement
        The method at work.
    images : ImageSet
        The data.
    indices : ndarray of shape (n,), int
        Images to assign.

    Returns
    -------
    SoftAssignment
        Their vectors and soft assignments, which unpack as z, q.
    """
    vectors = []
    probabilities = []
    for start in range(0, len(indices), BATCH):
        batch = images.read(indices[start : start + BATCH])
        z, q = assign_batch(refinement.assigner, batch)
        vectors.append(z)
        probabilities.append(q)
    return SoftAssignment(np.concatenate(vectors), np.concatenate(probabilities))


def assign_batch(assigner: Any, batch: np.ndarray) -> SoftAssignment:
    """Assign one batch of images.

    Parameters
    ----------
    assigner : keras.Model
        Network from images to [z, q].
    batch : ndarray of shape (m, height, width, channels), uint8
        The images.

    Returns
    -------
    SoftAssignment
        Their vectors and soft assignments, which unpack as z, q.
    """
    z, q = assigner.predict_on_batch(as_input(batch))
    return SoftAssignment(np.asarray(z, np.float32), np.asarray(q, np.float32))


# The loop


@dataclass
class RefinementProgress(Progress):
    """Progress of the loop: the state.json of a checkpoint.

    Attributes
    ----------
    round : int
        Rounds trained.
    recoveries : list of Reseeding or RollBack
        Repairs so far.
    stopped : str or None
        Why training ended; None while it goes on.
    rate_factor : float
        Share of the method's learning rate to train with.
    """

    round: int = 0
    recoveries: list[Reseeding | RollBack] = field(default_factory=list)
    stopped: str | None = None
    rate_factor: float = 1.0

    @property
    def number(self) -> int:
        """Number of the last good round."""
        return self.round


class TrainedRound:
    """Losses of a round in training.

    Parameters
    ----------
    interval : int
        Steps of a whole round.

    Attributes
    ----------
    step : int
        Steps done.
    first_image : str
        Id of the first image in the last step's batch.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.step = 0
        self.first_image = ""
        self._sums: dict[str, float] = {}

    def add(self, losses: dict[str, float], first_image: str) -> None:
        """Count one step.

        Parameters
        ----------
        losses : dict of str to float
            Losses of the step.
        first_image : str
            Id of the first image in its batch.
        """
        self.step += 1
        self.first_image = first_image
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    @property
    def losses(self) -> dict[str, float]:
        """Mean losses of a whole round."""
        return {name: total / self.interval for name, total in self._sums.items()}

    @property
    def is_finite(self) -> bool:
        """Whether every loss so far is finite."""
        return all(map(math.isfinite, self._sums.values()))


class RefinementLoop:
    """Trains a method round by round until its clusters settle.

    Parameters
    ----------
    refinement : Refinement
        The method at work; `run` brings it to where the newest checkpoint stands.
    images : ImageSet
        The data; only its training split is used.
    schedule : Schedule
        When to assign all images anew and when to stop.
    folder : pathlib.Path
        Folder of the checkpoints.
    record : callable
        record(row) is called with the `RoundRow` of every round.

    Attributes
    ----------
    state : TrainingState
        The last good round, in memory and on disk.
    current : SoftAssignment
        Assignment of the training images by the present network.
    """

    current: SoftAssignment

    def __init__(
        self,
        refinement: Refinement,
        images: ImageSet,
        schedule: Schedule,
        folder: Path,
        record: Callable[[RoundRow], None],
    ) -> None:
        self.refinement = refinement
        self.images = images
        self.indices = images.indices("train")
        self.schedule = schedule
        self.record = record
        self.state = TrainingState(refinement, folder, "round", RefinementProgress())

    @property
    def progress(self) -> RefinementProgress:
        """How far the training is."""
        return self.state.progress

    @property
    def last_labels(self) -> np.ndarray | None:
        """Clusters of the training images before the last good round; None before the first."""
        return self.state.arrays.get("labels")

    def run(self) -> RefinementSummary:
        """Train until the clusters settle and leave the method in its last good state.

        Returns
        -------
        RefinementSummary
            Rounds, steps, why training stopped, and repairs.
        """
        self.state.resume()
        self._assign()
        with track("refine", self.schedule.last_round, "rounds") as bar:
            while not self.is_done():
                change = self.label_change()
                self.advance()
                bar.update(self.progress.round, f"change {change:.4f}")
        return RefinementSummary(
            rounds=self.progress.round,
            steps=self.progress.round * self.schedule.interval,
            stopped=self.progress.stopped or "",
            recoveries=tuple(self.progress.recoveries),
            went_back=self._go_back_if_worse(),
        )

    def _go_back_if_worse(self) -> str:
        """Let the method return to its start if that was better; return why, or ""."""
        reason = self.refinement.go_back_if_worse(self.current.z, self.current.q)
        if reason:
            log.warning("%s: the clusters of the start are returned", reason)
            self._assign()
        return reason

    def label_change(self) -> float:
        """Return the share of training images that the last round moved; 1 before the first."""
        if self.last_labels is None:
            return 1.0
        return float((self.current.labels != self.last_labels).mean())

    def is_done(self) -> bool:
        """Decide whether training should stop here, and note why."""
        if self.progress.stopped is None:
            has_settled = self.label_change() <= self.schedule.tolerance
            if self.progress.round >= self.schedule.least_rounds and has_settled:
                self.progress.stopped = "settled"
            elif self.progress.round >= self.schedule.last_round:
                self.progress.stopped = "max_steps"
        return self.progress.stopped is not None

    def advance(self) -> None:
        """Repair collapsed clusters and train one round; keep the round or roll back."""
        if self.state.is_new:
            # A divergence in the first round rolls back to the untrained network.
            self.state.keep(self.refinement.snapshot())
        self.repair()
        before = self.current.labels
        trained = self._train()
        self._assign()
        if not (trained.is_finite and self.current.is_finite):
            self.roll_back(trained)
            return

        # Record the round before its checkpoint: a kill in between repeats the round and its row.
        self.progress.round += 1
        self._record(trained.losses, before)
        labels = before.astype(np.int32)
        self.state.keep(self.refinement.snapshot() | {"labels": labels})

    def repair(self) -> None:
        """Refill collapsed clusters from the most spread ones, and note it."""
        dead = collapsed(self.current.sizes)
        if not len(dead) or len(self.progress.recoveries) >= MOST_RECOVERIES:
            return
        centers = self.refinement.centers()
        centers, donors = reseed(
            centers, self.current.z, self.current.labels, dead, self.schedule.seed
        )
        self.refinement.set_centers(centers)
        event = Reseeding(
            round=self.progress.round, clusters=tuple(dead.tolist()), donors=tuple(donors)
        )
        self.progress.recoveries.append(event)
        log.warning(
            "clusters %s have collapsed and are re-seeded from clusters %s", dead.tolist(), donors
        )
        self._assign()

    def roll_back(self, trained: "TrainedRound") -> None:
        """Return to the last good round with a tenth of the learning rate; give up after too many.

        Parameters
        ----------
        trained : TrainedRound
            The diverged round.
        """
        event = RollBack(
            round=self.progress.round,
            losses={name: str(value) for name, value in trained.losses.items()},
            step=trained.step,
            first_image=trained.first_image,
        )
        self.progress.recoveries.append(event)
        self.progress.rate_factor *= SLOWER
        if len(self.progress.recoveries) > MOST_RECOVERIES:
            self.progress.stopped = "diverged"
        log.warning(
            "the loss or a gradient is not finite in round %d, step %d, whose first image is %s:"
            " back to the last good state, with a tenth of the learning rate",
            self.progress.round + 1,
            trained.step,
            trained.first_image,
        )
        self.state.roll_back()
        self._assign()

    def _assign(self) -> None:
        """Assign the training images by the present network."""
        self.current = assign_all(self.refinement, self.images, self.indices)

    def _train(self) -> "TrainedRound":
        """Train the steps of one round, up to the first loss that is not finite."""
        self.refinement.begin_round(self.current.z, self.current.q)
        number = self.progress.round
        trained = TrainedRound(self.schedule.interval)
        for positions in self.schedule.batches(len(self.indices), number):
            # Augment the images of this step, with its own generator.
            members = self.indices[positions]
            rng = np.random.default_rng([self.schedule.seed, 6, number, trained.step])
            batch = augment(as_input(self.images.read(members)), self.schedule.augment, rng)

            trained.add(self.refinement.step(batch, positions), str(self.images.ids[members[0]]))
            if not trained.is_finite:
                break
        return trained

    def _record(self, losses: dict[str, float], before: np.ndarray) -> None:
        """Record the round that was just trained; `before` holds the labels at its start."""
        sizes = self.current.sizes
        row = RoundRow(
            epoch=self.progress.round,
            losses=losses,
            label_change=float((self.current.labels != before).mean()),
            effective_clusters=effective_number(sizes),
            confidence=float(self.current.q.max(axis=1).mean()),
            sizes=tuple(sizes.tolist()),
            recoveries=len(self.progress.recoveries),
        )
        self.record(row)
        log.info(
            "round %d: %s, label change %.4f, effective clusters %.2f",
            row.epoch,
            ", ".join(f"{name} {value:.5f}" for name, value in losses.items()),
            row.label_change,
            row.effective_clusters,
        )
