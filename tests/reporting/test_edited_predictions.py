"""Predictions with edits made by hand: names, merged and dropped clusters hold for new images."""

import shutil

import numpy as np
import pyarrow as pa
import pytest

from latentlab import pipeline
from latentlab.reporting import edited_predictions
from latentlab.reporting.edits import Drop, Editor, Merge, Move, Name, Split
from latentlab.storage import tables
from latentlab.storage.clustering import NamedCluster
from latentlab.storage.run import Run

SOFT = np.array([[0.4, 0.1, 0.2, 0.3], [0, 0, 0, 1], [0, 0, 1, 0]], np.float32)


@pytest.fixture
def editor(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    return Editor(Run.open(tmp_path / "run").clustering("kmeans-k4"))


def predictions() -> pa.Table:
    """Return predictions of three images, of clusters 0, 3 and 2."""
    columns = {"id": ["a", "b", "c"], "cluster": pa.array([0, 3, 2], pa.int32())}
    return pa.table(columns | {"margin": [0.1, 0.2, 0.3], "soft": tables.vectors(SOFT)})


def test_without_edits_only_names_are_added(editor):
    table = edited_predictions.with_edits(predictions(), editor.clustering)
    assert table.column_names == ["id", "cluster", "cluster_name", "margin", "soft"]
    assert table["cluster_name"].to_pylist() == ["cluster 0", "cluster 3", "cluster 2"]
    assert table.drop_columns("cluster_name").equals(predictions())


def test_names_merged_and_dropped_clusters_hold_for_new_images(editor, tmp_path):
    for edit in (Merge([2, 0]), Name(2, "cats"), Drop([3])):
        editor.add(edit)
    table = edited_predictions.with_edits(predictions(), editor.clustering)
    assert table["cluster"].to_pylist() == [2, -1, 2]
    assert table["cluster_name"].to_pylist() == ["cats", None, "cats"]
    # Cluster 2 has the sum of both; what cluster 3 had is nobody's.
    expected = [[0, 0.1, 0.6, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    np.testing.assert_allclose(tables.matrix(table["soft"]), expected, rtol=1e-6)
    path = tables.write(tmp_path / "predictions.parquet", table)
    assert edited_predictions.note_of_file(path) == "with 3 edits by hand"
    assert edited_predictions.clusters_of_file(path) == (NamedCluster(2, "cats", 2),)


def test_edits_of_single_images_leave_new_ones_alone_but_for_the_numbers(editor):
    first, second, *_ = editor.state().ids.tolist()
    for edit in (Split([first]), Move([second], 4), Merge([0, 4]), Name(0, "dogs")):
        editor.add(edit)
    table = edited_predictions.with_edits(predictions(), editor.clustering)
    assert table["cluster"].to_pylist() == [0, 3, 2]
    assert table["cluster_name"].to_pylist() == ["dogs", "cluster 3", "cluster 2"]


def test_what_was_computed_is_predicted_where_it_is_asked_for(editor):
    editor.add(Drop([3]))
    table = edited_predictions.with_edits(predictions(), editor.clustering, as_computed=True)
    assert table.drop_columns("cluster_name").equals(predictions())
    note = table.schema.metadata[edited_predictions.METADATA].decode()
    assert note == "as computed, without 1 edit by hand"


def test_the_runs_own_images_are_predicted_into_their_edited_clusters(editor, tmp_path):
    """A run on the images of the run's data gives each the cluster that its edits left it."""
    for edit in (Merge([2, 0]), Drop([3])):
        editor.add(edit)
    run = editor.clustering.run
    target = tmp_path / "predictions.parquet"
    pipeline.predict(run, "kmeans-k4", run.config.images, target)
    table = tables.read(target)
    predicted = dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))
    edited = editor.state()
    assert predicted == dict(zip(edited.ids.tolist(), edited.clusters.tolist(), strict=True))
