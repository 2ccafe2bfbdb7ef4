"""Plugins: what there is, and whether a file keeps the contract of its kind."""

from pathlib import Path

import click

from latentlab.cli._output import say
from latentlab.cli.listing import described
from latentlab.errors import ConfigError


@click.group()
def plugins() -> None:
    """List plugins, and check a file of your own."""


@plugins.command("list")
def list_plugins() -> None:
    """List all plugins by kind, those of LATENTLAB_PLUGINS too."""
    from latentlab.plugins import KINDS

    for kind in KINDS:
        say(f"{kind}\n{described(kind, indent=4)}")


@plugins.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--data", help="For a source that reads files: a small set that it can read.")
def check(path: Path, data: str | None) -> None:
    """Check that the plugin in the file PATH keeps the contract of its kind."""
    from latentlab.config import DataOptions
    from latentlab.testing import check_plugin

    data_options = DataOptions(data=data) if data else None
    try:
        for line in check_plugin(path, data_options):
            say(f"ok    {line}")
    except AssertionError as error:
        # Backticks would be taken for arguments of commands; here they quote a plugin's Python.
        raise ConfigError(f"{path}: {str(error).replace('`', '')}") from error
