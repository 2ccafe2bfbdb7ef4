"""The intake account: what there is in the data, what is used, and what is left out, and why."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from latentlab.data.pictures.picture_faults import fault_of
from latentlab.plain_text import printable

EXAMPLES = 3  # names that stand beside a count
LOUD_SHARE = 0.05  # of all entries that are left out, above which the account is a warning
LISTED_REASONS = 5  # that stand in one line; the rest are added up


# The nouns of reasons, of which a single entry has the singular.
_NOUNS = (
    "archive|database|document|file|folder|frame|link|member|page|photo|picture|pointer|program"
)
_PLURAL = re.compile(rf"\b({_NOUNS}|table|thumbnail|video|view)s\b")


@dataclass(frozen=True)
class LeftOut:
    """Entries of the data that are left out for one reason.

    Attributes
    ----------
    reason : str
        Why, as in "no picture by its content".
    count : int
        Number of entries.
    examples : tuple of str
        The names of the first of them, at most `EXAMPLES`.
    hint : str
        What to do if they should be used, as in "install latentlab[heic]"; "" if nothing helps.
    is_expected : bool
        Whether nobody would miss them: hidden files, tables, own outputs. Such entries are
        counted, and do not make the account loud.
    """

    reason: str
    count: int
    examples: tuple[str, ...] = ()
    hint: str = ""
    is_expected: bool = False

    @property
    def text(self) -> str:
        """Count and reason in a few words, with what to do.

        Examples
        --------
        >>> LeftOut("HEIC", 80, ("a.heic",), "install latentlab[heic]").text
        '80 HEIC (install latentlab[heic])'
        >>> LeftOut("links to nothing", 1).text
        '1 link to nothing'
        """
        reason = _PLURAL.sub(r"\1", self.reason, count=1) if self.count == 1 else self.reason
        return f"{self.count:,} {reason}" + (f" ({self.hint})" if self.hint else "")

    @property
    def is_missed(self) -> bool:
        """Whether somebody may miss them."""
        return not self.is_expected


@dataclass(frozen=True)
class Intake:
    """What became of all entries of a data set; entries are files, rows, pages or frames.

    A source gives it without `used` and `unreadable`; `ImageSet.intake` adds these.

    Attributes
    ----------
    used : int
        Images that are used.
    passed_over : tuple of LeftOut
        Entries that were not tried, by reason.
    unreadable : tuple of LeftOut
        Entries that were tried and cannot be read, by reason.
    splits : str
        Which parts of the data became train and test, and why, in one clause.
    labels : str
        Where scoring would read labels, and why, in one clause; the labels themselves are not
        read for it.
    scale : str
        How numbers became pixels, in one clause; "" for pictures of 8 bits.
    is_limited : bool
        Whether `limit` left images out of use. What is passed over in all of the data says nothing
        then beside the images that are used: only what cannot be read of them makes it loud.
    """

    used: int = 0
    passed_over: tuple[LeftOut, ...] = ()
    unreadable: tuple[LeftOut, ...] = ()
    splits: str = ""
    labels: str = ""
    scale: str = ""
    is_limited: bool = False

    @property
    def left_out(self) -> int:
        """Number of entries that are left out, for whatever reason."""
        return sum(entry.count for entry in (*self.passed_over, *self.unreadable))

    @property
    def missed(self) -> int:
        """Number of entries that are left out and that somebody may miss."""
        entries = (*self.passed_over, *self.unreadable)
        return sum(entry.count for entry in entries if entry.is_missed)

    @property
    def is_loud(self) -> bool:
        """Whether more than `LOUD_SHARE` of what could be images is left out."""
        missed = sum(entry.count for entry in self._entries_to_judge())
        return missed > LOUD_SHARE * (self.used + missed)

    @property
    def text(self) -> str:
        """The whole account in one line.

        Examples
        --------
        >>> Intake(20, (LeftOut("HEIC", 80),), splits="nothing is held out").text
        '20 images used; passed over: 80 HEIC; nothing is held out'
        """
        parts = [f"{self.used:,} image{'' if self.used == 1 else 's'} used"]
        if self.passed_over:
            parts.append("passed over: " + _listed(self.passed_over, _count_and_reason))
        if self.unreadable:
            parts.append("unreadable: " + _listed(self.unreadable, _count_with_reason))
        parts += [clause for clause in (self.splits, self.labels, self.scale) if clause]
        return "; ".join(parts)

    @property
    def warning(self) -> str:
        """How much is missed, in one line with the names of some of it.

        Examples
        --------
        >>> Intake(20, (LeftOut("HEIC", 80, ("a.heic", "b.heic")),)).warning
        '80 of what may be 100 images are left out, such as a.heic, b.heic'
        """
        missed = sum(entry.count for entry in self._entries_to_judge())
        text = f"{missed:,} of what may be {self.used + missed:,} images are left out"
        names = self.missed_names()
        return f"{text}, such as {', '.join(names)}" if names else text

    def missed_names(self) -> list[str]:
        """Return names of what somebody may miss, of as many reasons as there is room for."""
        examples = [entry.examples for entry in self._entries_to_judge()]
        by_turns = itertools.chain(*itertools.zip_longest(*examples))
        names = [name for name in by_turns if name is not None]
        return [printable(name) for name in names[:EXAMPLES]]

    def _entries_to_judge(self) -> list[LeftOut]:
        """Return what somebody may miss, of the same images that the used ones are from."""
        passed_over = () if self.is_limited else self.passed_over
        return [entry for entry in (*passed_over, *self.unreadable) if entry.is_missed]

    def completed(self, used: int, unreadable: Iterable[tuple[str, str]]) -> "Intake":
        """Return the account of images that have been tried.

        Parameters
        ----------
        used : int
            Images that are used.
        unreadable : iterable of (str, str)
            Name and reason of each image that cannot be read.
        """
        return replace(self, used=used, unreadable=by_reason(unreadable))


@dataclass
class PassedOverCounts:
    """Counts entries that are passed over, by reason, while a source lists its data."""

    _entries: dict[str, LeftOut] = field(default_factory=dict)

    def add(self, name: str, reason: str, hint: str = "", is_expected: bool = False) -> None:
        """Count one entry.

        Parameters
        ----------
        name : str
            Its path below the data, or another name.
        reason : str
            See `LeftOut`.
        hint : str
            See `LeftOut`.
        is_expected : bool
            See `LeftOut`.
        """
        entry = self._entries.get(reason) or LeftOut(reason, 0, (), hint, is_expected)
        examples = entry.examples
        if len(examples) < EXAMPLES:
            examples = (*examples, name)
        self._entries[reason] = replace(entry, count=entry.count + 1, examples=examples)

    def passed_over(self) -> tuple[LeftOut, ...]:
        """Return the counts, the largest first."""
        return tuple(sorted(self._entries.values(), key=_by_size))


def by_reason(entries: Iterable[tuple[str, str]]) -> tuple[LeftOut, ...]:
    """Group names by the reason why they are left out, without the details of each.

    Parameters
    ----------
    entries : iterable of (str, str)
        Name and reason of each.

    Examples
    --------
    >>> by_reason([("a.png", "empty"), ("b.png", "empty")])[0].text
    '2 empty'
    """
    counts = PassedOverCounts()
    for name, reason in entries:
        counts.add(name, fault_of(reason))
    return counts.passed_over()


def joined(parts: Sequence[tuple[LeftOut, ...]]) -> tuple[LeftOut, ...]:
    """Return the entries of several parts of a data set, added up by reason.

    Parameters
    ----------
    parts : sequence of tuples of LeftOut
        The entries of each part.
    """
    totals: dict[str, LeftOut] = {}
    for entry in (entry for part in parts for entry in part):
        before = totals.get(entry.reason)
        if before is None:
            totals[entry.reason] = entry
            continue
        examples = (*before.examples, *entry.examples)[:EXAMPLES]
        count = before.count + entry.count
        totals[entry.reason] = replace(before, count=count, examples=examples)
    return tuple(sorted(totals.values(), key=_by_size))


def _listed(entries: Sequence[LeftOut], text_of: Callable[[LeftOut], str]) -> str:
    """Return entries in words; of many the largest, and how many images the others are."""
    texts = [text_of(entry) for entry in entries[:LISTED_REASONS]]
    others = sum(entry.count for entry in entries[LISTED_REASONS:])
    if others:
        texts.append(f"{others:,} for other reasons")
    return ", ".join(texts)


def _count_and_reason(entry: LeftOut) -> str:
    return entry.text


def _count_with_reason(entry: LeftOut) -> str:
    """Return the text of images that cannot be read: their reasons are whole sentences."""
    return f"{entry.count:,} ({'; '.join(filter(None, (entry.reason, entry.hint)))})"


def _by_size(entry: LeftOut) -> tuple[int, str]:
    return -entry.count, entry.reason
