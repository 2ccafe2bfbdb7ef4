"""Recipes for kinds of machines."""

import pytest

from latentlab import recipes
from latentlab.errors import ConfigError


def test_an_unknown_recipe_is_refused():
    for settings_of in (recipes.fit_settings, recipes.cluster_settings):
        with pytest.raises(ConfigError, match="known are adapt, strong"):
            settings_of("weak")


def test_the_recipe_of_another_kind_of_machine_can_be_asked_for():
    assert {kind: recipes.fit_settings("strong", kind)["arch"] for kind in recipes.MACHINES} == {
        "cpu": "fast8",
        "cpu-bfloat16": "fast8",
        "cpu-amx": "fast8",
        "gpu": "resnet18",
    }
    assert recipes.fit_settings("strong") == recipes.fit_settings("strong", recipes.device())
    assert recipes.cluster_settings("strong") == {"method": "imc"}
    assert recipes.cluster_settings("strong", prototypes=False) == {"method": "scan"}
    with pytest.raises(
        ConfigError,
        match="unknown kind of machine 'tpu': known are cpu, cpu-bfloat16, cpu-amx, gpu",
    ):
        recipes.fit_settings("strong", "tpu")
