"""Files of a run are compared with run.json where they are read, whatever happened to them."""

import json
import os

import numpy as np
import pyarrow as pa
import pytest

from latentlab.errors import RunError
from latentlab.storage import guard, integrity, tables
from latentlab.storage.files import read_json, write_json
from latentlab.storage.integrity import DamagedFileError
from latentlab.storage.run import Run


@pytest.fixture
def run(tmp_path):
    """Return a run with a table, a JSON file and a file of no stage."""
    run = Run.create(tmp_path / "run")

    def make():
        table = tables.write(run.path / "a.parquet", pa.table({"x": np.arange(1000)}))
        write_json(run.path / "b.json", {"k": 3})
        return [table, run.path / "b.json"]

    run.do_stage("probe/code", {"k": 3}, make)
    with run.lock():
        write_json(run.path / "loose.json", {"of": "no stage"})
    return Run.open(run.path)


def read(run, name):
    path = run.path / name
    return tables.read(path) if name.endswith(".parquet") else read_json(path)


def flipped(content):
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 4
    return bytes(changed)


DAMAGES = {
    "flipped": flipped,
    "cut": lambda content: content[:-1],
    "zeros": lambda content: bytes(len(content)),
    "emptied": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["a.parquet", "b.json", "loose.json"])
def test_damaged_files_are_refused_and_whole_ones_read(run, name, damage):
    whole = read(run, name)
    path = run.path / name
    content = path.read_bytes()
    path.write_bytes(DAMAGES[damage](content))
    with pytest.raises(DamagedFileError, match=f"{name} was changed or damaged"):
        read(run, name)
    path.write_bytes(content)
    assert read(run, name) == whole


def test_a_missing_file_is_no_absent_one(run):
    assert not guard.is_there(run.path / "never.json")
    (run.path / "loose.json").unlink()
    with pytest.raises(DamagedFileError, match=r"loose.json is missing.*cannot be made again"):
        guard.is_there(run.path / "loose.json")
    (run.path / "b.json").unlink()
    with pytest.raises(DamagedFileError, match="Make it again with: `probe"):
        guard.is_there(run.path / "b.json")


def test_a_folder_lacks_a_file_that_is_recorded(tmp_path):
    run = Run.create(tmp_path / "run")
    with run.lock():
        for number in range(2):
            write_json(run.path / "parts" / f"{number}.json", number)
    guard.listing(run.path / "parts")
    (run.path / "parts" / "1.json").unlink()
    with pytest.raises(DamagedFileError, match=r"parts/1\.json is missing"):
        guard.listing(run.path / "parts")


@pytest.mark.parametrize("name", ["a.parquet", "b.json"])
def test_a_stage_with_a_changed_output_is_done_again(run, name):
    path = run.path / name
    content = path.read_bytes()
    assert run.is_done("probe/code", {"k": 3})
    path.write_bytes(flipped(content))
    assert not run.is_done("probe/code", {"k": 3})
    seen = []

    def make():
        seen.append(path.exists())  # a stage takes up complete files of an earlier try
        path.write_bytes(content)
        return [run.path / "a.parquet", run.path / "b.json"]

    run.do_stage("probe/code", {"k": 3}, make)
    assert seen == [False]
    assert run.is_done("probe/code", {"k": 3})


def test_the_footer_of_a_large_table_is_compared(run, monkeypatch):
    monkeypatch.setattr(integrity, "SMALL", 100)
    table = pa.table({"x": np.arange(5000), "y": np.arange(5000)})
    run.do_stage("embed", {}, lambda: [tables.write(run.path / "big.parquet", table)])
    path = run.path / "big.parquet"
    whole = path.read_bytes()
    at = whole.rindex(b"y", 0, len(whole) - 8)
    path.write_bytes(whole[:at] + b"x" + whole[at + 1 :])
    with pytest.raises(RunError, match="changed or damaged"):
        tables.read(path)
    path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    with pytest.raises(RunError, match="cannot be read"):
        tables.read(path, ["x"])
    path.write_bytes(whole)
    assert tables.read(path) == table


@pytest.mark.parametrize("is_in_place", [False, True])
def test_a_kill_between_a_file_and_its_record_leaves_a_whole_run(run, monkeypatch, is_in_place):
    path = run.path / "loose.json"
    replaced = os.replace

    def kill(source, target):
        if target == path:
            if is_in_place:
                replaced(source, target)
            raise KeyboardInterrupt  # nothing is written after it
        replaced(source, target)

    with pytest.raises(KeyboardInterrupt), run.lock():
        monkeypatch.setattr(os, "replace", kill)
        write_json(path, {"of": "a second try"})
    monkeypatch.undo()
    reopened = Run.open(run.path)
    expected = "a second try" if is_in_place else "no stage"
    assert read(reopened, "loose.json") == {"of": expected}
    with reopened.lock():
        write_json(path, {"of": "a third try"})
    assert read(Run.open(run.path), "loose.json") == {"of": "a third try"}
    assert Run.open(run.path).records()["loose.json"].before == ""


def test_what_another_process_has_written_since_is_no_damage(run):
    other = Run.open(run.path)
    with other.lock():
        write_json(run.path / "loose.json", {"of": "another"})
    guard.follow(run.path, run.records)  # as in the process that has not read run.json since
    assert read(run, "loose.json") == {"of": "another"}


def test_a_removed_folder_has_no_records(run):
    from latentlab.storage.files import remove_folder

    with run.lock():
        write_json(run.path / "parts" / "0.json", 0)
        remove_folder(run.path / "parts")
    assert "parts/0.json" not in Run.open(run.path).records()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-1],
        lambda text: text.replace('"probe/code"', '"probe/codf"'),
        lambda text: text.replace('"format": 2', '"format": 0'),
        lambda text: text.replace('\n  "sha256"', '\n  "sha257"'),
        lambda text: text.replace("  ", "\t", 1),
    ],
)
def test_a_changed_manifest_is_refused(run, damage):
    path = run.path / "run.json"
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    with pytest.raises(RunError, match="was changed or damaged since"):
        Run.open(run.path)


def test_a_run_of_the_first_format_is_read_without_checksums(run):
    path = run.path / "run.json"
    value = json.loads(path.read_text())
    old = {name: entry for name, entry in value.items() if name not in ("files", "sha256")}
    path.write_text(json.dumps(old | {"format": 1}))
    (run.path / "loose.json").write_text('{"of": "an older version"}')
    reopened = Run.open(run.path)
    assert read(reopened, "loose.json") == {"of": "an older version"}
    assert reopened.is_done("probe/code", {"k": 3})
    reopened.note(answer=42)
    assert json.loads(path.read_text())["format"] == 2
    assert Run.open(run.path).fact("answer") == 42
