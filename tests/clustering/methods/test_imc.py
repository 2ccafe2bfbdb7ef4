"""IMC finds clusters that tell the prototype, and says what to do without prototypes."""

import shutil

import numpy as np
import pytest
from helpers.heads import QUICK, fitted
from helpers.runs import small_fit
from helpers.strong import weights_of

from latentlab import pipeline
from latentlab.clustering.methods import imc
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, RunError
from latentlab.features.spec import NORMALIZED_EMBEDDING
from latentlab.storage.run import Run


def test_imc_finds_the_clusters_that_tell_the_prototype():
    """Heads know the prototypes' groups, know nothing, or are one cluster.

    Their entropies H(C) are log k, log k and 0.
    """
    groups = np.repeat(np.arange(4), 25)
    vectors, shares = (
        np.eye(4, dtype=np.float32)[groups] * 20,
        np.eye(8, dtype=np.float32)[groups * 2 + np.arange(100) % 2],
    )
    own = imc.IMCOptions(heads=3, entropy=4.0)
    objective = imc.PrototypeInformation(4, 4, own, 0)
    objective.kernel.assign(
        np.stack([np.eye(4), np.zeros((4, 4)), np.eye(4)[[0, 0, 0, 0]]]).astype(np.float32)
    )
    told = np.asarray(objective.losses(vectors, shares))
    steep = imc.PULL * (20 - imc.STEEPEST_LOGIT)
    np.testing.assert_allclose(
        told, [-4 * np.log(4) + steep, -4 * np.log(4) + np.log(4), steep], atol=2e-3
    )


def test_imc_without_prototypes_says_what_to_do(data, strong_run, tmp_path):
    plain = pipeline.fit(data, small_fit(epochs=1), tmp_path / "plain")
    elsewhere = pipeline.with_weights(
        strong_run, [2 * weight for weight in weights_of(strong_run)], tmp_path / "elsewhere"
    )
    for run, settings, cause in (
        (plain, {}, "`objective=reconstruction` has none"),
        (elsewhere, {}, "trained elsewhere"),
    ):
        with pytest.raises(
            ConfigError, match=f"prototypes of the run's own fit.*{cause}.*`method=scan`"
        ):
            pipeline.cluster(run, ClusterOptions(k=4, method="imc", settings=settings))
    with pytest.raises(ConfigError, match="prototypes of the run's own fit"):
        pipeline.cluster(
            elsewhere, ClusterOptions(k=4, method="selflabel", settings={**QUICK, "start": "imc"})
        )
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    with pytest.raises(ConfigError, match="vectors alone do not have"):
        fitted("imc", vectors, 4)
    damaged = tmp_path / "damaged"
    shutil.copytree(strong_run.path, damaged)
    np.savez(damaged / "checkpoints" / "epoch-0003" / "arrays.npz", other=vectors)
    for steps, what in (("auto", "projection head is"), ("embedding+l2", "prototypes are")):
        with pytest.raises(RunError, match=f"where the {what}, is damaged"):
            pipeline.cluster(
                Run.open(damaged), ClusterOptions(k=4, method="imc", seed=1, features=steps)
            )
    with pytest.raises(
        ConfigError,
        match=r"step project needs the projection head.*trained elsewhere"
        r".*choose `features=embedding\+l2",
    ):
        pipeline.cluster(elsewhere, ClusterOptions(k=4, features="embedding+project+l2"))
    assert pipeline.resolve(elsewhere, ClusterOptions(k=4)).features == NORMALIZED_EMBEDDING
