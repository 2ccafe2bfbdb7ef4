"""The audit of a run finds planted duplicates and wrong labels."""

import shutil

import numpy as np
import pytest
from helpers.files import read_json
from helpers.pictures import pictures
from helpers.runs import make_stripes, small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.reporting.audit import DuplicateCounts, nearest_images
from latentlab.storage.json_form import to_json


def test_neighbours_are_the_nearest_by_the_cosine():
    vectors = np.random.default_rng(0).normal(size=(50, 8))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T - 2 * np.eye(50)
    assert (nearest_images(vectors, 0) == np.argsort(-similar, axis=1)[:, :20]).all()


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Return a run with planted duplicates across the splits and wrong labels, and its audit."""
    folder = tmp_path_factory.mktemp("audit")
    y = np.random.default_rng(0).integers(0, 4, 200)
    colours = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [220, 220, 40]])
    x = (0.25 * pictures(200)[:, ::2, ::2] + 0.75 * colours[y][:, None, None]).astype(np.uint8)
    x[160:165] = x[:5]  # held-out copies of fitted images
    y[160:165] = y[:5]
    wrong = np.arange(20, 26)
    y[wrong] = (y[wrong] + 1) % 4
    np.savez(
        folder / "stripes.npz", x_train=x[:160], y_train=y[:160], x_test=x[160:], y_test=y[160:]
    )
    run = pipeline.fit(
        DataOptions(data=str(folder / "stripes.npz")), small_fit(epochs=4), folder / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=4))
    return run, pipeline.audit(run)


def test_the_audit_of_a_run_finds_what_was_planted(audited):
    run, found = audited
    assert found.duplicates == DuplicateCounts(
        exact=5,
        near=0,
        across_splits=5,
        held_out_images=5,
        different_labels=0,
        changes={"exact": 5},
    )
    folder = run.path / "audit" / "kmeans-k4"
    rows = (folder / "duplicates.csv").read_text().splitlines()
    assert rows[0].endswith("other_label,detail,score,changes,top,left,height,width")
    assert all(row.endswith(",1.0,1.0,exact,0.0,0.0,1.0,1.0") for row in rows[1:])
    errors = (folder / "label-errors.csv").read_text().splitlines()[1:]
    planted = {f"train/{i:05d}" for i in range(20, 26)}
    assert len(planted & {line.split(",")[0] for line in errors}) >= 4
    assert (folder / "duplicates.png").stat().st_size > 5000
    assert read_json(folder / "audit.json") == to_json(found)


def test_scores_without_duplicates_leave_their_images_out(audited):
    _, found = audited
    for row in found.held_out.values():
        left_out = row.all * 40 - row.without * 35
        assert left_out == pytest.approx(round(left_out))
        assert 0 <= round(left_out) <= 5


def test_an_audit_needs_no_labels(finished_run, tmp_path):
    x = make_stripes(60)[0]
    np.save(tmp_path / "x.npy", x)
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "x.npy")), small_fit(epochs=1), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=3))
    found = pipeline.audit(run)
    assert "label_errors" not in to_json(found)
    assert found.images == 60
    shutil.rmtree(tmp_path / "run")
