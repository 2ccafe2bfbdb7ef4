"""What a command prints: text, or with --json the envelope that `latentlab schema` describes.

Every line goes through `say`: names of files and classes may hold the escapes by which a terminal
takes orders, and characters that turn the direction of writing.
"""

import json
from typing import TYPE_CHECKING, Any

import click

from latentlab import __version__
from latentlab.cli._layout import fitted, terminal_columns
from latentlab.plain_text import printable_lines

if TYPE_CHECKING:
    from latentlab.storage.run import Run

JSON_FORMAT = 1  # of what --json prints; raised by a change that could break a reader


def _note_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Remember for `print_result` and for errors whether JSON is wanted."""
    ctx.meta["latentlab.json"] = value


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_note_json,
    is_eager=True,
    help="Print the result as JSON (see latentlab schema).",
)


def say(text: str, err: bool = False) -> None:
    """Print lines for people, with everything spelled out that a terminal would obey.

    Parameters
    ----------
    text : str
        One line or several.
    err : bool
        Print on the standard error stream.
    """
    click.echo(printable_lines(text), err=err)


def print_result(value: Any, text: str) -> None:
    """Print the result of a command, as text or with --json as JSON in its envelope.

    Parameters
    ----------
    value : object
        Anything that `latentlab.storage.json_form.to_json` takes.
    text : str
        The same for people.
    """
    from latentlab.storage.json_form import to_json

    ctx = click.get_current_context()
    ctx.meta["latentlab.printed"] = True
    if ctx.meta.get("latentlab.json"):
        text = envelope(ctx.info_name, result=to_json(value))
        say(text)
        return
    columns = terminal_columns()
    say(text if columns is None else fitted(printable_lines(text), columns))


def with_intake(value: Any, run: "Run") -> dict[str, Any]:
    """Return a result as JSON, with the intake account of the run that a command made or opened.

    Parameters
    ----------
    value : object
        Anything that becomes a JSON object.
    run : Run
        The run; one of an older version has no account, which becomes null.
    """
    from latentlab.data import account
    from latentlab.storage.json_form import to_json

    return {**to_json(value), "intake": run.fact(account.FACT)}


def envelope(command: str | None, **content: Any) -> str:
    """Return the JSON text of a result or an error.

    Parameters
    ----------
    command : str or None
        Name of the command.
    **content
        `result`, or `error` with message and exit code.
    """
    document = {"format": JSON_FORMAT, "latentlab": __version__, "command": command, **content}
    return json.dumps(document, indent=2, default=str)
