"""The digits without scikit-learn are those that it gives itself."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from latentlab.data.formats import digits_table


def test_the_table_is_scikit_learns():
    digits = load_digits()
    np.testing.assert_array_equal(digits_table.read_digits(range(64)), digits.data)
    np.testing.assert_array_equal(digits_table.read_digits([64])[:, 0], digits.target)


def test_a_table_that_was_moved_is_read_by_scikit_learn(monkeypatch):
    monkeypatch.setattr(digits_table, "TABLE", Path("elsewhere.csv.gz"))
    np.testing.assert_array_equal(digits_table.read_digits([64])[:, 0], load_digits().target)
