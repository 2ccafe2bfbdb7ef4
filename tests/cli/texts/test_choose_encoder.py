"""The table that choose-encoder prints."""

from latentlab.cli.texts.choose_encoder import encoder_choice_text
from latentlab.clustering.encoder_criteria import CriterionValues
from latentlab.pipeline.encoder_choice import CriterionHits, EncoderChoice, JudgedEncoder


def judged(name, value, ranks):
    values = CriterionValues(silhouette=value, seed_stability=value, neighbours=value)
    mean = sum(ranks) / 3
    return JudgedEncoder(
        encoder=name, name=name, pretraining="none", values=values, ranks=ranks, mean_rank=mean
    )


def choice_of(encoders, agree):
    hit = CriterionHits(criterion="silhouette", best=3, folders=5, pairs_right=7, pairs=9)
    return EncoderChoice(
        images=100,
        ks=(5,),
        seed=0,
        encoders=encoders,
        agree=agree,
        hits=(hit,),
        hits_source="the bench",
    )


def test_text_says_where_criteria_disagree():
    first, second = judged("a", 0.5, (1, 1, 2)), judged("b", 0.25, (2, 2, 1))
    text = encoder_choice_text(choice_of((first, second), agree=False))
    assert "0.500 (#2)" in text
    assert "recommended: --encoder a, by its mean rank; neighbours says b" in text
    assert "3 of 5 folders; 7 of 9 pairs" in text


def test_text_says_that_criteria_agree():
    first, second = judged("a", 0.5, (1, 1, 1)), judged("b", 0.25, (2, 2, 2))
    assert "all criteria put it first" in encoder_choice_text(choice_of((first, second), True))


def test_one_encoder_is_no_choice():
    assert "only one" in encoder_choice_text(choice_of((judged("a", 0.5, (1, 1, 1)),), True))
