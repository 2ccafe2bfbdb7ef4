"""Click options made from the fields of dataclasses of options.

Name, type, default, help and choices of such an option are written once, in `latentlab.config`.
Bounds are checked by the dataclass, so that Python and the command line refuse the same values.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any

import click

from latentlab.options import default_of

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_PLAIN_TYPES = (bool, int, float, str)


def option_of(kind: type, name: str, flag: str = "", **changes: Any) -> Decorator:
    """Return the click option of a field.

    Parameters
    ----------
    kind : type
        Dataclass of options.
    name : str
        Name of the field, and of the parameter that the command gets.
    flag : str
        The flag, if it is not the field's name with dashes.
    **changes
        What differs from the field, as `click.option` takes it: `type`, `default`, `help`, ...

    Returns
    -------
    callable
        A decorator of commands.

    Examples
    --------
    >>> from latentlab.config import FitOptions
    >>> @click.command()
    ... @option_of(FitOptions, "batch_size")
    ... def fit(batch_size): ...
    >>> fit.params[0].opts, fit.params[0].default
    (['--batch-size'], 500)
    """
    field = _field(kind, name)
    default = default_of(field)
    settings = {
        "type": _plain_type(typing.get_type_hints(kind)[name]),
        "default": default,
        "help": field.metadata.get("help") or None,
        "show_default": default not in (None, ""),
    }
    settings |= changes
    if settings["type"] is bool:
        settings |= {"is_flag": True, "show_default": False}
    return click.option(flag or f"--{name.replace('_', '-')}", name, **settings)


def together(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds several options, which help shows in this order.

    Parameters
    ----------
    *decorators : callable
        From `option_of` or `click.option`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class OptionWithNames(click.Option):
    """An option with names in its help that are looked up when the help is shown.

    Plugins may add names, and looking them up costs more than starting a command should.

    Parameters
    ----------
    make_help : callable
        make_help() -> the help text.
    """

    def __init__(self, *args: Any, make_help: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.make_help = make_help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the two columns of the option in the help."""
        self.help = self.make_help()
        return super().get_help_record(ctx)


def _field(kind: type, name: str) -> "dataclasses.Field[Any]":
    return next(field for field in dataclasses.fields(kind) if field.name == name)


def _plain_type(hint: Any) -> type:
    """Return the type of one word on the command line for a type such as int | None."""
    members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next(member for member in members if member in _PLAIN_TYPES)
