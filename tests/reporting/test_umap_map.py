"""The map: its sample, its repetition, groups that stay apart."""

import numpy as np
import pytest
from conftest import read_json

from latentlab.errors import DataError
from latentlab.reporting import umap_map
from latentlab.storage import tables


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


def test_map_keeps_groups_apart():
    rng = np.random.default_rng(0)
    centers = rng.normal(0, 20, (3, 8))
    groups = np.repeat(np.arange(3), 60)
    xy = umap_map.lay_out((centers[groups] + rng.normal(0, 1, (180, 8))).astype(np.float32), seed=0)
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()


def test_map_of_constant_codes_and_of_too_few_images(finished_run, monkeypatch):
    assert np.isfinite(umap_map.lay_out(np.ones((40, 4), np.float32), seed=0)).all()
    with pytest.raises(DataError, match="at least 5 images"):
        umap_map.write_map(finished_run, 4, seed=0)
