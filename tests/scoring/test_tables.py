"""Scores with their intervals in tables."""

import dataclasses

from latentlab.scoring import tables
from latentlab.scoring.scores import ScoreRow


def test_intervals_stand_beside_scores():
    row = ScoreRow(method="m", split="test", metric="nmi", value=0.5)
    assert tables.with_interval(row) == "0.500"
    row = dataclasses.replace(row, low=0.45, high=0.55)
    assert tables.with_interval(row) == "0.500 [0.450, 0.550]"
