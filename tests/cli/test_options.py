"""Options of commands against the dataclasses that they fill."""

import click
import pytest

from latentlab import config
from latentlab.cli import cli
from latentlab.cli._options import DATA_NAMES, IMAGE_NAMES


def takes(command, *names):
    """Return whether a command has one of some options."""
    return any(option.name in names for option in command.params)


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


# Its data are those of the run; --data says where they are now.
OF_A_RUN = {"update"}


@pytest.mark.parametrize(
    "name",
    [n for n, command in cli.commands.items() if takes(command, "data") and n not in OF_A_RUN],
)
def test_every_command_with_data_has_every_option_of_data(name):
    options = {option.name for option in cli.commands[name].params}
    # An encoder or vectors say size and colours where these are left out.
    needed = set(IMAGE_NAMES if takes(cli.commands[name], "embeddings", "encoder") else DATA_NAMES)
    assert needed - options == set()


def test_every_field_of_data_has_an_option():
    assert set(vars(config.DataOptions())) - set(DATA_NAMES) == {"channels", "source_options"}
