"""The table that choose-k prints."""

import numpy as np

from latentlab.cli.texts.choose_k import choice_text
from latentlab.clustering import choose_k


def choice_of(**more):
    rows = []
    for k in (2, 3):
        values = dict.fromkeys(
            ("silhouette", "davies_bouldin", "calinski_harabasz", "gap", "stability"), k / 10
        )
        rows.append(choose_k.KScores(k=k, gap_s=0.05, stability_sd=0.0, **values))
    choices = dict.fromkeys(choose_k.CRITERIA, 3)
    values = {"k": 3, "reason": "why"} | more
    return choose_k.KChoice(rows=tuple(rows), choices=choices, **values)


def test_text_marks_each_choice():
    text = choice_text(choice_of())
    assert text.count("0.300*") == 5
    assert text.endswith("recommended: --k 3, since why")


def test_hints_and_no_structure_are_called_so():
    assert choice_text(choice_of(is_hint=True)).endswith("a hint: --k 3, since why")
    cloud = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    absent = choose_k.find_structure(cloud, cloud, 3, 0)
    text = choice_text(choice_of(structure=absent, k=1))
    assert text.endswith("recommended: none, since why")
