"""TensorBoard logs and examples of reconstructions."""

import numpy as np


def test_tensorboard_logs_and_reconstructions_are_written(finished_run):
    assert list((finished_run.path / "tensorboard").glob("events*"))
    shown = sorted(path.name for path in (finished_run.path / "reconstructions").glob("*.npy"))
    assert shown == ["epoch-0000.npy", "epoch-0001.npy", "epoch-0002.npy", "originals.npy"]
    assert np.load(finished_run.path / "reconstructions" / "epoch-0002.npy").dtype == np.uint8
