"""The loop of every deep method: assign all images, watch, train some steps, keep a checkpoint; until labels settle.

A round is a function of the state that its checkpoint holds and of (seed, round): a killed run resumes to the same end.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.data.images import ImageSet, as_input
from latentlab.errors import TrainingError
from latentlab.nets.augmentation import augment
from latentlab.progress import log, track
from latentlab.refinement.base import Refiner
from latentlab.refinement.guards import collapsed, effective_clusters, reseed
from latentlab.storage import checkpoints
from latentlab.training.loop import restore, snapshot

BATCH = 500
MOST_RECOVERIES = 5


@dataclass(frozen=True)
class Schedule:
    """When targets are refreshed and when to stop.

    Attributes
    ----------
    interval : int
        Steps a round, that is between two looks at all images.
    batch_size : int
        Images a step.
    tolerance : float
        Stop where a smaller share of the training images has changed its cluster in a round.
    max_steps : int
        Stop after so many steps at the latest.
    augment : str
        See `latentlab.nets.augmentation`; all images are assigned unchanged.
    seed : int
    least_rounds : int
        Do not stop for settled labels before so many rounds.
    """

    interval: int
    batch_size: int
    tolerance: float
    max_steps: int
    augment: str
    seed: int
    least_rounds: int = 1


def refine(
    refiner: Refiner,
    images: ImageSet,
    schedule: Schedule,
    place: Path,
    record: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Train until the clusters settle and leave the refiner in its last good state.

    Parameters
    ----------
    place : pathlib.Path
        Where checkpoints go and come from.
    record : callable
        record(row) is called once a round, with losses, label change, sizes and what was repaired.

    Returns
    -------
    dict
        rounds, steps, stopped ("settled", "max_steps" or "diverged"), recoveries (list of dict).
    """
    indices = images.indices("train")
    state = _resume(refiner, place)
    last_round = max(1, schedule.max_steps // schedule.interval)
    z, q = assign_all(refiner, images, indices)
    with track("refine", last_round) as bar:
        while state["stopped"] is None:
            labels = q.argmax(axis=1)
            change = (
                float((labels != np.asarray(state["labels"])).mean())
                if state["labels"] is not None
                else 1.0
            )
            if state["round"] >= schedule.least_rounds and change <= schedule.tolerance:
                state["stopped"] = "settled"
            elif state["round"] >= last_round:
                state["stopped"] = "max_steps"
            else:
                z, q = _round(refiner, images, indices, schedule, place, state, z, q, record)
                bar.update(state["round"], f"change {change:.4f}")
    return {
        "rounds": state["round"],
        "steps": state["round"] * schedule.interval,
        "stopped": state["stopped"],
        "recoveries": state["recoveries"],
    }


def assign_all(
    refiner: Refiner, images: ImageSet, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors, float32 (n, d), and soft assignments, float32 (n, k), of images."""
    assigner = refiner.networks()[1]
    parts = [
        assign_batch(assigner, images.read(indices[i : i + BATCH]))
        for i in range(0, len(indices), BATCH)
    ]
    return np.concatenate([z for z, _ in parts]), np.concatenate([q for _, q in parts])


def assign_batch(assigner: Any, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (m, d) and soft assignments (m, k) of uint8 images."""
    z, q = assigner.predict_on_batch(as_input(batch))
    return np.asarray(z, np.float32), np.asarray(q, np.float32)


def _resume(refiner: Refiner, place: Path) -> dict[str, Any]:
    folder = checkpoints.newest(place, "round")
    if folder is None:
        return {"round": 0, "labels": None, "recoveries": [], "stopped": None, "rate_factor": 1.0}
    state = _restore(refiner, folder)
    log.info("resuming after round %d", state["round"])
    return state


def _restore(refiner: Refiner, folder: Path) -> dict[str, Any]:
    arrays, state = checkpoints.load(folder)
    restore(refiner.networks()[0], arrays)
    refiner.set_extras(
        {
            name.removeprefix("extra-"): array
            for name, array in arrays.items()
            if name.startswith("extra-")
        }
    )
    return {**state, "labels": arrays.get("labels")}


def _save(refiner: Refiner, place: Path, state: dict[str, Any]) -> None:
    arrays = snapshot(refiner.networks()[0]) | {
        f"extra-{name}": array for name, array in refiner.extras().items()
    }
    if state["labels"] is not None:
        arrays["labels"] = np.asarray(state["labels"], np.int32)
    checkpoints.save(
        place,
        "round",
        state["round"],
        arrays,
        {name: value for name, value in state.items() if name != "labels"},
    )


def _round(
    refiner: Refiner,
    images: ImageSet,
    indices: np.ndarray,
    schedule: Schedule,
    place: Path,
    state: dict[str, Any],
    z: np.ndarray,
    q: np.ndarray,
    record: Callable[[dict[str, Any]], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Repair what has collapsed, train one interval, keep it or roll back; return the new vectors and assignments."""
    if state["round"] == 0 and state["labels"] is None:
        _save(refiner, place, state)  # what a divergence in the first round rolls back to
    z, q = _repair(refiner, images, indices, schedule, state, z, q)
    labels = q.argmax(axis=1)
    losses, cause = _train(refiner, images, indices, schedule, state["round"], z, q)
    new_z, new_q = assign_all(refiner, images, indices)
    if not (
        all(map(math.isfinite, losses.values()))
        and np.isfinite(new_q).all()
        and np.isfinite(new_z).all()
    ):
        _roll_back(refiner, place, state, losses, cause)
        return assign_all(refiner, images, indices)
    state["round"], state["labels"] = state["round"] + 1, labels
    sizes = np.bincount(new_q.argmax(axis=1), minlength=q.shape[1])
    row = {
        "stage": "refine",
        "epoch": state["round"],
        **losses,
        "label_change": float((new_q.argmax(axis=1) != labels).mean()),
        "effective_clusters": effective_clusters(sizes),
        "confidence": float(new_q.max(axis=1).mean()),
        "sizes": sizes.tolist(),
        "recoveries": len(state["recoveries"]),
    }
    record(row)
    _save(refiner, place, state)
    shown = ", ".join(f"{name} {value:.5f}" for name, value in losses.items())
    log.info(
        "round %d: %s, label change %.4f, effective clusters %.2f",
        state["round"],
        shown,
        row["label_change"],
        row["effective_clusters"],
    )
    return new_z, new_q


def _repair(
    refiner: Refiner,
    images: ImageSet,
    indices: np.ndarray,
    schedule: Schedule,
    state: dict[str, Any],
    z: np.ndarray,
    q: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Re-seed collapsed clusters from the most spread ones, and note it."""
    labels = q.argmax(axis=1)
    dead = collapsed(np.bincount(labels, minlength=q.shape[1]))
    if not len(dead) or len(state["recoveries"]) >= MOST_RECOVERIES:
        return z, q
    centers, donors = reseed(refiner.centers(), z, labels, dead, schedule.seed)
    refiner.set_centers(centers)
    state["recoveries"].append(
        {"round": state["round"], "what": "re-seeded", "clusters": dead.tolist(), "from": donors}
    )
    log.warning(
        "clusters %s have collapsed and are re-seeded from clusters %s", dead.tolist(), donors
    )
    return assign_all(refiner, images, indices)


def _roll_back(
    refiner: Refiner,
    place: Path,
    state: dict[str, Any],
    losses: dict[str, float],
    cause: dict[str, Any],
) -> None:
    """Go back to the last good state with a tenth of the learning rate; give up there after too many tries.

    `cause` is the step, and the first image of its batch, at which the numbers were no longer finite.
    """
    folder = checkpoints.newest(place, "round")
    if folder is None:
        raise TrainingError(
            "the clustering loss is not finite and there is no good state to go back to. Lower the learning rate."
        )
    shown = {name: str(value) for name, value in losses.items()}
    kept = state["recoveries"] + [
        {"round": state["round"], "what": "rolled back", "losses": shown, **cause}
    ]
    factor = state["rate_factor"] * 0.1
    state.update(_restore(refiner, folder))
    optimizer = refiner.networks()[0].optimizer
    optimizer.learning_rate = (
        float(np.asarray(optimizer.learning_rate)) * factor / state["rate_factor"]
    )
    state["recoveries"], state["rate_factor"] = kept, factor
    if len(kept) > MOST_RECOVERIES:
        state["stopped"] = "diverged"
    log.warning(
        "the loss or a gradient is not finite in round %d, step %d, whose first image is %s: back to the last good state, with a tenth of the"
        " learning rate",
        state["round"] + 1,
        cause["step"],
        cause["first_image"],
    )


def _train(
    refiner: Refiner,
    images: ImageSet,
    indices: np.ndarray,
    schedule: Schedule,
    number: int,
    z: np.ndarray,
    q: np.ndarray,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Train the steps of round `number`; return the mean losses, and the last step with the first image of its batch.

    Stops at the first loss that is not finite.
    """
    refiner.begin_round(z, q)
    sums: dict[str, float] = {}
    last: dict[str, Any] = {}
    for step, positions in enumerate(_positions(len(indices), schedule, number)):
        rng = np.random.default_rng([schedule.seed, 6, number, step])
        batch = augment(as_input(images.read(indices[positions])), schedule.augment, rng)
        last = {"step": step + 1, "first_image": str(images.ids[indices[positions[0]]])}
        for name, value in refiner.step(batch, positions).items():
            sums[name] = sums.get(name, 0.0) + value
        if not all(map(math.isfinite, sums.values())):
            break
    return {name: value / schedule.interval for name, value in sums.items()}, last


def _positions(count: int, schedule: Schedule, number: int) -> Iterator[np.ndarray]:
    """Yield the image positions of each step of a round: every image once an epoch, a new random order each."""
    size = min(schedule.batch_size, count)
    per_epoch = count // size
    orders: dict[int, np.ndarray] = {}
    for step in range(number * schedule.interval, (number + 1) * schedule.interval):
        epoch, place = divmod(step, per_epoch)
        if epoch not in orders:
            orders = {epoch: np.random.default_rng([schedule.seed, 5, epoch]).permutation(count)}
        yield orders[epoch][place * size : (place + 1) * size]
