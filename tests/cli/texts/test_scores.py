"""The table that evaluate prints."""

import numpy as np

from latentlab.cli.texts.scores import score_table
from latentlab.scoring import metrics
from latentlab.scoring.scores import ScoreRow, group_rows


def test_the_table_tells_the_training_maps_scores_first_and_the_other_below():
    training, held_out = np.array([[60, 40], [45, 55]]), np.array([[20, 30], [10, 40]])
    rows = [
        ScoreRow(method="m", split="test", metric=row.metric, value=row.value, chance=row.chance)
        for row in metrics.score(held_out, training)
    ]
    rows.append(ScoreRow(method="m", split="train", metric="purity", value=0.999, chance=0.5))
    scores = group_rows(rows, "test")["m"]
    assert scores.headline("purity") is scores.purity_by_train_map
    assert (scores.purity_by_train_map.value, scores.purity_matched_on_split.value) == (0.6, 0.7)
    text = score_table(rows)
    assert "0.600" in text
    assert "matched on the split itself they are 0.700 and 0.600" in text
    assert "0.999" not in text


def test_purity_over_all_images_stands_beside_that_of_the_split():
    rows = [
        ScoreRow(method="m", split=split, metric=row.metric, value=row.value, chance=row.chance)
        for split, table in (("train", [[6, 4], [4, 6]]), ("all", [[8, 4], [4, 9]]))
        for row in metrics.score(np.array(table))
    ]
    heads, values = score_table(rows).splitlines()[:2]
    assert heads.startswith("train split")
    assert heads.endswith("purity (all)  chance")
    assert values.split()[1] == "0.600"
    assert values.split()[-2] == "0.680"
