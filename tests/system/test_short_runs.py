"""Short fits that say whether a long fit is worth its time."""

import pytest
from helpers.files import ROOT
from helpers.strong import strong_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.errors import RunError


def test_a_short_fit_says_whether_a_long_one_is_worth_its_time(data, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import _short_run

    told = _short_run.make(data, strong_fit(), 2, ClusterOptions(k=4), tmp_path / "short")
    assert (told["epochs"], sum(told["sizes"]), len(told["sizes"])) == (2, 160, 4)
    assert told["sizes"] == sorted(told["sizes"], reverse=True)
    assert 0 < told["knn_accuracy"] <= 1
    monkeypatch.setattr(pipeline, "cluster", None)
    assert (
        _short_run.make(data, strong_fit(), 2, ClusterOptions(k=4), tmp_path / "short") == told
    ), "made once"
    with pytest.raises(RunError, match="holds a run with other settings"):
        _short_run.make(
            data, strong_fit(learning_rate=0.1), 2, ClusterOptions(k=4), tmp_path / "short"
        )
    assert "| a | 2 |" in _short_run.table({"a": {"short_run": told}, "b": {}})
    good = {**told, "knn_accuracy": 0.61, "sizes": [9, 1]}
    assert not _short_run.objection(good)
    assert "k-NN accuracy is 0.590 after 2 epochs, below 0.6" in _short_run.objection(
        {**good, "knn_accuracy": 0.59}
    )
    assert "a cluster is empty after 2 epochs" in _short_run.objection({**good, "sizes": [9, 0]})
