"""Images to codes: train an encoder, or take a shipped one, and encode every image; no labels."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.config import DataOptions, FitOptions
from latentlab.data import account, decoding, opening, value_range
from latentlab.data.images import ImageSet
from latentlab.data.original_shape import common_shape
from latentlab.data.settling import settled
from latentlab.errors import ConfigError, RunError
from latentlab.pipeline.claiming import claim, refuse_others
from latentlab.pipeline.run_data import AT_HOME, open_run_images, open_shaped
from latentlab.pipeline.same_data import as_recorded, decoded_as_before
from latentlab.progress import log
from latentlab.storage import json_form
from latentlab.storage.files import atomic_folder, copy_folder
from latentlab.storage.manifest import RunConfig
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.encoders.model import Model


def fit(
    data: DataOptions,
    options: FitOptions,
    run_path: str | Path,
    overwrite: bool = False,
    fresh: bool = False,
    keep_every: int = 0,
) -> Run:
    """Train an encoder on the training split and store it in a run folder.

    A fit that is done with the same settings is not repeated; an interrupted one goes on.

    Parameters
    ----------
    data : DataOptions
        The images.
    options : FitOptions
        How to train.
    run_path : str or pathlib.Path
        The run folder.
    overwrite : bool
        Replace a run with other settings.
    fresh : bool
        Begin anew, also if a run with the same settings could go on.
    keep_every : int
        Keep the checkpoint of every n-th epoch, for `at_epoch`; 0 keeps the best and the last.

    Returns
    -------
    Run
        The run with its trained encoder.

    Raises
    ------
    ConfigError
        If an option is wrong; nothing is changed.
    RunError
        If the folder holds a run with other settings and `overwrite` is false.
    TrainingError
        If the loss is not finite.
    """
    from latentlab import backend
    from latentlab.encoders import model_files, networks
    from latentlab.training import loop

    goes_on = not (overwrite or fresh)
    if goes_on:
        data = decoded_as_before(run_path, data)
    data, images = _open_for(data, options)
    account.tell(images.intake)
    run = Run.create(run_path)
    with run.lock():
        config = RunConfig(settled(data, images), options, images.fingerprint)
        if goes_on:
            config = as_recorded(run, config, images)
        if not fresh and _is_fitted(run, config):
            return run
        if goes_on:
            refuse_others(run, config, ", or `overwrite=True`")
        # Wrong settings are refused before anything is removed.
        precision = backend.set_precision(options.precision)
        backend.seed(options.seed)
        model = networks.build(options.arch, images.image_shape, options.arch_options)
        loop.check_settings(model, images, options, run.path)
        if fresh:
            run.clear()
        claim(run, config, images)
        _note_backend(run, precision)
        with run.stage("fit", config.to_json()) as outputs:
            summary = loop.train(model, images, options, run, keep_every)
            outputs += model_files.save(
                model, options.arch, options.arch_options, images.image_shape, run
            )
            # Before the stage is listed, so that listed stages are whole.
            run.note(fit=json_form.to_json(summary))
    return run


def _note_backend(run: Run, precision: str) -> None:
    """Note by what the run is fitted: versions, number format, whether it can be repeated."""
    from latentlab import backend

    deterministic = backend.is_deterministic()
    run.note(**backend.versions(), precision=precision, deterministic=deterministic)


def _is_fitted(run: Run, config: RunConfig) -> bool:
    """Return whether the run has been fitted with this configuration, and say so."""
    is_same = run.recorded_config == config.to_json()
    is_fitted = is_same and run.is_done("fit", config.to_json())
    if is_fitted:
        log.info("fit: done already in %s", run.path)
    return is_fitted


def use_ready_made(data: DataOptions, name: str, run_path: str | Path) -> Run:
    """Make a run with an encoder that ships with latentlab.

    Parameters
    ----------
    data : DataOptions
        The images; they are brought to the shape that the encoder takes.
    name : str
        Name of the encoder, see `latentlab.encoders.ready_made`.
    run_path : str or pathlib.Path
        The run folder.

    Returns
    -------
    Run
        The run.

    Raises
    ------
    ConfigError
        If there is no such encoder.
    RunError
        If the folder holds another run.
    """
    from latentlab import backend
    from latentlab.encoders import ready_made

    encoder = ready_made.shipped().describe(name)
    data, images = open_shaped(decoded_as_before(run_path, data), encoder.image_shape)
    data = settled(data, images)
    account.tell(images.intake)
    run = Run.create(run_path)
    with run.lock():
        config = RunConfig(data, FitOptions(**encoder.fit), images.fingerprint, ready_made=name)
        config = as_recorded(run, config, images)
        refuse_others(run, config)
        if run.is_done("fit", config.to_json()):
            return run
        claim(run, config, images)
        run.note(**backend.versions(), precision=backend.set_precision("auto"))
        run.note(**{AT_HOME: common_shape(images, data) == encoder.image_shape})
        model, _ = ready_made.shipped().load(name)
        elsewhere = _TrainedElsewhere(
            model,
            encoder.arch,
            encoder.options,
            encoder.image_shape,
            encoder.summary,
            encoder.curve,
        )
        elsewhere.store(run, images, config)
    return run


def at_epoch(run: Run, epoch: int, path: str | Path) -> Run:
    """Make a run with the encoder that another run had after an epoch.

    Parameters
    ----------
    run : Run
        A fitted run that kept the epoch's checkpoint; the new run gets the checkpoint too.
    epoch : int
        Number of the epoch.
    path : str or pathlib.Path
        Folder of the new run.

    Returns
    -------
    Run
        The new run.

    Raises
    ------
    RunError
        If the checkpoint is not there or damaged, or `path` holds another run.
    """
    from latentlab.storage import checkpoints

    folder = checkpoints.folder_of(run.path / "checkpoints", "epoch", epoch)
    if not folder.exists():
        raise RunError(
            f"{run.path} has no checkpoint of epoch {epoch}."
            " Fit again into another folder, and keep it with keep_every."
        )
    weights = checkpoints.in_order("weight", checkpoints.load(folder)[0])
    new_run = with_weights(run, weights, path, epoch)
    target = checkpoints.folder_of(new_run.path / "checkpoints", "epoch", epoch)
    # It holds the prototypes of that epoch, by which some clusters are made.
    if not target.exists():
        with new_run.lock(), atomic_folder(target) as copy:
            copy_folder(folder, copy)
    return new_run


def with_weights(
    run: Run, weights: list[np.ndarray], path: str | Path, epoch: int | None = None
) -> Run:
    """Make a run on the images of another run, with other weights of its encoder.

    Parameters
    ----------
    run : Run
        A fitted run.
    weights : list of ndarray
        The model's, in the order of `Model.weights`. Those that follow, of an objective's own
        parts, are left out. If an objective trains nothing above the code, and so has no weights
        of it, the run's stay.
    path : str or pathlib.Path
        Folder of the new run.
    epoch : int or None
        The epoch of `run` that the weights are of; None for its last.

    Returns
    -------
    Run
        The new run.

    Raises
    ------
    RunError
        If the weights are not of this model, or `path` holds another run.
    """
    from latentlab import backend
    from latentlab.encoders import model_files

    backend.set_precision(run.precision)
    model = model_files.load(run)
    description = model_files.describe(run)
    weights = _fitting(weights, model.weights(), run)
    new_run = Run.create(path)
    with new_run.lock():
        config = replace(run.config, weights_sha256=_digest(weights))
        refuse_others(new_run, config)
        if new_run.is_done("fit", config.to_json()):
            return new_run
        images = open_run_images(run)
        claim(new_run, config, images)
        new_run.note(
            **backend.versions(), precision=run.precision, deterministic=run.is_deterministic
        )
        model.set_weights(weights)
        summary, rows = _history_until(run, epoch)
        elsewhere = _TrainedElsewhere(
            model,
            description.arch,
            description.options,
            description.image_shape,
            summary,
            rows,
        )
        elsewhere.store(new_run, images, config)
    return new_run


def _history_until(
    run: Run, epoch: int | None
) -> tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
    """Return what run.json says of the fit, and the rows of its metrics, up to an epoch."""
    summary = dict(run.fact("fit"))
    if epoch is not None:
        summary |= {"epochs": epoch, "best_epoch": epoch}
    rows = tuple(row for row in run.metrics() if row.get("epoch", 0) <= summary["epochs"])
    if epoch is not None:
        summary["best_val_loss"] = rows[-1]["val_loss"]
    return summary, rows


@dataclass(frozen=True)
class _TrainedElsewhere:
    """An encoder that was not trained in the run that it is stored in.

    Attributes
    ----------
    model : Model
        The encoder with its weights.
    arch, options, image_shape
        How it was built.
    summary : mapping
        What run.json says of its fit.
    rows : tuple of mapping
        The rows of metrics.jsonl.
    """

    model: "Model"
    arch: str
    options: Mapping[str, Any]
    image_shape: tuple[int, int, int]
    summary: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]

    def store(self, run: Run, images: ImageSet, config: RunConfig) -> None:
        """Do the stage "fit" of a run with this encoder."""
        from latentlab.encoders import model_files
        from latentlab.training.reconstructions import write_examples_of

        with run.stage("fit", config.to_json()) as outputs:
            outputs += model_files.save(self.model, self.arch, self.options, self.image_shape, run)
            write_examples_of(self.model.autoencoder, images, run.path, self.summary["epochs"])
            for row in self.rows:
                run.append_metrics(dict(row))
            run.note(fit=self.summary)


def _fitting(weights: list[np.ndarray], present: list[np.ndarray], run: Run) -> list[np.ndarray]:
    """Return as many weights as the model has; its present ones stand in for missing ones."""
    used = [*weights[: len(present)], *present[len(weights) :]]
    arrays = [np.asarray(weight, np.float32) for weight in used]
    if [array.shape for array in arrays] != [array.shape for array in present]:
        raise RunError(
            f"the weights are not of the encoder of {run.path}. Take a checkpoint of this very run."
        )
    return arrays


def _digest(arrays: list[np.ndarray]) -> str:
    """Return the SHA-256 of arrays in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def sweep(data: DataOptions, options: FitOptions, rates: list[float], folder: str | Path) -> Path:
    """Fit once for each learning rate and draw the loss curves in one figure.

    Parameters
    ----------
    data : DataOptions
        The images.
    options : FitOptions
        How to train; the learning rate is replaced.
    rates : list of float
        Learning rates.
    folder : str or pathlib.Path
        The runs go below it.

    Returns
    -------
    pathlib.Path
        The figure.
    """
    from latentlab.reporting import plots

    curves = {}
    for rate in rates:
        run = fit(data, replace(options, learning_rate=rate), Path(folder) / f"rate-{rate:g}")
        curves[f"learning rate {rate:g}"] = run.metrics()
    return plots.save_png(plots.loss_curves(curves), Path(folder) / "learning-rates.png")


def _open_for(data: DataOptions, options: FitOptions) -> tuple[DataOptions, ImageSet]:
    """Open the images in the shape that the objective needs, if it needs one.

    Returns the options that open them so, and the images.
    """
    from latentlab.training.objective import Objective

    objective = Objective.named(options.objective)
    shape = objective.image_shape(objective.parse_options(options.objective_options))
    if shape is None:
        images = opening.open_images(data)
        data = value_range.as_opened(data, images.value_range)
        return decoding.as_opened(data, images), images
    if data.grey and shape[2] != 1:
        raise ConfigError("the encoder to start from takes images in colour: leave `grey` out.")
    # Convolutions take images of any size; the architecture says whether it can be built so.
    size = data.size or shape[0]
    return open_shaped(data, (size, size, shape[2]))
