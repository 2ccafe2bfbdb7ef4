"""Rules for the source code: where frameworks are imported, and who reads labels."""

import re

import pytest
from helpers.files import ROOT


def test_frameworks_are_imported_in_backend_only():
    pattern = re.compile(r"^\s*(import|from) (tensorflow|jax|torch)\b", re.MULTILINE)
    offenders = [
        p.name
        for p in (ROOT / "latentlab").rglob("*.py")
        if pattern.search(p.read_text()) and p.parent.name != "backend"
    ]
    assert offenders == []


def test_only_evaluation_reads_labels():
    pattern = re.compile(r"\bread_labels\(")
    readers = {
        p.relative_to(ROOT / "latentlab").as_posix()
        for p in (ROOT / "latentlab").rglob("*.py")
        if pattern.search(p.read_text())
    }
    allowed = {
        "scoring/evaluate.py",
        "pipeline/scoring.py",
        "pipeline/showing.py",
        "pipeline/checking.py",
    }
    assert {name for name in readers if not name.startswith("scoring/labels/")} <= allowed


def test_public_names_can_all_be_had():
    import latentlab

    for name in latentlab.__all__:
        assert getattr(latentlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        latentlab.nonsense  # noqa: B018
