"""What there is: runs, sources, encoders, the schema of --json."""

from typing import Any

import click

from latentlab.cli._output import json_option, print_result


@click.command()
@click.argument("folder", default="runs", type=click.Path())
@json_option
def runs(folder: str) -> None:
    """List the runs below FOLDER."""
    from latentlab.run import find_runs

    rows = [_describe_run(run) for run in find_runs(folder)]
    lines = [f"{row['run']:<32} {row['data']:<10} {row['arch']:<12} {row['created']}  {', '.join(row['stages'])}" for row in rows]
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

    print_result(plugins.names("sources"), "\n".join(plugins.names("sources")))


@click.command()
@click.option("--ready-made", is_flag=True, help="Those that come with their weights, for cluster --encoder.")
@json_option
def encoders(ready_made: bool) -> None:
    """List the encoders."""
    from latentlab import plugins
    from latentlab import ready_made as weights

    names = weights.names() if ready_made else plugins.names("encoders")
    print_result(names, "\n".join(names) or "there are none")


@click.command()
def schema() -> None:
    """Print the JSON Schema of what every command prints with --json."""
    from importlib import resources

    click.echo(resources.files("latentlab").joinpath("schemas", "output.schema.json").read_text(encoding="utf-8").rstrip())
