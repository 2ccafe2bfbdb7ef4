"""The map: its sample, its repetition, groups that stay apart."""

import shutil

import numpy as np
import pytest
from helpers.files import read_json

from latentlab.reporting import umap_map
from latentlab.storage import tables
from latentlab.storage.run import Run


def test_map_holds_the_sample_of_both_splits_and_repeats(reported):
    table = tables.read(reported.path / "projection" / "umap.parquet")
    assert table.num_rows == 100
    assert set(table["split"].to_pylist()) == {"train", "test"}
    facts = read_json(reported.path / "projection" / "umap.json")
    assert facts["images"] == 100
    assert facts["of"] == 160
    assert 0.5 < facts["trustworthiness"] <= 1
    again = umap_map.write_map(reported, 100, seed=0)
    np.testing.assert_array_equal(table["x"], tables.read(again[0])["x"])


@pytest.mark.run  # UMAP compiles for seconds
def test_map_keeps_groups_apart():
    rng = np.random.default_rng(0)
    centers = rng.normal(0, 20, (3, 8))
    groups = np.repeat(np.arange(3), 60)
    xy = umap_map.lay_out((centers[groups] + rng.normal(0, 1, (180, 8))).astype(np.float32), seed=0)
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()


def test_map_of_constant_codes_and_of_too_few_images(finished_run, tmp_path):
    assert np.isfinite(umap_map.lay_out(np.ones((40, 4), np.float32), seed=0)).all()
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    umap_map.write_map(run, 4, seed=0)
    facts = umap_map.read_facts(run)
    assert not facts.is_map
    assert "no map, which takes at least 5 images" in facts.note


def test_a_map_that_tears_is_less_continuous_and_one_that_folds_less_trustworthy():
    line = np.linspace(0, 1, 200)[:, None]
    true_map = np.column_stack([line, 0 * line])
    # Below 1, since either of two equally near points may count.
    faithful = umap_map.measure_faithfulness(line, true_map)
    assert min(faithful.trustworthiness, faithful.continuity) > 0.999
    folded = umap_map.measure_faithfulness(line, np.column_stack([np.abs(line - 0.5), 0 * line]))
    assert folded.trustworthiness < 0.9 < folded.continuity
    torn_map = true_map.copy()
    torn_map[::2, 0] += 5  # every second point moves far away
    torn = umap_map.measure_faithfulness(line, torn_map)
    assert torn.continuity < 0.97 < torn.trustworthiness


def test_kept_neighbours_of_equal_and_of_unrelated_maps():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(200, 2))
    second = rng.normal(size=(200, 2))
    assert umap_map.kept_neighbors(first, first * 3) == 1
    assert umap_map.kept_neighbors(first, second) < 0.2
