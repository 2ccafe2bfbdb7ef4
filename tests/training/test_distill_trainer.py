"""Settings of distillation."""

import pytest

from latentlab.errors import ConfigError
from latentlab.training.distill_trainer import DistillOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"teacher": "x", "smallest": 0},
        {"teacher": "x", "optimizer": "sgd"},
        {"teacher": "x", "temperature": 0},
        {"teacher": "x", "big": 4},
    ],
)
def test_settings_are_checked(wrong):
    with pytest.raises(
        ConfigError, match=r"^`(objective=distill|smallest=0|optimizer=sgd|temperature=0|big=4)`"
    ):
        DistillOptions(**wrong)
