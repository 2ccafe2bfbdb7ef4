"""Optimizers of SwAV's networks."""

from helpers.strong import SWAV, strong_fit

from latentlab import pipeline
from latentlab.encoders import model_files
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer


def test_muon_trains_kernels_and_matrices_but_the_ends(strong_run):
    objective = SwAVTrainer(
        model_files.load(strong_run),
        pipeline.open_run_images(strong_run),
        strong_fit(),
        SwAVOptions(**SWAV),
    )
    steps = objective.compiled_steps
    left = [
        one.path
        for one, second in zip(steps.trainable, steps.optimizer.velocities, strict=True)
        if len(one.shape) > 1 and second is not None
    ]
    assert sorted(left) == ["prototypes/kernel", "reconstruction/kernel"]
    assert any(second is None for second in steps.optimizer.velocities)


def test_adamw_trains_all_where_it_is_chosen(strong_run):
    import keras

    options = SwAVOptions(**{**SWAV, "optimizer": "adamw", "weight_decay": 0.02})
    optimizer = SwAVTrainer(
        model_files.load(strong_run),
        pipeline.open_run_images(strong_run),
        strong_fit(),
        options,
    ).compiled_steps.optimizer
    assert type(optimizer) is keras.optimizers.AdamW
    assert optimizer.weight_decay == 0.02
