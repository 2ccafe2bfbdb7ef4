"""Snapshots of optimizers."""

import numpy as np
import pytest

from latentlab.errors import RunError
from latentlab.training import (
    snapshot,
)


def test_an_optimizer_of_another_version_is_refused_in_one_line():
    import keras

    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable(np.zeros(2, np.float32))])
    with pytest.raises(RunError, match="another version of latentlab"):
        snapshot.restore_optimizer(optimizer, {"optimizer-0000": np.zeros(1)})
