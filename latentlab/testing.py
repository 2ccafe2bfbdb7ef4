"""Checks for the authors of plugins: one function per kind, each takes a plugin and asserts.

    from latentlab.testing import check_clusterer

    def test_my_method():
        check_clusterer(Clusterer.named("my-method"))

On the command line `latentlab plugins check PATH` does the same for a file. The text of an
AssertionError says what to mend.
"""

import dataclasses
import difflib
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from latentlab import plugins
from latentlab.clustering.conformance import check_clusterer
from latentlab.config import DataOptions
from latentlab.data.conformance import check_source
from latentlab.encoders.conformance import check_encoder
from latentlab.errors import ConfigError, LatentlabError
from latentlab.options import CheckedOptions
from latentlab.refinement.conformance import check_refiner
from latentlab.training.conformance import check_objective

__all__ = [
    "check_clusterer",
    "check_encoder",
    "check_objective",
    "check_plugin",
    "check_refiner",
    "check_source",
]

SUMMARY_LENGTHS = range(20, 140)  # characters of the line that `latentlab methods` shows
_CHECKS: dict[str, Callable[[Any], None]] = {
    "encoders": check_encoder,
    "objectives": check_objective,
    "clustering": check_clusterer,
    "refinement": check_refiner,
}


def check_plugin(path: Path, data: DataOptions | None = None) -> Iterator[str]:
    """Check the plugin in a file, whatever its kind.

    Parameters
    ----------
    path : pathlib.Path
        A Python file with one class derived from a base class of plugins.
    data : DataOptions or None
        What a source can read, a small set; None for a source that needs no files.

    Yields
    ------
    str
        What was checked, each time a check has passed.

    Raises
    ------
    ConfigError
        If the file cannot be imported, or does not define just one plugin.
    AssertionError
        If a check fails.
    """
    plugin: Any = plugins.load_file(path)
    yield f"{path} defines {plugin.name!r}, one of {plugin.kind}"
    text = sys.modules[type(plugin).__module__].__doc__ or ""
    summary = text.partition("\n")[0]
    assert len(summary) in SUMMARY_LENGTHS, (
        f"the first line of the file's docstring must say in {SUMMARY_LENGTHS.start} to"
        f" {SUMMARY_LENGTHS.stop - 1} characters what it is, not {summary!r}"
    )
    yield f"its summary is: {summary}"
    assert not plugins.name_is_taken(plugin, path), (
        f"latentlab itself has a plugin called {plugin.name!r}: rename the file"
    )
    try:
        _check_declarations(plugin)
        if plugin.kind == "sources":
            check_source(plugin, data or DataOptions(data=plugin.name))
        else:
            _CHECKS[plugin.kind](plugin)
    except (LatentlabError, MemoryError):
        raise
    except Exception as error:  # the plugin's own code, which may raise anything
        if isinstance(error, AssertionError) and str(error):
            raise
        raise AssertionError(_raised(error, path)) from error
    yield f"it keeps the contract of {plugin.kind}"


def _raised(error: Exception, path: Path) -> str:
    """Say what a plugin raised, and in which of its lines."""
    reason = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    if lines:
        return f"its line {lines[-1]} leads to {reason}"
    return f"what it gave cannot be used ({reason}): does it return what the base class says?"


def _check_declarations(plugin: Any) -> None:
    """Check what plugins of every kind declare."""
    for name in vars(type(plugin)):
        close = difflib.get_close_matches(name.lower(), ("options", "capabilities"), 1, 0.8)
        if close and not hasattr(plugins.Plugin, name) and name != "capabilities":
            meant = {"options": "Options"}.get(close[0], close[0])
            raise AssertionError(f"the class has {name}, which nothing reads: write {meant}")
    wanted = type(_base_of(plugin).capabilities)
    assert isinstance(plugin.capabilities, wanted), f"capabilities must be {wanted.__name__}"

    options: Any = plugin.Options
    is_dataclass = dataclasses.is_dataclass(options)
    assert is_dataclass, "Options must be a dataclass"
    assert not any(isinstance(value, dataclasses.Field) for value in vars(options).values()), (
        "Options must be a dataclass itself: write @dataclass(frozen=True) above it"
    )
    for field in dataclasses.fields(options):
        has_default = field.default is not field.default_factory  # both are MISSING without
        assert has_default, f"the option {field.name} needs a default"
        is_checked = issubclass(options, CheckedOptions) or not field.metadata.get("bounds")
        assert is_checked, "Options must be derived from CheckedOptions, or no bound is looked at"
    if plugin.kind != "objectives":  # which may refuse a default
        try:
            options()
        except ConfigError as error:
            raise AssertionError(f"the defaults of Options break its bounds: {error}") from error


def _base_of(plugin: Any) -> Any:
    """Return the base class of a plugin's kind: the one that is derived from `Plugin` itself."""
    return next(base for base in type(plugin).__mro__ if plugins.Plugin in base.__bases__)
