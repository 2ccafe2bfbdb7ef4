"""Dataclasses become JSON and come back: keys, order, optional fields, wrong types."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from latentlab.errors import RunError
from latentlab.storage import json_form
from latentlab.storage.json_form import from_json, json_field, to_json


@dataclass(frozen=True)
class Flow:
    source: int = json_field(key="from")
    images: int = 0


@dataclass(frozen=True)
class Result:
    name: str
    share: float
    flows: tuple[Flow, ...]
    sizes: Mapping[str, tuple[int, ...]]
    partner: tuple[int | None, ...] = ()
    best: Flow | None = None
    noise: float | None = json_field(optional=True)
    split: Literal["train", "test"] = "test"
    extra: dict[str, Any] = field(default_factory=dict)


TEXT = (
    '{"name": "a", "share": 0.5, "flows": [{"from": 1, "images": 2}], "sizes": {"train": [1, 2]}, '
    '"partner": [0, null], "best": null, "split": "train", "newer": {"x": [1]}}'
)


def test_what_was_read_is_written_again_key_by_key():
    result = from_json(Result, json.loads(TEXT))
    assert result.flows == (Flow(1, 2),)
    assert result.partner == (0, None)
    assert result.extra == {"newer": {"x": [1]}}
    assert json.dumps(to_json(result)) == TEXT


def test_numpy_values_and_paths_become_plain():
    result = Result("a", np.float64(0.25), (), {"train": (np.int64(3),)}, noise=np.float32(0.5))
    value = to_json(result)
    assert json.dumps(value["sizes"]) == '{"train": [3]}'
    assert value["noise"] == 0.5
    assert to_json([Path("a/b"), np.eye(2, dtype=int)]) == ["a/b", [[1, 0], [0, 1]]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"share": "much"}, "Result.share is str, not float"),
        ({"flows": {}}, "Result.flows is dict, not a list"),
        ({"flows": [3]}, "Result.flows is int, not an object"),
        ({"sizes": {"train": [True]}}, "Result.sizes.train is bool, not int"),
        ({"split": "valid"}, "Result.split is str, not one of train, test"),
    ],
)
def test_values_of_another_type_are_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        from_json(Result, json.loads(TEXT) | change)


def test_missing_keys_take_their_default_or_are_named(tmp_path):
    value = json.loads(TEXT)
    del value["partner"]
    assert from_json(Result, value).partner == ()
    del value["share"]
    (tmp_path / "result.json").write_text(json.dumps(value))
    with pytest.raises(RunError, match=r"result.json cannot be read \(Result lacks 'share'\)"):
        json_form.read(Result, tmp_path / "result.json")


@dataclass(frozen=True)
class Word:
    text: str

    def to_json(self):
        return self.text

    @classmethod
    def from_json(cls, value):
        return cls(value)


def test_a_class_may_have_a_form_of_its_own():
    assert to_json({"words": (Word("a"),)}) == {"words": ["a"]}
    assert json_form.from_json(Word, "a") == Word("a")


def test_a_file_is_written_and_read(tmp_path):
    result = from_json(Result, json.loads(TEXT))
    assert json_form.read(Result, json_form.write(tmp_path / "folder" / "a.json", result)) == result
