"""What a command prints: text, or with --json the envelope that `latentlab schema` describes."""

import json
from typing import Any

import click

from latentlab import __version__
from latentlab.storage.json_form import to_json

JSON_FORMAT = 1  # of what --json prints; a change that could break a reader counts it up


def _note_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Remember that the result is wanted as JSON, for `print_result` and for errors."""
    ctx.meta["latentlab.json"] = value


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_note_json,
    is_eager=True,
    help="Print the result as JSON (see latentlab schema).",
)


def print_result(value: Any, text: str) -> None:
    """Print the result of a command: the text, or with --json the value in the envelope that `latentlab schema` describes."""
    ctx = click.get_current_context()
    ctx.meta["latentlab.printed"] = True
    click.echo(envelope(ctx.info_name, result=to_json(value)) if ctx.meta.get("latentlab.json") else text)


def envelope(command: str | None, **content: Any) -> str:
    """Return the JSON text of a result or an error of `command`."""
    return json.dumps(
        {"format": JSON_FORMAT, "latentlab": __version__, "command": command, **content},
        indent=2,
        default=str,
    )
