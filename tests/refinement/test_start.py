"""Where refinement starts, and the warm-up."""

import dataclasses

import numpy as np
import pytest
from helpers.refinement import FAST, options_of
from sklearn.datasets import make_moons

from latentlab import pipeline
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError
from latentlab.features.fitted import fit_features
from latentlab.features.spec import CODE
from latentlab.refinement import loop
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.start import most_even, start_from


def test_an_unknown_start_is_refused_and_keeps_what_is_there(fitted):
    run = fitted("starts")
    options = options_of("idec")
    pipeline.cluster(run, options)
    refused = r"settings\.start=random`: must be one of imc, kmeans, n2d, scan, temi"
    with pytest.raises(ConfigError, match=refused):
        pipeline.cluster(
            run, dataclasses.replace(options, settings={**options.settings, "start": "random"})
        )
    assert (run.path / "clusters" / options.name / "assignments.parquet").exists()


@pytest.mark.run  # UMAP compiles for seconds
def test_start_from_manifold_clusters_follows_moons():
    matrix, moon = make_moons(600, noise=0.05, random_state=0)
    matrix = matrix.astype(np.float32)
    means = np.stack([matrix[moon == m].mean(axis=0) for m in (0, 1)])

    def centers_from(by):
        options = ClusterOptions(k=2, method="dec")
        features = fit_features(CODE, [], (2,), 0)
        start, _ = start_from(Vectors.of(matrix), None, features, options, LoopOptions(start=by))
        return start.centers[np.argsort(start.centers[:, 0])]

    np.testing.assert_allclose(centers_from("n2d"), means, atol=0.02)
    assert np.abs(centers_from("kmeans") - means).max() > 0.1


def test_the_most_even_start_is_taken():
    merged = np.repeat([0, 0, 1, 2], [40, 40, 40, 3])
    even = np.repeat([2, 0, 1, 1], [40, 40, 40, 3])
    assert most_even([merged, even, merged], 3) == 1
    assert most_even([even, merged], 3) == 0


def test_warming_up_trains_towards_n2ds_own_assignments(fitted):
    from latentlab.encoders import embedding, model_files
    from latentlab.refinement.methods import dec, idec

    run = fitted("warming")
    options = options_of("idec", settings=FAST | {"start": "n2d", "warm_up": 2})
    model, images = model_files.load(run), pipeline.open_run_images(run)
    codes = np.concatenate(list(embedding.Embeddings(run.path).parts("train")))
    steps = fit_features(options.features, [codes], model.code_shape, 0)
    settings = idec.IDECOptions(start="n2d", warm_up=2)
    start, first = start_from(Vectors.of(steps.transform(codes)), model, steps, options, settings)
    np.testing.assert_array_equal(
        start.soft.argmax(axis=1), first.assign(steps.transform(codes)).cluster
    )
    refinement = idec.IDEC().start(start, settings)
    z, q = loop.assign_all(refinement, images, images.indices("train"))
    for _ in range(2):
        refinement.begin_round(z, q)
        assert refinement.target is start.soft
    refinement.begin_round(z, q)
    np.testing.assert_array_equal(refinement.target, dec.target_distribution(q))


def test_settled_labels_do_not_end_the_warm_up(fitted):
    loose = FAST | {"tolerance": 1.0, "max_steps": 40}
    plain = pipeline.cluster(fitted("loose"), options_of("idec", settings=loose))
    assert plain.result.fact("rounds") == 1
    warm_up = loose | {"start": "n2d", "warm_up": 3}
    warmed = pipeline.cluster(fitted("warm"), options_of("idec", settings=warm_up))
    assert warmed.result.fact("rounds") == 4
