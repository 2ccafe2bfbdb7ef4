"""Errors of the library speak Python; flags are the command line's."""

import ast
from pathlib import Path

import latentlab

PACKAGE = Path(latentlab.__file__).parent


ERRORS = {
    "LatentlabError",
    "ConfigError",
    "DataError",
    "RunError",
    "TrainingError",
    "MissingDependencyError",
    "NotReproducedError",
    "NoStructureError",
}


def texts_of_errors(tree):
    """Yield line and text of every string inside a call that makes one of our errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def test_no_error_outside_the_command_line_names_a_flag():
    flags = []
    count = 0
    for path in PACKAGE.rglob("*.py"):
        if "cli" in path.relative_to(PACKAGE).parts:
            continue
        for line, text in texts_of_errors(ast.parse(path.read_text(encoding="utf-8"))):
            count += 1
            if "--" in text:
                flags.append(f"{path.name}:{line}: {text}")
    assert count > 300
    assert flags == []
