"""The main path, top to bottom: fit, embed, cluster, evaluate, project, report.

Each function is one stage. It reads files of the run folder, writes others, and is skipped where the run folder says
that it is done with the same settings; an unfinished stage goes on where it stopped.
"""

from pathlib import Path
from typing import Any

from latentlab import sources
from latentlab.config import ClusterOptions, FitOptions, as_dict, as_toml
from latentlab.errors import RunError
from latentlab.files import atomic_path
from latentlab.images import ImageSet
from latentlab.progress import log
from latentlab.run import Run
from latentlab.sources import DataOptions


def fit(data: DataOptions, options: FitOptions, run_path: str | Path, overwrite: bool = False) -> Run:
    """Train an encoder on the training split of `data` and keep it in the folder `run_path`.

    Raises
    ------
    RunError
        If the folder holds a run with other settings and `overwrite` is false.
    """
    from latentlab import backend, encoders, model_files, training

    images = sources.open_images(data)
    run = Run.create(run_path)
    with run.lock():
        config = _claim(run, data, options, images, overwrite)
        if run.is_done("fit", config):
            log.info("fit: done already in %s", run.path)
            return run
        run.note(**backend.versions(), precision=backend.set_precision(options.precision))
        backend.seed(options.seed)
        model = encoders.build(options.arch, images.image_shape, options.arch_options)
        with run.stage("fit", config) as outputs:
            summary = training.train(model, images, options, run)
            outputs += model_files.save(model, options.arch, options.arch_options, images.image_shape, run)
        run.note(fit=summary)
    return run


def _claim(run: Run, data: DataOptions, options: FitOptions, images: ImageSet, overwrite: bool) -> dict[str, Any]:
    """Write the run's settings and list of images, or check that they are the ones it was started with."""
    config = {"data": as_dict(data), "fit": as_dict(options), "images_sha256": images.fingerprint}
    known = run.manifest.get("config")
    if known is not None and known != config:
        if not overwrite:
            raise RunError(f"{run.path} holds a run with other settings ({_differences(known, config)}). Choose another --run, or --overwrite.")
        run.clear()
    if known != config:
        with atomic_path(run.path / "config.toml") as path:
            path.write_text(as_toml({"data": data, "fit": options}), encoding="utf-8")
        _write_image_list(images, run)
        run.note(config=config, data=images.name, images={split: int((images.splits == split).sum()) for split in ("train", "test")}, unreadable=len(images.unreadable))
    return config


def _differences(known: dict[str, Any], wanted: dict[str, Any]) -> str:
    texts = []
    for table in ("data", "fit"):
        for key in sorted(set(known.get(table, {})) | set(wanted[table])):
            old, new = known.get(table, {}).get(key), wanted[table].get(key)
            if old != new:
                texts.append(f"{key} was {old!r} and is {new!r}")
    return "; ".join(texts) or "the images changed"


def _write_image_list(images: ImageSet, run: Run) -> None:
    import pyarrow as pa

    from latentlab import tables

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
