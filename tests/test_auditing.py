"""Duplicates and wrong labels are planted and must be found; what is different must not be."""

import io
import shutil

import numpy as np
import pytest
from conftest import make_stripes, read_json, small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.clustering import duplicates
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import images
from latentlab.reporting.audit import DuplicateCounts, nearest_images
from latentlab.scoring import label_errors
from latentlab.storage.json_form import to_json


def pictures(count=60, seed=0):
    """Return smooth random pictures, uint8 (count, 32, 32, 3), all different."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0, 255, (count, 6, 6, 3)).astype(np.uint8)
    return np.stack(
        [
            np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC))
            for one in small
        ]
    )


def recompressed(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg", quality=60)
    return np.asarray(Image.open(buffer))


def brighter(image):
    return (image * 0.8 + 40).clip(0, 255).astype(np.uint8)


def shifted(image):
    return np.roll(image, 1, axis=1)


def mirrored(image):
    return image[:, ::-1]


def same(image):
    return image


def as_set(pixels, splits=None):
    splits = np.array(["train"] * len(pixels)) if splits is None else splits
    return images.from_array("pictures", np.ascontiguousarray(pixels), splits)


def test_different_pictures_have_no_duplicates():
    assert len(duplicates.find(as_set(pictures()), None).first) == 0


@pytest.mark.parametrize("change", [same, recompressed, brighter, shifted, mirrored])
def test_planted_duplicates_are_found_and_nothing_else(change):
    originals = pictures()
    copies = np.stack([change(image) for image in originals[:20]])
    found = duplicates.find(as_set(np.concatenate([originals, copies])), None)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs <= {(i, 60 + i) for i in range(20)}
    assert len(pairs) >= 19
    assert found.exact.all() == (change is same)
    assert found.mirrored.all() == (change is mirrored)


def test_groups_join_pairs():
    pairs = duplicates.Pairs(np.array([0, 1, 5]), np.array([1, 2, 6]), *[np.zeros(3)] * 4)
    assert duplicates.groups(pairs, 8).tolist() == [0, 0, 0, -1, -1, 1, 1, -1]


def test_images_of_any_size_are_resized_to_averages():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 255, (2, 20, 24, 3))
    assert duplicates.resized(pixels, 16).mean() == pytest.approx(pixels.mean())
    assert duplicates.resized(np.full((1, 7, 9, 1), 5.0), 16) == pytest.approx(
        np.full((1, 16, 16, 1), 5.0)
    )


def test_a_label_against_its_neighbours_and_its_cluster_is_suspected():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 50)
    vectors = rng.normal(np.where(truth[:, None] == 0, [5, 0], [0, 5]), 0.5, (100, 2))
    wrong = np.array([3, 30, 77])
    labels = truth.copy()
    labels[wrong] = 1 - labels[wrong]
    near = nearest_images(vectors, 0)
    alone = np.full(100, -1)
    found = label_errors.find(near, labels, truth, alone, 2)
    assert set(found.image) == set(wrong)
    assert (found.suggested == truth[found.image]).all()
    assert not len(
        label_errors.find(near, labels, 1 - truth, alone, 2).image
    )  # the cluster stands for the label's class


def test_neighbours_are_the_nearest_by_the_cosine():
    vectors = np.random.default_rng(0).normal(size=(50, 8))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T - 2 * np.eye(50)
    assert (nearest_images(vectors, 0) == np.argsort(-similar, axis=1)[:, :20]).all()


def test_duplicates_are_no_witnesses():
    near = np.array([[1, 2], [0, 2], [0, 1]])
    shares = label_errors.class_shares(near, np.array([0, 1, 1]), np.array([0, 0, -1]), 2)
    assert shares[0].tolist() == [0, 1]
    assert shares[1].tolist() == [0, 1]  # image 0 is its duplicate and does not count


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
        exact=5, near=0, across_splits=5, held_out_images=5, different_labels=0
    )
    folder = run.path / "audit" / "kmeans-k4"
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
