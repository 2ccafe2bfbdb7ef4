"""Train an encoder, an epoch at a time, so that a killed run resumes to exactly the weights it would have had.

An epoch is a function of (weights and optimizer state, seed, epoch number): the order of the images comes from
(seed, epoch), the learning rate from the step number, and a checkpoint holds the rest. Keras' own `fit` is not used:
its seeded shuffle repeats the first epoch's order, its backup is neither exact nor atomic, and on a CPU it stalls for
seconds at the end of each call. What an epoch does is the objective's, see `latentlab.training.objective`.
"""

import dataclasses
import math
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from latentlab import backend, plugins
from latentlab.config import FitOptions, plugin_options
from latentlab.data.images import ImageSet, as_input
from latentlab.encoders.networks import Model
from latentlab.errors import RunError, TrainingError
from latentlab.progress import log
from latentlab.storage import checkpoints
from latentlab.storage.files import atomic_path, write_json
from latentlab.storage.run import Run
from latentlab.training.fit_state import FitState

SHOWN_EPOCHS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
SHOWN_IMAGES = 16
LEAST_RANK = 1.05  # effective dimensions of the embedding below which it has collapsed

Item = TypeVar("Item")


def train(
    model: Model, images: ImageSet, options: FitOptions, run: Run, keep_every: int = 0
) -> dict[str, Any]:
    """Train `model` on the training split of `images` and leave the best epoch's weights, or the last's, in it.

    "Best" and early stopping go by the loss on a validation part of the training images, where the objective has one to
    go by. One row an epoch goes to metrics.jsonl. Resumes from the newest checkpoint in the run. An epoch after which
    the embedding has collapsed is undone, and tried again with half the learning rate. With `keep_every` the checkpoints of
    every so many epochs are kept, beside the newest and the best.

    Returns
    -------
    dict
        best_epoch, best_val_loss, epochs (trained), stopped_early, images_per_second (median over epochs), recoveries,
        flops_per_image (operations of training on it once, or None) and peak_memory (bytes, of the process that ended the
        fit, or None).

    Raises
    ------
    TrainingError
        If the loss or a gradient is not finite, with the batch named, or the embedding collapses again and again; the
        weights of the last good epoch are in the run's checkpoints.
    """
    training, validation = split_validation(images, options)
    options = lasting(options, len(training))
    objective = _objective(model, images, options)
    state = FitState(objective, run, options.epochs, keep_every)
    if not state.arrays:
        _record_untrained(objective, images, validation, run)
        state.keep(objective.snapshot())
    with _TensorBoard(run) as board:
        while state.goes_on(options.patience):
            row, arrays = _train_epoch(state, images, (training, validation), options, run)
            if row.get("effective_rank", math.inf) < LEAST_RANK:
                state.recover(row)
                continue
            state.advance(row)
            _save_reconstructions(
                objective,
                images,
                validation,
                run,
                row["epoch"],
                last=row["epoch"] == options.epochs,
            )
            run.append_metrics(
                row
            )  # before the checkpoint: a kill in between repeats the epoch and its row, and loses neither
            state.keep(arrays)
            board.add(row)
            log.info(
                "epoch %(epoch)d: loss %(loss).5f, validation %(val_loss).5f, %(images_per_second).0f images/s",
                row,
            )
    state.finish(training)
    return {
        **state.summary(run),
        "flops_per_image": _flops_of(objective),
        "peak_memory": backend.peak_memory(),
    }


def lasting(options: FitOptions, n_images: int) -> FitOptions:
    """Return the options with as many more epochs as make `least_steps` steps of `n_images` images, where they have too few."""
    steps = max(1, n_images // options.batch_size)
    return dataclasses.replace(
        options, epochs=max(options.epochs, math.ceil(options.least_steps / steps))
    )


def _flops_of(objective: Any) -> int | None:
    """Return the operations of training on one image; None for networks and objectives of other packages that cannot be counted."""
    try:
        return int(objective.flops_per_image())
    except Exception as error:  # it is only told: no fit may fail for it at its very end
        log.info("operations were not counted: %s", " ".join(str(error).split()))
        return None


def check(model: Model, images: ImageSet, options: FitOptions, place: Path) -> None:
    """Raise what `train` would raise of wrong settings, before anything is done: ConfigError, TrainingError or what the objective adds.

    `place` is the folder of the run that is to be trained.
    """
    own = objective_options(options)
    split_validation(images, options)
    if of_objective := getattr(plugins.load("objectives", options.objective), "check", None):
        of_objective(model, images, own, place)


def _objective(model: Model, images: ImageSet, options: FitOptions) -> Any:
    module = plugins.load("objectives", options.objective)
    return module.objective(model, images, options, objective_options(options))


def objective_options(options: FitOptions) -> Any:
    """Return the objective's own options; ConfigError where it has no such option or refuses a value."""
    module = plugins.load("objectives", options.objective)
    return plugin_options(
        module.Options, options.objective_options, f"--objective {options.objective}"
    )


def _train_epoch(
    state: FitState,
    images: ImageSet,
    parts: tuple[np.ndarray, np.ndarray],
    options: FitOptions,
    run: Run,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Train the next epoch on the first of `parts`, validate on the second and return the epoch's row, with its seconds, and the state after it.

    Raises
    ------
    TrainingError
        If the loss or a weight is not finite; the objective is then back at the epoch before.
    """
    training, validation = parts
    epoch, objective, started = state.now.epoch + 1, state.objective, time.perf_counter()
    row = {"stage": "fit", "epoch": epoch, **objective.train_epoch(training, epoch)}
    if math.isfinite(row["loss"]) and all_finite((arrays := objective.snapshot()).values()):
        told = objective.validate(validation)
        if all(map(math.isfinite, told.values())):
            return row | told | {"seconds": time.perf_counter() - started}, arrays
    raise _diverged(state, images, training, options, run)


def _diverged(
    state: FitState, images: ImageSet, training: np.ndarray, options: FitOptions, run: Run
) -> TrainingError:
    """Go back to the epoch before, find the batch that made a number that is not finite, and return the error that names it.

    A gradient that is not finite shows in the weights after its step, but in the loss only one step later. Hence the epoch,
    which is a function of its start, is trained again with a look at the weights after every step.
    """
    epoch = state.now.epoch + 1
    state.go_back()
    step = state.objective.train_epoch(training, epoch, watch=True).get("step")
    state.go_back()
    advice = f"Lower --learning-rate (now {options.learning_rate:g}). The run stands at its last good epoch, {epoch - 1}."
    if step is None:
        return TrainingError(
            f"the loss or embedding of the validation images is not finite after epoch {epoch}. {advice}"
        )
    batch = list(batches(training, options.batch_size, options.seed, epoch))[int(step) - 1]
    ids = images.ids[batch].tolist()
    write_json(run.path / "non-finite.json", {"epoch": epoch, "step": step, "images": ids})
    return TrainingError(
        f"the loss or a gradient is not finite in epoch {epoch}, step {step}, whose {len(ids)} images, {ids[0]} the first, are listed in"
        f" {run.path / 'non-finite.json'}. {advice}"
    )


def all_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Return whether every number of the arrays is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def split_validation(images: ImageSet, options: FitOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices to train on and those kept for validation, both from the training split, both sorted."""
    members = images.indices("train")
    count = min(max(1, round(options.validation * len(members))), len(members) - 1)
    if count < 1:
        raise TrainingError(
            f"{images.name}: {len(members)} training images are too few to train on; at least 2 are needed."
        )
    order = np.random.default_rng([options.seed, 1]).permutation(members)
    return np.sort(order[count:]), np.sort(order[:count])


def batches(indices: np.ndarray, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Yield the shuffled index arrays of one epoch; the order depends on (seed, epoch) only.

    The last, short batch is dropped where there is another one, so that every step has the same shape.
    """
    order = np.random.default_rng([seed, 2, epoch]).permutation(indices)
    stop = len(order) - len(order) % batch_size if len(order) >= batch_size else len(order)
    for start in range(0, stop, batch_size):
        yield order[start : start + batch_size]


def ahead(items: Iterator[Item]) -> Generator[Item]:
    """Yield items, each made in another thread while the one before is in use, so that the device need not wait for the processor.

    To be closed where it is left before its end.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def learning_rate(options: FitOptions, step: int, n_steps: int) -> float:
    """Return the learning rate of step `step` in 0..n_steps-1: constant, or half a cosine down to 0."""
    if options.schedule == "constant":
        return options.learning_rate
    return options.learning_rate * half_cosine(step / n_steps)


def half_cosine(progress: float) -> float:
    """Return the height of a schedule that falls from 1 to 0 along half a cosine, at `progress` in [0, 1]."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def mean_squared_error(
    net: Any, images: ImageSet, indices: np.ndarray, batch_size: int = 500
) -> float:
    """Return the mean squared reconstruction error over `indices`, in squared units of [0, 1]."""
    total = 0.0
    for start in range(0, len(indices), batch_size):
        batch = as_input(images.read(indices[start : start + batch_size]))
        total += float(np.square(net.predict_on_batch(batch) - batch).mean(dtype=np.float64)) * len(
            batch
        )
    return total / len(indices)


def _record_untrained(objective: Any, images: ImageSet, validation: np.ndarray, run: Run) -> None:
    """Record the loss on one image, and on the validation part, before training, as the blog post does.

    Raises
    ------
    TrainingError
        If they are not finite. With random weights of a sane size that is a fault of the backend's arithmetic; JAX 0.11.2 has one on
        processors, in two convolutions of bfloat16 that it compiles together.
    """
    one, told = objective.validate(validation[:1])["val_loss"], objective.validate(validation)
    if not all(map(math.isfinite, (one, *told.values()))):
        raise TrainingError(
            f"the untrained network gives numbers that are not finite: {backend.select()} miscalculates in precision"
            f" {run.manifest.get('precision', 'auto')}. Choose --precision float32, or another --backend."
        )
    run.append_metrics({"stage": "fit", "epoch": 0, "loss_one_image": one, **told})
    log.info("loss on one image before training: %.5f", one)
    _save_reconstructions(objective, images, validation, run, 0, last=False)


def _save_reconstructions(
    objective: Any, images: ImageSet, validation: np.ndarray, run: Run, epoch: int, last: bool
) -> None:
    if epoch not in SHOWN_EPOCHS and not last:
        return
    originals = images.read(validation[:SHOWN_IMAGES])
    rebuilt = (objective.reconstruct(as_input(originals)).clip(0, 1) * 255).round().astype(np.uint8)
    with (
        atomic_path(run.path / "reconstructions" / f"epoch-{epoch:04d}.npy") as path,
        path.open("wb") as file,
    ):
        np.save(file, rebuilt)
    if epoch == 0:
        with (
            atomic_path(run.path / "reconstructions" / "originals.npy") as path,
            path.open("wb") as file,
        ):
            np.save(file, originals)


def write_reconstructions(net: Any, images: ImageSet, run: Run, epoch: int) -> None:
    """Write what an autoencoder makes of some training images, for an encoder that was not trained in this run."""
    originals = images.read(images.indices("train")[:SHOWN_IMAGES])
    rebuilt = (
        (np.asarray(net.predict_on_batch(as_input(originals))).clip(0, 1) * 255)
        .round()
        .astype(np.uint8)
    )
    for name, pixels in (("originals", originals), (f"epoch-{epoch:04d}", rebuilt)):
        with (
            atomic_path(run.path / "reconstructions" / f"{name}.npy") as path,
            path.open("wb") as file,
        ):
            np.save(file, pixels)


def snapshot(net: Any) -> dict[str, np.ndarray]:
    """Return weights and optimizer state of a compiled Keras model as named arrays."""
    return checkpoints.numbered("weight", net.get_weights()) | optimizer_state(net.optimizer)


def restore(net: Any, arrays: dict[str, np.ndarray]) -> None:
    """Undo `snapshot` on a model of the same layers and optimizer."""
    net.set_weights(checkpoints.in_order("weight", arrays))
    restore_optimizer(net.optimizer, arrays)


def optimizer_state(optimizer: Any) -> dict[str, np.ndarray]:
    """Return the state of a built Keras optimizer as named arrays."""
    own: dict[str, Any] = {}
    optimizer.save_own_variables(own)
    return checkpoints.numbered("optimizer", [own[str(i)] for i in range(len(own))])


def restore_optimizer(optimizer: Any, arrays: dict[str, np.ndarray]) -> None:
    """Undo `optimizer_state`.

    Raises
    ------
    RunError
        If the state is of another optimizer, as an older version's may be.
    """
    if len(checkpoints.in_order("optimizer", arrays)) != len(optimizer.variables):
        raise RunError(
            "the checkpoint is of another version of latentlab, and training cannot go on from it. To begin again, remove the folder"
            " checkpoints of the run, or of the clustering in its folder clusters."
        )
    optimizer.load_own_variables(
        {str(i): array for i, array in enumerate(checkpoints.in_order("optimizer", arrays))}
    )


class _TensorBoard:
    """Scalars for TensorBoard, written by its own small package on every backend; nothing where it is not installed."""

    def __init__(self, run: Run) -> None:
        self.folder = run.path / "tensorboard"
        self.writer: Any = None

    def __enter__(self) -> "_TensorBoard":
        try:
            from tensorboard.summary import Writer
        except ImportError:
            return self
        self.writer = Writer(str(self.folder))
        return self

    def add(self, row: dict[str, Any]) -> None:
        if self.writer:
            for name in ("loss", "val_loss", "learning_rate", "images_per_second"):
                self.writer.add_scalar(name, row[name], row["epoch"])
            self.writer.flush()

    def __exit__(self, *error: Any) -> None:
        if self.writer:
            self.writer.close()
