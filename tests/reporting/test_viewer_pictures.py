"""What the viewer's page asks its server for: thumbnails, images that are alike, large arrays."""

import io
import json

import numpy as np
import pytest
from helpers.report_page import data_of
from helpers.runs import small_fit
from helpers.viewing import ask, serving
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders.embedding import Embeddings
from latentlab.reporting import viewer


@pytest.fixture(scope="module")
def server(run_with_map):
    """Serve the run with a map; tests must not edit by it."""
    with serving(pipeline.viewer(run_with_map, sample=100)) as server:
        yield server


BAD_QUERIES = ["", "?", "?side=15", "?side=513", "?side=096", "?side=1e2", "?a=1"]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_thumbnail_needs_a_size_that_is_allowed(server, query):
    assert ask(server, f"thumb/7{query}")[0] == 400


@pytest.mark.parametrize("path", ["thumb/99999?side=96", "image/7?side=96", "neighbours/99999"])
def test_what_is_not_there_is_not_found(server, path):
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("path", ["thumb/7?side=96", "neighbours/7", "points/xy"])
def test_strangers_get_nothing(server, path):
    assert ask(server, path, Cookie=None)[0] == 403


def test_a_thumbnail_of_a_small_image_is_that_image(server, run_with_map):
    status, headers, body = ask(server, "thumb/7?side=96")
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert "max-age" in headers["Cache-Control"]
    pixels = pipeline.open_run_images(run_with_map).read(np.array([7]))[0]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body)))[...], pixels)


def test_a_thumbnail_of_a_photo_is_made_of_its_file_in_its_own_shape(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(12):
        pixels = rng.integers(0, 255, (300, 400, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:02d}.jpg")
    data = DataOptions(data=str(tmp_path / "photos"), size=16)
    run = pipeline.fit(data, small_fit(epochs=1), tmp_path / "run")
    pipeline.cluster(run, ClusterOptions(k=2))
    with serving(pipeline.viewer(run)) as server:
        for side, size in ((96, (96, 72)), (384, (384, 288)), (512, (400, 300))):
            picture = Image.open(io.BytesIO(ask(server, f"thumb/3?side={side}")[2]))
            assert (picture.format, picture.size) == ("WEBP", size)
        (tmp_path / "photos" / "03.jpg").unlink()
        picture = Image.open(io.BytesIO(ask(server, "thumb/3?side=96")[2]))
        assert picture.size == (16, 16)


def test_neighbours_are_the_nearest_of_all_images(server, run_with_map):
    found = json.loads(ask(server, "neighbours/7")[2])
    codes = np.concatenate(list(Embeddings(run_with_map.path).parts()))
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    distances = 1 - unit @ unit[7]
    distances[7] = np.inf
    expected = np.sort(distances)[: viewer.NEIGHBOURS]
    assert len(found["positions"]) == min(viewer.NEIGHBOURS, len(codes) - 1)
    np.testing.assert_allclose(distances[found["positions"]], expected, atol=1e-5)
    np.testing.assert_allclose(found["distances"], expected, atol=2e-5)


def test_a_large_page_leaves_what_each_image_has_to_its_server(run_with_map, monkeypatch):
    monkeypatch.setattr(viewer, "MOST_INSIDE", 10)
    with serving(pipeline.viewer(run_with_map, sample=100)) as server:
        data = data_of(ask(server, "")[2].decode())
        assert data["xy"] == {"type": "float32", "url": "points/xy"}
        xy = np.frombuffer(ask(server, data["xy"]["url"])[2], "<f4")
        ids = ask(server, data["ids"]["url"])[2].decode().split("\n")
        group = data["groups"]["cluster"]["values"]
        clusters = np.frombuffer(ask(server, group["url"])[2], group["type"])
        positions = np.frombuffer(ask(server, data["position"]["url"])[2], "<i4")
        assert len(xy) / 2 == len(clusters) == len(positions) == data["count"]
        shown = pipeline.look(run_with_map)
        assert [json.loads(line) for line in ids] == shown.images.ids[positions].tolist()
        assert clusters.tolist() == shown.clusters[positions].tolist()
