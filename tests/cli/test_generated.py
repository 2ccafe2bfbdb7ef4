"""Help texts name every plugin."""

from click.testing import CliRunner

from latentlab import plugins
from latentlab.cli import cli


def test_help_of_cluster_names_every_method():
    shown = " ".join(CliRunner().invoke(cli, ["cluster", "--help"]).output.split())
    names = [name for kind in ("clustering", "refinement") for name in plugins.names(kind)]
    assert [name for name in names if name not in shown] == []


def test_help_of_fit_names_every_objective():
    shown = " ".join(CliRunner().invoke(cli, ["fit", "--help"]).output.split())
    assert [name for name in plugins.names("objectives") if name not in shown] == []
