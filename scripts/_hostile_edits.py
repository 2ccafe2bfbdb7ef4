"""Hostile inputs of scripts/hostile_inputs.py: edits made by hand, as somebody else may write them.

Each case is a small run whose edits.json, edits.jsonl or entry in run.json is hostile or damaged.
It is refused in one line, or read to a state that its clusters allow.
"""

import atexit
import functools
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _hostile_files import Case, damaged

from latentlab.reporting.edits import Drop, EditedClusters, Editor, LostEditsError, Merge, Name
from latentlab.storage import rows, tables
from latentlab.storage.files import append_line, sha256, write_json
from latentlab.storage.run import Run

FAMILY = "edits"
CLUSTERS = "kmeans-k3"
IDS = [f"train/{number}" for number in range(12)]
GOOD: list[dict[str, Any]] = [
    {"action": "name", "cluster": 0, "name": "cats"},
    {"action": "merge", "clusters": [1, 2]},
]
DEEP = "[" * 100_000 + "]" * 100_000


def clustered(folder: Path) -> Run:
    """Return a run of 12 images in three clusters, a copy of one that is made once."""
    shutil.copytree(template(), folder / "run")
    return Run.open(folder / "run")


@functools.cache
def template() -> Path:
    """Make the run; it asks git for the commit, which no case does."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = Run.create(folder / "run")
    place = run.path / "clusters" / CLUSTERS

    def make() -> list[Path]:
        columns = {"id": IDS, "split": ["train"] * 12, "cluster": np.arange(12, dtype=np.int32) % 3}
        table = tables.write(place / "assignments.parquet", pa.table(columns))
        write_json(place / "result.json", {"k": 3, "sizes": {"train": [4, 4, 4]}})
        return [table, place / "result.json"]

    run.do_stage(f"cluster/{CLUSTERS}", {"options": {"k": 3, "method": "kmeans"}}, make)
    return run.path


def opened(run: Run) -> Editor:
    """Return the edits of the run as another process opens them."""
    return Editor(Run.open(run.path).clustering(CLUSTERS))


def state_of(run: Run) -> str:
    """Read the edits; return what is wrong with the clusters after them."""
    edited = opened(run).state()
    return wrong_in(edited)


def wrong_in(edited: EditedClusters) -> str:
    """Return what is wrong with edited clusters; "" if nothing is."""
    if edited.ids.tolist() != IDS or len(edited.clusters) != len(IDS):
        return "other images"
    if edited.clusters.min() < -1 or edited.clusters.max() >= len(edited.names):
        return "a cluster that does not exist"
    if not all(isinstance(name, str) and name.isprintable() for name in edited.names):
        return "a name that is no line of text"
    return ""


def logs(rng: random.Random) -> Iterator[Case]:
    """Yield contents of edits.json."""
    template()

    def case(text: str | bytes) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            run = clustered(folder)
            content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            digest = sha256(run.clustering(CLUSTERS).folder / "assignments.parquet")
            opened(run).path.write_bytes(content.replace(b"DIGEST", digest.encode()))
            return state_of(run)

        return run

    for name, edit in hostile_edits().items():
        yield Case(FAMILY, f"edit: {name}", case(log_of([*GOOD, edit])))
        yield Case(FAMILY, f"undone: {name}", case(log_of(GOOD, undone=[edit])))
    texts: dict[str, str | bytes] = {
        "empty": b"",
        "no JSON": b"\xff\xfe\x00{",
        "deep": DEEP,
        "deep edits": log_of([]).replace("[]", DEEP, 1),
        "a list": "[]",
        "a number": "1e999",
        "NaN": log_of([]).replace("[]", "NaN", 1),
        "format is text": log_of(GOOD, format="1"),
        "format is a list": log_of(GOOD, format=[1]),
        "format is negative": log_of(GOOD, format=-1),
        "newer": log_of(GOOD, format=99),
        "no assignments": log_of(GOOD, assignments=None),
        "other assignments": log_of(GOOD, assignments="0" * 64),
        "assignments are a list": log_of(GOOD, assignments=["DIGEST"]),
        "clusters are a path": log_of(GOOD, clusters="../../etc"),
        "a million undone": log_of(GOOD, undone=[GOOD[0]] * 20_000),
        "times are objects": log_of([GOOD[0] | {"at": {"a": 1}}]),
    }
    for name, text in texts.items():
        yield Case(FAMILY, f"log: {name}", case(text))


def log_of(edits: list[Any], **values: Any) -> str:
    """Return the text of an edits.json."""
    log = {"format": 1, "clusters": CLUSTERS, "assignments": "DIGEST", "edits": edits, "undone": []}
    return json.dumps(log | values)


def hostile_edits() -> dict[str, Any]:
    """Return edits that are wrong, or right and odd."""
    edits: dict[str, Any] = {"null": None, "text": "name", "list": [], "empty": {}}
    for value in (None, -1, 3, 10**30, 1.0, True, "0", [0], {"a": 0}, float("nan")):
        edits[f"cluster {str(value)[:20]}"] = {"action": "name", "cluster": value, "name": "x"}
    names = (None, 7, "x" * 100_000, "a\nb", "\0", "\x1b]0;x\x07", "\u202e", "\ud800", "$\\frac{$")
    for name in (*names, "<script>", "=1+1", "../..", ["x"]):
        edits[f"name {name!r}"[:30]] = {"action": "name", "cluster": 0, "name": name}
    for images in (None, "train/0", [], [1], [["train/0"]], ["nobody"], IDS * 1000, [None]):
        edits[f"images {str(images)[:24]}"] = {"action": "split", "images": images}
    for action in ("burn", "__class__", None, ["name"], {"a": 1}, "Name"):
        edits[f"action {action}"] = {"action": action, "cluster": 0, "name": "x"}
    edits["more keys"] = {"action": "drop", "clusters": [0], "__init__": 1}
    edits["drop of all"] = {"action": "drop", "clusters": [0, 1, 2]}
    edits["merge with itself"] = {"action": "merge", "clusters": [1, 1]}
    edits["mark of nothing"] = {"action": "mark", "images": [], "mark": "x"}
    return edits


def journals(rng: random.Random) -> Iterator[Case]:
    """Yield journals whose lines are whole, and say odd things."""
    template()
    begin = {"step": "begin", "log": json.loads(log_of(GOOD))}

    def case(steps: list[Any], entry: Any = None) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            run = clustered(folder)
            digest = sha256(run.clustering(CLUSTERS).folder / "assignments.parquet")
            path = opened(run).journal_path
            for step in steps:
                text = json.dumps(step).replace("DIGEST", digest)
                append_line(path, rows.sealed_line(json.loads(text), path))
            if entry is not None:
                run.note(edits=entry)
            return state_of(run)

        return run

    steps: dict[str, list[Any]] = {
        "whole": [begin, {"step": "add", "edit": GOOD[0]}, {"step": "undo"}, {"step": "redo"}],
        "no beginning": [{"step": "add", "edit": GOOD[0]}],
        "undone to nothing": [begin, *[{"step": "undo"}] * 5],
        "redone without undo": [begin, {"step": "redo"}],
        "an unknown step": [begin, {"step": "burn"}],
        "no step": [begin, {}],
        "no edit": [begin, {"step": "add"}],
        "a hostile edit": [begin, {"step": "add", "edit": {"action": "name"}}],
        "an edit that does not apply": [
            begin,
            {"step": "add", "edit": {"action": "drop", "clusters": [77]}},
        ],
        "begins twice": [begin, begin],
        "a log that is none": [{"step": "begin", "log": [1]}],
        "a log without": [{"step": "begin"}],
    }
    for name, each in steps.items():
        yield Case(FAMILY, f"journal: {name}", case(each))
    entries: tuple[Any, ...] = (
        1,
        "x",
        [],
        {CLUSTERS: 1},
        {CLUSTERS: {"rows": "x"}},
        {CLUSTERS: {"rows": -5}},
    )
    for entry in (*entries, {CLUSTERS: {"rows": 10**30}}, {CLUSTERS: {"edits": True}}):
        yield Case(FAMILY, f"recorded as {str(entry)[:40]}", case(steps["whole"], entry))


def damages(rng: random.Random) -> Iterator[Case]:
    """Yield damaged files of edits: what they held comes back whole, or is said to be missing."""
    template()

    def case(names: tuple[str, ...], way: str, seed: int) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            editor = opened(clustered(folder))
            for edit in (Name(0, "cats"), Merge([1, 2]), Drop([0])):
                editor.add(edit)
            expected = editor.read()
            for number, name in enumerate(names):
                path = editor.path.with_name(name)
                if way == "gone":
                    path.unlink()
                else:
                    chance = random.Random(f"{seed}-{number}")
                    path.write_bytes(damaged(path.read_bytes(), chance, way))
            again = opened(editor.clustering.run)
            try:
                return "" if again.read() == expected else "other edits"
            except LostEditsError:
                again.give_up()
                return "" if again.read().edits == expected.edits[: again.give_up()] else "others"

        return run

    both = ("edits.json", "edits.jsonl")
    for seed in range(24):
        for way in ("flip", "cut"):
            names = (both[:1], both[1:], both)[seed % 3]
            yield Case(
                FAMILY, f"{way} {seed} in {len(names)} of {names[0]}", case(names, way, seed)
            )
    for names in (both[:1], both[1:], both):
        yield Case(FAMILY, f"gone: {' '.join(names)}", case(names, "gone", 0))


ALL = (logs, journals, damages)
