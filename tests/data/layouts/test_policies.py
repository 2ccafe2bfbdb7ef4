"""What --labels and --split may be, and what becomes of them."""

import pytest

from latentlab.config import DataOptions
from latentlab.data.layouts.policies import (
    class_policy,
    name_expression,
    split_policy,
    would_score,
)
from latentlab.errors import ConfigError


def test_every_form_of_labels_becomes_an_object():
    assert class_policy(DataOptions()).kind == "auto"
    assert class_policy(DataOptions(labels="none")).kind == "none"
    assert class_policy(DataOptions(labels="folder")).depth is None
    assert class_policy(DataOptions(labels="folder:3")).depth == 3
    assert class_policy(DataOptions(labels="table:a:b.csv")).table == "a:b.csv"
    policy = class_policy(DataOptions(labels="name:{label}_{}.png"))
    assert (policy.pattern, policy.table) == ("{label}_{}.png", "")
    assert split_policy(DataOptions(split="table:s.csv")).table == "s.csv"
    assert split_policy(DataOptions(split="none")).kind == "none"


@pytest.mark.parametrize(
    "text", ["", "folders", "folder:0", "folder:x", "folder:-1", "table", "table:", "name:{}.png"]
)
def test_other_forms_are_refused_in_one_line(text):
    with pytest.raises(ConfigError, match=r"^`labels=.*must be auto, none, folder") as error:
        DataOptions(labels=text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "random", "folder:1", "table:"])
def test_other_splits_are_refused_in_one_line(text):
    with pytest.raises(ConfigError, match=r"^`split=.*must be auto, none, folder or table:FILE"):
        DataOptions(split=text)


@pytest.mark.parametrize(
    ("pattern", "name", "label"),
    [
        ("{label}_{}.png", "black_cat_07.png", "black_cat"),
        ("{}_{label}.png", "07_black_cat.png", "black_cat"),
        ("{label}.{}.jpg", "dog.12.jpg", "dog"),
        ("{label}_{}_{}.png", "disc_000_left.png", "disc"),
        ("IMG[{label}]{}", "IMG[cat]5.png", "cat"),
        ("{label}/{}.png", "cat/5.png", "cat"),
        ("{label}-{label}.png", "cat-cat.png", "cat"),
    ],
)
def test_the_label_of_a_name_is_as_long_as_it_can_be(pattern, name, label):
    assert name_expression(pattern).fullmatch(name).group(1) == label


def test_a_name_of_another_form_has_no_label():
    assert name_expression("{label}_{}.png").fullmatch("cat.png") is None
    assert name_expression("{label}_{}.png").fullmatch("a/cat_1.png") is None
    assert name_expression("{label}_{}.png").fullmatch("cat_1xpng") is None


def test_scoring_is_expected_where_labels_are_or_are_asked_for():
    assert would_score(DataOptions(), True)
    assert not would_score(DataOptions(), False)
    assert not would_score(DataOptions(labels="folder"), False)
    assert not would_score(DataOptions(labels="none"), True)
    assert would_score(DataOptions(labels="table:x.csv"), False)
