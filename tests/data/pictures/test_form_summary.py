"""What the rule for other shapes did, in a sentence."""

import numpy as np
import pytest

from latentlab.data.pictures.form_summary import FormSummary
from latentlab.storage.json_form import from_json, to_json

SIZES = np.array([[400, 200], [300, 400], [224, 224], [100, 100]])


def test_each_rule_is_stated():
    texts = {rule: FormSummary.of(SIZES, rule, 224).text for rule in ("crop", "pad", "stretch")}
    assert texts["crop"] == (
        "2 of 4 pictures are not square: the centre was cropped to 224x224 pixels (on average 38% "
        "of the area is left out). 2 of 4 were smaller than that and were enlarged."
    )
    assert texts["pad"] == (
        "2 of 4 pictures are not square: black bars were added to 224x224 pixels (on average 38% "
        "of the area is black). 1 of 4 was smaller than that and was enlarged."
    )
    assert texts["stretch"].startswith(
        "2 of 4 pictures are not square: they were stretched to 224x224 pixels (on average by a "
        "factor of 1.67)."
    )


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        (SIZES[2:3], "All pictures are square; they were brought to 224x224 pixels."),
        (
            SIZES[[3, 3]],
            "All pictures are square; they were brought to 224x224 pixels. "
            "All were smaller than that and were enlarged.",
        ),
        (np.zeros((0, 2), int), "No picture was read."),
    ],
)
def test_nothing_to_state(sizes, text):
    assert FormSummary.of(sizes, "crop", 224).text == text


def test_parts_are_added_and_stored():
    whole = FormSummary.of(SIZES, "crop", 224)
    parts = FormSummary.of(SIZES[:1], "crop", 224) + FormSummary.of(SIZES[1:], "crop", 224)
    assert parts == whole
    assert from_json(FormSummary, to_json(whole)) == whole
    with pytest.raises(ValueError, match="two forms"):
        _ = whole + FormSummary("pad", 224)
