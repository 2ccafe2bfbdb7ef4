"""ONNX files of a model hub as encoders, through huggingface_hub (the extra latentlab[hub]).

    hf:OWNER/MODEL                   its ONNX file, if there is one that stands out
    hf:OWNER/MODEL:FILE              this file of it
    hf:OWNER/MODEL@REVISION:FILE     as it was then; runs record the commit here

What was fetched once stays in the hub's own cache and is opened without a network, or where
connections are refused (`latentlab.connections`).
"""

import contextlib
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from latentlab import connections
from latentlab.encoders.pretrained.card import EncoderSettings, PretrainedEncoder
from latentlab.encoders.pretrained.onnx_files import open_onnx
from latentlab.encoders.pretrained.onnx_structure import printable
from latentlab.encoders.pretrained.preprocessing import CONFIG_FILE
from latentlab.errors import ConfigError, DataError, MissingDependencyError

PREFIX = "hf:"
FORM = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+(/[\w.-]+)*))?(:(?P<file>.+))?", re.ASCII
)
COMMIT = re.compile(r"[0-9a-f]{40}")
ONNX_SUFFIX = ".onnx"
USUAL_FILES = (  # in this order
    "model.onnx",
    "onnx/model.onnx",
    "vision_model.onnx",
    "onnx/vision_model.onnx",
)
DATA_MARKS = ("_data", ".data")  # after the name of an ONNX file: its weights, if it is large
CARD_FILE = "README.md"
MOST_NAMED = 8  # files in a message
MOST_NOTES = 1 << 20  # bytes of a model card that are read
WAIT = 20.0  # seconds for an answer of the hub
LONGEST_REASON = 200  # characters


@dataclass(frozen=True)
class HubReference:
    """What a user asks of the hub.

    Attributes
    ----------
    repository : str
        OWNER/MODEL.
    revision : str or None
        Commit, branch or tag; None is the main branch.
    file : str or None
        Path inside the repository; None: it is chosen.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    @classmethod
    def parse(cls, text: str) -> "HubReference":
        """Return the parts of OWNER/MODEL[@REVISION][:FILE].

        Parameters
        ----------
        text : str
            The text, without the prefix.

        Raises
        ------
        ConfigError
            If it has another form.

        Examples
        --------
        >>> HubReference.parse("owner/model@v1:onnx/model.onnx")
        HubReference(repository='owner/model', revision='v1', file='onnx/model.onnx')
        """
        match = FORM.fullmatch(text)
        if match is None:
            raise ConfigError(
                ": is not of the form hf:OWNER/MODEL or hf:OWNER/MODEL:FILE",
                field="encoder",
                value=printable(f"{PREFIX}{text}"),
            )
        return cls(match["repository"], match["revision"], match["file"])

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        file = f":{self.file}" if self.file else ""
        return f"{PREFIX}{self.repository}{revision}{file}"


@dataclass(frozen=True)
class _Snapshot:
    """The files of a repository at one commit.

    Attributes
    ----------
    revision : str
        The commit.
    files : tuple of str
        Paths inside the repository.
    folder : Path or None
        Where they are on this machine; None: at the hub.
    """

    revision: str
    files: tuple[str, ...]
    folder: Path | None = None


def open_hub(text: str, settings: EncoderSettings) -> PretrainedEncoder:
    """Open an encoder of the hub.

    Parameters
    ----------
    text : str
        OWNER/MODEL[@REVISION][:FILE].
    settings : EncoderSettings
        What the user says of it.

    Raises
    ------
    MissingDependencyError
        If huggingface_hub is not installed.
    ConfigError
        If there is no such repository, revision or file, or it may not be read.
    DataError
        If the hub cannot be reached and nothing is here, or the file cannot be used.
    """
    wanted = HubReference.parse(text)
    _require_package(wanted)
    snapshot = _snapshot(wanted)
    pinned = replace(wanted, revision=snapshot.revision, file=_chosen(wanted, snapshot.files))
    paths = _at_hand(pinned, snapshot)
    if snapshot.folder is None:
        _remember_name(wanted, str(pinned.file))
    encoder = open_onnx(paths[str(pinned.file)], settings)
    licence = settings.licence or _licence(paths.get(CARD_FILE)) or encoder.card.licence
    encoder.card = replace(
        encoder.card,
        name=pinned.repository.partition("/")[2],
        reference=str(pinned),
        licence=licence,
        source=f"{PREFIX}{pinned.repository}",
        revision=snapshot.revision,
    )
    return encoder


def _require_package(wanted: HubReference) -> None:
    try:  # its parts are imported when they are used first
        from huggingface_hub import HfApi, errors, hf_hub_download  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "needs a package: pip install 'latentlab[hub]'", field="encoder", value=wanted
        ) from error


def _snapshot(wanted: HubReference) -> _Snapshot:
    """Return the files at the hub, or those in the cache where the hub cannot be reached."""
    import huggingface_hub

    if connections.is_offline():
        return _cached(wanted, connections.REFUSED)
    connections.announce(f"ask the hub for {wanted}")
    api = huggingface_hub.HfApi()
    try:
        with _refusals(wanted):
            info = api.model_info(wanted.repository, revision=wanted.revision, timeout=WAIT)
    except _UnreachableError as error:
        return _cached(wanted, f"the hub cannot be reached: {error}")
    files = tuple(file.rfilename for file in info.siblings or ())
    return _Snapshot(str(info.sha), files)


def _cached(wanted: HubReference, reason: str) -> _Snapshot:
    """Return what was fetched before; DataError, with why nothing is fetched, if it is not here."""
    import huggingface_hub

    try:
        path = huggingface_hub.snapshot_download(
            wanted.repository, revision=wanted.revision, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"is not in the hub's cache here, and {reason}",
            field="encoder",
            value=wanted,
            hint="Connect once, or give the ONNX file itself.",
        ) from error
    folder = Path(path)
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return _Snapshot(
        folder.name, tuple(file.relative_to(folder).as_posix() for file in files), folder
    )


def _chosen(wanted: HubReference, files: Sequence[str]) -> str:
    """Return the ONNX file that is asked for, the one with a usual name, or the only one."""
    networks = [file for file in files if file.endswith(ONNX_SUFFIX)]
    if wanted.file is not None:
        if wanted.file in networks:
            return wanted.file
        near = difflib.get_close_matches(wanted.file, networks, MOST_NAMED, 0.0)
        raise _no_file(wanted, "has no such ONNX file", near)
    usual = [file for file in USUAL_FILES if file in networks]
    if usual:
        return usual[0]
    if len(networks) == 1:
        return networks[0]
    if networks:
        raise _no_file(wanted, "has several ONNX files: give one as hf:OWNER/MODEL:FILE", networks)
    raise _no_file(wanted, "has no ONNX file", [])


def _no_file(wanted: HubReference, problem: str, files: Sequence[str]) -> ConfigError:
    more = ", ..." if len(files) > MOST_NAMED else ""
    names = ", ".join(printable(file) for file in files[:MOST_NAMED])
    hint = f"It has {names}{more}." if files else "Take a repository with an ONNX file."
    return ConfigError(problem, field="encoder", value=wanted, hint=hint)


def _at_hand(pinned: HubReference, snapshot: _Snapshot) -> dict[str, Path]:
    """Return where the needed files are on this machine, by their names; they are fetched."""
    import huggingface_hub

    names = _needed(str(pinned.file), snapshot.files)
    if snapshot.folder is not None:
        return {name: snapshot.folder / name for name in names}
    paths = {}
    for name in names:
        try:
            with _refusals(pinned):
                path = huggingface_hub.hf_hub_download(
                    pinned.repository, name, revision=snapshot.revision
                )
        except _UnreachableError as error:
            raise DataError(
                f"{printable(name)} cannot be fetched: {error}",
                field="encoder",
                value=pinned,
                hint="Try again.",
            ) from error
        paths[name] = Path(path)
    return paths


def _remember_name(wanted: HubReference, file: str) -> None:
    """Let the cache know which commit a branch or tag is, to find it without a network."""
    import huggingface_hub

    if wanted.revision is None or not COMMIT.fullmatch(wanted.revision):
        with contextlib.suppress(_UnreachableError, ConfigError), _refusals(wanted):
            huggingface_hub.hf_hub_download(wanted.repository, file, revision=wanted.revision)


def _needed(file: str, files: Sequence[str]) -> list[str]:
    """Return the ONNX file, its data beside it, its preprocessing and the model card."""
    folder = PurePosixPath(file).parent
    marks = tuple(file + mark for mark in DATA_MARKS)
    data = [other for other in files if other.startswith(marks)]
    configs = {str(folder / CONFIG_FILE), str(folder.parent / CONFIG_FILE), CARD_FILE}
    return [file, *data, *sorted(configs & set(files))]


class _UnreachableError(Exception):
    """The hub does not answer, or must not be asked."""


@contextlib.contextmanager
def _refusals(wanted: HubReference) -> Iterator[None]:
    """Turn what the hub's package raises into one line, and a lost connection into its own kind."""
    from huggingface_hub import errors

    def refused(problem: str, hint: str = "") -> ConfigError:
        return ConfigError(problem, field="encoder", value=wanted, hint=hint)

    try:
        yield
    except errors.GatedRepoError as error:
        raise refused(
            "is open only to those who have accepted its terms",
            "Accept them on its page, and log in with the command hf auth login.",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise refused(
            ": there is no such repository of a model, or it is private", "Check the name."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise refused(": there is no such revision") from error
    except errors.HFValidationError as error:
        raise refused(f": {_reason(error)}") from error
    except errors.RemoteEntryNotFoundError as error:
        raise refused("lacks a file that it lists") from error
    except Exception as error:  # of its connection: those of several packages
        raise _UnreachableError(_reason(error)) from error


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return printable(words, LONGEST_REASON).rstrip(".")


def _licence(card: Path | None) -> str:
    """Return the licence that the head of a model card names; "" if it names none."""
    if card is None:
        return ""

    try:
        text = card.read_bytes()[:MOST_NOTES].decode("utf-8", "replace")
    except OSError:
        return ""
    head = re.match(r"\ufeff?\s*---\s*\n(.*?)\n---", text, re.DOTALL)
    named = re.search(r"^licen[cs]e:[ \t]*(\S[^\n]*)$", head[1], re.MULTILINE) if head else None
    licence = named[1].strip("\"' \r") if named else ""
    return printable(licence)
