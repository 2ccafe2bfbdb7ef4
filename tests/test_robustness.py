"""Kills, crowds, damage and hostile files: nothing lost, nothing half-written, no file from outside runs code."""

import contextlib
import dataclasses
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, make_stripes, read_json, small_fit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from latentlab import pipeline
from latentlab.cli import cli
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import opening
from latentlab.data.formats import idx_files, pickles
from latentlab.errors import ConfigError, DataError, RunError, TrainingError
from latentlab.scoring.labels import encode_labels, read_labels
from latentlab.storage import checkpoints, files, keras_files, npz, tables
from latentlab.storage.manifest import FORMAT
from latentlab.storage.run import Run
from latentlab.training.batches import batches, split_validation
from latentlab.training.snapshot import all_finite

KEPT = ROOT / "tests" / "stored_runs" / "run-format-1"


def script(name: str, *arguments: object) -> subprocess.CompletedProcess:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


# Kills


def test_kills_at_random_writes_and_moments_resume_to_the_same_bits(tmp_path):
    """A sample of scripts/reliability.py, whose long version reports/reliability keeps."""
    done = script("reliability.py", "kills", "--work", tmp_path, "--count", "4", "--upto", "embed")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in (tmp_path / "kills.jsonl").read_text().splitlines()]
    assert sum(row["kills"] for row in rows) >= 4
    assert [row for row in rows if row["broken"] or not row["equal"]] == []


def test_a_kill_while_a_folder_is_replaced_loses_neither(tmp_path):
    checkpoints.save(tmp_path, "epoch", 3, {"weight-0000": np.arange(3)}, {"epoch": 3})
    os.rename(
        tmp_path / "epoch-0003", tmp_path / f"{files.REPLACED_PREFIX}epoch-0003"
    )  # where the kill came
    (tmp_path / ".tmp-999999999-ab-epoch-0003").mkdir()
    files.recover(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0003"]
    assert checkpoints.load(tmp_path / "epoch-0003")[1] == {"epoch": 3}


def test_recover_leaves_what_a_living_process_is_writing(tmp_path):
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / f".tmp-{sleeper.pid}-ab-x").write_text("")
    files.recover(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    sleeper.communicate(b"\n")
    files.recover(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_a_run_is_cleared_is_made_good(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run")
    (run.path / "checkpoints" / "epoch-0001").mkdir(parents=True)
    run.note(config={"of": "before"})

    class KilledError(BaseException):
        pass

    def killed(path):
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr("latentlab.storage.run.remove_folder", killed)
        run.clear()
    again = Run.open(run.path)
    with again.lock():
        assert not again.has_config
        assert not (run.path / "checkpoints").exists()


def test_newest_checkpoint_is_by_number_and_odd_folders_do_not_count(tmp_path):
    for name in ("epoch-9999", "epoch-10000", "epoch-x", "epoch-1.old"):
        (tmp_path / name).mkdir()
    assert checkpoints.newest(tmp_path, "epoch").name == "epoch-10000"


def test_a_torn_row_does_not_swallow_the_next_one(tmp_path):
    run = Run.create(tmp_path / "run")
    run.append_metrics({"stage": "fit", "epoch": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "fit", "epo')  # a full disk, or a kill
    run.append_metrics({"stage": "fit", "epoch": 2})
    assert run.metrics() == [{"stage": "fit", "epoch": 1}, {"stage": "fit", "epoch": 2}]


def test_full_disk_at_a_library_s_write_is_one_line(tmp_path):
    """zipfile raises ValueError while it closes what a full disk has cut; the disk's own error is behind it."""
    with (
        pytest.raises(RunError, match=r"cannot write .*x\.npz: No space left"),
        files.atomic_path(tmp_path / "x.npz") as path,
    ):
        path.write_bytes(b"")
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise ValueError(
                "Can't close the ZIP file while there is an open writing handle on it."
            )  # noqa: B904
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_while_a_row_is_appended_is_one_line():
    with pytest.raises(RunError, match="cannot write /dev/full: No space left"):
        files.append_line(Path("/dev/full"), "{}")


# Crowds and clocks


def test_a_process_that_comes_later_keeps_what_the_first_one_did(tmp_path):
    """The second opened the run before the first finished its stage, as in two terminals."""
    first, second = Run.create(tmp_path / "run"), Run.open(tmp_path / "run")
    with first.lock(), first.stage("a", {}):
        pass
    with second.lock(), second.stage("b", {}):
        pass
    assert list(Run.open(tmp_path / "run").stage_names()) == ["a", "b"]
    assert first.is_done("b", {})


def test_of_many_that_take_one_run_exactly_one_proceeds(tmp_path):
    holding, refused, barrier = [], [], threading.Barrier(6)
    release = threading.Event()

    def take():
        barrier.wait()
        try:
            run = Run.create(tmp_path / "run")
            with run.lock():
                holding.append(run)
                release.wait(20)
        except RunError as error:
            refused.append(str(error))
            if len(refused) == 5:
                release.set()

    workers = [threading.Thread(target=take) for _ in range(6)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert len(holding) == 1
    assert len(refused) == 5
    assert all("in use by another process" in text for text in refused)


def test_the_newest_clusters_do_not_depend_on_the_clock(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run")
    for name, year in (("cluster/first", 2030), ("cluster/second", 2020), ("cluster/first", 2010)):
        monkeypatch.setattr(
            "latentlab.storage.run.now", lambda year=year: f"{year}-01-01T00:00:00+00:00"
        )
        with run.stage(name, {}):
            pass
    assert run.stage_names() == ["cluster/second", "cluster/first"]


# Numbers that are not finite, and the same bits


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_the_batch_that_makes_a_number_infinite_is_named(data, tmp_path, monkeypatch, poison):
    """One image poisons the step that it is in: its loss, or with a finite loss the weights after it. The run stays at the epoch before."""
    import keras

    images = opening.open_images(data)
    poisoned = images.read(np.array([7]))[0] / np.float32(255)
    real = keras.Model.train_on_batch

    def train_on_batch(net, batch, target):
        is_poisoned = (np.abs(batch - poisoned) < 1e-6).all(axis=(1, 2, 3)).any() and (
            tmp_path / "run" / "checkpoints" / "epoch-0001"
        ).exists()
        if not is_poisoned:
            return real(net, batch, target)
        if poison == "loss":
            return real(net, batch + np.inf, target)
        loss = real(net, batch, target)
        net.set_weights([weight * np.nan for weight in net.get_weights()])
        return loss

    monkeypatch.setattr(keras.Model, "train_on_batch", train_on_batch)
    with pytest.raises(
        TrainingError,
        match=r"not finite in epoch 2, step \d+, whose 20 images.*non-finite.json.*last good epoch, 1",
    ):
        pipeline.fit(data, small_fit(), tmp_path / "run")
    told = read_json(tmp_path / "run" / "non-finite.json")
    assert images.ids[7] in told["images"]
    training, _ = split_validation(images, small_fit())
    step = list(batches(training, 20, 0, 2))[told["step"] - 1]
    assert told["images"] == images.ids[step].tolist()
    kept = checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch")
    assert kept.name == "epoch-0001"
    assert all_finite(checkpoints.load(kept)[0].values())


def test_deterministic_is_noted_in_the_run_and_asked_for_by_one_flag(data, tmp_path, monkeypatch):
    from latentlab import backend

    monkeypatch.setenv("LATENTLAB_DETERMINISTIC", "1")
    first, second = (pipeline.fit(data, small_fit(epochs=1), tmp_path / name) for name in "ab")
    clustered = [pipeline.cluster(run, ClusterOptions(k=4)) for run in (first, second)]
    assert first.fact("deterministic") is True
    assert clustered[0].result == clustered[1].result
    for name in (
        "encoder/weights.npz",
        "clusters/kmeans-k4/assignments.parquet",
        "clusters/kmeans-k4/model.npz",
    ):
        assert files.sha256(first.path / name) == files.sha256(second.path / name)
    assert "--deterministic" in {option for parameter in cli.params for option in parameter.opts}
    backend.set_deterministic(False)
    assert not backend.is_deterministic()


def test_devices_are_set_up_where_keras_was_imported_before():
    """As in a notebook; else --deterministic would be noted and not be done."""
    code = (
        "import keras; from latentlab import backend; backend.start();"
        "from tensorflow.python.framework import config; print(config.is_op_determinism_enabled())"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
        "LATENTLAB_DETERMINISTIC": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.stdout == "True\n", done.stderr[-1000:]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("can't start new thread"), 1, "not enough memory"),
        (OSError(12, "Cannot allocate memory"), 1, "not enough memory"),
        (OSError(5, "Input/output error", "x"), 4, "x: Input/output error"),
        (KeyError("x"), 1, "this is a bug"),
    ],
)
def test_what_no_stage_foresees_is_one_line_with_its_code(monkeypatch, capsys, error, code, text):
    def raising(folder):
        raise error

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("latentlab.storage.run.find_runs", raising)
    try:
        assert cli.main(["runs"], standalone_mode=False) == code
    finally:
        [signal.signal(number, handler) for number, handler in kept.items()]
    assert capsys.readouterr().err.startswith(f"error: {text}")


# Runs of other versions, and runs from elsewhere


def test_a_run_of_the_first_format_loads_and_goes_on(tmp_path):
    shutil.copytree(KEPT, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    pipeline.embed(run)
    assert pipeline.cluster(run, ClusterOptions(k=4)).k == 4
    assert {
        path: path.stat().st_mtime_ns for path in before
    } == before  # all of it was done already
    again = pipeline.fit(
        DataOptions(data="digits", limit=40, size=16),
        dataclasses.replace(small_fit(), arch_options={"width": 2, "code_channels": 2}),
        run.path,
    )
    assert again.record("fit") == run.record("fit")
    assert pipeline.cluster(run, ClusterOptions(k=3)).result.sizes["train"]
    table = tables.read(
        pipeline.predict(
            run, "dcec-k3", DataOptions(data="digits", limit=40, size=16), tmp_path / "new.parquet"
        )
    )
    assert (
        table["cluster"].to_pylist()
        == tables.read(run.path / "clusters" / "dcec-k3" / "assignments.parquet")[
            "cluster"
        ].to_pylist()
    )
    assert sum(path.stat().st_size for path in KEPT.rglob("*") if path.is_file()) < 300_000


def test_a_newer_run_is_refused_in_one_line(tmp_path):
    shutil.copytree(KEPT, tmp_path / "run")
    manifest = read_json(tmp_path / "run" / "run.json")
    (tmp_path / "run" / "run.json").write_text(
        json.dumps(manifest | {"format": FORMAT + 1, "stages": "of another form"})
    )
    with pytest.raises(
        RunError,
        match=rf"newer latentlab \(format {FORMAT + 1}, known up to {FORMAT}\). Update latentlab.",
    ):
        Run.open(tmp_path / "run")


def test_manifests_that_point_outside_are_refused(tmp_path):
    manifest = read_json(KEPT / "run.json")
    entry = manifest["stages"]["fit"]
    for name, output in (("cluster/../../x", "y"), ("/x", "y"), ("x", "../y"), ("x", "/y")):
        changed = {**entry, "outputs": [{"path": output, "bytes": 1, "sha256": "0"}]}
        (tmp_path / "run.json").write_text(json.dumps(manifest | {"stages": {name: changed}}))
        with pytest.raises(RunError, match="is not the manifest of a run"):
            Run.open(tmp_path)


def changed_network(folder: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(KEPT / "encoder" / "encoder.keras") as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "x.keras", "w") as archive:
        for name, content in (
            kept | {name.replace("__", "."): content for name, content in members.items()}
        ).items():
            archive.writestr(name, content)
    return folder / "x.keras"


def test_saved_networks_with_code_are_refused_before_keras_sees_them(tmp_path):
    keras_files.check(changed_network(tmp_path))
    keras_files.check(KEPT / "clusters" / "dcec-k3" / "assigner.keras")
    with zipfile.ZipFile(KEPT / "encoder" / "encoder.keras") as archive:
        config = json.loads(archive.read("config.json"))
    for module, name in (
        ("keras.layers", "Lambda"),
        ("os", "system"),
        ("builtins", "function"),
        ("keras.utils", "get_file"),
    ):
        config["config"]["layers"][0]["config"]["extra"] = {
            "module": module,
            "class_name": name,
            "config": {},
        }
        with pytest.raises(ValueError, match=f"names {module}.{name}"):
            keras_files.check(changed_network(tmp_path, config__json=json.dumps(config).encode()))
    with pytest.raises(ValueError, match="evil"):
        keras_files.check(changed_network(tmp_path, evil__py=b"x"))


def test_weights_in_another_file_are_refused(tmp_path):
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ValueError, match="are a link"):
        keras_files.check(changed_network(tmp_path, **{"model__weights__h5": buffer.getvalue()}))


# Hostile and broken data


def test_a_sample_of_the_hostile_inputs_finds_no_fault(tmp_path):
    done = script("hostile_inputs.py", "--work", tmp_path, "--every", "60")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert int(done.stdout.splitlines()[-1].split()[0]) >= 50


def test_labels_of_another_length_are_refused_and_never_moved(tmp_path):
    x, y = make_stripes(10)
    for wrong in ({"y_train": y[:5], "y_test": y[6:]}, {"y_train": y[:6], "y_test": y[:5]}):
        np.savez(tmp_path / "x.npz", x_train=x[:6], x_test=x[6:], **wrong)
        with pytest.raises(DataError, match=r"5 labels for [46] images"):
            read_labels(DataOptions(data=str(tmp_path / "x.npz")))
    np.savez(tmp_path / "x.npz", x_train=x[:6], x_test=x[6:], y_train=y[:6])
    assert read_labels(DataOptions(data=str(tmp_path / "x.npz"))).labels[6:].tolist() == [-1] * 4


def test_labels_that_are_no_labels_are_refused():
    assert encode_labels([1.0, float("nan"), 0.0])[0].tolist() == [1, -1, 0]
    for values in ([[1], [2]], [1, "a"], [b"a"], [1j]):
        with pytest.raises(DataError, match="all numbers or all text"):
            encode_labels(values)


def test_limits_refuse_and_can_be_raised(tmp_path):
    Image.new("L", (300, 300)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="raise `max_pixels`"):
        opening.open_images(DataOptions(data=str(tmp_path), max_pixels=89_999))
    assert len(opening.open_images(DataOptions(data=str(tmp_path), max_pixels=90_000))) == 1
    np.savez(tmp_path / "x.npz", images=make_stripes(10)[0])
    with pytest.raises(DataError, match="raise `max_bytes`"):
        opening.open_images(DataOptions(data=str(tmp_path / "x.npz"), max_bytes=7000))
    assert len(opening.open_images(DataOptions(data=str(tmp_path / "x.npz"), max_bytes=9000))) == 10
    with pytest.raises(ConfigError, match="`max_pixels=-1`: must be at least 1"):
        opening.open_images(DataOptions(data=str(tmp_path), max_pixels=-1))


def test_pictures_that_are_programs_or_no_files_are_listed(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "good.png")
    (tmp_path / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    )
    os.mkfifo(tmp_path / "b.png")
    images = opening.open_images(DataOptions(data=str(tmp_path)))
    assert images.ids.tolist() == ["good.png"]
    assert [bad.path for bad in images.unreadable] == ["a.png", "b.png"]


def test_a_name_that_is_no_utf8_becomes_text(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    os.rename(tmp_path / "x.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    images = opening.open_images(DataOptions(data=str(tmp_path)))
    assert images.ids.tolist() == ["caf\\xe9.png"]


def test_dark_sixteen_bit_pictures_stay_dark(tmp_path):
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "x.png")
    assert opening.open_images(DataOptions(data=str(tmp_path))).read(np.array([0])).max() == 1


def test_large_vectors_are_refused_that_float32_cannot_square(tmp_path):
    pq.write_table(pa.table({"v": [[1.0, 2.0], [1e18, 0.0]]}), tmp_path / "v.parquet")
    with pytest.raises(DataError, match=r"above 1e\+15 in size, first in row 1"):
        tables.read_vectors(tmp_path / "v.parquet")
    pq.write_table(pa.table({"v": [[1.0], [2.0]], "id": ["a", "a"]}), tmp_path / "v.parquet")
    with pytest.raises(DataError, match="ids are not unique"):
        tables.read_vectors(tmp_path / "v.parquet")


def test_one_bit_of_a_table_of_ours_is_noticed(tmp_path):
    path = tables.write(
        tmp_path / "x.parquet",
        pa.table({"code": tables.vectors(np.random.default_rng(0).normal(size=(50, 8)))}),
    )
    content = bytearray(path.read_bytes())
    content[400] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        tables.read(path)


# Properties: whatever the bytes are, a reader answers with its own error or with what was saved

ARRAY = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def saved_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=ARRAY)
    return buffer.getvalue()


@quick
@given(place=st.integers(0, len(saved_npz()) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_an_npz_is_noticed_or_harmless(tmp_path, place, bit):
    content = bytearray(saved_npz())
    content[place] ^= 1 << bit
    (tmp_path / "x.npz").write_bytes(content)
    try:
        found = npz.read_npz(tmp_path / "x.npz")
    except ValueError:
        return
    assert [*found] != ["images"] or np.array_equal(
        found["images"], ARRAY
    )  # the name itself has no checksum in the table of contents


@quick
@given(content=st.binary(max_size=300))
def test_any_bytes_as_idx_npz_or_pickle_end_in_our_error(tmp_path, content):
    for name, packed in (("a", content), ("b", gzip.compress(content))):
        (tmp_path / name).write_bytes(packed)
        with contextlib.suppress(DataError):
            assert idx_files.read_idx(tmp_path / name).dtype == np.uint8
    with contextlib.suppress(DataError):
        assert isinstance(pickles.load_dict(content, "x"), dict)
    with pytest.raises(ValueError, match=r"\w"):
        npz.read_npz(tmp_path / "a")


@quick
@given(text=st.text(max_size=40))
def test_any_name_of_clusters_is_one_folder_or_refused(text):
    try:
        name = ClusterOptions(label=text).name
    except ConfigError:
        return
    assert Path(name).name == name
    assert name not in (".", "..")
