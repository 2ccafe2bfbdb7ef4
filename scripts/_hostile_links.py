"""More hostile inputs of scripts/hostile_inputs.py: runs from elsewhere, with links out of them.

    python scripts/_hostile_links.py DIR      # makes the sound run, as the inputs do by themselves

Each file and each folder of a finished run is replaced in turn by a link to a victim outside, or by
a pipe, and a command is run. It has to end with one line and exit code 4, or as on the sound run.
The system says whether the victim was opened (inotify), so that readers in C++ are seen too.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib
import os
import random
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _hostile_files import Case

from latentlab.errors import RunError

MARK = b"VICTIM-7f3a"  # in the contents of victims, and nowhere else
TEXT = MARK + b"\n" + b'{"secret": "' + MARK + b'"}\n'
IN_ACCESS, IN_MODIFY, IN_OPEN = 1, 2, 0x20
EVENT = struct.Struct("iIII")
CLUSTERS = "kmeans-k4"

# What the sound run holds; event files have the second in their names.
FILES = (
    *("run.json", "run.lock", "config.toml", "metrics.jsonl"),
    *("images.parquet", "labels.parquet", "pixels.parquet"),
    *(f"baselines/{name}-k4-seed0.parquet" for name in ("colours", "hog", "pca", "pixels")),
    "baselines/untrained-k4-seed0.parquet",
    *("checkpoints/epoch-0001/arrays.npz", "checkpoints/epoch-0001/state.json"),
    *(f"clusters/{CLUSTERS}/{name}" for name in ("assignments.parquet", "decoded.npz")),
    *(f"clusters/{CLUSTERS}/{name}" for name in ("edits.json", "model.npz", "result.json")),
    *(f"clusters/{CLUSTERS}/scores.{suffix}" for suffix in ("csv", "json", "md", "tex")),
    "embeddings/part-00000.parquet",
    *(f"encoder/{name}" for name in ("decoder.keras", "encoder.keras")),
    *(f"encoder/{name}" for name in ("model.json", "weights.npz")),
    *("projection/umap.json", "projection/umap.parquet"),
    *(f"reconstructions/{name}.npy" for name in ("epoch-0000", "epoch-0001", "originals")),
    "reconstructions/mse.json",
    *("report/index.html", "report/loss.png", "report/centroids.png"),
    f"trust/{CLUSTERS}.json",
)
FOLDERS = (
    *("baselines", "checkpoints", "checkpoints/epoch-0001", "clusters", f"clusters/{CLUSTERS}"),
    *("embeddings", "encoder", "projection", "reconstructions", "report", "tensorboard", "trust"),
)
# What a run may hold besides, and what commands make on their way.
MORE_FILES = ("run.lock.json", "non-finite.json", "notes.txt", ".tmp-1-aaaaaaaa-run.json")
MORE_FOLDERS = ("update", "seeds", "audit", ".tmp-replaced-embeddings", ".tmp-old-report")
FITTED = ("checkpoints", "encoder", "reconstructions", "tensorboard", "seeds", "run.lock.json")
SHOWN = ("report", "projection", "report/index.html", "projection/umap.parquet", "baselines")


@dataclass(frozen=True)
class Command:
    """A command of the campaign.

    Attributes
    ----------
    name : str
        Its name in the table.
    words : tuple of str
        Its arguments; RUN, SOUND, OUT and DATA stand for paths.
    is_accepted : bool
        Whether the user has accepted the run before.
    shown : str
        The file in OUT that has to be as on the sound run, if there is one.
    """

    name: str
    words: tuple[str, ...]
    is_accepted: bool = False
    shown: str = ""


def _accepted(name: str, *words: str) -> Command:
    return Command(f"{name}, accepted", (name, "--run", "RUN", *words), is_accepted=True)


COMPARED = (f"SOUND:{CLUSTERS}", f"RUN:{CLUSTERS}")
READING = (
    Command("runs", ("runs", "RUNS")),
    Command("export", ("export", "--run", "RUN", "--out", "OUT/x.csv"), shown="x.csv"),
    Command("compare", ("compare", *COMPARED, "--out", "OUT"), shown="comparison.csv"),
    Command(
        "predict",
        ("predict", "--run", "RUN", "--data", "DATA", "--out", "OUT/p.csv"),
        shown="p.csv",
    ),
    Command("verify", ("verify", "RUN")),
)
WRITING = (
    Command("cluster", ("cluster", "--run", "RUN", "--k", "3")),
    _accepted("cluster", "--k", "3"),
    _accepted("evaluate"),
    _accepted("audit"),
    _accepted("trust"),
    _accepted("update"),
)
FIT = _accepted(
    "fit",
    "--data",
    "DATA",
    "--epochs",
    "1",
    "--batch-size",
    "10",
    "--set",
    "width=4",
    "--overwrite",
)
REPORT = _accepted("report", "--sample", "40")


def links(rng: random.Random) -> Iterator[Case]:
    """Yield runs with one link or pipe, for each command."""
    # What makes its own folders and files outside does so here.
    importlib.import_module("matplotlib.font_manager")
    tempfile.gettempdir()
    for place in (*FILES, *FOLDERS, *MORE_FILES, *MORE_FOLDERS):
        for command in (*READING, *WRITING):
            yield _case(place, "copy", command)
        if place in FITTED:
            yield _case(place, "copy", FIT)
        if place in SHOWN:
            yield _case(place, "copy", REPORT)
        yield _case(place, "nothing", rng.choice(READING))
        yield _case(place, "nothing", rng.choice(WRITING))
    for place in (*FILES, *MORE_FILES):
        yield _case(place, "text", rng.choice(READING))
        yield _case(place, "text", rng.choice(WRITING))
        yield _case(place, "pipe", rng.choice(READING))
        yield _case(place, "pipe", rng.choice(WRITING))


def _case(place: str, kind: str, command: Command) -> Case:
    name = f"{place} | {kind} | {command.name}"
    return Case("links", name, functools.partial(_run_case, place, kind, command))


def _run_case(place: str, kind: str, command: Command, folder: Path) -> str:
    """Put something of a kind in a place of a run, run a command, and judge what came of it."""
    os.environ["LATENTLAB_CACHE"] = str(folder.parent / "cache")  # the sound run fills it
    sound = _sound_folder(folder)
    is_folder = place in FOLDERS or place in MORE_FOLDERS
    victim = folder / "outside" / "victim"
    victim.parent.mkdir()
    run_folder = folder / "runs" / "run"
    shutil.copytree(sound / "run", run_folder)
    _put(run_folder / place, victim, kind, is_folder)
    before = _state(victim)
    with _Watch(victim) as watch:
        code, printed, errors = _ended(command, folder, sound)
    wrong = _told(code, printed + errors, folder, victim)
    if watch.events():
        wrong = wrong or f"the victim was opened: {watch.seen[0]}"
    if _state(victim) != before:
        wrong = wrong or "the victim was changed"
    if wrong:
        return wrong
    if code == 4:
        raise RunError(errors.splitlines()[-1])
    if code == 7:
        return f"exit code 7: {errors.splitlines()[-1]}"
    if command.shown:
        expected = _expected(command, folder, sound)
        if (folder / "out" / command.shown).read_bytes() != expected:
            return "other results than on the sound run"
    return ""


def _put(target: Path, victim: Path, kind: str, is_folder: bool) -> None:
    """Replace a file or folder of a run by a link to a victim, or by a pipe."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(victim)
    elif is_folder:
        victim.mkdir()
    else:
        victim.write_bytes(TEXT)
    if is_folder:
        (victim / "secret.txt").write_bytes(TEXT)
    elif kind == "text":
        victim.write_bytes(TEXT)
    if kind == "pipe":
        victim.unlink()
        os.mkfifo(target)
        return
    if kind == "nothing":
        shutil.rmtree(victim) if is_folder else victim.unlink()
    target.symlink_to(victim)


def _ended(command: Command, folder: Path, sound: Path) -> tuple[int, str, str]:
    """Return exit code, output and errors of a command."""
    from click.testing import CliRunner

    from latentlab.cli import cli
    from latentlab.storage import seal

    run_folder = folder / "runs" / "run"
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    os.environ["PATH"] = ""  # a new run.json asks git, which would count as a program
    if command.is_accepted:
        seal.accept(run_folder)
    (folder / "out").mkdir(exist_ok=True)
    if command.name == "compare":  # it keeps labels in both runs
        shutil.copytree(sound / "run", folder / "sound")
    paths = {"RUN": run_folder, "RUNS": folder / "runs", "SOUND": folder / "sound"}
    paths |= {"OUT": folder / "out", "DATA": sound / "data.npz"}
    words = []
    for word in command.words:
        for name in sorted(paths, key=len, reverse=True):
            if word.split("/")[0].split(":")[0] == name:
                word = word.replace(name, str(paths[name]), 1)
                break
        words.append(word)
    result = CliRunner().invoke(cli, words, prog_name="latentlab")
    return result.exit_code, result.stdout, result.stderr


def _told(code: int, text: str, folder: Path, victim: Path) -> str:
    """Return what is wrong with how a command ended, or with what it wrote."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    if "Traceback" in text or "this is a bug" in text or code not in (0, 4, 7):
        return f"exit code {code}: {text[-300:]}"
    if len(lines) != (0 if code == 0 else 1):
        return f"{len(lines)} lines of errors: {text[-300:]}"
    if MARK.decode() in text:
        return "the victim was shown"
    for path in folder.rglob("*"):
        is_victim = path == victim or victim in path.parents
        if path.is_file() and not path.is_symlink() and not is_victim and MARK in path.read_bytes():
            return f"the victim was copied into {path.relative_to(folder)}"
    return ""


def _state(victim: Path) -> list[tuple[str, int, str]]:
    """Return names, times and contents of a victim; nothing if it is not there."""
    state = []
    for path in sorted([victim, *victim.rglob("*")]):
        if path.exists():
            content = path.read_bytes() if path.is_file() else b""
            digest = hashlib.sha256(content).hexdigest()
            state.append((str(path), path.stat().st_mtime_ns, digest))
    return state


class _Watch:
    """Notes each opening of a file or folder, by the system's own events; Linux only."""

    def __init__(self, victim: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        self.seen: list[str] = []
        for path in [victim, *victim.rglob("*")]:
            if path.exists():
                mask = IN_ACCESS | IN_MODIFY | IN_OPEN
                self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask)

    def __enter__(self) -> "_Watch":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BlockingIOError):
            while events := os.read(self._descriptor, 1 << 16):
                self._note(events)
        os.close(self._descriptor)

    def events(self) -> list[str]:
        """Return what was noted, in words."""
        return self.seen

    def _note(self, events: bytes) -> None:
        place = 0
        while place < len(events):
            _, mask, _, length = EVENT.unpack_from(events, place)
            name = events[place + EVENT.size : place + EVENT.size + length].rstrip(b"\0").decode()
            self.seen.append(f"{name or 'itself'}, event {mask:#x}")
            place += EVENT.size + length


def _sound_folder(folder: Path) -> Path:
    """Return the folder of the sound run and its data; made in a fork if need be."""
    sound = folder.parent / "sound"
    if not (sound / "done").exists():
        shutil.rmtree(sound, ignore_errors=True)
        sound.mkdir(parents=True)
        process = os.fork()
        if not process:
            code = 1
            try:
                make_sound_run(sound)
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(process, 0)[1]:
            raise AssertionError("the sound run was not made")
        (sound / "done").write_text("")
    return sound


def _expected(command: Command, folder: Path, sound: Path) -> bytes:
    """Return the file that a command makes of the sound run; it is kept for the next input."""
    kept = sound / f"expected-{command.name}"
    if not kept.exists():
        place = folder / "expected"
        shutil.copytree(sound / "run", place / "runs" / "run")
        code, _, errors = _ended(command, place, sound)
        if code:
            raise AssertionError(f"{command.name} on the sound run: {errors}")
        kept.write_bytes((place / "out" / command.shown).read_bytes())
    return kept.read_bytes()


ALL = (links,)


def make_sound_run(folder: Path) -> None:
    """Make the data, the sound run and one run in seeds/ of it, in an empty folder."""
    from latentlab import pipeline
    from latentlab.config import ClusterOptions, DataOptions, FitOptions
    from latentlab.reporting.edits import Editor, Name

    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 60)
    pixels = (kinds[:, None, None, None] * 60 + rng.integers(0, 40, (60, 8, 8, 3))).astype(np.uint8)
    data = DataOptions(data=str(folder / "data.npz"))
    np.savez(
        folder / "data.npz",
        x_train=pixels[:40],
        y_train=kinds[:40],
        x_test=pixels[40:],
        y_test=kinds[40:],
    )
    fit = FitOptions(epochs=1, batch_size=20, arch_options={"width": 4, "code_channels": 4})
    run = pipeline.fit(data, fit, folder / "run")
    pipeline.cluster(run, ClusterOptions(k=4))
    pipeline.evaluate(run)
    Editor(run.clustering(CLUSTERS)).add(Name(0, "first"))
    pipeline.report(run, sample=60)


if __name__ == "__main__":
    make_sound_run(Path(sys.argv[1]).resolve())
