"""Training goes on from a ready-made encoder, on pictures of other sizes and colours."""

import dataclasses

import numpy as np
import pytest
from helpers.runs import use_weights_in
from helpers.strong import SWAV, strong_fit, to_ship

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders import model_files, ready_made
from latentlab.errors import ConfigError
from latentlab.storage import checkpoints
from latentlab.training import prototypes


@pytest.fixture
def ready(strong_run, tmp_path, monkeypatch):
    """Ship "strong", of the session's small fit; return its weights and those above them."""
    use_weights_in(monkeypatch, tmp_path / "weights")
    own, above, description = to_ship(strong_run)
    ready_made.shipped().save("strong", own, description, objective_weights=above)
    return own, above


def starting(**changes):
    return strong_fit(
        objective_options={**SWAV, "start": "strong", **changes}, epochs=1, learning_rate=1e-9
    )


def test_a_fit_starts_where_a_ready_made_encoder_ends(ready, data, tmp_path):
    """With next to no learning rate it stays there: weights, projection head and prototypes."""
    run = pipeline.fit(data, starting(), tmp_path / "run", keep_every=1)
    trained = checkpoints.in_order(
        "weight", checkpoints.load(run.path / "checkpoints" / "epoch-0000")[0]
    )
    for found, wanted in zip(trained, [*ready[0], *ready[1]], strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-3)  # they come in half precision
    assert pipeline.prototypes_of(run) == "own"
    assert prototypes.training_shares(pipeline.embed(run))().shape == (120, SWAV["prototypes"])
    assert min(pipeline.cluster(run, ClusterOptions(k=4, method="imc")).result.sizes["train"]) > 0


def test_other_pictures_are_brought_to_what_the_encoder_takes(ready, tmp_path):
    pictures = tmp_path / "grey.npy"
    np.save(pictures, np.random.default_rng(0).integers(0, 255, (60, 20, 20, 1), np.uint8))
    run = pipeline.fit(DataOptions(data=str(pictures)), starting(), tmp_path / "run")
    shape = model_files.load(run).encoder.input_shape[1:]
    assert (
        pipeline.run_image_shape(run)
        == shape
        == tuple(ready_made.shipped().describe("strong").image_shape)
    )
    assert pipeline.open_run_images(run).image_shape == shape
    again = pipeline.fit(DataOptions(data=str(pictures)), starting(), tmp_path / "run")
    assert again.record("fit") == run.record("fit")


def test_training_goes_on_at_another_size(ready, data, tmp_path):
    height, _, channels = ready_made.shipped().describe("strong").image_shape
    larger = dataclasses.replace(data, size=2 * height)
    run = pipeline.fit(larger, starting(), tmp_path / "run")
    assert pipeline.run_image_shape(run) == (2 * height, 2 * height, channels)
    odd = dataclasses.replace(data, size=height + 1)
    with pytest.raises(ConfigError, match="multiples of 4"):
        pipeline.fit(odd, starting(), tmp_path / "other")


def test_an_encoder_that_does_not_fit_is_refused(ready, data, tmp_path):
    other = strong_fit(
        arch_options={"width": 12, "code_channels": 4},
        objective_options={**SWAV, "start": "strong"},
    )
    wrong = {
        r"of another encoder than this one\. Fit with `arch=fast8` `arch_options.width=8`": other,
        "goes with `objective_options.prototypes=16`": starting(prototypes=20),
        "goes with `objective_options.hidden=16` `objective_options.projection=16`": starting(
            hidden=8, projection=8
        ),
        "unknown ready-made encoder 'none': there are strong": starting(start="none"),
    }
    for says, options in wrong.items():
        with pytest.raises(ConfigError, match=says):
            pipeline.fit(data, options, tmp_path / "run")
    with pytest.raises(ConfigError, match="takes images in colour: leave `grey` out"):
        pipeline.fit(dataclasses.replace(data, grey=True), starting(), tmp_path / "run")
    assert not (tmp_path / "run" / "encoder").exists()
