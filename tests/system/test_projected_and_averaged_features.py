"""Projected and averaged embeddings, from the encoder to clusters, maps and predictions."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.files import read_json
from helpers.runs import small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.data.images import as_input
from latentlab.encoders import embedding, model_files
from latentlab.errors import ConfigError, RunError
from latentlab.features.fitted import through
from latentlab.refinement.run_methods import run_method
from latentlab.reporting import text as texts
from latentlab.reporting import umap_map
from latentlab.storage.run import Run
from latentlab.training import prototypes


def test_what_the_projection_head_makes_of_images_is_clustered_and_mapped_and_given_away(
    strong_run, data, tmp_path
):
    """New images go through the same head.

    The map is drawn again where an older version drew one of the embedding.
    """
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    pipeline.cluster(run, ClusterOptions(k=4))
    name = pipeline.resolve(run, ClusterOptions(k=4)).name
    pipeline.predict(run, name, data, tmp_path / "predicted.parquet")
    np.testing.assert_array_equal(
        np.asarray(pq.read_table(tmp_path / "predicted.parquet")["cluster"]),
        run.clustering(name).assignments.clusters,
    )
    embedded = np.concatenate(list(embedding.Embeddings(run.path).parts(column="embedding")))
    chosen = np.array([0, 7, 133])
    vectors = through(prototypes.head(run)(), embedded[chosen])
    np.testing.assert_allclose(
        umap_map.mapped_vectors(run, chosen),
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        atol=1e-5,
    )
    with run.lock(), run.stage("project", {"sample": 20, "seed": 0, "embed": run.encoder_config()}):
        pass  # as an older version left it
    pipeline.project(run, sample=20)
    assert read_json(run.path / "projection" / "umap.json")["features"] == "embedding+project+l2"


def test_embeddings_of_an_image_and_its_mirror_image_are_averaged(strong_run, tmp_path):
    """The network that writes them averages, and so does the one that new images go through.

    Prototypes are then compared with the averages.
    """
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    picked = pipeline.open_run_images(run).read(np.arange(5))
    model = model_files.load(run)
    as_they_are, mirrored = (
        model.embedder.predict_on_batch(as_input(images)) for images in (picked, np.flip(picked, 2))
    )
    assert np.abs(as_they_are - mirrored).max() > 1e-3
    wanted = (as_they_are + mirrored) / 2
    pipeline.embed(run, averages=True)
    written = np.concatenate(list(embedding.Embeddings(run.path).parts(column="averaged")))
    np.testing.assert_allclose(written[:5], wanted, atol=1e-5)
    np.testing.assert_allclose(embedding.encode(model.part("averaged"), picked), wanted, atol=1e-5)
    shares = [
        prototypes.training_shares(run, column)() for column in ("embedding", "averaged", "code")
    ]
    assert np.abs(shares[0] - shares[1]).max() > 1e-4
    np.testing.assert_array_equal(shares[0], shares[2])


def test_averages_are_made_where_they_are_asked_for(strong_run, tmp_path):
    """They cost as much again. Older files stay, to the byte, so that a student can go on."""
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    shutil.rmtree(run.path / "averages", ignore_errors=True)
    run.forget("average")
    pipeline.cluster(run, ClusterOptions(k=4))
    assert not (run.path / "averages").exists()
    made = {
        stage: run.record(stage) for stage in ("embed", "cluster/kmeans-k4-embedding+project+l2")
    }
    with pytest.raises(RunError, match=r"averages holds no embeddings.*`embed\(.*averages=True\)`"):
        list(embedding.Embeddings(run.path).parts(column="averaged"))
    both = pipeline.resolve(run, ClusterOptions(k=4, features="averaged+project+l2"))
    pipeline.cluster(run, both)
    (part,) = run.record("average").outputs
    assert (part.path, pq.read_schema(run.path / part.path).names) == (
        "averages/part-00000.parquet",
        ["id", "split", "averaged"],
    )
    pipeline.cluster(run, ClusterOptions(k=4))
    assert {stage: run.record(stage) for stage in made} == made
    found = pipeline.look(run, both.name)
    assert found.file_for_features("probe") == run.path / "probe" / "averaged+project+l2.json"
    pipeline.probe(run, ClusterOptions())
    assert (
        found.file_for_features("probe") == run.path / "probe" / "embedding+project+l2.json"
    )  # the default's, for want of one of these clusters' own
    pipeline.evaluate(run, both.name)
    assert any(
        "what the features (embedding+project+l2) hold" in text
        for text in texts.further_sentences(pipeline.look(run, both.name))
    )
    lost = tmp_path / "run" / part.path
    before = lost.read_bytes()
    lost.unlink()
    pipeline.probe(run, both)
    assert lost.read_bytes() == before


def test_encoders_that_saw_no_mirrored_views_have_no_averages(strong_run, data, tmp_path):
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    for objective in ("reconstruction", "no-longer-installed"):
        run.recorded_config["fit"]["objective"] = objective
        assert model_files.columns(run) == ("code", "embedding")
    with pytest.raises(
        ConfigError, match="averages need an encoder that learnt from mirrored views"
    ):
        run_method("kmeans").check(run, ClusterOptions(k=4, features="averaged+l2"))
    plain = pipeline.fit(data, small_fit(epochs=1), tmp_path / "plain")
    with pytest.raises(ConfigError, match="averages need an encoder"):
        pipeline.embed(plain, averages=True)
    vectors = tmp_path / "vectors.parquet"
    pq.write_table(pa.table({"embedding": np.eye(8).tolist()}), vectors)
    with pytest.raises(ConfigError, match="averages need images, and a file of vectors has none"):
        pipeline.cluster_vectors(
            vectors, ClusterOptions(k=2, features="averaged+l2"), tmp_path / "clusters.parquet"
        )
