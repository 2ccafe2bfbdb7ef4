"""Hostile plugins of scripts/hostile_inputs.py: files, folders and entry points that are wrong.

A plugin is code that a user has named, so that it may do anything. What is asked here: a wrong one
ends in one line, and listing plugins neither runs one nor waits for one.
"""

import functools
import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from _hostile_files import Case

from latentlab import plugins
from latentlab.errors import LatentlabError

FAMILY = "plugins"
VARIABLE = plugins.FOLDERS_VARIABLE
BASES = {kind: plugins._BASES[kind] for kind in plugins.KINDS}
MARKER = "it-ran"

# Bodies of a file whose first lines import the base class as Base.
WRONG = {
    "nothing in it": "",
    "a syntax error": "class Wicked(Base:\n",
    "an exception": "raise ValueError('no\\nlines\\x1b[31m')\n",
    "the end of the process": "raise SystemExit(0)\n",
    "a missing package": "import not_there_at_all\n",
    "endless recursion": "def again(): again()\nagain()\n",
    "two classes": "class A(Base): pass\nclass B(Base): pass\n",
    "an abstract class": "class A(Base): pass\n",
    "a broken constructor": (
        "class A(Base):\n    def __init__(self): raise KeyError('x')\n"
        "A.__abstractmethods__ = frozenset()\n"
    ),
    "a name that cannot be set": "class A(Base):\n    __slots__ = ()\n    name = property(id)\n"
    "A.__abstractmethods__ = frozenset()\n",
}
BYTES = {
    "no text": b"\xff\xfe\x00class Base: pass",
    "null bytes": b"class A(Clusterer): pass\0\n",
    "deep nesting": b"x = " + b"(" * 5000 + b")" * 5000,
    "deep signs": b"x = " + b"-" * 200_000 + b"1",
    "a long line": b"x = '" + b"a" * 3_000_000 + b"'",
    "more than is read": b"#" * (plugins.LONGEST_FILE + 1),
}


def plugin_files(rng: random.Random) -> Iterator[Case]:
    """Yield wrong files of each kind."""
    for kind, (home, base) in BASES.items():
        for name, body in WRONG.items():
            text = f"from {home} import {base} as Base\n# {base}\n{body}"
            run = functools.partial(_use_file, kind, text.encode())
            yield Case(FAMILY, f"{kind}, {name}", run)
    for name, content in BYTES.items():
        kind = rng.choice(plugins.KINDS)
        yield Case(FAMILY, f"{name}, {kind}", functools.partial(_use_file, kind, content))


def plugin_places(rng: random.Random) -> Iterator[Case]:
    """Yield folders and entry points that are not what they should be."""
    yield Case(FAMILY, "a folder of the working directory", _use_relative_folder)
    yield Case(FAMILY, "a folder that everybody writes to", _use_open_folder)
    for name, make in {"pipe": os.mkfifo, "folder": os.mkdir}.items():
        yield Case(FAMILY, f"a {name} as a file", functools.partial(_use_odd_file, make))
    for target in ("/dev/zero", "wicked.py", "nowhere.py", "/proc/self/mem"):
        link = functools.partial(os.symlink, target)
        yield Case(FAMILY, f"a link to {target}", functools.partial(_use_odd_file, link))
    for value in (
        "nowhere:Wicked",
        "wicked:Wicked",
        "wicked",
        "os:system",
        "wicked:Wicked.more",
        ":",
        "a b",
    ):
        yield Case(FAMILY, f"entry point {value}", functools.partial(_use_entry, value))
    for name in ("kmeans", "../wicked", "", "a\nb"):
        yield Case(FAMILY, f"entry point called {name!r}", functools.partial(_use_named, name))


def _use_file(kind: str, content: bytes, folder: Path) -> str:
    place = folder / "plugins" / kind
    place.mkdir(parents=True)
    (place / "wicked.py").write_bytes(content)
    return _with_folder(place.parent, lambda: _list_and_load(kind, "wicked"))


def _list_and_load(kind: str, name: str) -> str:
    """Return what is wrong with listing and loading; a wrong plugin is refused on purpose."""
    for known in plugins.KINDS:
        for listed in plugins.names(known):
            plugins.summary(known, listed)
    plugins.load(kind, name)
    return "it was loaded"


def _with_folder(folder: Path | str, use: Callable[[], str]) -> str:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folder)
    try:
        return use()
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _use_relative_folder(folder: Path) -> str:
    (folder / "wicked.py").write_text(f"open({str(folder / MARKER)!r}, 'w')\n")
    return _with_folder(".", lambda: _list_and_load("clustering", "wicked"))


def _use_open_folder(folder: Path) -> str:
    place = folder / "plugins"
    place.mkdir()
    place.chmod(0o777)
    return _with_folder(place, lambda: _list_and_load("clustering", "kmeans"))


def _use_odd_file(make: Callable[[Path], None], folder: Path) -> str:
    place = folder / "plugins"
    place.mkdir()
    make(place / "wicked.py")
    return _with_folder(place, lambda: _list_and_load("clustering", "wicked"))


def _package(folder: Path, name: str, value: str) -> None:
    record = folder / "wicked-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: wicked\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(f"[latentlab.clustering]\n{name} = {value}\n")


def _use_entry(value: str, folder: Path) -> str:
    """Use an entry point of a package in a whole path, as installed packages are."""
    _package(folder, "wicked", value)
    (folder / "wicked.py").write_text("raise OSError('broken')\n")
    return _with_packages(str(folder), "wicked")


def _use_named(name: str, folder: Path) -> str:
    """Use an entry point of the working directory: it is not there, whatever its name."""
    _package(folder, name, "wicked:Wicked")
    (folder / "wicked.py").write_text(f"open({str(folder / MARKER)!r}, 'w')\n")
    wrong = _with_packages("", "kmeans")
    if (folder / MARKER).exists():
        return "planted code ran"
    return "" if wrong == "it was loaded" else wrong  # our own k-means


def _with_packages(entry: str, name: str) -> str:
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    plugins._entry_points.cache_clear()
    try:
        return _list_and_load("clustering", name)
    except LatentlabError:
        raise
    finally:
        sys.path.remove(entry)
        plugins._entry_points.cache_clear()


ALL = (plugin_files, plugin_places)
