"""Prototypes and projection heads are those of the run's own fit."""

import dataclasses

import numpy as np
import pytest
from helpers.heads import QUICK
from helpers.runs import use_weights_in
from helpers.strong import SWAV, strong_fit, to_ship
from scipy.special import softmax

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.data.images import as_input
from latentlab.encoders import embedding, model_files, ready_made
from latentlab.errors import ConfigError
from latentlab.features.fitted import fit_features, through
from latentlab.features.spec import PROJECTED
from latentlab.refinement.feature_layers import vectors_of
from latentlab.storage import checkpoints
from latentlab.training import prototypes
from latentlab.training.objective import Objective


def test_imc_reads_the_prototypes_of_the_fit(strong_run):
    import keras

    run = strong_run
    pipeline.embed(run)
    shares = prototypes.training_shares(run)()
    embedded = np.concatenate(list(embedding.Embeddings(run.path).parts("train", "embedding")))
    objective = Objective.named("swav")
    trainer = objective.start(
        model_files.load(run),
        pipeline.open_run_images(run),
        strong_fit(),
        objective.parse_options(SWAV),
    )
    trainer.restore(checkpoints.load(checkpoints.newest(run.path / "checkpoints", "epoch"))[0])
    projector = trainer.networks.projector
    projector.trainable = False  # batch normalisation then takes its stored statistics
    scores = np.asarray(trainer._scores(embedded, np.float32(0)))
    np.testing.assert_allclose(shares, softmax(scores / 0.1, axis=1), atol=1e-4)
    projected = np.asarray(projector(embedded, training=False))
    np.testing.assert_allclose(through(prototypes.head(run)(), embedded), projected, atol=1e-4)
    fitted = fit_features(PROJECTED, [], embedded.shape[1:], 0, head=prototypes.head(run))
    model, picked = (
        model_files.load(run),
        as_input(pipeline.open_run_images(run).read(np.arange(5))),
    )
    network = keras.Model(model.encoder.input, vectors_of(model, fitted))
    np.testing.assert_allclose(
        network.predict_on_batch(picked),
        fitted.transform(model.embedder.predict_on_batch(picked)),
        atol=1e-5,
    )
    clustering = pipeline.cluster(run, ClusterOptions(k=4, method="imc"))
    assert clustering.features == PROJECTED
    assert len(clustering.result.fact("losses")) == 20
    assert min(clustering.result.sizes["train"]) > 0
    start = pipeline.cluster(
        run, ClusterOptions(k=4, method="selflabel", settings={**QUICK, "start": "imc"})
    )
    assert start.result.fact("rounds") >= 3
    assert start.features == PROJECTED
    with pytest.raises(
        ConfigError,
        match=r"selflabel` trains the network, which sees one image at a time:"
        r" choose `features=embedding\+l2`",
    ):
        pipeline.cluster(
            run, ClusterOptions(k=4, method="selflabel", features="averaged+l2", settings=QUICK)
        )


def test_shipped_prototypes_are_those_of_the_fit(strong_run, data, tmp_path, monkeypatch):
    own, above, description = to_ship(strong_run)
    use_weights_in(monkeypatch, tmp_path / "weights")
    ready_made.shipped().save("strong", own, description, objective_weights=above)
    run = pipeline.use_ready_made(data, "strong", tmp_path / "run")
    for one in (run, strong_run):
        pipeline.embed(one)
    np.testing.assert_allclose(
        prototypes.training_shares(run)(), prototypes.training_shares(strong_run)(), atol=0.02
    )
    clustering = pipeline.cluster(run, ClusterOptions(k=4, method="imc"))
    assert min(clustering.result.sizes["train"]) > 0
    assert clustering.features == PROJECTED
    changed = pipeline.with_weights(run, [2 * weight for weight in own], tmp_path / "changed")
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.require(changed)
    ready_made.shipped().save("strong", own, description)
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.require(run)
    retrained = dataclasses.replace(description, summary={**description.summary, "best_epoch": 9})
    ready_made.shipped().save("strong", own, retrained, objective_weights=above)
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.require(run)
