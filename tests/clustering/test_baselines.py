"""Feature steps that baselines on pixels share."""

from latentlab.clustering import baselines
from latentlab.features.spec import FeatureSpec


def test_pixels_go_through_the_steps_that_make_sense_on_them():
    for text in ("embedding+project+l2", "averaged+project+l2", "code", "pool"):
        assert baselines.steps_for_pixels(FeatureSpec.parse(text)) is None
    steps = baselines.steps_for_pixels(FeatureSpec.parse("embedding+project+l2+pca5"))
    assert str(steps) == "l2+pca5"
