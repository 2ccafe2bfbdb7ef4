"""The order of batches in refinement."""

import numpy as np

from latentlab.refinement import loop


def test_every_image_is_trained_on_once_an_epoch_in_a_new_order():
    schedule = loop.Schedule(
        interval=5, batch_size=10, tolerance=0, max_steps=50, augment="none", seed=0
    )
    steps = [*schedule.batches(50, 0), *schedule.batches(50, 1)]
    assert sorted(np.concatenate(steps[:5])) == list(range(50))
    assert sorted(np.concatenate(steps[5:])) == list(range(50))
    assert not np.array_equal(np.concatenate(steps[:5]), np.concatenate(steps[5:]))
