"""The run folder: the memory of a run, and the only interface between its stages.

    run.json                  format, versions, argv, seed, git state, data; per stage: configuration, outputs, seconds
    config.toml               every setting of the fit, defaults filled in
    metrics.jsonl             one row an epoch; every curve is drawn from it
    images.parquet            id, split, status, reason        no labels
    labels.parquet            id, label                        written and read by evaluation.py only
    encoder/                  encoder.keras, decoder.keras, embedder.keras (plain Keras opens them), model.json, weights.npz
    checkpoints/epoch-0007/   what resuming needs; the newest, the best and those asked for are kept
    reconstructions/          the same images after chosen epochs
    tensorboard/              loss curves for TensorBoard
    embeddings/part-00000.parquet     id, split, code, and embedding where the encoder goes on above its code
    averages/part-00000.parquet       id, split, averaged: the embeddings of image and mirror image, where they are asked for
    clusters/<name>/          assignments.parquet, model.npz, result.json, scores.json; of deep methods see refined.py
    baselines/                the same scores for raw pixels, PCA and the untrained encoder
    probe/, audit/            what the features hold, duplicates, suspected labels; written by the scorer
    seeds/                    other encoders, of cluster --seeds --refit
    projection/umap.parquet   id, x, y
    report/                   index.html and the pictures as PNG

A stage is done when run.json lists it with its outputs; it is written last, and every write is atomic.
"""

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import latentlab
from latentlab.errors import RunError
from latentlab.storage.files import (
    TEMPORARY_PREFIX,
    append_line,
    fingerprint,
    recover,
    refusals,
    remove_folder,
    sha256,
    write_json,
)

FORMAT = 1
MANIFEST = "run.json"


class Run:
    """One run folder.

    Use `Run.create` to start or resume one and `Run.open` to use a finished one.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    manifest : dict
        The contents of run.json.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(cls, path: str | Path) -> "Run":
        """Return the run in folder `path`, made if it does not exist.

        Raises
        ------
        RunError
            If the folder cannot be written, or holds files and no run.
        """
        folder = Path(path)
        if (folder / MANIFEST).exists():
            return cls.open(folder)
        if folder.exists() and (
            not folder.is_dir()
            or any(not p.name.startswith((TEMPORARY_PREFIX, "run.lock")) for p in folder.iterdir())
        ):
            raise RunError(
                f"{folder} exists and is not a latentlab run. Choose another --run folder."
            )
        with refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder, _new_manifest())
        with run.lock():
            if not (folder / MANIFEST).exists():
                run._save()
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Return the existing run in folder `path`.

        Raises
        ------
        RunError
            If there is none, or its manifest is damaged or of a newer format.
        """
        manifest_path = Path(path) / MANIFEST
        try:
            manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"{path} holds no latentlab run ({MANIFEST} is missing). Make one with: latentlab fit --run {path}"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(
                f"{manifest_path} cannot be read ({error}). Restore it, or fit again into another folder."
            ) from error
        if (
            isinstance(manifest, dict)
            and isinstance(manifest.get("format"), int)
            and manifest["format"] > FORMAT
        ):
            raise RunError(
                f"{path} was written by a newer latentlab (format {manifest['format']}, known up to {FORMAT}). Update latentlab."
            )
        if not _is_manifest(manifest):
            raise RunError(
                f"{manifest_path} is not the manifest of a run. Restore it, or fit again into another folder."
            )
        return cls(Path(path), manifest)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for one process; a second one gets a RunError that names the holder.

        The manifest is read again, since another process may have finished a stage in the meantime, and what killed
        processes left half-written is removed.
        """
        import filelock

        lock = filelock.FileLock(self.path / "run.lock", timeout=0)
        holder = self.path / "run.lock.json"
        try:
            lock.acquire()
        except filelock.Timeout:
            raise RunError(
                f"{self.path} is in use by another process{_holder(self.path)}. Wait for it, or choose another --run."
            ) from None
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror or error}. Unlock the folder or choose another --run."
            ) from error
        try:
            with contextlib.suppress(OSError):  # it only says who holds the lock
                holder.write_text(
                    json.dumps({"pid": os.getpid(), "host": platform.node(), "since": _now()})
                )
            self._take_over()
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink()
            lock.release()

    def _take_over(self) -> None:
        """Read what other processes have written since, and finish what a killed one had begun."""
        self._reread()
        recover(self.path)
        if self.manifest.get("clearing"):
            self.clear()

    def _reread(self) -> None:
        if (self.path / MANIFEST).exists():
            self.manifest = Run.open(self.path).manifest

    def is_done(self, stage: str, config: Any) -> bool:
        """Return whether `stage` finished with this very `config`, by this process or another, and its outputs are there, of their sizes."""
        self._reread()
        entry = self.manifest["stages"].get(stage)
        if entry is None or entry["config_sha256"] != fingerprint(config):
            return False
        return all(
            _has_size(self.path / output["path"], output.get("bytes"))
            for output in entry["outputs"]
        )

    @contextlib.contextmanager
    def stage(self, name: str, config: Any) -> Iterator[list[Path]]:
        """Time a stage; the caller appends the files it wrote to the yielded list, and they are recorded at the end.

        A stage that is done again is not listed meanwhile: a kill in between leaves a mixture of old and new files.
        """
        self.forget(name)
        outputs: list[Path] = []
        started = time.perf_counter()
        yield outputs
        order = 1 + max(
            (entry.get("order", 0) for entry in self.manifest["stages"].values()), default=0
        )
        self.manifest["stages"][name] = {
            "order": order,  # which stage is newest must not depend on a clock that can be set back
            "config": config,
            "config_sha256": fingerprint(config),
            "finished": _now(),
            "seconds": round(time.perf_counter() - started, 3),
            "outputs": [self._describe(path) for path in sorted(set(outputs))],
        }
        self._save()

    def stages_in_order(self) -> list[str]:
        """Return the names of the finished stages, the newest last."""
        stages = self.manifest["stages"]
        return sorted(
            stages,
            key=lambda name: (stages[name].get("order", 0), stages[name].get("finished", "")),
        )

    def forget(self, *stages: str) -> None:
        """Drop stages from the manifest, those that are there, so that they run again."""
        listed = [name for name in stages if name in self.manifest["stages"]]
        for name in listed:
            del self.manifest["stages"][name]
        if listed:
            self._save()

    def clear(self) -> None:
        """Remove everything the run has made, and keep its folder and lock; a kill in between is made good by the next `lock`."""
        self.manifest = _new_manifest() | {"clearing": True}
        self._save()
        for path in self.path.iterdir():
            if not path.name.startswith("run."):
                remove_folder(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.manifest = _new_manifest()
        self._save()

    def note(self, **values: Any) -> None:
        """Set top-level entries of the manifest."""
        self.manifest.update(values)
        self._save()

    def append_metrics(self, row: dict[str, Any], name: str = "metrics.jsonl") -> None:
        """Append one row to metrics.jsonl, or to another file of the run."""
        append_line(self.path / name, json.dumps(row))

    def metrics(self, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
        """Return the rows of metrics.jsonl, or of another file of the run.

        Of rows for the same stage and epoch the last counts; a torn row is dropped.
        """
        path = self.path / name
        rows: dict[tuple[Any, Any], dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    rows[row.get("stage"), row.get("epoch")] = row
        return list(rows.values())

    def _describe(self, path: Path) -> dict[str, Any]:
        return {
            "path": path.relative_to(self.path).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }

    def _save(self) -> None:
        write_json(self.path / MANIFEST, self.manifest)


def embed_config(run: Run) -> dict[str, Any]:
    """Return what codes depend on, the encoder's fingerprint: part of the settings of every stage that reads codes.

    Raises
    ------
    RunError
        If the run has no encoder.
    """
    entry = run.manifest["stages"].get("fit")
    if entry is None:
        raise RunError(
            f"{run.path} has no trained encoder. Train one with: latentlab fit --run {run.path}"
        )
    return {
        "encoder": [
            output["sha256"]
            for output in entry["outputs"]
            if output["path"].endswith("weights.npz")
        ]
    }


def find_runs(folder: str | Path) -> list[Run]:
    """Return the readable runs directly below `folder`, the oldest first."""
    runs = []
    for manifest in Path(folder).glob(f"*/{MANIFEST}"):
        with contextlib.suppress(RunError):
            runs.append(Run.open(manifest.parent))
    return sorted(runs, key=lambda run: run.manifest.get("created", ""))


def _new_manifest() -> dict[str, Any]:
    return {"format": FORMAT, "created": _now(), "stages": {}} | _environment()


def _is_manifest(value: Any) -> bool:
    """Return whether a manifest has the form that this module writes, and names nothing outside its folder.

    A run may come from somebody else: names of stages become names of folders.
    """
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("format"), int)
        or not isinstance(value.get("stages"), dict)
    ):
        return False
    return all(_is_inside(name) and _is_stage(entry) for name, entry in value["stages"].items())


def _is_stage(entry: Any) -> bool:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("config_sha256"), str)
        or not isinstance(entry.get("order", 0), int)
    ):
        return False
    outputs = entry.get("outputs")
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        return False
    return all(
        isinstance(output.get("sha256"), str) and _is_inside(output.get("path"))
        for output in outputs
    )


def _has_size(path: Path, size: Any) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _is_inside(path: Any) -> bool:
    return (
        isinstance(path, str)
        and "\0" not in path
        and not PurePosixPath(path).is_absolute()
        and ".." not in PurePosixPath(path).parts
    )


def _environment() -> dict[str, Any]:
    return {
        "latentlab": latentlab.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "argv": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": _git_state(),
    }


def _git_state() -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout that latentlab runs from, or None for an installed package."""

    def ask(*arguments: str) -> str:
        folder = Path(__file__).resolve().parent
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", Path(__file__).name)
        return {"commit": ask("rev-parse", "HEAD"), "clean": not ask("status", "--porcelain")}
    except (OSError, subprocess.SubprocessError):
        return None


def _holder(path: Path) -> str:
    try:
        holder = json.loads((path / "run.lock.json").read_text())
        return f" (process {holder['pid']} on {holder['host']} since {holder['since']})"
    except (OSError, ValueError, KeyError):
        return ""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
