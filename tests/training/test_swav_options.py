"""Options of SwAV that cannot be."""

import pytest

from latentlab.errors import ConfigError
from latentlab.training.swav_options import SwAVOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "sgd"},
        {"adam_share": -1.0},
        {"weight_decay": -0.1},
        {"weight_decay": float("nan")},
    ],
)
def test_optimizers_that_cannot_be_are_refused(wrong):
    with pytest.raises(
        ConfigError,
        match="optimizer=sgd`: must be one of adamw, muon|adam_share=-1.0`: must be above 0"
        "|weight_decay=(-0.1|nan)`: must be at least 0",
    ):
        SwAVOptions(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"sinkhorn_steps": 0}, {"warm_up_steps": -1}, {"frozen_steps": -1}, {"hidden": 0}]
)
def test_steps_that_cannot_be_are_refused(wrong):
    with pytest.raises(
        ConfigError,
        match="(sinkhorn_steps|hidden)=0`: must be at least 1"
        "|(warm_up|frozen)_steps=-1`: must be at least 0",
    ):
        SwAVOptions(**wrong)
