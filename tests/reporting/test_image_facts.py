"""What pages know of each image: columns, duplicates, outlier scores, sizes."""

import shutil

import numpy as np
import pytest
from helpers.report_page import data_of
from helpers.runs import small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.reporting import image_facts
from latentlab.reporting.image_facts import ImageFacts, duplicate_groups
from latentlab.reporting.packed import PointStore
from latentlab.storage.run import Run

COUNT = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run of pictures of a table, with two that are the same; it was audited."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    lines = ["path,species,year,place,seen by,notes"]
    for number in range(COUNT):
        pixels = rng.integers(0, 255, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        seen = folder / "home" / "ann" / f"{number}.txt"
        place = "Oslo" if number % 2 else "Rome"
        lines.append(f"{number:02d}.png,{number % 3},{1990 + number},{place},{seen},{number} geese")
    shutil.copy(folder / "03.png", folder / "07.png")
    (folder / "birds.csv").write_text("\n".join(lines))
    data = DataOptions(data=str(folder / "birds.csv"), size=16)
    run = pipeline.fit(data, small_fit(epochs=1), folder / "run")
    pipeline.cluster(run, ClusterOptions(k=2))
    pipeline.audit(run)
    pipeline.report(run)
    return run


def test_the_report_has_columns_duplicates_and_outliers_and_no_labels_or_paths(run, monkeypatch):
    groups = data_of((run.path / "report" / "index.html").read_text())["groups"]
    assert {"year", "place", "notes", "outlier", "duplicate", "distance"} <= set(groups)
    assert groups["place"]["names"] == ["Oslo", "Rome"]
    assert (groups["year"]["kind"], groups["year"]["integer"]) == ("numbers", True)
    assert not {"species", "path", "seen by"} & set(groups)
    assert groups["duplicate"]["names"] == ["duplicates 1"]


def test_texts_that_all_differ_are_for_the_search(run, monkeypatch):
    monkeypatch.setattr(image_facts, "MOST_CATEGORIES", 5)
    facts = ImageFacts.of(pipeline.look(run))
    backwards = np.arange(COUNT)[::-1]
    group = facts.groups(backwards)["notes"]
    assert (group.kind, group.values[:2]) == ("text", ["23 geese", "22 geese"])
    store = PointStore()
    assert facts.groups(backwards, store)["notes"].values.url == "points/notes"
    assert store.content("notes").startswith(b'"23 geese"\n"22 geese"')


def test_texts_beyond_the_budget_of_a_page_are_left_out_and_this_is_told(run, monkeypatch, caplog):
    monkeypatch.setattr(image_facts, "MOST_CATEGORIES", 5)
    monkeypatch.setattr(image_facts, "MOST_TEXT_BYTES", 10)
    caplog.set_level("INFO", "latentlab")
    assert "notes" not in ImageFacts.of(pipeline.look(run)).groups(np.arange(COUNT))
    assert "notes is not in the page" in caplog.text


def test_the_viewer_has_the_columns_that_name_folders_too(run):
    with pipeline.viewer(run) as server:
        groups = data_of(server.viewer.html())["groups"]
    assert {"year", "place", "seen by"} <= set(groups)


def test_duplicates_are_joined_whatever_their_order(run):
    groups = duplicate_groups(run, pipeline.look(run).images.ids.tolist())
    assert groups[3] == groups[7] >= 0
    assert (np.delete(groups, [3, 7]) == -1).all()


def test_a_column_cannot_pass_for_a_quantity_of_the_page(run, monkeypatch):
    monkeypatch.setattr(image_facts, "columns_of", lambda run, ids: {"cluster": ["x"] * len(ids)})
    assert "cluster (column)" in ImageFacts.of(pipeline.look(run)).texts


def test_shared_runs_have_no_columns_that_name_folders(run, tmp_path):
    shared = pipeline.share(run, tmp_path / "shared")
    assert "columns/columns.parquet" in shared.left_out
    copy = Run.open(tmp_path / "shared")
    assert not ImageFacts.of(pipeline.look(copy)).texts


def test_columns_stay_when_the_table_is_gone(run, tmp_path):
    table = run.path.parent / "birds.csv"
    table.rename(tmp_path / "birds.csv")
    try:
        assert "place" in ImageFacts.of(pipeline.look(run)).texts
    finally:
        (tmp_path / "birds.csv").rename(table)
