"""Every error that a user can cause, each with its exit code.

LatentlabError                1   anything of ours that has no better class
├── ConfigError               2   a bad argument, option or combination of them (also a ValueError)
├── DataError                 3   a source is missing, unreadable or too small (also a ValueError)
├── RunError                  4   a run is locked, damaged, unwritable or has other settings
├── TrainingError             5   the loss is not finite
├── MissingDependencyError    6   an optional package is not installed (also an ImportError)
├── NotReproducedError        7   `verify` got other results than the run recorded
└── NoStructureError          8   `k="auto"` found no structure: no number can be recommended

Exit code 130 is Ctrl-C and 143 is SIGTERM: repeating the same command resumes the run.

The text of an error is one line. It says what is wrong, where, and what to do. Names of arguments
and calls stand in backticks: `k`, `method=scan`, `settings.gamma=0.1`, `fit(run='runs/x')`. They
are Python's names; the command line turns them into flags and commands (`latentlab.cli.errors`).
"""

from collections.abc import Sequence
from typing import Any, Self


class _Unset:
    """Marks an error that names an argument without its value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset()


class LatentlabError(Exception):
    """Base class of all errors that latentlab raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong. With `field` it continues a sentence that begins with the argument, such as
        "must be at least 1", or ": unknown step"; without `field` it is a sentence of its own.
    field : str
        Python name of the argument at fault; "" where no single argument is.
    value : object
        What the argument was.
    limit : object
        The bound that the value breaks, where there is one.
    hint : str
        A sentence that says what to do.

    Examples
    --------
    >>> error = ConfigError("must be at least 1", field="k", value=0, limit=1)
    >>> print(error)
    `k=0` must be at least 1.
    >>> error.field, error.value, error.limit
    ('k', 0, 1)
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        *,
        field: str = "",
        value: Any = UNSET,
        limit: Any = None,
        hint: str = "",
    ) -> None:
        self.problem = problem
        self.field = field
        self.value = value
        self.limit = limit
        self.hint = hint
        super().__init__(problem)

    def within(self, namespace: str) -> Self:
        """Return this error with `namespace`, such as "settings", before its `field`."""
        if self.field:
            self.field = f"{namespace}.{self.field}"
        return self

    def __str__(self) -> str:
        text = self.problem
        if self.field:
            space = "" if text.startswith(":") else " "
            text = f"{self._argument()}{space}{text}"
        if text and text[-1] not in ".!?":
            text += "."
        return f"{text} {self.hint}".strip()

    def _argument(self) -> str:
        if self.value is UNSET:
            return f"`{self.field}`"
        return f"`{self.field}={self.value}`"


class ConfigError(LatentlabError, ValueError):
    """An argument, option or their combination cannot be used."""

    exit_code = 2

    @classmethod
    def joined(cls, errors: Sequence["ConfigError"]) -> "ConfigError":
        """Return one error that says what several say; a single one stays as it is.

        Parameters
        ----------
        errors : sequence of ConfigError
            One or more.

        Examples
        --------
        >>> wrong = [ConfigError(": must be above 0", field=name, value=0) for name in ("a", "b")]
        >>> print(ConfigError.joined(wrong).within("settings"))
        `settings.a=0`: must be above 0; `settings.b=0`: must be above 0.
        """
        return errors[0] if len(errors) == 1 else _JoinedConfigError(errors)


class _JoinedConfigError(ConfigError):
    """Several wrong arguments at once."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("several arguments are wrong")
        self.errors = tuple(errors)

    def within(self, namespace: str) -> Self:
        for error in self.errors:
            error.within(namespace)
        return self

    def __str__(self) -> str:
        return "; ".join(str(error).rstrip(".") for error in self.errors) + "."


class DataError(LatentlabError, ValueError):
    """The images or labels cannot be found, read or used."""

    exit_code = 3


class RunError(LatentlabError):
    """The run folder cannot be used as asked."""

    exit_code = 4


class TrainingError(LatentlabError):
    """Training cannot go on."""

    exit_code = 5


class MissingDependencyError(LatentlabError, ImportError):
    """An optional package is needed and not installed."""

    exit_code = 6


class NotReproducedError(LatentlabError):
    """A run does not give again what it recorded."""

    exit_code = 7


class NoStructureError(LatentlabError):
    """The data have no groups that a number of clusters could be recommended for."""

    exit_code = 8
