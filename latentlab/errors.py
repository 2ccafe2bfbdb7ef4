"""Every error that a user can cause, each with its exit code.

LatentlabError                1   anything of ours that has no better class
├── ConfigError               2   a bad flag, option or combination of them (also a ValueError)
├── DataError                 3   a source is missing, unreadable or too small (also a ValueError)
├── RunError                  4   a run folder is locked, damaged, unwritable or holds another configuration
├── TrainingError             5   the loss is not finite
├── MissingDependencyError    6   an optional package is not installed (also an ImportError)
└── NotReproducedError        7   latentlab verify found what differs from the run's record

Exit code 130 is Ctrl-C and 143 is SIGTERM: repeating the same command resumes the run.
The text of an error says what is wrong, where, and what to do, on one line.
"""


class LatentlabError(Exception):
    """Base class of all errors that latentlab raises on purpose."""

    exit_code = 1


class ConfigError(LatentlabError, ValueError):
    """A flag, option or their combination cannot be used."""

    exit_code = 2


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
