"""Recipes for kinds of machines."""

import pytest

from latentlab import backend, recipes
from latentlab.errors import ConfigError
from latentlab.training.precision_trial import PrecisionTrial


def test_an_unknown_recipe_is_refused():
    for settings_of in (recipes.fit_settings, recipes.cluster_settings):
        with pytest.raises(ConfigError, match="known are adapt, strong"):
            settings_of("weak")


def test_the_recipe_of_another_kind_of_machine_can_be_asked_for():
    assert {kind: recipes.fit_settings("strong", kind)["arch"] for kind in recipes.MACHINES} == {
        "cpu": "fast8",
        "cpu-bfloat16": "fast8",
        "cpu-tiles": "fast8",
        "gpu": "resnet18",
    }
    assert recipes.fit_settings("strong") == recipes.fit_settings("strong", recipes.device())
    assert recipes.cluster_settings("strong") == {"method": "imc"}
    assert recipes.cluster_settings("strong", prototypes=False) == {"method": "scan"}
    with pytest.raises(
        ConfigError,
        match="unknown kind of machine 'tpu': known are cpu, cpu-bfloat16, cpu-tiles, gpu",
    ):
        recipes.fit_settings("strong", "tpu")


@pytest.mark.parametrize(
    ("gain", "kind"), [(0.2, "cpu"), (1.1, "cpu"), (1.2, "cpu-bfloat16"), (2.2, "cpu-tiles")]
)
def test_the_kind_of_a_processor_follows_from_what_was_measured(monkeypatch, gain, kind):
    monkeypatch.setattr(backend, "on_gpu", lambda: False)
    monkeypatch.setattr(recipes, "precision_trial", lambda: PrecisionTrial(100.0, 100.0 * gain))
    assert recipes.device() == kind


def test_a_gpu_and_other_backends_need_no_trial(monkeypatch):
    monkeypatch.setattr(backend, "on_gpu", lambda: True)
    assert recipes.precision_trial.__wrapped__() is None
    assert recipes.device() == "gpu"
    monkeypatch.setattr(backend, "on_gpu", lambda: False)
    monkeypatch.setattr(backend, "current", lambda: "jax")
    assert recipes.precision_trial.__wrapped__() is None
