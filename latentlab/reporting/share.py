"""A copy of a run to give away: without paths, user and machine, and what only resuming needs.

Left out are checkpoints, logs of TensorBoard that name the machine, locks, unfinished files, links,
and the places of the data. Settings keep the names of data and files, without their folders. A file
that still tells something, such as the page of an older version, is left out and named.
"""

import dataclasses
import os
import re
import shutil
import stat
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from latentlab.data.whereabouts import MOVED_TO, PLACE
from latentlab.errors import ConfigError, RunError
from latentlab.progress import log
from latentlab.reporting.privacy import Privacy
from latentlab.storage import guard, tables
from latentlab.storage.clustering import EDITS_NAME
from latentlab.storage.files import (
    TEMPORARY_PREFIX,
    atomic_folder,
    atomic_path,
    fingerprint,
    read_json,
    sha256,
    write_json,
)
from latentlab.storage.manifest import MANIFEST_NAME, Manifest, Output
from latentlab.storage.run import Run, read_manifest

# Files and folders of a run that only going on with it needs.
FOR_RESUMING = ("checkpoints", "update", "run.lock", "run.lock.json")
PRIVATE_FACTS = (PLACE, MOVED_TO)  # entries of run.json that say where the data are
SHARED = "shared"  # entry of the run.json of a copy
OUR_EVENTS = re.compile(r"events\.out\.tfevents\.\d+\.\d+")  # of TensorBoard, without a machine
PIECE = 1 << 24  # bytes of a file that are searched at once
OVERLAP = 4096  # bytes of the piece before that are searched with it
UNPACKED = (".zip", ".npz", ".keras")
TEXTS = (".json", ".jsonl", ".toml", ".csv", ".md", ".tex", ".html", ".txt", ".svg", ".pbtxt")
BASE64 = re.compile(r"[A-Za-z0-9+/=]{200,}")  # pictures in a page, in which any short name occurs
Replaced = dict[str, str]  # SHA-256 of a file of the run -> that of its changed copy


@dataclasses.dataclass(frozen=True)
class Shared:
    """What was shared.

    Attributes
    ----------
    path : pathlib.Path
        The folder or .zip file.
    files : int
        Number of its files.
    left_out : tuple of str
        Files that tell something and could not be changed, below the run's folder.
    """

    path: Path
    files: int
    left_out: tuple[str, ...]


def share(run: Run, out: Path) -> Shared:
    """Write a copy of a run that tells neither where it was made nor by whom.

    Parameters
    ----------
    run : Run
        The run, which stays as it is.
    out : pathlib.Path
        A folder, which must not exist or be empty, or a .zip file.

    Returns
    -------
    Shared

    Raises
    ------
    ConfigError
        If ids of images are absolute paths, which every table of the run holds.
    RunError
        If `out` is taken or lies in the run.
    """
    _check_target(run, out)
    privacy = Privacy.of(run)
    _check_ids(run, privacy)
    if out.suffix.lower() != ".zip":
        with atomic_folder(out) as folder:
            files, left_out = _write_copy(run, folder, privacy)
        return Shared(out, files, left_out)
    with atomic_path(out) as path:
        folder = path.with_name(f"{path.name}.folder")
        try:
            folder.mkdir()
            files, left_out = _write_copy(run, folder, privacy)
            _pack(folder, path, privacy.public(run.path.resolve().name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Shared(out, files, left_out)


def _check_target(run: Run, out: Path) -> None:
    if run.path.resolve() in (out.resolve(), *out.resolve().parents):
        raise RunError(f"{out} lies in the run itself.", hint="Choose another `out`.")
    is_zip = out.suffix.lower() == ".zip"
    is_taken = out.is_dir() if is_zip else out.exists() and not _may_be_replaced(run, out)
    if is_taken:
        raise RunError(f"{out} exists and is not empty.", hint="Choose another `out`.")


def _may_be_replaced(run: Run, out: Path) -> bool:
    """Return whether a folder is empty, or an earlier copy of the same run."""
    if _is_empty_folder(out):
        return True
    try:
        earlier = Run.open(out)
    except RunError:
        return False
    return bool(earlier.fact(SHARED)) and earlier.created == run.created


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _check_ids(run: Run, privacy: Privacy) -> None:
    """Refuse ids that are absolute paths: they stand in every table, and fingerprints hold them."""
    path = run.path / "images.parquet"
    if not path.exists():
        return
    ids = tables.read(path, ["id"])["id"].to_pylist()
    absolute = [name for name in ids if os.path.isabs(name)]
    if absolute:
        raise ConfigError(
            f"{len(absolute):,} ids of images are absolute paths, such as {absolute[0]}, which"
            " every table of the run holds.",
            hint="Make the run of a list with paths below its own folder.",
        )
    name = privacy.name_in("\n".join(ids))
    if name:
        log.warning("export: ids of images hold the name %s, and stay as they are", name)


# Copying


def _write_copy(run: Run, folder: Path, privacy: Privacy) -> tuple[int, tuple[str, ...]]:
    """Copy a run's files; return how many there are, and which tell something."""
    replaced: Replaced = {}
    left_out = []
    # Tables come first: other files name their digests.
    for name in sorted(_names(run.path), key=lambda each: (not each.endswith(".parquet"), each)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        guard.reading(run.path / name)
        shutil.copyfile(run.path / name, target, follow_symlinks=False)
        _clean(target, privacy, replaced)
        if target.name != MANIFEST_NAME and _leak(target, privacy):
            target.unlink()
            left_out.append(name)
    # Runs inside of the run come first, which its own manifest may name.
    for manifest in sorted(folder.rglob(MANIFEST_NAME), key=lambda path: -len(path.parts)):
        _write_manifest(manifest.parent, privacy, replaced)
    _remove_empty(folder)
    if left_out:
        log.warning(
            "export: left out, since they name a folder, the user or the machine: %s",
            ", ".join(left_out),
        )
    return sum(path.is_file() for path in folder.rglob("*")), tuple(left_out)


def _names(folder: Path, below: str = "") -> Iterator[str]:
    """Yield the plain files of a run that are shared, by their paths with "/"."""
    entries = sorted(os.scandir(folder / below), key=lambda each: each.name)
    is_run = any(entry.name == MANIFEST_NAME for entry in entries)
    for entry in entries:
        name = f"{below}{entry.name}"
        is_for_resuming = is_run and entry.name in FOR_RESUMING
        if is_for_resuming or entry.is_symlink() or entry.name.startswith(TEMPORARY_PREFIX):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _names(folder, f"{name}/")
        elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode) and _is_shared(name):
            yield name


def _is_shared(name: str) -> bool:
    """Return whether a file is no log of TensorBoard with the machine in its name."""
    folder, _, file = name.rpartition("/")
    return not folder.endswith("tensorboard") or OUR_EVENTS.fullmatch(file) is not None


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and _is_empty_folder(path):
            path.rmdir()


# Cleaning


def _clean(path: Path, privacy: Privacy, replaced: Replaced) -> None:
    """Take out of a file what it tells, and note its digests before and after."""
    clean = _CLEANERS.get(path.suffix)
    if path.name in (MANIFEST_NAME, EDITS_NAME) or clean is None:
        return
    before = sha256(path)
    clean(path, privacy, replaced)
    replaced[before] = sha256(path)


def _clean_json(path: Path, privacy: Privacy, replaced: Replaced) -> None:
    value = read_json(path)
    changed = _with_digests(privacy.public_values(value), replaced)
    if changed != value:
        write_json(path, changed)


def _clean_toml(path: Path, privacy: Privacy, _replaced: Replaced) -> None:
    import tomli_w

    value = tomllib.loads(path.read_text(encoding="utf-8"))
    changed = privacy.public_values(value)
    if changed != value:
        path.write_text(tomli_w.dumps(changed), encoding="utf-8")


def _clean_parquet(path: Path, privacy: Privacy, _replaced: Replaced) -> None:
    """Take paths out of the metadata of a table, which tell where labels come from."""
    with pq.ParquetFile(path) as file:
        metadata = file.schema_arrow.metadata or {}
        changed = {key: privacy.public_bytes(value) for key, value in metadata.items()}
        if changed == metadata:
            return
        table = file.read()
    pq.write_table(
        table.replace_schema_metadata(changed),
        path,
        compression="zstd",
        write_page_checksum=True,
    )


_CLEANERS: dict[str, Callable[[Path, Privacy, Replaced], None]] = {
    ".json": _clean_json,
    ".toml": _clean_toml,
    ".parquet": _clean_parquet,
}


def _write_manifest(folder: Path, privacy: Privacy, replaced: Replaced) -> None:
    """Write the run.json of a copy anew: without what is private, and with the new digests."""
    old = read_manifest(folder)
    values = {name: value for name, value in old.values.items() if name not in PRIVATE_FACTS}
    values = privacy.public_values(_with_digests(values, replaced))
    stages = {}
    for name, record in old.stages.items():
        outputs = [folder / output.path for output in record.outputs]
        if all(path.exists() for path in outputs):
            config = _with_digests(privacy.public_values(record.config), replaced)
            stages[name] = dataclasses.replace(
                record,
                config=config,
                config_sha256=fingerprint(config),
                outputs=tuple(Output.of_file(path, folder) for path in outputs),
            )
    files = {
        name: Output.of_file(folder / name, folder)
        for name in old.files
        if (folder / name).exists()
    }
    Manifest(old.created, stages, values | {SHARED: True}, files).write(folder / MANIFEST_NAME)


def _with_digests(value: Any, replaced: Replaced) -> Any:
    """Return JSON with the digests of changed files in place of those of the run's."""
    if isinstance(value, dict):
        return {key: _with_digests(entry, replaced) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_digests(entry, replaced) for entry in value]
    return replaced.get(value, value) if isinstance(value, str) else value


# Looking once more


def _leak(path: Path, privacy: Privacy) -> str:
    """Return what a file tells, also packed: a path, or a name in a text; "" if nothing."""
    if path.suffix in TEXTS:
        text = path.read_text(encoding="utf-8", errors="replace")
        return privacy.path_in(text.encode()) or privacy.name_in(BASE64.sub("", text))
    with path.open("rb") as file:
        shown = _path_in(file, privacy)
    if not shown and path.suffix in UNPACKED:
        shown = _path_in_members(path, privacy)
    if not shown and path.suffix == ".parquet":
        shown = _path_in_table(path, privacy)
    return shown


def _path_in(file: IO[bytes], privacy: Privacy) -> str:
    rest = b""
    while piece := file.read(PIECE):
        shown = privacy.path_in(rest + piece)
        if shown:
            return shown
        rest = piece[-OVERLAP:]
    return ""


def _path_in_members(path: Path, privacy: Privacy) -> str:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                shown = privacy.path_in(member.filename.encode()) or _path_in(file, privacy)
            if shown:
                return shown
    return ""


def _path_in_table(path: Path, privacy: Privacy) -> str:
    """Return a path in the texts of a table."""
    with pq.ParquetFile(path) as file:
        names = [each.name for each in file.schema_arrow if str(each.type).endswith("string")]
        for batch in file.iter_batches(columns=names) if names else ():
            for column in batch.columns:
                texts = "\n".join(filter(None, column.to_pylist()))
                shown = privacy.path_in(texts.encode(errors="surrogateescape"))
                if shown:
                    return shown
    return ""


def _pack(folder: Path, target: Path, name: str) -> None:
    """Write a folder as a .zip file, without owners and modes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                member = f"{name}/{path.relative_to(folder).as_posix()}"
                content = archive.open(zipfile.ZipInfo(member), "w", force_zip64=True)
                with content, path.open("rb") as source:
                    shutil.copyfileobj(source, content)
