"""What there is: runs, sources, encoders, methods, the schema of --json."""

from typing import Any

import click

from latentlab.cli._output import json_option, print_result


@click.command()
@click.argument("folder", default="runs", type=click.Path())
@json_option
def runs(folder: str) -> None:
    """List the runs below FOLDER."""
    from latentlab.storage.run import find_runs

    rows = [_describe_run(run) for run in find_runs(folder)]
    lines = [
        f"{row['run']:<32} {row['data']:<10} {row['arch']:<12} {row['created']}  {', '.join(row['stages'])}"
        for row in rows
    ]
    print_result(rows, "\n".join(lines) or f"no runs in {folder}")


def _describe_run(run: Any) -> dict[str, Any]:
    fitted = run.manifest.get("config", {}).get("fit", {})
    return {
        "run": str(run.path),
        "data": run.manifest.get("data", "-"),
        "arch": fitted.get("arch", "-"),
        "created": run.manifest.get("created", "-"),
        "stages": list(run.manifest["stages"]),
    }


@click.command()
@json_option
def sources() -> None:
    """List the named image sources."""
    from latentlab import plugins

    print_result(plugins.names("sources"), _described("sources"))


@click.command()
@click.option(
    "--ready-made", is_flag=True, help="Those that come with their weights, for cluster --encoder."
)
@json_option
def encoders(ready_made: bool) -> None:
    """List the encoders."""
    from latentlab import plugins
    from latentlab.encoders import ready_made as weights

    if ready_made:
        print_result(weights.names(), "\n".join(weights.names()) or "there are none")
    else:
        print_result(plugins.names("encoders"), _described("encoders"))


@click.command()
@json_option
def methods() -> None:
    """List the methods of clustering: those on vectors as they are, and those that train the network too."""
    from latentlab import plugins

    kinds = {"clustering": "On vectors as they are", "refinement": "With the network"}
    rows = [
        {"name": name, "kind": kind, "summary": plugins.summary(kind, name)}
        for kind in kinds
        for name in plugins.names(kind)
    ]
    print_result(
        rows, "\n".join(f"{title}\n{_described(kind, indent=4)}" for kind, title in kinds.items())
    )


def _described(kind: str, indent: int = 0) -> str:
    """Return the plugins of one kind, a line each: its name, and the first line of its text."""
    from latentlab import plugins

    names = plugins.names(kind)
    width = max(map(len, names), default=0)
    return "\n".join(
        f"{'':{indent}}{name:<{width}}  {plugins.summary(kind, name)}" for name in names
    )


@click.command()
def schema() -> None:
    """Print the JSON Schema of what every command prints with --json."""
    from importlib import resources

    click.echo(
        resources.files("latentlab")
        .joinpath("schemas", "output.schema.json")
        .read_text(encoding="utf-8")
        .rstrip()
    )
