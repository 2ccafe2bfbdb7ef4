"""Options as frozen dataclasses: defaults, bounds and help text are written once, in the field.

    @dataclass(frozen=True)
    class Options(CheckedOptions):
        heads: int = option(10, "Heads that are trained; the best is used.", at_least=1)

The command line makes its flags of such fields, and every wrong value is named at once.
"""

import dataclasses
import functools
import operator
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeVar

from latentlab.errors import ConfigError, RunError

Kind = TypeVar("Kind")
Values = dict[str, Any]


@dataclass(frozen=True)
class Bound:
    """One thing that the value of an option must be.

    Attributes
    ----------
    holds : callable
        holds(value, limit) -> bool.
    limit : object
        The bound: a number, or a tuple of choices.
    words : str
        The condition in words, such as "at least 1".
    """

    holds: Callable[[Any, Any], bool]
    limit: Any
    words: str


def _is_one_of(value: Any, choices: tuple[str, ...]) -> bool:
    return value in choices


def option(  # noqa: PLR0913  # it constructs a field
    default: Any,
    help: str = "",  # noqa: A002  # the word that click and argparse use
    *,
    choices: Sequence[str] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    more_than: float | None = None,
    less_than: float | None = None,
    later: bool = False,
) -> Any:
    """Return the dataclass field of an option.

    Parameters
    ----------
    default : object
        Value if nothing is given. A dict or list is copied for each instance.
    help : str
        One sentence for the command line.
    choices : sequence of str
        The only values that are allowed.
    at_least, at_most, more_than, less_than : float or None
        Bounds of a number, inclusive and exclusive.
    later : bool
        The option came after the first released run format. At its default it is left out of what
        runs record, so that a run begun by an older version is still the same run.
    """
    comparisons = (
        (operator.ge, at_least, "at least"),
        (operator.gt, more_than, "above"),
        (operator.le, at_most, "at most"),
        (operator.lt, less_than, "below"),
    )
    bounds = [
        Bound(holds, limit, f"{words} {limit:g}")
        for holds, limit, words in comparisons
        if limit is not None
    ]
    if choices:
        bounds.append(Bound(_is_one_of, tuple(choices), f"one of {', '.join(choices)}"))
    metadata = {"help": help, "bounds": bounds, "later": later}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class CheckedOptions:
    """Base of options that check their bounds when they are made."""

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class NoOptions(CheckedOptions):
    """The options of a plugin that has none."""


def check_options(options: Any, *more_errors: ConfigError) -> None:
    """Raise ConfigError if fields of a dataclass break their bounds; it names all faults at once.

    Parameters
    ----------
    options : dataclass instance
        Its fields were made by `option`; other fields are not checked.
    *more_errors : ConfigError
        Faults that the caller has seen itself.
    """
    errors = list(more_errors)
    for name, bounds in _bounded_fields(typing.cast(Hashable, type(options))):
        value = getattr(options, name)
        # A comparison with NaN is false, so that NaN is within no bounds.
        if value is not None and not all(bound.holds(value, bound.limit) for bound in bounds):
            words = " and ".join(bound.words for bound in bounds)
            errors.append(ConfigError(f": must be {words}", field=name, value=value))
    if errors:
        raise ConfigError.joined(errors)


@functools.cache
def _bounded_fields(kind: Any) -> tuple[tuple[str, tuple[Bound, ...]], ...]:
    """Return name and bounds of the fields that have any."""
    fields = dataclasses.fields(kind)
    bounded = [(field.name, tuple(field.metadata.get("bounds", ()))) for field in fields]
    return tuple((name, bounds) for name, bounds in bounded if bounds)


def parse_options(kind: type[Kind], values: Mapping[str, Any], owner: str, namespace: str) -> Kind:
    """Return a plugin's `Options` with values that a user gave.

    Parameters
    ----------
    kind : type
        A dataclass of options.
    values : mapping
        Option name -> value, as from settings={"gamma": 0.1}.
    owner : str
        How messages name the plugin, such as "`method=dcec`".
    namespace : str
        The argument that holds the values: "settings", "arch_options", "objective_options" or
        "source_options".

    Raises
    ------
    ConfigError
        If there is no such option, or a value has another type or breaks its bounds.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            "must be a mapping of option names to values", field=namespace, value=repr(values)
        )
    names = option_names(kind)
    unknown = sorted(set(values) - set(names))
    if unknown:
        has = ", ".join(sorted(names)) or "none"
        raise ConfigError(f"{owner} has no option {', '.join(unknown)}: it has {has}.")
    types = typing.get_type_hints(kind)
    for name, value in values.items():
        _check_type(value, types[name], f"{owner}: `{namespace}.{name}={value}`")
    try:
        return kind(**values)
    except ConfigError as error:
        raise error.within(namespace) from None


def _check_type(value: Any, wanted: Any, argument: str) -> None:
    accepted = typing.get_args(wanted) or (wanted,)
    names = ["null" if kind is NoneType else kind.__name__ for kind in accepted]
    fits = isinstance(value, accepted) or (float in accepted and isinstance(value, int))
    if isinstance(value, bool) and bool not in accepted:
        fits = False
    if not fits:
        raise ConfigError(f"{argument} must be of type {' or '.join(names)}.")


def option_names(kind: type) -> list[str]:
    """Return the names of the fields of `kind`, a dataclass of options."""
    return [field.name for field in dataclasses.fields(kind)]


def recorded_values(options: Any) -> Values:
    """Return `options` as runs record them: without `later` options at their default."""
    values = dataclasses.asdict(options)
    for field in dataclasses.fields(options):
        if field.metadata.get("later") and getattr(options, field.name) == default_of(field):
            del values[field.name]
    return values


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """Return the default of a dataclass `field`, also if it is made by a factory."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def from_recorded(kind: Callable[..., Kind], values: Any, where: Any) -> Kind:
    """Return a dataclass of options with the values that a run recorded.

    Parameters
    ----------
    kind : type
        The dataclass.
    values : dict
        Field name -> value, from a JSON file.
    where : pathlib.Path
        The run or file, for the message.

    Raises
    ------
    RunError
        If they are not such options: the run is damaged, or of another version.
    """
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{where} records settings that this version does not know ({error})."
            " Fit or cluster again."
        ) from error
