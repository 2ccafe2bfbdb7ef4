"""What an input of the intake is, what is right for it, and whether what is seen is that.

An input is opened as commands open it, lazily, and every picture is read; and at once, as Python
does. Both must see the same pixels.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.images import ImageSet
from latentlab.data.intake import Intake, LeftOut
from latentlab.data.opening import open_images
from latentlab.errors import LatentlabError
from latentlab.scoring.labels import Labels, read_labels

NO_CLASSES = "none"
FOLDER_MARK = "{D}"  # in the options of a case: its folder
ENCODER = "cifar10-strong"
SIZE = 32  # pixels, as that encoder takes them
Value = str | int | float | bool | Mapping[str, str] | None


@dataclass(frozen=True)
class Right:
    """What is right for an input that is read.

    Attributes
    ----------
    used : int
        Images.
    left_out : mapping of str to int
        Pattern of a reason, and how many entries are left out for it. Nothing else may be left out
        that somebody may miss.
    held_out : int or None
        Images that are held out; None where a draw over images that cannot be read decides.
    classes : str
        Names of the classes that scoring reads, in order and joined by ", "; "none" for no labels.
    has_scale : bool or None
        Whether the account says how numbers became pixels; None where either is right.
    is_loud : bool
        Whether the account is a warning.
    says : tuple of str
        Patterns that the line of the account holds.
    ids : tuple of str
        Ids of some of the images.
    purity : float or None
        Least purity of k-means on embedding+l2 of the shipped encoder; None where nobody looks.
    check : callable or None
        check(images) -> "" or what else is wrong.
    """

    used: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    held_out: int | None = 0
    classes: str = NO_CLASSES
    has_scale: bool | None = False
    is_loud: bool = False
    says: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    purity: float | None = None
    check: Callable[[ImageSet], str] | None = None

    @property
    def text(self) -> str:
        """In a few words, for a table."""
        parts = [f"{self.used} used"]
        parts += [f"{count} of /{pattern}/ left out" for pattern, count in self.left_out.items()]
        parts += [f"{self.held_out} held out"] * (self.held_out is not None)
        parts.append(f"classes: {self.classes}")
        parts += ["a scale"] * bool(self.has_scale) + ["loud"] * self.is_loud
        parts += [f"/{pattern}/" for pattern in self.says]
        parts += [f"{', '.join(self.ids)} among them"] * bool(self.ids)
        parts += [f"purity {self.purity} or more"] * (self.purity is not None)
        return "; ".join(parts)


@dataclass(frozen=True)
class Refused:
    """What is right for an input that cannot be used: one line.

    Attributes
    ----------
    says : tuple of str
        Patterns of the line.
    codes : tuple of int
        Exit codes that are right.
    """

    says: tuple[str, ...]
    codes: tuple[int, ...] = (3,)

    @property
    def text(self) -> str:
        """In a few words, for a table."""
        codes = " or ".join(map(str, self.codes))
        return "; ".join([f"error, code {codes}", *(f"/{each}/" for each in self.says)])


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes
    ----------
    kind : str
        Row of the table of what people have.
    name : str
        Of the case alone.
    make : callable
        make(folder) draws the input; the folder is not there yet.
    right : Right or Refused
        What is right.
    data : str
        What is opened, below the folder.
    options : mapping
        Further fields of `DataOptions`.
    """

    kind: str
    name: str
    make: Callable[[Path], object]
    right: Right | Refused
    data: str = "."
    options: Mapping[str, Value] = field(default_factory=dict)

    def data_options(self, folder: Path) -> DataOptions:
        """Return how the input in a folder is opened."""
        given = {
            name: value.replace(FOLDER_MARK, str(folder)) if isinstance(value, str) else value
            for name, value in self.options.items()
        }
        size = {"size": SIZE} | given
        return DataOptions(data=str(folder / self.data), **size)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Seen:
    """What came of opening an input.

    Attributes
    ----------
    images : ImageSet or None
        As it was opened lazily; None if it was refused.
    account : Intake
        With what could not be read.
    labels : Labels or None
        What scoring reads.
    error : LatentlabError or None
        Why it was refused.
    complaint : str
        What is wrong whatever is right; "" for nothing.
    """

    images: ImageSet | None = None
    account: Intake = Intake()
    labels: Labels | None = None
    error: LatentlabError | None = None
    complaint: str = ""

    @property
    def held_out(self) -> int:
        """Images that are held out, among those that can be read."""
        return 0 if self.images is None else int((self.images.splits == "test").sum())

    @property
    def classes(self) -> str:
        """Names of the classes of the images that are used."""
        if self.labels is None or self.images is None:
            return NO_CLASSES
        numbers = self.labels.labels[np.isin(self.labels.ids, self.images.ids)]
        names = [self.labels.class_names[number] for number in np.unique(numbers[numbers >= 0])]
        return ", ".join(names) or NO_CLASSES

    @property
    def text(self) -> str:
        """In a few words, for a table."""
        if self.error is not None:
            return f"error, code {self.error.exit_code}: {self.error}"
        words = [f"classes: {self.classes}"] + ["loud"] * self.account.is_loud
        words += [self.complaint] * bool(self.complaint)
        return "; ".join([self.account.text, f"{self.held_out} held out", *words])


def opened(case: Case, folder: Path) -> Seen:
    """Return what comes of opening the input in a folder."""
    try:
        data = case.data_options(folder)
        listed = open_images(data, lazy=True)
        whole = open_images(data)
        labels = read_labels(data)
    except LatentlabError as error:
        return Seen(error=error)
    positions, pixels = listed.read_readable(np.arange(len(listed)))
    used = listed.subset(positions)
    complaint = _difference(used, pixels, whole)
    return Seen(used, whole.intake, labels, complaint=complaint)


def _difference(listed: ImageSet, pixels: np.ndarray, whole: ImageSet) -> str:
    """Return in what the two ways of opening the same data differ."""
    if listed.ids.tolist() != whole.ids.tolist():
        return f"{len(listed)} images where they are listed, {len(whole)} where all are read"
    if not np.array_equal(pixels, whole.read(np.arange(len(whole)))):
        return "other pixels where images are listed than where all are read"
    if listed.splits.tolist() != whole.splits.tolist():
        return "other splits where images are listed than where all are read"
    return ""


def faults(right: Right | Refused, seen: Seen) -> list[str]:
    """Return in what an input came out otherwise than is right; nothing if all is right."""
    if isinstance(right, Refused):
        return _faults_of_refusal(right, seen)
    if seen.error is not None or seen.images is None:
        return [f"refused: {seen.error}"]
    found = [
        *_unequal("images used", right.used, seen.account.used),
        *_faults_of_draw(right.held_out, seen.held_out),
        *_unequal("classes", right.classes, seen.classes),
        *_faults_of_scale(right.has_scale, seen.account.scale),
        *_unequal("loud", right.is_loud, seen.account.is_loud),
        *_faults_of_left_out(right.left_out, seen.account),
    ]
    line = seen.account.text
    found += [f"the account lacks /{each}/" for each in right.says if not _finds(each, line)]
    missing = set(right.ids) - set(seen.images.ids.tolist())
    found += [f"no image {each}" for each in sorted(missing)]
    others = [seen.complaint, "\n" in line and "the account has several lines"]
    if right.check is not None:
        others.append(right.check(seen.images))
    return found + [text for text in others if text]


def _faults_of_refusal(right: Refused, seen: Seen) -> list[str]:
    if seen.error is None:
        return [f"not refused: {seen.text}"]
    text = str(seen.error)
    found = []
    if seen.error.exit_code not in right.codes:
        found.append(f"exit code {seen.error.exit_code}")
    found += [f"the error lacks /{each}/" for each in right.says if not _finds(each, text)]
    return found + (["the error has several lines"] if "\n" in text else [])


def _faults_of_left_out(left_out: Mapping[str, int], account: Intake) -> list[str]:
    entries = (*account.passed_over, *account.unreadable)
    found = []
    for pattern, count in left_out.items():
        number = sum(entry.count for entry in entries if _is_for(entry, pattern))
        found += _unequal(f"left out for /{pattern}/", count, number)
    for entry in entries:
        if entry.is_missed and not any(_is_for(entry, pattern) for pattern in left_out):
            found.append(f"left out too: {entry.text}")
    return found


def _faults_of_draw(right: int | None, seen: int) -> list[str]:
    return [] if right is None else _unequal("held out", right, seen)


def _faults_of_scale(has_scale: bool | None, clause: str) -> list[str]:
    return [] if has_scale is None else _unequal("scale told", has_scale, bool(clause))


def _is_for(entry: LeftOut, pattern: str) -> bool:
    return _finds(pattern, f"{entry.reason} ({entry.hint})")


def _unequal(what: str, right: object, seen: object) -> list[str]:
    return [] if right == seen else [f"{what}: {seen}, not {right}"]


def _finds(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


class CaseList(list[Case]):
    """Cases in the order in which their makers are written."""

    def add(
        self,
        kind: str,
        right: Right | Refused,
        data: str = ".",
        name: str = "",
        **options: Value,
    ) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
        """Return a decorator that adds a case with the maker below it.

        Parameters
        ----------
        kind, right, data :
            See `Case`.
        name : str
            Of the case, if it is not that of the maker.
        options :
            See `Case`.
        """

        def keep(make: Callable[[Path], object]) -> Callable[[Path], object]:
            self.append(Case(kind, name or make.__name__, make, right, data, options))
            return make

        return keep
