"""scores.json as classes: files of this version come back as they were, older ones load."""

import json

from helpers.files import STORED_RUN

from latentlab.scoring.scores import ScoreRow, Scores, group_rows
from latentlab.storage.json_form import from_json, to_json


def test_without_a_training_map_the_split_is_matched_on_itself():
    rows = [ScoreRow(method="m", split="test", metric="purity", value=0.5)]
    scores = group_rows(rows, "test")["m"]
    assert scores.purity_by_train_map is None
    assert scores.headline("purity").value == 0.5


STORED = STORED_RUN / "clusters" / "kmeans-k4" / "scores.json"


def test_scores_of_a_run_are_written_as_they_were_read():
    text = STORED.read_text(encoding="utf-8")
    scores = from_json(Scores, json.loads(text))
    assert json.dumps(to_json(scores), indent=2, ensure_ascii=False) + "\n" == text
    assert scores.split == "test"
    assert list(scores.by_method("test"))[0] == "conv8+kmeans"


def test_scores_of_an_older_version_have_fewer_keys():
    value = json.loads(STORED.read_text(encoding="utf-8"))
    for key in ("gap", "recall", "unlabelled", "majority_class", "matched_class"):
        del value[key]
    for row in value["rows"]:
        del row["low"], row["high"]
    scores = from_json(Scores, value)
    assert scores.gap == {}
    assert scores.by_method("test")["conv8+kmeans"].headline("nmi").low is None


def test_unknown_keys_of_a_newer_version_are_ignored():
    value = json.loads(STORED.read_text(encoding="utf-8")) | {"newer": [1]}
    assert from_json(Scores, value) == from_json(Scores, json.loads(STORED.read_text()))
