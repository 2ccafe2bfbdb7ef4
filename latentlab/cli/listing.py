"""What there is: runs, sources, encoders, methods, plugins, the schema of --json."""

from typing import TYPE_CHECKING, Any

import click

from latentlab.cli._output import json_option, print_result

if TYPE_CHECKING:
    from latentlab.storage.run import Run

METHOD_KINDS = {"clustering": "On vectors as they are", "refinement": "With the network"}


@click.command()
@click.argument("folder", default="runs", type=click.Path())
@json_option
def runs(folder: str) -> None:
    """List the runs below FOLDER."""
    from latentlab.storage import run

    rows = [_describe_run(each) for each in run.find_runs(folder)]
    lines = map(_run_line, rows)
    print_result(rows, "\n".join(lines) or f"no runs in {folder}")


def _describe_run(run: "Run") -> dict[str, Any]:
    config = run.recorded_config or {}
    return {
        "run": str(run.path),
        "data": run.data_name,
        "arch": config.get("fit", {}).get("arch", "-"),
        "created": run.created or "-",
        "stages": run.stage_names(),
    }


def _run_line(row: dict[str, Any]) -> str:
    stages = ", ".join(row["stages"])
    return f"{row['run']:<32} {row['data']:<10} {row['arch']:<12} {row['created']}  {stages}"


@click.command()
@json_option
def sources() -> None:
    """List the named image sources."""
    from latentlab import plugins

    print_result(plugins.names("sources"), described("sources"))


@click.command()
@click.option(
    "--ready-made", is_flag=True, help="Those that come with their weights, for cluster --encoder."
)
@json_option
def encoders(ready_made: bool) -> None:
    """List the encoders."""
    from latentlab import plugins
    from latentlab.encoders.ready_made import shipped

    if ready_made:
        names = shipped().names()
        print_result(names, "\n".join(names) or "there are none")
    else:
        print_result(plugins.names("encoders"), described("encoders"))


@click.command()
@json_option
def methods() -> None:
    """List the clustering methods: those on vectors as they are, and those with the network."""
    from latentlab import plugins

    rows = []
    texts = []
    for kind, title in METHOD_KINDS.items():
        texts.append(f"{title}\n{described(kind, indent=4)}")
        for name in plugins.names(kind):
            rows.append({"name": name, "kind": kind, "summary": plugins.summary(kind, name)})
    print_result(rows, "\n".join(texts))


def described(kind: str, indent: int = 0) -> str:
    """Return the plugins of one kind, each with the first line of its docstring.

    Parameters
    ----------
    kind : str
        One of `latentlab.plugins.KINDS`.
    indent : int
        Spaces before each line.
    """
    from latentlab import plugins

    names = plugins.names(kind)
    width = max(map(len, names), default=0)
    lines = []
    for name in names:
        lines.append(f"{'':{indent}}{name:<{width}}  {plugins.summary(kind, name)}")
    return "\n".join(lines)


@click.command()
def schema() -> None:
    """Print the JSON Schema of what every command prints with --json."""
    from importlib import resources

    path = resources.files("latentlab").joinpath("schemas", "output.schema.json")
    click.echo(path.read_text(encoding="utf-8").rstrip())
