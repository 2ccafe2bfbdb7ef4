"""What a text that is passed on must not tell: absolute paths, the user and the machine.

Only texts that latentlab makes are changed: settings, commands, reasons. Names of classes and ids
of images stay as they were given; ids that are absolute paths lose the folders that they share.
"""

import contextlib
import getpass
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from latentlab.data.whereabouts import MOVED_TO, PLACE
from latentlab.progress import log
from latentlab.storage.run import Run

NAMES_OF_DATA = ("class_names", "ids")  # keys of JSON whose texts stay as they were given
LEAST_PARTS = 2  # of a path, with its root, that tells nothing
SHORTEST_NAME = 3  # characters of a user or machine that are looked for
# Names that tell nothing about anybody, and stand in many texts.
COMMON_NAMES = frozenset(
    "admin administrator user root home data test train images debian ubuntu runner vagrant docker"
    " localhost localdomain host machine default guest public latentlab".split()
)
# Absolute paths of Unix and Windows, without blanks; no addresses, fractions or relative paths.
_PATH = re.compile(
    r"(?<![\w./:~\\-])(?:(?:~|[A-Za-z]:)[/\\]|/|\\\\)(?:[^\s/\\'\"`:;,()<>|]+[/\\])*"
    r"([^\s/\\'\"`:;,()<>|]*)"
)
_HOME = re.compile(r"(?:^|[\s'\"=])(?:[A-Za-z]:)?[/\\](?:home|Users)[/\\]([^/\\\s'\"]+)")


@dataclass(frozen=True)
class Privacy:
    """Makes texts that tell neither where files were nor whose they are.

    Attributes
    ----------
    paths : tuple of str
        Absolute paths that may stand in a text.
    names : mapping of str to str
        Name of a user or machine -> what stands in its place.
    """

    paths: tuple[str, ...]
    names: Mapping[str, str]

    @classmethod
    def here(cls, *paths: str | Path) -> "Privacy":
        """Return the privacy of this user on this machine.

        Parameters
        ----------
        *paths : str or pathlib.Path
            Paths that may stand in a text besides the user's home and the working folder.
        """
        known = {os.path.abspath(path) for path in paths}
        known |= {os.path.realpath(path) for path in paths}
        known |= {os.path.expanduser("~"), os.getcwd()}
        return cls(_by_length(filter(_is_absolute, known)), _names(known))

    @classmethod
    def of(cls, run: Run) -> "Privacy":
        """Return the privacy of a run: of who made it, and of who passes it on.

        Parameters
        ----------
        run : Run
            The run.
        """
        places = [run.fact(PLACE) or {}, run.fact(MOVED_TO) or {}]
        texts = [str(place.get("absolute", "")) for place in places]
        texts += _texts_in([run.recorded_config, run.fact("argv")])
        texts += [text.partition("=")[2] for text in texts]  # of "--data=/home/ann/photos"
        return cls.here(run.path, *filter(_is_absolute, texts))

    def public(self, text: str) -> str:
        r"""Return a text without the folders of absolute paths, and without the names.

        Parameters
        ----------
        text : str
            A text that latentlab made.

        Examples
        --------
        >>> Privacy(("/home/ann/my photos",), {"ann": "user"}).public(
        ...     "/home/ann/my photos/a.png of ann, C:\\x\\b.png"
        ... )
        'my photos/a.png of user, b.png'
        """
        for folder in self._dropped:
            text = text.replace(folder, "")
        text = _PATH.sub(r"\1", text)
        return self._name.sub(lambda match: self.names[match.group().lower()], text)

    def public_values(self, value: Any) -> Any:
        """Return JSON with `public` for every text in it; keys stay.

        Parameters
        ----------
        value : object
            What JSON holds.
        """
        if isinstance(value, dict):
            return {
                key: entry if key in NAMES_OF_DATA else self.public_values(entry)
                for key, entry in value.items()
            }
        if isinstance(value, list):
            return [self.public_values(entry) for entry in value]
        return self.public(value) if isinstance(value, str) else value

    def public_bytes(self, value: bytes) -> bytes:
        """Return metadata of a table with `public` if they are text, and else as they are.

        Parameters
        ----------
        value : bytes
            The value of a key.
        """
        try:
            return self.public(value.decode()).encode()
        except UnicodeDecodeError:
            return value

    def path_in(self, content: bytes) -> str:
        """Return one of the paths that stands in bytes; "" if there is none.

        Parameters
        ----------
        content : bytes
            A file, or a part of it, unpacked.
        """
        for path in self._told:
            if path.encode(errors="surrogateescape") in content:
                return path
        return ""

    def name_in(self, text: str) -> str:
        """Return the name of a user or machine that stands in a text; "" if there is none.

        Parameters
        ----------
        text : str
            Any text.
        """
        match = self._name.search(text)
        return match.group() if match else ""

    @cached_property
    def _told(self) -> tuple[str, ...]:
        """The paths and the folders above, of two parts or more: "/tmp" tells nothing."""
        folders = {str(folder) for path in self.paths for folder in _pure(path).parents}
        return _by_length(
            path for path in {*self.paths, *folders} if len(_pure(path).parts) > LEAST_PARTS
        )

    @cached_property
    def _dropped(self) -> tuple[str, ...]:
        """The folders of the paths with the sign behind them, the longest first."""
        home = os.path.expanduser("~")
        # Without "/home", so that the names of other users do not become beginnings of paths.
        folders = {os.path.dirname(path) for path in self.paths} - {os.path.dirname(home)} | {home}
        return _by_length(f"{folder}{os.sep}" for folder in folders if len(folder) > 1)

    @cached_property
    def _name(self) -> re.Pattern[str]:
        return re.compile(self._pattern, re.IGNORECASE)

    @property
    def _pattern(self) -> str:
        words = "|".join(map(re.escape, _by_length(self.names)))
        return rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])" if words else r"(?!)"


def shortest_ends(paths: Sequence[str]) -> list[str]:
    """Return the last parts of paths, as many as tell them apart.

    Parameters
    ----------
    paths : sequence of str
        Different paths.

    Examples
    --------
    >>> shortest_ends(["/home/ann/a/run", "/home/ann/b/run"])
    ['a/run', 'b/run']
    """
    parts = [_pure(path).parts for path in paths]
    longest = max(map(len, parts), default=1)
    for count in range(1, longest + 1):
        ends = ["/".join(part[-count:]) for part in parts]
        if len(set(ends)) == len(set(paths)):
            return ends
    return list(paths)


def public_ids(ids: Sequence[str]) -> list[str]:
    """Return ids of images; of absolute paths only the last parts that tell them apart.

    Parameters
    ----------
    ids : sequence of str
        Different ids.

    Examples
    --------
    >>> public_ids(["a.png", "/home/ann/b.png"])
    ['a.png', 'b.png']
    """
    if not any(map(_is_absolute, ids)):
        return list(ids)
    log.info("ids that are absolute paths are shown without the folders that they share")
    return shortest_ends(ids)


def _by_length(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts), key=lambda text: (-len(text), text)))


def _is_absolute(text: str) -> bool:
    return text.startswith("/") or PureWindowsPath(text).is_absolute()


def _pure(path: str) -> PurePath:
    is_windows = PureWindowsPath(path).is_absolute()
    return PureWindowsPath(path) if is_windows else PurePosixPath(path)


def _names(paths: Iterable[str]) -> dict[str, str]:
    """Return the names of user and machine, also of users whose home stands in a path."""
    users = {match.group(1) for path in paths for match in _HOME.finditer(path)}
    with contextlib.suppress(OSError, KeyError, ImportError):
        users.add(getpass.getuser())
    machines = {platform.node(), platform.node().split(".")[0]}
    names = dict.fromkeys(map(str.lower, users), "user")
    names |= dict.fromkeys(map(str.lower, machines), "machine")
    return {name: word for name, word in names.items() if _tells_somebody(name)}


def _tells_somebody(name: str) -> bool:
    return len(name) >= SHORTEST_NAME and name not in COMMON_NAMES


def _texts_in(value: Any) -> list[str]:
    """Return all texts of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for entry in value for text in _texts_in(entry)]
    return [value] if isinstance(value, str) else []
