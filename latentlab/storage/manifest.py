"""run.json as objects: the stages that are done, and what the run was made with.

The last entry of run.json is its own SHA-256, taken while 64 zeros stand there.
"""

import datetime
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import latentlab
from latentlab.config import DataOptions, FitOptions
from latentlab.errors import ConfigError, RunError
from latentlab.options import from_recorded, recorded_values
from latentlab.storage import guard, integrity
from latentlab.storage.files import atomic_path, fingerprint
from latentlab.storage.integrity import Output as Output

FORMAT = 2  # 1: without checksums of itself, and of files that no stage has written
MANIFEST_NAME = "run.json"
Json = dict[str, Any]
Part = TypeVar("Part")


class ManifestError(ValueError):
    """The file does not have the form of a manifest."""


@dataclass(frozen=True)
class StageRecord:
    """A finished stage.

    Attributes
    ----------
    order : int
        Grows with every stage that is done; a clock could be set back.
    config : dict
        The settings that it was done with, as JSON.
    config_sha256 : str
        Fingerprint of `config`.
    finished : str
        Date and time in UTC.
    seconds : float
        How long it took.
    outputs : tuple of Output
        The files that it has written.
    """

    order: int
    config: Any
    config_sha256: str
    finished: str
    seconds: float
    outputs: tuple[Output, ...]

    @classmethod
    def from_json(cls, value: Any) -> "StageRecord":
        """Return the record that `value`, of run.json, holds; ManifestError if it is none."""
        try:
            outputs = [Output.from_json(output) for output in value["outputs"]]
            record = cls(
                order=value.get("order", 0),
                config=value.get("config"),
                config_sha256=value["config_sha256"],
                finished=value.get("finished", ""),
                seconds=value.get("seconds", 0.0),
                outputs=tuple(outputs),
            )
        except (TypeError, KeyError, AttributeError, ValueError):
            raise ManifestError from None
        if not isinstance(record.order, int) or not isinstance(record.config_sha256, str):
            raise ManifestError
        return record

    def to_json(self) -> Json:
        """Return the record as run.json holds it."""
        return {
            "order": self.order,
            "config": self.config,
            "config_sha256": self.config_sha256,
            "finished": self.finished,
            "seconds": self.seconds,
            "outputs": [output.to_json() for output in self.outputs],
        }

    def outputs_json(self) -> list[Json]:
        """Return the outputs as JSON, which stages made of them record in their settings."""
        return [
            {"path": output.path, "bytes": output.bytes, "sha256": output.sha256}
            for output in self.outputs
        ]

    def setting(self, name: str) -> Any:
        """Return the entry `name` of `config`; None if there is none."""
        return self.config.get(name) if isinstance(self.config, dict) else None

    def is_whole(self, folder: Path, config: Any) -> bool:
        """Return whether the stage was done with these settings and its files are as recorded.

        Of large files the sizes are compared, and the footers of tables.

        Parameters
        ----------
        folder : pathlib.Path
            The run's folder.
        config : object
            Settings, as JSON.

        Raises
        ------
        RunError
            If one of the files is a link that leads out of the run.
        """
        if self.config_sha256 != fingerprint(config):
            return False
        for output in self.outputs:
            path = folder / output.path
            guard.inside(path)
            if not integrity.is_as_recorded(str(path), output):
                return False
        return True


@dataclass(frozen=True)
class PretrainedChoice:
    """The pretrained encoder that a run was started with; encoder/model.json has its card.

    Attributes
    ----------
    name : str
        Its short name.
    sha256 : str
        Digest of its files, which may lie anywhere.
    settings : mapping
        What the user said of it: the fields of `EncoderSettings` that were given.
    """

    name: str
    sha256: str
    settings: Json = field(default_factory=dict)


@dataclass(frozen=True)
class VectorFile:
    """The file of vectors that a run was made of.

    Attributes
    ----------
    path : str
        Where it was.
    sha256 : str
        Digest of its content.
    id_column, column, split_column, label_column : str
        Its columns of ids, vectors, splits and labels; "" where it has none, or no names.
    pretraining : str
        Labels used in the training of the encoder that gave them, as the user says.
    held_out : float or None
        Share that was to be held out, if neither file nor images say which.
    limit : int or None
        Vectors of each split that were used at most, if there are no images.
    """

    path: str
    sha256: str
    id_column: str = ""
    column: str = ""
    split_column: str = ""
    label_column: str = ""
    pretraining: str = "unknown"
    held_out: float | None = 0.2
    limit: int | None = None


@dataclass(frozen=True)
class RunConfig:
    """The settings that a run was started with.

    Attributes
    ----------
    data : DataOptions or None
        The images; None for vectors without images.
    fit : FitOptions or None
        The training of its encoder; None if latentlab has not trained it.
    images_sha256 : str
        Fingerprint of the images.
    ready_made : str or None
        Name of the shipped encoder that it has instead of a trained one.
    weights_sha256 : str or None
        Digest of weights that it was given instead of trained ones.
    pretrained : PretrainedChoice or None
        The encoder from elsewhere that it has instead.
    vectors : VectorFile or None
        The file of vectors that it has instead of an encoder.
    """

    data: DataOptions | None
    fit: FitOptions | None
    images_sha256: str
    ready_made: str | None = None
    weights_sha256: str | None = None
    pretrained: PretrainedChoice | None = None
    vectors: VectorFile | None = None

    @classmethod
    def from_json(cls, value: Any, where: Path) -> "RunConfig":
        """Return the configuration in `value`; RunError with `where` if it has unknown parts."""
        table = value if isinstance(value, dict) else {}
        pretrained = _part(PretrainedChoice, table, "pretrained", where)
        vectors = _part(VectorFile, table, "vectors", where)
        # A run without an encoder from elsewhere has been fitted, and a fit needs images.
        needs_fit = pretrained is None and vectors is None
        return cls(
            data=_part(DataOptions, table, "data", where, needed=vectors is None),
            fit=_part(FitOptions, table, "fit", where, needed=needs_fit),
            images_sha256=table.get("images_sha256", ""),
            ready_made=table.get("ready_made"),
            weights_sha256=table.get("weights_sha256"),
            pretrained=pretrained,
            vectors=vectors,
        )

    def to_json(self) -> Json:
        """Return the settings as run.json holds them."""
        values = {
            "data": self.data and recorded_values(self.data),
            "fit": self.fit and recorded_values(self.fit),
            "images_sha256": self.images_sha256,
            "ready_made": self.ready_made,
            "weights_sha256": self.weights_sha256,
            "pretrained": self.pretrained and asdict(self.pretrained),
            "vectors": self.vectors and asdict(self.vectors),
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def has_trained_encoder(self) -> bool:
        """Whether the encoder was trained in this run, not shipped and not given."""
        elsewhere = (self.ready_made, self.weights_sha256, self.pretrained, self.vectors)
        return all(origin is None for origin in elsewhere)

    @property
    def is_autoencoder(self) -> bool:
        """Whether the encoder is one of latentlab's networks: trained here, shipped or given."""
        return self.fit is not None

    @property
    def training(self) -> FitOptions:
        """How the encoder was trained; ConfigError if that was done elsewhere."""
        if self.fit is None:
            raise ConfigError(
                "this needs an encoder that latentlab has trained, and the run's is from elsewhere",
                hint="Train one with `fit`.",
            )
        return self.fit

    @property
    def images(self) -> DataOptions:
        """The images; ConfigError if the run has none."""
        if self.data is None:
            raise no_images()
        return self.data


def no_images() -> ConfigError:
    """Return the error for what needs the images of a run that was made of vectors alone."""
    return ConfigError(
        "this needs images, and the run was made of vectors alone",
        hint="Import the vectors again into another `run`, with their images as `data`.",
    )


def _part(
    kind: Callable[..., Part], table: Json, name: str, where: Path, needed: bool = False
) -> Part | None:
    """Return the part `name` of a configuration; None if it is not there and not needed."""
    values = table.get(name)
    if values is None and not needed:
        return None
    return from_recorded(kind, values, where)


@dataclass
class Manifest:
    """The contents of run.json.

    Attributes
    ----------
    created : str
        Date and time in UTC.
    stages : dict of str to StageRecord
        The finished stages by name, such as "fit" or "cluster/kmeans-k10".
    values : dict
        Everything else, as JSON: versions, command, git state, settings, summary of the fit.
    files : dict of str to Output
        Files that no stage has among its outputs, by their paths.
    merged : tuple or None
        What `integrity.records_of` has put together of these.
    """

    created: str
    stages: dict[str, StageRecord] = field(default_factory=dict)
    values: Json = field(default_factory=dict)
    files: dict[str, Output] = field(default_factory=dict)
    merged: tuple[tuple[int, ...], dict[str, Output]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    @classmethod
    def new(cls) -> "Manifest":
        """Return the manifest of a run that begins now."""
        return cls(created=now(), values=_environment())

    @classmethod
    def from_json(cls, value: Any, folder: Path) -> "Manifest":
        """Return the manifest that the run.json in `folder` holds.

        A run may come from somebody else: names of stages become names of folders, so that none
        may lead out of the run.

        Parameters
        ----------
        value : object
            The parsed run.json.
        folder : pathlib.Path
            Folder of the run.

        Raises
        ------
        RunError
            If it is of a newer format.
        ManifestError
            If it is no manifest, or names something outside the folder.
        """
        is_manifest = isinstance(value, dict) and isinstance(value.get("format"), int)
        if not is_manifest:
            raise ManifestError
        if value["format"] > FORMAT:
            raise RunError(
                f"{folder} was written by a newer latentlab (format {value['format']},"
                f" known up to {FORMAT}). Update latentlab."
            )
        if not isinstance(value.get("stages"), dict):
            raise ManifestError
        stages = {name: StageRecord.from_json(entry) for name, entry in value["stages"].items()}
        try:
            files = {each["path"]: Output.from_json(each) for each in value.get("files", [])}
        except (TypeError, KeyError, ValueError):
            raise ManifestError from None
        paths = [output.path for record in stages.values() for output in record.outputs]
        if not are_inside([*stages, *paths, *files]):
            raise ManifestError
        values = {name: entry for name, entry in value.items() if name not in _FIELDS}
        return cls(value.get("created", ""), stages, values, files)

    def to_json(self) -> Json:
        """Return what run.json holds, without its own digest."""
        stages = {name: record.to_json() for name, record in self.stages.items()}
        files = [self.files[name].to_json() for name in sorted(self.files)]
        head = {"format": FORMAT, "created": self.created, "stages": stages, "files": files}
        return head | self.values

    def write(self, path: Path) -> None:
        """Write the manifest to `path`, a run.json, atomically."""
        with atomic_path(path) as temporary:
            temporary.write_bytes(integrity.sealed_text(self.to_json()).encode())

    def records(self) -> Mapping[str, Output]:
        """Return what is recorded of each file; what the latest stage says of it counts."""
        return integrity.records_of(self)

    def writer_of(self, path: str) -> str:
        """Return the stage that wrote a file last; "" if it is of no stage.

        Parameters
        ----------
        path : str
            Its path below the run's folder, with "/".
        """
        writer = ""
        for name, record in sorted(self.stages.items(), key=lambda item: item[1].order):
            if any(output.path == path for output in record.outputs):
                writer = name
        return writer


_FIELDS = ("format", "created", "stages", "files", "sha256")
# Settings of a repository that make git run programs are set aside.
_PLAIN_GIT = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_GIT_STATUS = ("status", "--porcelain", "--ignore-submodules=all")


def are_inside(paths: list[Any]) -> bool:
    """Return whether `paths`, names in a manifest, all stay below the run's folder."""
    for path in paths:
        if not isinstance(path, str) or "\0" in path:
            return False
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            return False
    return True


def now() -> str:
    """Return date and time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _environment() -> Json:
    return {
        "latentlab": latentlab.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "argv": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": _git_state(),
    }


def _git_state() -> Json | None:
    """Return commit and cleanliness of our checkout; None for an installed package.

    A package may be installed somewhere inside of another repository, whose settings could make
    git run programs: only the one that latentlab is the top of is asked.
    """
    checkout = Path(__file__).resolve().parents[2]
    program = shutil.which("git", path=_whole_paths())
    if program is None or not (checkout / ".git").exists():
        return None
    git = [program, *_PLAIN_GIT, "-C", str(checkout)]
    try:
        _git(git, "ls-files", "--error-unmatch", "latentlab/storage/manifest.py")
        commit = _git(git, "rev-parse", "HEAD")
        return {"commit": commit, "clean": not _git(git, *_GIT_STATUS)}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(git: list[str], *arguments: str) -> str:
    # Variables of git may name another repository, files to write to and programs to run.
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_")
    }
    done = subprocess.run(
        [*git, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
        env=surroundings | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


def _whole_paths() -> str:
    """Return PATH without the working directory, which an empty entry means."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(filter(os.path.isabs, entries))
