"""Labels of arrays belong to their images."""

import numpy as np
import pytest
from helpers.runs import make_stripes

from latentlab.config import DataOptions
from latentlab.errors import DataError
from latentlab.scoring.labels import read_labels


def test_labels_of_another_length_are_refused_and_never_moved(tmp_path):
    x, y = make_stripes(10)
    for wrong in ({"y_train": y[:5], "y_test": y[6:]}, {"y_train": y[:6], "y_test": y[:5]}):
        np.savez(tmp_path / "x.npz", x_train=x[:6], x_test=x[6:], **wrong)
        with pytest.raises(DataError, match=r"5 labels for [46] images"):
            read_labels(DataOptions(data=str(tmp_path / "x.npz")))
    np.savez(tmp_path / "x.npz", x_train=x[:6], x_test=x[6:], y_train=y[:6])
    assert read_labels(DataOptions(data=str(tmp_path / "x.npz"))).labels[6:].tolist() == [-1] * 4
