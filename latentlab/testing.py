"""Checks for the authors of plugins: one function per kind, each takes a plugin and asserts.

    from latentlab.testing import check_clusterer

    def test_my_method():
        check_clusterer(Clusterer.named("my-method"))

On the command line `latentlab plugins check PATH` does the same for a file. The text of an
AssertionError says what to mend.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from latentlab import plugins
from latentlab.clustering.conformance import check_clusterer
from latentlab.config import DataOptions
from latentlab.data.conformance import check_source
from latentlab.encoders.conformance import check_encoder
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
    if plugin.kind == "sources":
        check_source(plugin, data or DataOptions(data=plugin.name))
    else:
        _CHECKS[plugin.kind](plugin)
    yield f"it keeps the contract of {plugin.kind}"
