"""Find sources, encoders, objectives, clustering and refinement methods by file name.

A plugin is one file with one class derived from the base class of its kind. The file's name is the
plugin's name (`pool_unpool.py` is `pool-unpool`). Nothing has to be registered, and listing the
names imports no plugin. Plugins come from three places, and from no other:

- latentlab's own folders, see `PACKAGES`;
- the folders in the environment variable LATENTLAB_PLUGINS: FOLDER/NAME.py, whose kind follows from
  the base class, or FOLDER/KIND/NAME.py;
- installed packages, by an entry point of the group `latentlab.KIND`.

The working directory and run folders are never searched: a folder in LATENTLAB_PLUGINS is a whole
path, and only its owner may write to it.
"""

import ast
import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from latentlab.errors import ConfigError
from latentlab.options import NoOptions, parse_options

PACKAGES = {
    "sources": "latentlab.data.sources",
    "encoders": "latentlab.encoders.architectures",
    "objectives": "latentlab.training.objectives",
    "clustering": "latentlab.clustering.methods",
    "refinement": "latentlab.refinement.methods",
}
KINDS = tuple(PACKAGES)
FOLDERS_VARIABLE = "LATENTLAB_PLUGINS"
LONGEST_FILE = 1 << 22  # bytes of a plugin's file; it is read to list it
FILE_MODULES = "latentlab_plugins"  # package name of modules that are loaded from files
_ENTRY = importlib.metadata.EntryPoint.pattern
_BASES = {
    "sources": ("latentlab.data.source", "Source"),
    "encoders": ("latentlab.encoders.encoder", "Encoder"),
    "objectives": ("latentlab.training.objective", "Objective"),
    "clustering": ("latentlab.clustering.clusterer", "Clusterer"),
    "refinement": ("latentlab.refinement.refiner", "Refiner"),
}
# kind -> the argument that names such a plugin, and the one that holds values for its options
_ARGUMENTS = {
    "sources": ("data", "source_options"),
    "encoders": ("arch", "arch_options"),
    "objectives": ("objective", "objective_options"),
    "clustering": ("method", "settings"),
    "refinement": ("method", "settings"),
}


class Plugin:
    """Base of the five base classes.

    Attributes
    ----------
    kind : str
        One of `KINDS`; set by the base class of the kind.
    name : str
        Name of the plugin's file; set when it is loaded.
    Options : type
        Frozen dataclass of the plugin's options, every field with a default.
    capabilities : object
        Facts that the rest of the package needs: a dataclass of the plugin's kind.
    """

    kind: ClassVar[str]
    name: str = ""
    Options: ClassVar[type] = NoOptions
    capabilities: ClassVar[Any]

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all plugins of this kind."""
        return names(cls.kind)

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the plugin called `name`; ConfigError if there is none."""
        return load(cls.kind, name)

    @property
    def argument(self) -> str:
        """The plugin as messages name it, such as "`method=dcec`"."""
        return f"`{_ARGUMENTS[self.kind][0]}={self.name}`"

    def parse_options(self, values: Mapping[str, Any]) -> Any:
        """Return the plugin's `Options` with values that a user gave.

        Parameters
        ----------
        values : mapping
            Option name -> value.

        Raises
        ------
        ConfigError
            If there is no such option, or a value has another type or breaks its bounds.
        """
        return parse_options(self.Options, values, self.argument, _ARGUMENTS[self.kind][1])


@dataclass(frozen=True)
class _Place:
    """Where a plugin lies: a module of ours, a file, or an entry point; just one of them is set."""

    module: str = ""
    path: Path | None = None
    entry: importlib.metadata.EntryPoint | None = None

    def source(self) -> Path | None:
        """Return the plugin's source file without importing it; None if it cannot be found."""
        if self.path is not None:
            return self.path
        if self.entry is not None and not _ENTRY.fullmatch(self.entry.value):
            return None
        spec = importlib.util.find_spec(self.entry.module if self.entry else self.module)
        return Path(spec.origin) if spec and spec.origin else None

    def load(self, kind: str, name: str) -> Any:
        """Import and return the plugin's module, or the object of the entry point."""
        if self.entry is not None:
            return _loaded(self.entry)
        if self.path is not None:
            return import_file(self.path, kind, name)
        return importlib.import_module(self.module)


def _loaded(entry: importlib.metadata.EntryPoint) -> Any:
    """Return what an entry point names; ConfigError if it cannot be imported."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # the plugin's own code may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the plugin {entry.name} cannot be imported ({reason})") from error


def names(kind: str) -> list[str]:
    """Return the sorted plugin names of one kind, without importing the plugins.

    Parameters
    ----------
    kind : str
        One of `KINDS`.

    Examples
    --------
    >>> "kmeans" in names("clustering")
    True
    """
    return sorted(_places(kind))


def summary(kind: str, name: str) -> str:
    """Return the first line of a plugin's docstring without importing it; "" without a source.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Name of the plugin.
    """
    try:
        path = _places(kind)[name].source()
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path else None
    except (KeyError, ImportError, OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ""  # a foreign plugin that is broken or has no source
    return text.splitlines()[0] if text else ""


def load(kind: str, name: str) -> Any:
    """Import and return the plugin of one kind; ConfigError as in `load_any`.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Name of the plugin.
    """
    return load_any((kind,), name)


def load_any(kinds: tuple[str, ...], name: str) -> Any:
    """Return the plugin called `name` among several kinds.

    Parameters
    ----------
    kinds : tuple of str
        Of `KINDS`; the first kind that has the name counts.
    name : str
        Name of the plugin.

    Returns
    -------
    Plugin
        One instance, of the base class of its kind.

    Raises
    ------
    ConfigError
        If there is none of that name (the message lists those there are), or it is broken.
    """
    for kind in kinds:
        place = _places(kind).get(name)
        if place is not None:
            return _instance(kind, name, place)
    _refuse_unreadable(kinds[0], name)
    known_names = sorted({plugin for kind in kinds for plugin in names(kind)})
    close = difflib.get_close_matches(name, known_names, n=1)
    raise ConfigError(
        f": unknown name in {' and '.join(kinds)}; known are {', '.join(known_names)}",
        field=_ARGUMENTS[kinds[0]][0],
        value=name,
        hint=f"Did you mean {close[0]!r}?" if close else "",
    )


def load_file(path: Path) -> Plugin:
    """Return the plugin in a file, whatever its kind.

    Parameters
    ----------
    path : pathlib.Path
        A Python file with one class derived from one of the five base classes.

    Raises
    ------
    ConfigError
        If it cannot be imported, or does not define just one plugin.
    """
    name = _name_of(path.stem)
    module = import_file(path, "checked", name)
    plugins = [plugin for kind in KINDS for plugin in _classes(module, kind)]
    if len(plugins) == 1:
        return _made(plugins[0], name)
    bases = ", ".join(base for _, base in _BASES.values())
    gaps = "" if plugins else "; ".join(filter(None, (_gaps(module, kind) for kind in KINDS)))
    raise ConfigError(
        f"{path}: {gaps}."
        if gaps
        else f"{path} defines {len(plugins)} plugins: it must define one class derived from one of"
        f" {bases}."
    )


def name_is_taken(plugin: Plugin, path: Path) -> bool:
    """Tell whether one of our own plugins that the same argument names has the name of a file.

    Parameters
    ----------
    plugin : Plugin
        The plugin in the file.
    path : pathlib.Path
        The file.
    """
    argument = _ARGUMENTS[plugin.kind][0]
    for kind in KINDS:
        place = _our_places(kind).get(plugin.name) if _ARGUMENTS[kind][0] == argument else None
        source = place.source() if place else None
        if source is not None and source.resolve() != path.resolve():
            return True
    return False


def plugin_folders() -> list[Path]:
    """Return the folders that LATENTLAB_PLUGINS names.

    Raises
    ------
    ConfigError
        If one is not there, is no whole path, or lies open to everybody: its files are code.
    """
    texts = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    folders = [Path(text) for text in texts if text]
    for folder in folders:
        if not folder.is_absolute():
            raise ConfigError(
                f"{FOLDERS_VARIABLE} names {folder}, which is another folder in each working"
                " directory",
                hint="Give its whole path.",
            )
        if not folder.is_dir():
            raise ConfigError(f"{FOLDERS_VARIABLE} names {folder}, which is not a folder.")
        if hasattr(os, "geteuid") and folder.stat().st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"{FOLDERS_VARIABLE} names {folder}, to which every user may write",
                hint="Plugins are code: close the folder to others.",
            )
    return folders


def is_installed(entry: importlib.metadata.EntryPoint) -> bool:
    """Return whether the package of an entry point was found by a whole path.

    Python looks for packages in the working directory too, where it was started without a file.

    Parameters
    ----------
    entry : importlib.metadata.EntryPoint
        What `importlib.metadata` has found.
    """
    package = entry.dist
    return package is None or os.path.isabs(str(package.locate_file("")))


def _places(kind: str) -> dict[str, _Place]:
    """Return name -> place of every plugin of a kind; ConfigError if two have one name."""
    places = dict(_our_places(kind))
    for name, place in [*_places_in_folders(kind), *_places_installed(kind)]:
        if name in places:
            yours = place.path or "yours"
            raise ConfigError(f"two plugins of {kind} are called {name!r}: rename {yours}.")
        places[name] = place
    return places


@functools.cache
def _our_places(kind: str) -> dict[str, _Place]:
    """Return the plugins in our own folder, which no process changes."""
    package = importlib.import_module(PACKAGES[kind])
    places = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            places[_name_of(module.name)] = _Place(module=f"{PACKAGES[kind]}.{module.name}")
    return places


def _places_in_folders(kind: str) -> list[tuple[str, _Place]]:
    places = []
    for folder in plugin_folders():
        files = [path for path in _files_of_code(folder) if _kind_of(path) == kind]
        files += _files_of_code(folder / kind)
        places += [
            (_name_of(path.stem), _Place(path=path)) for path in files if path.name[0] != "_"
        ]
    return places


def _files_of_code(folder: Path) -> list[Path]:
    """Return the Python files of a folder; a pipe would wait for ever, a device never end."""
    return [path for path in sorted(folder.glob("*.py")) if _is_file_of_code(path)]


def _is_file_of_code(path: Path) -> bool:
    try:
        state = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_size <= LONGEST_FILE


def _places_installed(kind: str) -> list[tuple[str, _Place]]:
    entries = _entry_points(f"latentlab.{kind}", tuple(sys.path), importlib.metadata.entry_points)
    return [(entry.name, _Place(entry=entry)) for entry in entries]


@functools.lru_cache(maxsize=2 * len(KINDS))
def _entry_points(
    group: str, path: tuple[str, ...], look_up: "_LookUp"
) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Return the entry points of a group, which reads a file of every installed package.

    They are looked up anew only where the folders of packages have changed. What is installed
    into one of them while the process runs is seen by the next process.
    """
    try:
        return tuple(filter(is_installed, look_up(group=group)))
    except Exception as error:  # a package's list of entry points is damaged, in some way
        raise ConfigError(
            f"the plugins of installed packages cannot be listed ({error})"
        ) from error


def _kind_of(path: Path) -> str:
    """Return the kind of a plugin file by the base class of its classes; "" if it has none."""
    return _kind_of_source(path, path.stat().st_mtime_ns)


@functools.cache
def _kind_of_source(path: Path, changed: int) -> str:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ""
    kinds = {base: kind for kind, (_, base) in _BASES.items()} | _kinds_of_imports(tree)
    for node in ast.walk(tree):
        for base in node.bases if isinstance(node, ast.ClassDef) else []:
            name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
            if name in kinds:
                return kinds[name]
    return ""


def _kinds_of_imports(tree: ast.Module) -> dict[str, str]:
    """Return the kind of every name that comes from one of our plugins, to derive from."""
    kinds: dict[str, str] = {}
    for node in ast.walk(tree):
        for kind, package in PACKAGES.items():
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}."):
                kinds |= {alias.asname or alias.name: kind for alias in node.names}
    return kinds


def _name_of(stem: str) -> str:
    return stem.replace("_", "-")


def import_file(path: Path, kind: str, name: str) -> ModuleType:
    """Import a Python file that lies outside of any package; ConfigError if that fails.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : str
        A word that keeps modules of one name apart.
    name : str
        Name of the plugin, for messages.
    """
    module_name = f"{FILE_MODULES}.{kind}.{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None or not _is_file_of_code(path):
        raise ConfigError(f"the plugin {path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # docstrings and types of its classes are looked up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the plugin's own code may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the plugin {name} in {path} cannot be imported ({reason}).") from error
    return module


_LookUp = Callable[..., Iterable[importlib.metadata.EntryPoint]]
_instances: dict[tuple[str, str, _Place], Any] = {}


def _instance(kind: str, name: str, place: _Place) -> Any:
    """Return the one instance of a plugin's class."""
    key = (kind, name, place)
    if key not in _instances:
        _refuse_shadowing(kind, name)
        content = place.load(kind, name)
        if not inspect.ismodule(content):
            _instances[key] = _instance_of_entry(content, kind, name)
            return _instances[key]
        classes = _classes(content, kind)
        if len(classes) != 1:
            base = _BASES[kind][1]
            gaps = "" if classes else _gaps(content, kind)
            problem = gaps or f"it must define one class derived from {base}"
            raise ConfigError(f"the plugin {name!r} in {content.__file__}: {problem}.")
        _instances[key] = _made(classes[0], name)
    return _instances[key]


def _instance_of_entry(content: Any, kind: str, name: str) -> Any:
    """Return the plugin that an entry point names: a class, or an instance of one."""
    home, base_name = _BASES[kind]
    base = getattr(importlib.import_module(home), base_name)
    if isinstance(content, base):
        return content
    if not inspect.isclass(content) or not issubclass(content, base):
        raise ConfigError(f"the plugin {name!r} is {content!r}, which is no {base_name}")
    return _made(content, name)


def _refuse_unreadable(kind: str, name: str) -> None:
    """Raise ConfigError if a file of that name lies in a folder, but its kind cannot be told."""
    for folder in plugin_folders():
        for path in _files_of_code(folder):
            if _name_of(path.stem) == name and not _kind_of(path):
                import_file(path, kind, name)  # says what is wrong with the file
                bases = ", ".join(base for _, base in _BASES.values())
                raise ConfigError(
                    f"the plugin {name} in {path} names none of {bases} as the base of its class:"
                    f" mend it, or move the file to {folder / kind}."
                )


def _gaps(module: ModuleType, kind: str) -> str:
    """Return which methods a module's plugin classes of a kind lack; "" if none."""
    gaps = []
    for plugin in _derived(module, kind):
        missing = ", ".join(sorted(getattr(plugin, "__abstractmethods__", ())))
        if missing:
            gaps.append(f"the class {plugin.__name__} lacks {missing}")
    return "; ".join(gaps)


def _refuse_shadowing(kind: str, name: str) -> None:
    """Raise ConfigError if plugins of two kinds share the argument and the name."""
    argument = _ARGUMENTS[kind][0]
    for rival in KINDS:
        if rival != kind and _ARGUMENTS[rival][0] == argument and name in _places(rival):
            raise ConfigError(
                f": plugins of {kind} and of {rival} have this name; rename yours",
                field=argument,
                value=name,
            )


def _classes(module: ModuleType, kind: str) -> list[type]:
    """Return the concrete plugin classes of a kind that a module defines itself."""
    return [value for value in _derived(module, kind) if not inspect.isabstract(value)]


def _derived(module: ModuleType, kind: str) -> list[type]:
    """Return the plugin classes of a kind that a module defines itself, abstract ones too."""
    home, base_name = _BASES[kind]
    base = getattr(importlib.import_module(home), base_name)
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    return [
        value
        for value in dict.fromkeys(classes)
        if issubclass(value, base) and value.__module__ == module.__name__
    ]


def _made(plugin: type, name: str) -> Any:
    """Return the instance of a plugin's class; ConfigError if that fails."""
    try:
        instance = plugin()
        instance.name = name
    except Exception as error:  # the plugin's own code may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the plugin {name} cannot be made ({reason})") from error
    return instance
