"""The run folder: the memory of a run, and the only interface between its stages.

    run.json                  format, versions, command, git state, settings; the finished stages;
                              the SHA-256 of every file, and its own
    config.toml               every setting of the fit, defaults filled in
    metrics.jsonl             one row per epoch; every curve is drawn from it
    images.parquet            id, split, status, reason        no labels
    files.parquet             id, bytes, mtime_ns, sha256 of picture files that are read lazily
    pictures/part-00000.parquet     thumbnails and small pixels, of runs with a pretrained encoder
    inputs/part-00000.parquet       images as the network takes them, of other runs on files
    labels.parquet            id, label                        for scoring only
    encoder/                  encoder.keras, decoder.keras, embedder.keras, model.json, weights.npz
    checkpoints/epoch-0007/   for resuming: the newest, the best and those that were asked for
    reconstructions/          the same images after some epochs
    tensorboard/              loss curves for TensorBoard
    embeddings/part-00000.parquet   id, split, code, and embedding if the encoder has one
    averages/part-00000.parquet     id, split, averaged: mean of image and mirror image
    clusters/<name>/          assignments.parquet, model.npz, result.json, scores.json
    baselines/                the same for colours, edges, pixels, PCA and the untrained encoder
    trust/<name>.json         how far clusters can be trusted, without labels
    probe/, audit/            what the features hold, duplicates, suspected labels
    seeds/                    other encoders, of `cluster --seeds --refit`
    projection/umap.parquet   id, x, y
    update/                   work of `update` that is not finished, see `latentlab.storage.changes`
    report/                   index.html and the pictures as PNG

A stage is done when run.json lists it with its outputs; it is written last, and every write is
atomic.
"""

import contextlib
import errno
import functools
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import RunError
from latentlab.storage import changes, guard, integrity, json_form, memory_budget, rows, seal
from latentlab.storage.changes import JOURNAL, Changes
from latentlab.storage.files import (
    TEMPORARY_PREFIX,
    append_line,
    fingerprint,
    recover,
    refusals,
    remove_folder,
)
from latentlab.storage.fit_summary import FitSummary
from latentlab.storage.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestError,
    Output,
    RunConfig,
    StageRecord,
    now,
)

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from latentlab.storage.clustering import Clustering

LOCK_NAME = "run.lock"
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}  # what such file systems answer
HOLDER_NAME = "run.lock.json"  # says which process holds the lock
METRICS_NAME = "metrics.jsonl"
FIT_STAGE = "fit"
CLUSTER_STAGE = "cluster/"
# Folders that a fit fills besides its outputs.
TRACES = ("checkpoints", "reconstructions", "tensorboard")
WEIGHTS_NAME = "weights.npz"
DESCRIPTION_NAME = "model.json"


class RunInUseError(RunError):
    """Another process holds the run."""


class Run:
    """One run folder.

    Use `Run.create` to start or resume one and `Run.open` to use a finished one.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    pictures_at : str or None
        Where its pictures were found to be, if the run cannot be written to remember it.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self._manifest = manifest
        self._config: tuple[Any, RunConfig] | None = None  # the parsed value and its source
        self.pictures_at: str | None = None
        self._has_news = False  # files have been written that run.json does not record yet

    @classmethod
    def create(cls, path: str | Path) -> "Run":
        """Return the run in a folder, made if it does not exist.

        Parameters
        ----------
        path : str or pathlib.Path
            The folder.

        Raises
        ------
        RunError
            If the folder cannot be written, or holds files and no run.
        """
        folder = Path(path)
        if (folder / MANIFEST_NAME).exists():
            return cls.open(folder)
        if folder.exists() and not _may_become_a_run(folder):
            raise RunError(
                f"{folder} exists and is not a latentlab run. Choose another `run` folder."
            )
        with refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder, Manifest.new())
        seal.enter(folder, functools.partial(integrity.records_of, run._manifest))
        with run.lock():
            if not (folder / MANIFEST_NAME).exists():
                run._save()
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Return the existing run in a folder.

        Parameters
        ----------
        path : str or pathlib.Path
            The folder.

        Raises
        ------
        RunError
            If there is none, or its manifest is damaged or of a newer format.
        """
        run = cls(Path(path), read_manifest(Path(path)))
        seal.enter(run.path, functools.partial(integrity.records_of, run._manifest))
        if (run.path / JOURNAL).exists():
            with run.lock():
                pass  # which finishes the changes of a killed process
        return run

    # What the run was made with

    @property
    def has_config(self) -> bool:
        """Whether images and settings of a fit have been recorded."""
        return "config" in self._manifest.values

    @property
    def config(self) -> RunConfig:
        """What the run was started with; RunError if nothing is recorded, or another version's."""
        if not self.has_config:
            raise self._no_encoder()
        recorded = self._manifest.values["config"]
        if self._config is None or self._config[0] != recorded:
            self._config = (recorded, RunConfig.from_json(recorded, self.path))
        return self._config[1]

    @property
    def recorded_config(self) -> Any:
        """What run.json holds of the settings, as JSON, to compare with others; or None."""
        return self._manifest.values.get("config")

    @property
    def fit_summary(self) -> FitSummary:
        """What the fit came to; RunError if the run has no trained encoder."""
        recorded = self._manifest.values.get("fit")
        if recorded is None:
            raise self._no_encoder()
        try:
            return json_form.from_json(FitSummary, recorded)
        except (TypeError, ValueError) as error:
            path = self.path / MANIFEST_NAME
            raise RunError(f"{path} is damaged ({error}). Fit again.") from error

    @property
    def precision(self) -> str:
        """Number format that the network was trained in."""
        return self._manifest.values.get("precision", "auto")

    @property
    def is_deterministic(self) -> bool:
        """Whether the run was begun with bit-reproducible arithmetic."""
        return bool(self._manifest.values.get("deterministic"))

    @property
    def data_name(self) -> str:
        """Short name of the data, for titles and tables; "-" before the fit."""
        return self._manifest.values.get("data", "-")

    @property
    def created(self) -> str:
        """Date and time in UTC at which the run was made."""
        return self._manifest.created

    @property
    def last_used(self) -> str:
        """Date and time in UTC at which its newest stage was finished, or it was made."""
        finished = [record.finished for record in self._manifest.stages.values()]
        return max([self.created, *finished])

    def fact(self, name: str, default: Any = None) -> Any:
        """Return another entry of run.json, as JSON.

        Parameters
        ----------
        name : str
            Such as "device", "backend", "git", "argv", "images" or "unreadable".
        default : object
            Returned if there is no such entry.
        """
        return self._manifest.values.get(name, default)

    def _no_encoder(self) -> RunError:
        return RunError(
            f"{self.path} has no trained encoder.", hint=f"Train one with: `fit(run='{self.path}')`"
        )

    # Stages

    def record(self, stage: str) -> StageRecord | None:
        """Return the record of the finished stage `stage`; None if it is not done."""
        return self._manifest.stages.get(stage)

    def records(self) -> Mapping[str, Output]:
        """Return what run.json records of each file, by its path below the folder, with "/"."""
        return self._manifest.records()

    def digest_without(self, folder: str) -> str:
        """Return the fingerprint of all that run.json records, but of the files in `folder`.

        Parameters
        ----------
        folder : str
            Its path below the run's.
        """
        files = {
            path: [output.bytes, output.sha256]
            for path, output in self.records().items()
            if not path.startswith(f"{folder}/")
        }
        return fingerprint({"values": self._manifest.values, "files": files})

    def keep(self, name: str, output: Output) -> None:
        """Record a file that is about to take its place; see `latentlab.storage.integrity`.

        Parameters
        ----------
        name : str
            Its path below the folder, with "/".
        output : Output
            What it holds.
        """
        recorded = integrity.records_of(self._manifest).get(name)
        if recorded is not None and recorded.sha256 != output.sha256:
            # A kill may come before or after the file takes its place: both are right.
            self._manifest.files[name] = replace(output, before=recorded.sha256)
            self._save()
        if recorded is None or recorded != output:
            self._manifest.files[name] = output
            self._has_news = True

    def let_go(self, name: str) -> None:
        """Drop the records of a file, or of all files in a folder, that is about to be removed.

        Parameters
        ----------
        name : str
            Its path below the folder, with "/".
        """
        files = self._manifest.files
        inside = [path for path in files if path == name or path.startswith(f"{name}/")]
        for path in inside:
            del files[path]
        if inside:
            self._save()

    def seconds(self, stage: str) -> float:
        """Return how long the finished stage `stage` took; RunError if it is not done."""
        record = self.record(stage)
        if record is None:
            raise RunError(f"{self.path} has not done {stage}.")
        return record.seconds

    def stage_names(self) -> list[str]:
        """Return the names of the finished stages, the newest last."""
        stages = self._manifest.stages
        return sorted(stages, key=lambda name: (stages[name].order, stages[name].finished))

    def encoder_config(self) -> dict[str, list[str]]:
        """Return the encoder's fingerprint: part of the settings of every stage that reads codes.

        Raises
        ------
        RunError
            If the run has no encoder.
        """
        record = self._manifest.stages.get("fit")
        if record is None:
            raise self._no_encoder()
        # An encoder from elsewhere has a description, which holds its digest, and no weights.
        for name in (WEIGHTS_NAME, DESCRIPTION_NAME):
            digests = [output.sha256 for output in record.outputs if output.path.endswith(name)]
            if digests:
                break
        return {"encoder": digests}

    def is_done(self, stage: str, config: Any) -> bool:
        """Return whether a stage is finished with these very settings and its files are whole.

        Another process may have finished it: run.json is read again.

        Parameters
        ----------
        stage : str
            Name of the stage, such as "fit" or "cluster/kmeans-k10".
        config : object
            Settings of the stage, as JSON holds them.
        """
        self._reread()
        record = self._manifest.stages.get(stage)
        return record is not None and record.is_whole(self.path, config)

    def do_stage(
        self,
        stage: str,
        config: Any,
        make: Callable[[], Iterable[Path]],
        uses_network: bool = False,
        check: Callable[[], None] | None = None,
    ) -> bool:
        """Do a stage unless it is done: the one way that stages are locked, done and recorded.

        Parameters
        ----------
        stage : str
            Name of the stage, such as "cluster/kmeans-k10".
        config : object
            Its settings, as JSON; with other settings it is done again.
        make : callable
            make() does the work and returns the paths of the files that it has written. It
            resumes by itself what a killed process has begun.
        uses_network : bool
            The work takes the run's network: it is done in the run's precision.
        check : callable or None
            check() is called first if the stage is not done, and raises what is wrong. An earlier
            result is still listed then.

        Returns
        -------
        bool
            False if the stage was done already.
        """
        if self.is_done(stage, config):
            return False
        if check is not None:
            check()
        if uses_network:
            from latentlab import backend

            backend.set_precision(self.precision)
        with self.lock(), self.stage(stage, config) as outputs:
            outputs += make()
        return True

    @contextlib.contextmanager
    def stage(self, name: str, config: Any) -> Iterator[list[Path]]:
        """Time and record a stage; the caller adds the files that it wrote to the yielded list.

        A stage that is done again is not listed meanwhile: a kill in between leaves a mixture of
        old and new files.

        Parameters
        ----------
        name : str
            Name of the stage.
        config : object
            Settings of the stage, as JSON holds them.
        """
        earlier = self.record(name)
        if earlier is not None:
            self.forget(name)
            integrity.remove_changed(self.path, earlier.outputs)
        outputs: list[Path] = []
        started = time.perf_counter()
        yield outputs
        orders = [record.order for record in self._manifest.stages.values()]
        if name == FIT_STAGE:
            self._record_traces()
        written = tuple(Output.of_file(path, self.path) for path in sorted(set(outputs)))
        for output in written:
            self._manifest.files.pop(output.path, None)
        self._manifest.stages[name] = StageRecord(
            order=1 + max(orders, default=0),
            config=config,
            config_sha256=fingerprint(config),
            finished=now(),
            seconds=round(time.perf_counter() - started, 3),
            outputs=written,
        )
        self._save()

    def _record_traces(self) -> None:
        """Record what a fit leaves besides its outputs; a kill may have come before a record."""
        paths = [self.path / METRICS_NAME]
        for folder in TRACES:
            paths += sorted((self.path / folder).rglob("*"))
        for path in paths:
            name = path.relative_to(self.path).as_posix()
            is_of_stage = bool(self._manifest.writer_of(name))
            if path.is_file() and not path.is_symlink() and not is_of_stage:
                self._manifest.files[name] = Output.of_file(path, self.path)

    def replace_stages(self, made: Changes, stages: dict[str, StageRecord], **values: Any) -> None:
        """Make prepared changes of files, together with the stages and entries that go with them.

        Parameters
        ----------
        made : Changes
            The files; their work folder goes.
        stages : dict of str to StageRecord
            All stages of the run from now on.
        **values
            Entries of run.json to set.
        """
        outputs = {output.path for record in stages.values() for output in record.outputs}
        files = dict(self._manifest.files)
        for name in made.removed:
            files.pop(name, None)
        for name in made.written:
            if name not in outputs:
                files[name] = Output.of_file(made.new_folder / name, made.new_folder)
        manifest = Manifest(self.created, stages, self._manifest.values | values, files)
        manifest.write(made.write(MANIFEST_NAME))
        made.commit()
        self._reread()

    def forget(self, *stages: str) -> None:
        """Drop `stages` from run.json, if they are there, so that they run again."""
        listed = [name for name in stages if name in self._manifest.stages]
        for name in listed:
            del self._manifest.stages[name]
        if listed:
            self._save()

    # Clusterings

    def clustering_names(self) -> list[str]:
        """Return the names of the run's finished clusterings, the newest last."""
        names = [name for name in self.stage_names() if name.startswith(CLUSTER_STAGE)]
        return [name.removeprefix(CLUSTER_STAGE) for name in names]

    def clusterings(self) -> list["Clustering"]:
        """Return the run's finished clusterings, the newest last."""
        return [self.clustering(name) for name in self.clustering_names()]

    def clustering(self, name: str | None = None) -> "Clustering":
        """Return a finished clustering.

        Parameters
        ----------
        name : str or None
            Its name; None is the newest.

        Raises
        ------
        RunError
            If there is none of that name.
        """
        from latentlab.storage.clustering import Clustering

        names = self.clustering_names()
        if not names:
            raise RunError(
                f"{self.path} has no clusters.",
                hint=f"Make them with: `cluster(run='{self.path}', k=10)`",
            )
        if name is not None and name not in names:
            raise RunError(f"{self.path} has no clusters {name!r}: it has {', '.join(names)}.")
        return Clustering(self, name or names[-1])

    # Changing the run

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for one process; a second one gets a RunError that names the holder.

        run.json is read again, since another process may have finished a stage in the meantime,
        and what killed processes left half-written is removed.
        """
        from filelock import Timeout

        guard.writing(self.path / LOCK_NAME)
        guard.writing(self.path / HOLDER_NAME)
        _refuse_content(self.path / LOCK_NAME)
        lock = _file_lock(self.path / LOCK_NAME)
        try:
            lock.acquire()
        except Timeout:
            raise RunInUseError(
                f"{self.path} is in use by another process{_holder(self.path)}."
                " Wait for it, or choose another `run`."
            ) from None
        except (OSError, NotImplementedError) as error:
            raise _cannot_lock(self.path, error) from error
        try:
            self._name_holder()
            self._take_over()
            with integrity.keeping(self.path, self):
                yield
                if self._has_news:
                    self._save()
        finally:
            with contextlib.suppress(OSError):
                (self.path / HOLDER_NAME).unlink()
            lock.release()

    def _name_holder(self) -> None:
        holder = {"pid": os.getpid(), "host": platform.node(), "since": now()}
        path = self.path / HOLDER_NAME
        with contextlib.suppress(OSError):  # the lock holds without it
            path.unlink(missing_ok=True)  # it could be a second name of another file
            with path.open("x") as file:
                file.write(json.dumps(holder))

    def _take_over(self) -> None:
        """Read the changes of other processes, and finish the work of a killed one."""
        if (self.path / JOURNAL).exists():
            changes.finish(self.path)
        self._reread()
        recover(self.path)
        if self.fact("clearing"):
            self.clear()

    def _reread(self) -> None:
        if (self.path / MANIFEST_NAME).exists():
            self._manifest = read_manifest(self.path)
            guard.follow(self.path, functools.partial(integrity.records_of, self._manifest))

    def clear(self) -> None:
        """Remove everything that the run has made; its folder and lock stay.

        A kill in between is made good by the next `lock`.
        """
        self._manifest = Manifest.new()
        self.note(clearing=True)
        for path in self.path.iterdir():
            if path.name.startswith("run."):
                continue
            if path.is_dir() and not path.is_symlink():
                remove_folder(path)
            else:
                guard.writing(path)
                path.unlink()
        self._manifest = Manifest.new()
        self._save()

    def note(self, **values: Any) -> None:
        """Set `values` as entries of run.json."""
        self._manifest.values.update(values)
        self._save()

    def append_metrics(self, row: dict[str, Any], name: str = METRICS_NAME) -> None:
        """Append `row` to metrics.jsonl, or to the file `name` of the run, with a checksum."""
        append_line(self.path / name, rows.sealed_line(row, self.path / name))

    def metrics(self, name: str = METRICS_NAME) -> list[dict[str, Any]]:
        """Return the rows of metrics.jsonl, or of another file of the run.

        If rows have the same stage and epoch the last one counts; a torn row is dropped.

        Parameters
        ----------
        name : str
            File name in the run folder.

        Raises
        ------
        RunError
            If a row was changed or damaged, or rows are missing.
        """
        path = self.path / name
        if not guard.is_there(path):
            return []
        guard.reading(path)
        latest = {(row.get("stage"), row.get("epoch")): row for row in rows.read(path)}
        return list(latest.values())

    def _save(self) -> None:
        self._has_news = False
        self._manifest.write(self.path / MANIFEST_NAME)
        guard.follow(self.path, functools.partial(integrity.records_of, self._manifest))


def find_runs(folder: str | Path) -> list[Run]:
    """Return the readable runs directly below a folder, the oldest first.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where to look.
    """
    runs = []
    for path in Path(folder).glob(f"*/{MANIFEST_NAME}"):
        with contextlib.suppress(RunError):
            runs.append(Run.open(path.parent))
    return sorted(runs, key=lambda run: run.created)


def read_manifest(folder: Path) -> Manifest:
    """Return what the run.json in a folder holds.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of a run.

    Raises
    ------
    RunError
        If it is missing, damaged or of a newer format.
    """
    path = folder / MANIFEST_NAME
    guard.refuse_outside(os.path.abspath(folder), os.path.abspath(path))  # also before it is opened
    try:
        content = memory_budget.json_content(path)
        value = json.loads(content.decode("utf-8"))
        manifest = Manifest.from_json(value, folder)
        integrity.refuse_broken_seal(content, value)
        return manifest
    except FileNotFoundError:
        raise RunError(
            f"{folder} holds no latentlab run ({MANIFEST_NAME} is missing).",
            hint=f"Make one with: `fit(run='{folder}')`",
        ) from None
    except integrity.BrokenSealError:
        raise RunError(
            f"{path} was changed or damaged since it was written. Restore it, or fit again into"
            " another folder."
        ) from None
    except ManifestError:
        raise RunError(
            f"{path} is not the manifest of a run. Restore it, or fit again into another folder."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path} cannot be read ({error}). Restore it, or fit again into another folder."
        ) from error


def _may_become_a_run(folder: Path) -> bool:
    """Return whether a folder is empty, apart from remains of a killed `Run.create`."""
    leftovers = (TEMPORARY_PREFIX, LOCK_NAME)
    return folder.is_dir() and all(path.name.startswith(leftovers) for path in folder.iterdir())


def _refuse_content(lock: Path) -> None:
    """Raise RunError for a lock file with content, of which locking would leave nothing."""
    if lock.exists() and lock.stat().st_size:
        raise RunError(f"{lock} is no lock of a run: it has content. Move it away.")


def _file_lock(path: Path) -> "BaseFileLock":
    """Return the lock of a run, which no process holds for longer than it lives."""
    from filelock import FileLock

    try:
        # A file instead of a lock would stay after a kill, and after a copy of the run.
        return FileLock(path, timeout=0, fallback_to_soft=False)
    except TypeError:  # older versions of filelock know no such files
        return FileLock(path, timeout=0)


def _cannot_lock(path: Path, error: Exception) -> RunError:
    number = getattr(error, "errno", None)
    if isinstance(error, NotImplementedError) or number in WITHOUT_LOCKS:
        return RunError(
            f"cannot lock {path}: its file system has no locks. Choose another `run`, on a disk of"
            " this machine."
        )
    reason = getattr(error, "strerror", None) or error
    return RunError(f"cannot write {path}: {reason}. Unlock the folder or choose another `run`.")


def _holder(path: Path) -> str:
    guard.reading(path / HOLDER_NAME)
    try:
        holder = json.loads(memory_budget.json_content(path / HOLDER_NAME))
        return f" (process {holder['pid']} on {holder['host']} since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
