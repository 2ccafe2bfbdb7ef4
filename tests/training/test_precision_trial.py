"""Speeds of number formats, measured."""

import keras

from latentlab import backend
from latentlab.training import precision_trial


def test_both_formats_train_and_layers_built_later_keep_theirs(monkeypatch):
    monkeypatch.setattr(precision_trial, "BATCH", 2)
    monkeypatch.setattr(precision_trial, "WIDTH", 8)
    backend.set_precision("float32")
    trial = precision_trial.try_precisions()
    assert min(trial.float32, trial.bfloat16) > 0
    assert trial.gain == trial.bfloat16 / trial.float32
    assert keras.config.dtype_policy().name == "float32"


def test_a_format_that_is_hopeless_is_timed_once(monkeypatch):
    turns = []

    def steps_of(precision):
        return lambda batches: turns.append(precision)

    def seconds_of(compiled, images):
        compiled(images)
        return 9.0 if turns[-1] == precision_trial.BFLOAT16 else 1.0

    monkeypatch.setattr(precision_trial, "_steps", steps_of)
    monkeypatch.setattr(precision_trial, "_seconds", seconds_of)
    assert precision_trial.try_precisions().gain == 1 / 9
    assert turns.count(precision_trial.BFLOAT16) == 2  # once to compile
