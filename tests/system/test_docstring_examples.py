"""The examples in docstrings run and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest
from helpers.files import ROOT

PACKAGE = ROOT / "latentlab"


LEAST = 40  # public functions, methods and classes with an example


FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_with_examples() -> list[str]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [module_name(path) for path in paths if ">>>" in path.read_text(encoding="utf-8")]


def examples_of(name: str) -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return finder.find(importlib.import_module(name))


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_print_what_they_say(name):
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    report: list[str] = []
    for example in examples_of(name):
        runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_many_public_functions_have_an_example():
    names = {example.name for module in modules_with_examples() for example in examples_of(module)}
    public = {name for name in names if not name.rpartition(".")[2].startswith("_")}
    assert len(public) >= LEAST, sorted(public)


def test_a_wrong_example_would_be_noticed():
    text = "An example.\n\n>>> 1 + 1\n3\n"
    example = doctest.DocTestParser().get_doctest(text, {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(example, out=lambda _: None)
    assert runner.failures == 1
