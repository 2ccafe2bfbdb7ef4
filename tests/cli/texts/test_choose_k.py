"""The table that choose-k prints."""

from latentlab.cli.texts.choose_k import choice_text
from latentlab.clustering import choose_k


def test_text_marks_each_choice():
    rows = []
    for k in (2, 3):
        values = dict.fromkeys(
            ("silhouette", "davies_bouldin", "calinski_harabasz", "gap", "stability"), k / 10
        )
        rows.append(choose_k.KScores(k=k, gap_s=0.05, stability_sd=0.0, **values))
    choices = dict.fromkeys(choose_k.CRITERIA, 3)
    choice = choose_k.KChoice(rows=tuple(rows), choices=choices, k=3, reason="why")
    text = choice_text(choice)
    assert text.count("0.300*") == 5
    assert text.endswith("recommended: --k 3, since why")
