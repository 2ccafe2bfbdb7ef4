"""A copy of a run to give away."""

import getpass
import gzip
import io
import json
import platform
import shutil
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.files import STORED_RUN

from latentlab import pipeline
from latentlab.errors import LatentlabError, RunError
from latentlab.reporting.share import share
from latentlab.storage import tables
from latentlab.storage.run import Run

USER, HOST = "planteduser", "plantedhost"


@pytest.fixture
def told_run(tmp_path, monkeypatch):
    """Return a run of another version in which each kind of file tells of its maker."""
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setattr(platform, "node", lambda: HOST)
    folder = tmp_path / "home" / USER / "runs" / "birds"
    shutil.copytree(STORED_RUN, folder)
    photos = f"/home/{USER}/my photos"
    plant_in_manifest(folder / "run.json", photos)
    config = (folder / "config.toml").read_text().replace('"digits"', f'"{photos}"')
    (folder / "config.toml").write_text(config)
    labels = pq.read_table(folder / "labels.parquet")
    metadata = (labels.schema.metadata or {}) | {b"origin": f"labels of {photos}/l.csv".encode()}
    pq.write_table(labels.replace_schema_metadata(metadata), folder / "labels.parquet")
    for name, text in (
        (f"tensorboard/events.out.tfevents.17.{HOST}.5.0", "x"),
        ("tensorboard/events.out.tfevents.17.0", "y"),
        ("report/index.html", f"<code>latentlab fit --data '{photos}'</code>"),
        ("run.lock.json", json.dumps({"host": HOST})),
        (".tmp-half", USER),
        ("audit/kmeans-k4/label-errors.csv", "id,label\n1,cat\n"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "link").symlink_to("/etc")
    return Run.open(folder)


def plant_in_manifest(path, photos):
    value = json.loads(path.read_text())
    value["argv"] = ["latentlab", "fit", "--data", photos, f"--out=/srv/{USER}/x"]
    value["place"] = {"absolute": photos, "relative": "../../my photos"}
    value["config"]["data"]["data"] = photos
    value["stages"]["fit"]["config"]["data"]["data"] = photos
    value["device"] = f"cpu of {HOST}"
    path.write_text(json.dumps(value))


def everything(folder):
    """Yield names and contents of all files, also packed ones."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            yield from unpacked(path.read_bytes())


def unpacked(content):
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(content))
    if content[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(content))
        yield str(table.schema.metadata).encode() + str(table.to_pydict()).encode()
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                yield member.filename.encode()
                yield from unpacked(archive.read(member))


def assert_tells_nothing(folder):
    for content in everything(folder):
        for secret in (USER, HOST, "/home/", "/tmp/"):
            assert secret.encode() not in content, content[:300]


def test_no_byte_of_a_copy_tells_of_its_maker(told_run, tmp_path):
    shared = share(told_run, tmp_path / "given")
    assert_tells_nothing(tmp_path / "given")
    assert shared.left_out == ("report/index.html",)
    names = {str(path.relative_to(shared.path)) for path in shared.path.rglob("*")}
    assert not names & {"checkpoints", "run.lock.json", ".tmp-half", "link"}
    assert {"tensorboard/events.out.tfevents.17.0", "config.toml", "run.json"} <= names
    assert "audit/kmeans-k4/label-errors.csv" in names


def test_the_run_itself_stays_as_it_is(told_run, tmp_path):
    before = {path: path.read_bytes() for path in told_run.path.rglob("*") if path.is_file()}
    share(told_run, tmp_path / "given")
    after = {path: path.read_bytes() for path in told_run.path.rglob("*") if path.is_file()}
    assert after == before


def test_a_copy_is_a_run_that_later_commands_take(told_run, tmp_path):
    copy = Run.open(share(told_run, tmp_path / "given").path)
    assert copy.clustering_names() == told_run.clustering_names()
    assert copy.config.images.data == "my photos"
    for stage in copy.stage_names():
        assert copy.is_done(stage, copy.record(stage).config), stage
    assert copy.fact("argv") == ["latentlab", "fit", "--data", "my photos", "--out=x"]
    # Cluster numbers of the run, by a command that reads them.
    ids = [run.clustering("kmeans-k4").assignments.clusters.tolist() for run in (told_run, copy)]
    assert ids[0] == ids[1]


def test_a_zip_file_holds_the_same(told_run, tmp_path):
    share(told_run, tmp_path / "given.zip")
    with zipfile.ZipFile(tmp_path / "given.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert_tells_nothing(tmp_path / "unpacked")
    assert Run.open(tmp_path / "unpacked" / "birds").clustering_names()
    assert not list(tmp_path.glob("*.folder"))


def test_sharing_again_replaces_the_copy_and_nothing_else(told_run, tmp_path):
    share(told_run, tmp_path / "given")
    share(told_run, tmp_path / "given")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(RunError, match="is not empty"):
        share(told_run, tmp_path / "other")
    with pytest.raises(RunError, match="lies in the run"):
        share(told_run, told_run.path / "copy")


def test_ids_that_are_absolute_paths_are_refused(told_run, tmp_path):
    table = tables.read(told_run.path / "images.parquet")
    ids = [f"/home/{USER}/{number}.png" for number in range(len(table))]
    place = table.column_names.index("id")
    pq.write_table(table.set_column(place, "id", pa.array(ids)), told_run.path / "images.parquet")
    with pytest.raises(LatentlabError, match="absolute paths"):
        share(told_run, tmp_path / "given")


def test_a_report_and_exports_of_a_run_tell_nothing(reported, tmp_path, monkeypatch):
    pipeline.export(reported, "csv", tmp_path / "out" / "c.csv")
    pipeline.export(reported, "coco", tmp_path / "out" / "coco")
    shutil.copytree(reported.path / "report", tmp_path / "out" / "report")
    place = str(reported.path.parent).encode()
    data = reported.config.images.data.encode()
    for content in everything(tmp_path / "out"):
        assert place not in content
        assert data not in content
