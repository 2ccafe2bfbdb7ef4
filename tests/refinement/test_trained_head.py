"""Heads that are trained with the network: learning rates, averages.

That they resume is shown in methods/test_selftrain.py, whose state holds that of all.
"""

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.heads import HEAD_METHODS, QUICK

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.data.images import as_input
from latentlab.encoders import model_files
from latentlab.features.fitted import FittedFeatures
from latentlab.features.spec import NORMALIZED_EMBEDDING
from latentlab.refinement.methods import consistency
from latentlab.refinement.refiner import Start


@pytest.mark.parametrize("method", HEAD_METHODS)
def test_training_the_head_with_the_network_lowers_its_loss_and_predicts_the_same_again(
    strong_run, data, tmp_path, method
):
    options = ClusterOptions(k=4, method=method, settings=QUICK | {"tolerance": -1.0})
    clustering = pipeline.cluster(strong_run, options)
    assert clustering.result.fact("rounds") == 6
    assert min(clustering.result.sizes["train"]) > 0
    name = clustering.name
    losses = [
        row["clustering_loss"] for row in strong_run.metrics(f"clusters/{name}/history.jsonl")
    ]
    assert losses[-1] < losses[0] - 0.05
    pipeline.predict(strong_run, name, data, tmp_path / "predicted.parquet")
    stored = strong_run.clustering(name).assignments
    again = pq.read_table(tmp_path / "predicted.parquet")
    assert again["id"].to_pylist() == stored.ids.tolist()
    np.testing.assert_array_equal(np.asarray(again["cluster"]), stored.clusters)


@pytest.fixture
def head(strong_run):
    """Return a `consistency` method on the stripes, and a function that trains one step.

    A round has four steps.
    """
    images = pipeline.open_run_images(strong_run)
    model, indices = model_files.load(strong_run), images.indices("train")

    def read(positions):
        return as_input(images.read(indices[positions]))

    z = np.asarray(model.embedder.predict_on_batch(read(np.arange(len(indices)))))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    start = Start(
        model,
        FittedFeatures(NORMALIZED_EMBEDDING, (z.shape[1],), ({},)),
        z[:4].copy(),
        1.0,
        np.zeros((len(z), 4)),
        0,
        read=read,
    )
    settings = consistency.ConsistencyOptions(
        interval=4, max_steps=8, learning_rate=0.01, neighbors=3, average=1.0
    )
    method = consistency.Consistency().start(start, settings)
    method.begin_round(z, np.eye(4, dtype=np.float32)[np.arange(len(z)) % 4])
    return method, lambda: method.step(read(np.arange(20)), np.arange(20))


def averages_of(method):
    return [
        np.asarray(average) for average in method.trainer.optimizer._model_variables_moving_average
    ]


def test_the_head_is_trained_along_a_cosine_and_becomes_its_average(head):
    """In the middle of two rounds the rate is half; at a round's end the weights are averages."""
    method, step = head
    rates, weights = [], []
    for _ in range(4):
        weights.append([np.asarray(variable) for variable in method.trainer.trainable_variables])
        step()
        rates.append(float(np.asarray(method.trainer.optimizer.learning_rate)))
    assert rates == pytest.approx(
        [0.01 * 0.5 * (1 + np.cos(np.pi * step / 8)) for step in range(4)], rel=1e-4
    )
    ends = [np.asarray(variable) for variable in method.trainer.trainable_variables]
    assert all(
        np.array_equal(end, average) for end, average in zip(ends, averages_of(method), strict=True)
    )
    step()
    assert float(np.asarray(method.trainer.optimizer.learning_rate)) == pytest.approx(
        0.005, rel=1e-4
    )
    assert any(
        not np.array_equal(now, average)
        for now, average in zip(
            method.trainer.trainable_variables, averages_of(method), strict=True
        )
    )


def test_after_averaging_batch_normalisation_knows_the_new_weights(head):
    """The statistics are those of strong views under the averaged weights.

    More passes over such views hardly change them.
    """
    method, step = head
    for _ in range(4):
        step()
    names = [variable.path for variable in method.trainer.non_trainable_variables]
    before = {
        name: np.asarray(value)
        for name, value in zip(names, method.trainer.non_trainable_variables, strict=True)
    }
    method._steps += 1  # other views
    method._settle(100, 30)
    moved = [
        np.abs(np.asarray(v) - before[n]).mean() / np.abs(before[n]).mean()
        for n, v in zip(names, method.trainer.non_trainable_variables, strict=True)
    ]
    assert len(moved) > 4
    assert np.median(moved) < 0.1


def test_a_reseeded_cluster_is_not_averaged_away(head):
    method, step = head
    step()
    centers = method.centers().copy()
    centers[2] = -centers[2]
    method.set_centers(centers)
    kernel = method.head.get_weights()[0]
    assert any(np.array_equal(average, kernel) for average in averages_of(method))
