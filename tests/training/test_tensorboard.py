"""TensorBoard logs and examples of reconstructions."""

import re

import numpy as np

from latentlab.training.tensorboard import NAMES, ScalarLog


def test_tensorboard_logs_and_reconstructions_are_written(finished_run):
    assert list((finished_run.path / "tensorboard").glob("events*"))
    shown = sorted(path.name for path in (finished_run.path / "reconstructions").glob("*.npy"))
    assert shown == ["epoch-0000.npy", "epoch-0001.npy", "epoch-0002.npy", "originals.npy"]
    assert np.load(finished_run.path / "reconstructions" / "epoch-0002.npy").dtype == np.uint8


def test_tensorboard_itself_reads_the_scalars(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_epochs(tmp_path, 1, 2)
    write_epochs(tmp_path, 3)  # a fit that was taken up
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["tensors"]) == sorted(NAMES)
    losses = [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors("loss")]
    assert losses == [(1, 1.0), (2, 0.5), (3, np.float32(1 / 3))]


def test_no_file_names_the_machine(tmp_path):
    write_epochs(tmp_path, 1)
    (file,) = tmp_path.iterdir()
    assert re.fullmatch(r"events\.out\.tfevents\.\d{10}\.0", file.name)


def write_epochs(folder, *epochs):
    with ScalarLog(folder) as log:
        for epoch in epochs:
            log.add(dict.fromkeys(NAMES, 1 / epoch) | {"epoch": epoch})
