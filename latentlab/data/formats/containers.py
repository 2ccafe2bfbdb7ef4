"""Archives of pictures that are read in place: nothing is ever extracted to disk.

A container lists its members, with their sizes, from its directory or its headers, and reads one
when it is asked for.
"""

import abc
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from latentlab.data.formats.file_facts import page_numbers
from latentlab.data.formats.member_kinds import is_picture_name, reason_by_name
from latentlab.data.formats.picture_folder import as_text
from latentlab.data.intake import LeftOut, PassedOverCounts
from latentlab.data.originals import DamagedContent, Page
from latentlab.data.pictures.decode import BYTES_PER_PIXEL, MAX_PIXELS
from latentlab.data.pictures.pages import ONE_PAGE, FilePages, pages_of
from latentlab.data.pictures.sniffing import EMPTY, HEAD_BYTES, UNKNOWN, Kind, kind_of
from latentlab.errors import DataError
from latentlab.storage import memory_budget

MOST_LABEL_BYTES = 1 << 20
# An animation in the form of PNG counts as its first frame: all PNG would have to be read.
MOST_KNOWN = 1_000_000  # members whose pages are held in memory
NOWHERE = -1
MOST_SORTED = 64  # archives
LABEL_KEYS = ("label", "cls", "class", "category", "target", "labels", "class_name")  # of JSON
LABEL_SUFFIXES = (".cls", ".json")  # members beside a picture, as WebDataset has them


class Member(NamedTuple):
    """A file in a container.

    Attributes
    ----------
    name : str
        Its path in the container, without "..", "." and a root.
    size : int
        Bytes, unpacked, as the container says.
    place : int
        Where the container finds it again.
    kind : Kind or None
        What it is by its first bytes; None if its name says so: a picture without further pages.
    obstacle : str
        Why it cannot be read, such as "encrypted"; "" if nothing is known against it.
    page : int
        Number of a page of it, from 1; 0 if it holds no other.
    offset : int
        See `latentlab.data.originals.Page`.
    """

    name: str
    size: int
    place: int
    kind: Kind | None = None
    obstacle: str = ""
    page: int = 0
    offset: int = 0


@dataclass(frozen=True)
class ContainerLimits:
    """What a container may ask for.

    Attributes
    ----------
    most_bytes : int or None
        That any may unpack to, or else a hundred times its own size, see
        `latentlab.storage.memory_budget`: pictures are compressed already.
    most_picture_bytes : int
        Of one picture, unpacked.
    """

    most_bytes: int | None = None
    most_picture_bytes: int = BYTES_PER_PIXEL * MAX_PIXELS

    @classmethod
    def of(cls, max_bytes: int | None, max_pixels: int | None) -> "ContainerLimits":
        """Return the limits that the options `max_bytes` and `max_pixels` of data ask for."""
        of_a_picture = BYTES_PER_PIXEL * (max_pixels or MAX_PIXELS)
        return cls(max_bytes, min(max_bytes or of_a_picture, of_a_picture))

    def allowed(self, path: Path) -> int:
        """Return how many bytes the archive `path` may unpack to."""
        if self.most_bytes is None:
            return memory_budget.allowed_bytes(path, largest=None)
        return max(self.most_bytes, memory_budget.EXPANSION * path.stat().st_size)


_known_pages: dict[tuple[str, int, int, int], FilePages] = {}


class Container(abc.ABC):
    """One archive. Its file is opened when a member is first read; several threads may read.

    Parameters
    ----------
    path : Path
        The archive.
    members : sequence of Member
        All files in it, in order.
    """

    def __init__(self, path: Path, members: Sequence[Member]) -> None:
        self.path = path
        self.members = members
        self._lock = threading.Lock()
        self._file: Any = None
        self._last: tuple[int, bytes | None] = (NOWHERE, None)  # place and content read last

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._file.close()

    def read(self, member: Member) -> bytes | None:
        """Return the content of a member; None if it is damaged.

        Parameters
        ----------
        member : Member
            One of `members`.
        """
        # One handle has one position: two threads must not move each other.
        with self._lock:
            if self._last[0] != member.place:  # pages of a file are read one after the other
                self._last = member.place, self._whole_content(member)
            return self._last[1]

    def picture(self, member: Member) -> bytes | Page:
        """Return the picture that a member holds, or the page of it.

        Parameters
        ----------
        member : Member
            One of the pictures of `SortedMembers`.
        """
        content = self.read(member)
        if content is None:
            return DamagedContent()
        if not (member.page or member.offset):
            return content
        return Page(content, max(member.page, 1), member.offset)

    def pages(self, member: Member) -> FilePages:
        """Return the pages of a member, which is read if it may hold several.

        Parameters
        ----------
        member : Member
            One of `members`.
        """
        if member.kind is None or not member.kind.may_hold_several:
            return ONE_PAGE
        state = self.path.stat()
        key = str(self.path), state.st_mtime_ns, state.st_size, member.place
        if key not in _known_pages:
            content = self.read(member)
            kind = kind_of(content[:HEAD_BYTES], member.name) if content else EMPTY
            pages = pages_of(content, kind) if content and kind.is_readable else ONE_PAGE
            if len(_known_pages) >= MOST_KNOWN:
                _known_pages.clear()
            _known_pages[key] = pages
        return _known_pages[key]

    def _whole_content(self, member: Member) -> bytes | None:
        try:
            if self._file is None:
                self._file = self._opened()
            content = self._content(member)
        except Exception:  # damaged archives make their readers raise nearly anything
            return None
        return content if len(content) == member.size else None

    @abc.abstractmethod
    def _opened(self) -> Any:
        """Return the archive, open."""

    @abc.abstractmethod
    def _content(self, member: Member) -> bytes:
        """Return what a member holds; the lock is held."""


class MemberPictures(Sequence[bytes | Page]):
    """Pictures in a container, read when they are asked for.

    Parameters
    ----------
    container : Container
        The archive.
    members : sequence of Member
        The pictures.
    """

    def __init__(self, container: Container, members: Sequence[Member]) -> None:
        self._container = container
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, position: Any) -> Any:
        return self._container.picture(self._members[position])

    def __iter__(self) -> Iterator[bytes | Page]:
        return map(self._container.picture, self._members)


@dataclass(frozen=True)
class SortedMembers:
    """What the members of a container are.

    Attributes
    ----------
    container : Container
        The archive.
    pictures : list of Member
        Its pictures, in order, a page each.
    label_members : dict of str to Member
        Key, which is the path up to the first dot of the name -> the member with its label.
    passed_over : tuple of LeftOut
        The others.
    facts : dict of str to Member
        Key -> the .json member beside the picture.
    """

    container: Container
    pictures: list[Member]
    label_members: dict[str, Member]
    passed_over: tuple[LeftOut, ...]
    facts: dict[str, Member]

    def label_member(self, picture: Member) -> Member | None:
        """Return the member with the label of `picture`, None if there is none."""
        return self.label_members.get(key_of(picture.name))

    def fact_member(self, picture: Member) -> Member | None:
        """Return the .json member beside `picture`, None if there is none."""
        return self.facts.get(key_of(picture.name))

    def has_labels(self, wanted: str | None) -> bool:
        """Return whether the members beside pictures hold labels, by the keys of the first one.

        Parameters
        ----------
        wanted : str or None
            A key of JSON; None is one of the usual keys.
        """
        first = next(iter(self.label_members.values()), None)
        if first is None or wanted is not None or not first.name.lower().endswith(".json"):
            return first is not None
        if first.size > MOST_LABEL_BYTES:
            return False
        try:
            text = self.container.read(first) or b""
            content = memory_budget.parsed_json(text, memory_budget.LEAST)
        except ValueError:
            return False
        return isinstance(content, dict) and not content.keys().isdisjoint(LABEL_KEYS)


class _KnownSorting:
    """How the members of a few archives are sorted, while these stay as they are."""

    def __init__(self) -> None:
        self._sorted: dict[tuple[str, int, int, ContainerLimits], SortedMembers] = {}

    def of(self, container: Container, limits: ContainerLimits) -> SortedMembers:
        """Return the sorted members of a container."""
        state = container.path.stat()
        key = str(container.path), state.st_mtime_ns, state.st_size, limits
        if key not in self._sorted:
            if len(self._sorted) >= MOST_SORTED:
                self._sorted.clear()
            self._sorted[key] = _sorted(container, limits)
        return self._sorted[key]


_known_sorting = _KnownSorting()


def sort_members(container: Container, limits: ContainerLimits) -> SortedMembers:
    """Sort the members of a container: pictures, labels beside them, and all others.

    An archive that stays as it is is sorted once; its file is then opened once too.

    Parameters
    ----------
    container : Container
        The archive.
    limits : ContainerLimits
        Larger members are passed over.

    Raises
    ------
    DataError
        If it holds no picture.
    """
    return _known_sorting.of(container, limits)


def _sorted(container: Container, limits: ContainerLimits) -> SortedMembers:
    counts = PassedOverCounts()
    pictures: list[Member] = []
    sides: list[Member] = []
    for member in _last_of_each_name(container.members, counts):
        hidden = reason_by_name(member.name)
        if hidden:
            counts.add(member.name, hidden, is_expected=True)
        elif _is_picture(member):
            if _may_be_read(member, limits, counts):
                pictures += _pages_of_member(container, member, counts)
        else:
            sides.append(member)
    keys = {key_of(picture.name) for picture in pictures}
    labels = _sort_sides(sides, keys, counts)
    facts = _json_beside(sides, keys)
    if not pictures:
        raise DataError(_nothing(container, counts))
    return SortedMembers(container, pictures, labels, counts.passed_over(), facts)


def key_of(name: str) -> str:
    """Return the path up to the first dot of the name, which a picture shares with its label.

    Parameters
    ----------
    name : str
        Path of a member.

    Examples
    --------
    >>> key_of("a.b/000017.left.png")
    'a.b/000017'
    """
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def plain_name(name: str) -> str:
    """Return the path of a member without "..", "." and a root, since it serves as a name only.

    Parameters
    ----------
    name : str
        As the container has it.

    Examples
    --------
    >>> plain_name("/../x/./a.png")
    'x/a.png'
    """
    if "/" not in name:
        name = name.replace("\\", "/")
    parts = PurePosixPath(as_text(name)).parts
    return "/".join(part for part in parts if part not in ("/", "//", "..", "."))


def check_expansion(path: Path, unpacked: int, limits: ContainerLimits) -> None:
    """Refuse a container that unpacks to far more than pictures do.

    Parameters
    ----------
    path : Path
        The archive.
    unpacked : int
        Bytes that its members have together.
    limits : ContainerLimits
        What is allowed.

    Raises
    ------
    DataError
        If it is more.
    """
    allowed = limits.allowed(path)
    if unpacked > allowed:
        raise DataError(
            f"{path} is refused: it unpacks to {unpacked} bytes, more than {allowed}. "
            "If you trust it, raise `max_bytes`."
        )


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for an archive that cannot be listed.

    Parameters
    ----------
    path : Path
        The archive.
    error : Exception
        What its reader said.
    """
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"cannot read {path}: {error.strerror}.")
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(
        f"cannot read the archive {path}: {reason}. "
        "It is truncated or damaged: delete it and fetch it again."
    )


def _last_of_each_name(members: Sequence[Member], counts: PassedOverCounts) -> Iterator[Member]:
    """Yield members; of several with one name the last, which is the one that unpacking leaves."""
    repeats = Counter(member.name for member in members)
    for member in members:
        repeats[member.name] -= 1
        if repeats[member.name]:
            counts.add(member.name, "older members of the same name", is_expected=True)
        else:
            yield member


def _is_picture(member: Member) -> bool:
    if member.kind is None:
        return is_picture_name(member.name)
    return member.kind.is_readable


def _may_be_read(member: Member, limits: ContainerLimits, counts: PassedOverCounts) -> bool:
    """Return whether a picture may be read; it is counted if not."""
    if member.obstacle:
        counts.add(member.name, member.obstacle, "unpack the archive and give the folder")
    elif member.size > limits.most_picture_bytes:
        counts.add(member.name, "larger than a picture may be", "raise max_bytes or max_pixels")
    else:
        return True
    return False


def _pages_of_member(
    container: Container, member: Member, counts: PassedOverCounts
) -> list[Member]:
    """Return a picture, or its pages; those that are not read are counted."""
    pages = container.pages(member)
    for _ in range(pages.further):
        counts.add(member.name, pages.reason)
    numbers = page_numbers(pages)
    offsets = pages.offsets or (0,) * len(numbers)
    return [
        member._replace(page=number, offset=offset)
        for number, offset in zip(numbers, offsets, strict=True)
    ]


def _sort_sides(
    sides: list[Member], picture_keys: set[str], counts: PassedOverCounts
) -> dict[str, Member]:
    """Return the labels of pictures by their keys; the others are counted."""
    labels: dict[str, Member] = {}
    # .cls is a label and nothing else, so that it wins over .json.
    for suffix in LABEL_SUFFIXES:
        for member in sides:
            if member.name.lower().endswith(suffix) and key_of(member.name) in picture_keys:
                labels.setdefault(key_of(member.name), member)
    for member in sides:
        _count_side(member, picture_keys, counts)
    return labels


def _json_beside(sides: list[Member], picture_keys: set[str]) -> dict[str, Member]:
    """Return the .json members beside pictures by their keys."""
    members: dict[str, Member] = {}
    for member in sides:
        if member.name.lower().endswith(".json") and key_of(member.name) in picture_keys:
            members.setdefault(key_of(member.name), member)
    return members


def _count_side(member: Member, picture_keys: set[str], counts: PassedOverCounts) -> None:
    """Count a member that is no picture."""
    kind = member.kind or UNKNOWN
    if key_of(member.name) in picture_keys:
        suffix = PurePosixPath(member.name).suffix
        counts.add(member.name, f"{suffix or 'members'} beside pictures", is_expected=True)
    elif member.obstacle:
        counts.add(member.name, member.obstacle)
    else:
        counts.add(member.name, kind.name, kind.advice, kind.is_expected)


def _nothing(container: Container, counts: PassedOverCounts) -> str:
    entries = counts.passed_over()
    if not entries:
        return f"{container.path} is empty: it holds no pictures."
    listed = ", ".join(entry.text for entry in entries)
    return f"{container.path} holds no pictures. Passed over: {listed}."
