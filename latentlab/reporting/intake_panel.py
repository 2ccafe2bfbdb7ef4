"""What was read, as a page shows it: the intake account of a run as rows and sentences."""

from dataclasses import dataclass, replace

from latentlab.data import account
from latentlab.data.intake import Intake, LeftOut
from latentlab.plain_text import printable
from latentlab.reporting.privacy import Privacy, public_ids
from latentlab.storage.run import Run


@dataclass(frozen=True)
class IntakeRow:
    """What became of some entries of the data.

    Attributes
    ----------
    outcome : {"used", "passed over", "unreadable"}
        What became of them.
    count : int
        How many they are.
    reason : str
        Why, with what to do about it; "" for what is used.
    examples : str
        Names of the first of them.
    """

    outcome: str
    count: int
    reason: str = ""
    examples: str = ""


@dataclass(frozen=True)
class IntakePanel:
    """The account of a run's images as a page shows it.

    Attributes
    ----------
    warning : str
        How much is missed, with names, if it is much; else "".
    rows : tuple of IntakeRow
        All entries of the data.
    sentences : tuple of str
        Where splits and labels are, and how numbers became pixels.
    """

    warning: str
    rows: tuple[IntakeRow, ...]
    sentences: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> "IntakePanel | None":
        """Return the panel of a run; None if an older version made the run.

        Parameters
        ----------
        run : Run
            The run.
        """
        intake = account.recorded(run)
        if intake is None:
            return None
        public = Privacy.of(run).public
        return cls(
            warning=f"{public(intake.warning)}." if intake.is_loud else "",
            rows=tuple(replace(row, reason=public(row.reason)) for row in _rows(intake)),
            sentences=tuple(
                public(f"{clause[:1].upper()}{clause[1:]}.")
                for clause in (intake.splits, intake.labels, intake.scale)
                if clause
            ),
        )


def _rows(intake: Intake) -> tuple[IntakeRow, ...]:
    return (
        IntakeRow("used", intake.used),
        *(_row("passed over", entry) for entry in intake.passed_over),
        *(_row("unreadable", entry) for entry in intake.unreadable),
    )


def _row(outcome: str, entry: LeftOut) -> IntakeRow:
    reason = f"{entry.reason}: {entry.hint}" if entry.hint else entry.reason
    examples = map(printable, public_ids(entry.examples))
    return IntakeRow(outcome, entry.count, reason, ", ".join(examples))
