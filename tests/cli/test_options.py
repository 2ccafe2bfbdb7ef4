"""Options of commands against the dataclasses that they fill."""

import click
import pytest

from latentlab import config
from latentlab.cli import cli


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("fit", config.DataOptions),
        ("fit", config.FitOptions),
        ("predict", config.DataOptions),
        ("cluster", config.ClusterOptions),
    ],
)
def test_every_default_of_an_option_is_that_of_its_dataclass(command, kind):
    # Left out, these mean something that the dataclass does not know.
    others = {"k", "features", "least_steps", "settings"}
    options = {option.name: option for option in cli.commands[command].params}
    names = [name for name in vars(kind()) if name in options and name not in others]
    assert len(names) > 5
    for name in names:
        assert options[name].default == getattr(kind(), name), name


def test_no_two_options_of_a_command_have_one_flag():
    for name, command in cli.commands.items():
        flags = [
            flag
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for flag in parameter.opts
        ]
        assert len(flags) == len(set(flags)), name
