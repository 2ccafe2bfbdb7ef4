"""The page that compares clusterings."""

import base64
import re

import numpy as np
import pytest
from helpers.files import read_json
from helpers.report_page import data_of
from helpers.vectors import make_vectors, write_vectors

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.reporting import comparison_page
from latentlab.reporting.comparison_data import ComparedRows, cluster_table
from latentlab.reporting.edits import Drop, Editor


@pytest.fixture(scope="module")
def two(reported):
    """Return a run with two clusterings and a map of 100 of its 160 images."""
    pipeline.cluster(reported, ClusterOptions(k=5))
    return reported


def summaries_of(run):
    return [pipeline.look(run, name) for name in ("kmeans-k4", "kmeans-k5")]


def compared(named, folder):
    pipeline.compare(named, folder)
    return (folder / "index.html").read_text(encoding="utf-8")


def values_of(packed):
    return np.frombuffer(base64.b64decode(packed["base64"]), packed["type"])


def test_two_clusterings_are_on_one_page_with_their_maps_matched_by_id(two, tmp_path):
    text = compared([(two, "kmeans-k4"), (two, "kmeans-k5")], tmp_path)
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert text.count("without a partner</th>") == 1
    assert "paired" in text
    data = data_of(text)
    overlap = np.array(read_json(tmp_path / "comparison.json")["others"][0]["overlap"])
    assert (np.array(data["table"])[:-1, :-1] == overlap).all()
    assert data["count"] == data["total"] == len(data["ids"]) == overlap.sum()
    assert [side["map"]["of"] for side in data["sides"]] == ["left", "right"]
    assert len(values_of(data["sides"][0]["map"]["rows"])) == 100
    left, right, moved = (
        values_of(data["groups"][name]["values"]) for name in ("left", "right", "moved")
    )
    partners = data["sides"][1]["partners"]
    assert [partners[b] != a for a, b in zip(left, right, strict=True)] == (moved == 1).tolist()


def test_matched_clusters_have_one_colour(two, tmp_path):
    data = data_of(compared([(two, "kmeans-k4"), (two, "kmeans-k5")], tmp_path))
    left, right = (data["groups"][side]["colours"] for side in ("left", "right"))
    for cluster, partner in enumerate(data["sides"][1]["partners"]):
        assert right[cluster] not in left if partner is None else right[cluster] == left[partner]


def test_three_clusterings_need_no_script(two, tmp_path):
    text = compared([(two, "kmeans-k4"), (two, "kmeans-k5"), (two, "kmeans-k4")], tmp_path)
    assert "<script" not in text
    assert text.count("<figcaption>") == 3


def test_images_of_one_run_only_and_a_missing_map_are_told(tmp_path):
    vectors, _ = make_vectors(60)
    runs = []
    for name, rows in (("a", slice(0, 50)), ("b", slice(8, 60))):
        ids = [f"row {number:02d}" for number in range(60)][rows]
        file = write_vectors(tmp_path / f"{name}.parquet", vectors[rows], id=ids)
        run = pipeline.import_vectors(file, tmp_path / name)
        pipeline.cluster(run, ClusterOptions(k=4, features="embedding+l2", restarts=1))
        runs.append(run)
    Editor(runs[1].clustering(None)).add(Drop((0,)))
    summaries = [pipeline.look(run) for run in runs]
    comparison = pipeline.compare([(run, None) for run in runs], tmp_path / "c")
    in_clusters = [(summary.clusters >= 0).sum() for summary in summaries]
    further = [count - comparison.images for count in in_clusters]
    assert [side.further for side in comparison.sides] == further
    text = (tmp_path / "c" / "index.html").read_text(encoding="utf-8")
    assert text.count("has a map stored") == 2
    first, second = (side.name for side in comparison.sides)
    assert f"8 images of {first} are not in every other run" in text
    assert f"10 images of {second} are not in every other run" in text
    assert f"{summaries[1].dropped} images of {second} are in no cluster" in text
    table = cluster_table(summaries)
    assert table[-1].sum() == 10
    assert table[:-1, -1].sum() == 50 - comparison.images
    assert table.sum() == 60
    assert data_of(text)["groups"]["right"]["missing"] == f"not in {second}, or dropped there"


def test_of_too_many_images_those_on_the_maps_are_taken_first(two):
    summaries = summaries_of(two)
    on_map = set(summaries[0].images.ids[summaries[0].read_map()[1]])
    assert set(ComparedRows.of(summaries, most=60).ids) < on_map
    assert on_map < set(ComparedRows.of(summaries, most=120).ids)


def test_a_page_of_many_clusters_has_fewer_pictures_of_each(two, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison_page, "MOST_IMAGES", 18)
    text = compared([(two, "kmeans-k4"), (two, "kmeans-k5")], tmp_path)
    assert text.count('<img src="data:image/webp') == 18
