"""Texts of features: what they start from, what may follow, and their siblings."""

import pytest

from latentlab.errors import ConfigError
from latentlab.features.spec import FeatureSpec


@pytest.mark.parametrize("text", ["project", "project+l2", "embedding+l2+project", "pool+project"])
def test_project_can_only_follow_embedding_or_averaged(text):
    with pytest.raises(ConfigError, match="project can only follow embedding or averaged"):
        FeatureSpec.parse(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [("averaged", "averaged"), ("averaged+project", "averaged"), ("pool", "code")],
)
def test_the_start_is_the_first_name_or_else_the_code(text, start):
    assert FeatureSpec.parse(text).start == start


@pytest.mark.parametrize(
    ("text", "siblings"),
    [("averaged+l2", ["averaged+l2", "embedding+l2"]), ("pool2", ["pool2"])],
)
def test_averaged_features_have_those_of_the_embedding_as_siblings(text, siblings):
    assert [str(spec) for spec in FeatureSpec.parse(text).siblings()] == siblings
