"""Images to codes: train an encoder, or take a ready-made one, and encode every image. No label is read here."""

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab import plugins
from latentlab.config import DataOptions, FitOptions, as_dict, as_toml
from latentlab.data import opening
from latentlab.data.images import ImageSet
from latentlab.errors import ConfigError, RunError
from latentlab.pipeline.run_data import open_run_images, open_shaped
from latentlab.progress import log
from latentlab.storage.files import atomic_folder, atomic_path
from latentlab.storage.run import Run, embed_config

if TYPE_CHECKING:
    from latentlab.encoders.networks import Model


def fit(
    data: DataOptions,
    options: FitOptions,
    run_path: str | Path,
    overwrite: bool = False,
    fresh: bool = False,
    keep_every: int = 0,
) -> Run:
    """Train an encoder on the training split of `data` and keep it in the folder `run_path`.

    Raises
    ------
    RunError
        If the folder holds a run with other settings and `overwrite` is false.

    With `fresh`, what the folder holds of the same settings is removed too, instead of resumed. With `keep_every`, the
    checkpoints of every so many epochs are kept, for `at_epoch`.
    """
    from latentlab import backend
    from latentlab.encoders import model_files, networks
    from latentlab.training import loop

    data, images = _open_for(data, options)
    if bad := len(images.unreadable):
        log.warning(
            "%d of %d images cannot be read and are skipped; images.parquet lists them",
            bad,
            len(images) + bad,
        )
    run = Run.create(run_path)
    with run.lock():
        config = _config(data, options, images)
        if not fresh and run.manifest.get("config") == config and run.is_done("fit", config):
            log.info("fit: done already in %s", run.path)
            return run
        if not (overwrite or fresh):
            _refuse_others(run, config, ", or --overwrite")
        precision = backend.set_precision(
            options.precision
        )  # what follows refuses wrong settings before anything is removed
        backend.seed(options.seed)
        model = networks.build(options.arch, images.image_shape, options.arch_options)
        loop.check(model, images, options, run.path)
        if fresh:
            run.clear()
        _claim(run, data, options, images, config)
        run.note(
            **backend.versions(), precision=precision, deterministic=backend.is_deterministic()
        )
        with run.stage("fit", config) as outputs:
            summary = loop.train(model, images, options, run, keep_every)
            outputs += model_files.save(
                model, options.arch, options.arch_options, images.image_shape, run
            )
            run.note(fit=summary)  # before the stage is listed: what is listed is whole
    return run


def use_ready_made(data: DataOptions, name: str, run_path: str | Path) -> Run:
    """Make a run of `data` whose encoder comes with latentlab (see `latentlab.encoders.ready_made`) instead of being trained; return it.

    Raises
    ------
    ConfigError
        If there is no such encoder.
    RunError
        If the folder holds another run.
    """
    from latentlab import backend
    from latentlab.encoders import ready_made

    described = ready_made.describe(name)
    data, images = open_shaped(data, tuple(described["image_shape"]))
    options = FitOptions(**described["fit"])
    run = Run.create(run_path)
    with run.lock():
        config = _config(data, options, images) | {"ready_made": name}
        _refuse_others(run, config)
        if run.is_done("fit", config):
            return run
        _claim(run, data, options, images, config)
        run.note(**backend.versions(), precision=backend.set_precision("auto"))
        model, _ = ready_made.load(name)
        _keep_trained(
            run, model, described, images, config, described["summary"], described["curve"]
        )
    return run


def at_epoch(run: Run, epoch: int, path: str | Path) -> Run:
    """Make a run whose encoder is that of `run` after `epoch`, whose checkpoint `fit` kept; return it. It has the checkpoint too.

    Raises
    ------
    RunError
        If the checkpoint is not there or damaged, or `path` holds another run.
    """
    from latentlab.storage import checkpoints

    folder = checkpoints.folder_of(run.path / "checkpoints", "epoch", epoch)
    if not folder.exists():
        raise RunError(
            f"{run.path} has no checkpoint of epoch {epoch}. Fit again into another folder, and keep it with keep_every."
        )
    other = with_weights(
        run, checkpoints.in_order("weight", checkpoints.load(folder)[0]), path, epoch
    )
    own = checkpoints.folder_of(other.path / "checkpoints", "epoch", epoch)
    if not own.exists():  # it holds the prototypes of that epoch, which some clusters are made by
        with other.lock(), atomic_folder(own) as copy:
            shutil.copytree(folder, copy, dirs_exist_ok=True)
    return other


def with_weights(
    run: Run, weights: list[np.ndarray], path: str | Path, epoch: int | None = None
) -> Run:
    """Make a run on the images of `run` whose encoder has other weights; return it.

    Parameters
    ----------
    weights : list of ndarray
        The model's, in the order of `Model.weights`. What follows them, of an objective's own parts, is left out; where an
        objective does not train what lies above the code, and has no weights of it, they stay.
    epoch : int or None
        Of `run`, whose weights they are; None for its last.

    Raises
    ------
    RunError
        If the weights are not of this model, or `path` holds another run.
    """
    from latentlab import backend
    from latentlab.encoders import model_files

    backend.set_precision(run.manifest["precision"])
    model, described = model_files.load(run), model_files.describe(run)
    weights = _fitting(weights, model.weights(), run)
    other = Run.create(path)
    with other.lock():
        config = run.manifest["config"] | {"weights_sha256": _digest(weights)}
        _refuse_others(other, config)
        if other.is_done("fit", config):
            return other
        images = open_run_images(run)
        _claim(other, DataOptions(**config["data"]), FitOptions(**config["fit"]), images, config)
        other.note(
            **backend.versions(),
            precision=run.manifest["precision"],
            deterministic=run.manifest.get("deterministic", False),
        )
        model.set_weights(weights)
        summary = run.manifest["fit"] | (
            {} if epoch is None else {"epochs": epoch, "best_epoch": epoch}
        )
        rows = [row for row in run.metrics() if row.get("epoch", 0) <= summary["epochs"]]
        if epoch is not None:
            summary["best_val_loss"] = rows[-1]["val_loss"]
        _keep_trained(other, model, described, images, config, summary, rows)
    return other


def _keep_trained(
    run: Run,
    model: "Model",
    described: dict[str, Any],
    images: ImageSet,
    config: dict[str, Any],
    summary: dict[str, Any],
    rows: list[dict[str, Any]],
) -> None:
    """Do the stage "fit" of a run whose encoder was trained elsewhere.

    Parameters
    ----------
    described : dict
        The encoder's arch, options and image_shape.
    summary, rows
        What `training.train` returned of the training, and what it wrote to metrics.jsonl.
    """
    from latentlab.encoders import model_files
    from latentlab.training import loop

    with run.stage("fit", config) as outputs:
        outputs += model_files.save(
            model, described["arch"], described["options"], tuple(described["image_shape"]), run
        )
        loop.write_reconstructions(model.autoencoder, images, run, summary["epochs"])
        for row in rows:
            run.append_metrics(row)
        run.note(fit=summary)


def _fitting(weights: list[np.ndarray], own: list[np.ndarray], run: Run) -> list[np.ndarray]:
    """Return as many weights as the model has of its `own`, which stand in for missing ones; RunError where a shape differs."""
    chosen = [
        np.asarray(weight, np.float32) for weight in [*weights[: len(own)], *own[len(weights) :]]
    ]
    if [weight.shape for weight in chosen] != [weight.shape for weight in own]:
        raise RunError(
            f"the weights are not of the encoder of {run.path}. Take a checkpoint of this very run."
        )
    return chosen


def _digest(arrays: list[np.ndarray]) -> str:
    """Return the SHA-256 of arrays in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def embed(run: Run, averages: bool = False) -> Run:
    """Encode every image of the run's data, in parts, and keep their codes, and their embeddings where the encoder goes on above the code.

    With `averages`, keep the means of the embeddings of each image and its mirror image too, which costs as much again.

    Raises
    ------
    ConfigError
        If there should be averages and the encoder gives none.
    """
    from latentlab import backend
    from latentlab.encoders import embedding, model_files

    config = embed_config(run)
    if averages and "averaged" not in model_files.columns(run):
        raise embedding.missing("averaged")
    for stage, write in {
        "embed": embedding.write_parts,
        **({"average": embedding.write_averages} if averages else {}),
    }.items():
        if not run.is_done(stage, config):
            backend.set_precision(run.manifest["precision"])
            images = open_run_images(run)
            with run.lock(), run.stage(stage, config) as outputs:
                outputs += write(model_files.load(run), images, run.path / "embeddings")
    return run


def sweep(data: DataOptions, options: FitOptions, rates: list[float], folder: str | Path) -> Path:
    """Fit once for each learning rate, below `folder`, and draw their loss curves in one figure; return its path."""
    import dataclasses

    from latentlab.reporting import plots

    runs = {
        f"{rate:g}": fit(
            data, dataclasses.replace(options, learning_rate=rate), Path(folder) / f"rate-{rate:g}"
        )
        for rate in rates
    }
    figure = plots.loss_curves(
        {f"learning rate {rate}": run.metrics() for rate, run in runs.items()}
    )
    return plots.save_png(figure, Path(folder) / "learning-rates.png")


def _open_for(data: DataOptions, options: FitOptions) -> tuple[DataOptions, ImageSet]:
    """Open the images, in the shape that the objective needs where it needs one; return the options that do so too.

    Raises
    ------
    ConfigError
        If another size, or grey images, are asked for than the objective needs.
    """
    from latentlab.training import loop

    own, shape_of = (
        loop.objective_options(options),
        getattr(plugins.load("objectives", options.objective), "image_shape", None),
    )
    shape = shape_of(own) if shape_of else None
    if shape is None:
        return data, opening.open_images(data)
    if data.size not in (None, shape[0]) or (data.grey and shape[2] != 1):
        raise ConfigError(
            f"the encoder to start from takes images of {shape[0]}x{shape[1]}x{shape[2]}: leave --size and --grey out."
        )
    return open_shaped(data, shape)


def _config(data: DataOptions, options: FitOptions, images: ImageSet) -> dict[str, Any]:
    return {"data": as_dict(data), "fit": as_dict(options), "images_sha256": images.fingerprint}


def _refuse_others(run: Run, config: dict[str, Any], way_out: str = "") -> None:
    """Raise RunError where the run was started with other settings; `way_out` is what the message offers beside another folder."""
    known = run.manifest.get("config")
    if known is not None and known != config:
        raise RunError(
            f"{run.path} holds a run with other settings ({_differences(known, config)}). Choose another --run{way_out}."
        )


def _claim(
    run: Run, data: DataOptions, options: FitOptions, images: ImageSet, config: dict[str, Any]
) -> None:
    """Write the run's settings and list of images, where they are not there; what the run has of other settings is removed."""
    known = run.manifest.get("config")
    if known == config:
        return
    if known is not None:
        run.clear()
    with atomic_path(run.path / "config.toml") as path:
        path.write_text(as_toml({"data": data, "fit": options}), encoding="utf-8")
    _write_image_list(images, run)
    run.note(
        config=config,
        data=opening.name_of(data),
        images={split: int((images.splits == split).sum()) for split in ("train", "test")},
        unreadable=len(images.unreadable),
    )


def _differences(known: dict[str, Any], wanted: dict[str, Any]) -> str:
    texts = []
    for table in ("data", "fit"):
        for key in sorted(set(known.get(table, {})) | set(wanted[table])):
            old, new = known.get(table, {}).get(key), wanted[table].get(key)
            if old != new:
                texts.append(f"{key} was {old!r} and is {new!r}")
    if known.get("weights_sha256") != wanted.get("weights_sha256"):
        texts.append("the encoder's weights were others")
    if known.get("ready_made") != wanted.get("ready_made"):
        texts.append(
            f"the encoder was {known.get('ready_made') or 'trained'} and is {wanted.get('ready_made') or 'to be trained'}"
        )
    return "; ".join(texts) or "the images changed"


def _write_image_list(images: ImageSet, run: Run) -> None:
    import pyarrow as pa

    from latentlab.storage import tables

    n_bad = len(images.unreadable)
    tables.write(
        run.path / "images.parquet",
        pa.table(
            {
                "id": [*images.ids.tolist(), *(bad.path for bad in images.unreadable)],
                "split": [*images.splits.tolist(), *[None] * n_bad],
                "status": ["ok"] * len(images) + ["unreadable"] * n_bad,
                "reason": [None] * len(images) + [bad.reason for bad in images.unreadable],
            }
        ),
    )
