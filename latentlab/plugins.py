"""Find sources, encoders and clustering methods by file name.

The name of a file is the name of the plugin (`pool_unpool.py` is `pool-unpool`), so adding one needs no
registration, and listing the names imports nothing heavy. Other packages add theirs through entry points of
the group `latentlab.<kind>`.
"""

import ast
import difflib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType

from latentlab.errors import ConfigError

PACKAGES = {
    "sources": "latentlab.data.sources",
    "encoders": "latentlab.encoders.architectures",
    "objectives": "latentlab.training.objectives",
    "clustering": "latentlab.clustering.methods",
    "refinement": "latentlab.refinement.methods",
}
KINDS = tuple(PACKAGES)


def names(kind: str) -> list[str]:
    """Return the sorted plugin names of one kind (one of `KINDS`) without importing the plugins."""
    package = importlib.import_module(PACKAGES[kind])
    own = {
        m.name.replace("_", "-")
        for m in pkgutil.iter_modules(package.__path__)
        if not m.name.startswith("_")
    }
    foreign = {entry.name for entry in importlib.metadata.entry_points(group=f"latentlab.{kind}")}
    return sorted(own | foreign)


def summary(kind: str, name: str) -> str:
    """Return the first line of a plugin's docstring without importing it; "" where its source cannot be found."""
    entries = [
        entry.module
        for entry in importlib.metadata.entry_points(group=f"latentlab.{kind}")
        if entry.name == name
    ]
    try:
        spec = importlib.util.find_spec(
            entries[0] if entries else f"{PACKAGES[kind]}.{name.replace('-', '_')}"
        )
        text = (
            ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
            if spec and spec.origin
            else None
        )
    except (
        ImportError,
        OSError,
        ValueError,
        SyntaxError,
    ):  # another package's, broken or without source
        return ""
    return text.splitlines()[0] if text else ""


def load(kind: str, name: str) -> ModuleType:
    """Import and return the plugin module.

    Raises
    ------
    ConfigError
        If no plugin of this kind has that name; the message lists those there are.
    """
    return load_any((kind,), name)[1]


def load_any(kinds: tuple[str, ...], name: str) -> tuple[str, ModuleType]:
    """Return (kind, module) of the plugin of that name among several kinds; errors as in `load`."""
    known = {plugin: kind for kind in reversed(kinds) for plugin in names(kind)}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ConfigError(
            f"unknown name {name!r} in {' and '.join(kinds)}: known are {', '.join(sorted(known))}.{hint}"
        )
    kind = known[name]
    for entry in importlib.metadata.entry_points(group=f"latentlab.{kind}"):
        if entry.name == name:
            return kind, entry.load()
    return kind, importlib.import_module(f"{PACKAGES[kind]}.{name.replace('-', '_')}")
