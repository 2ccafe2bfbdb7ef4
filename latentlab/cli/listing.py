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
        "arch": _encoder_name(config),
        "created": run.created or "-",
        "stages": run.stage_names(),
    }


def _encoder_name(config: dict[str, Any]) -> str:
    """Return the architecture of a run, or what it has instead."""
    if config.get("vectors"):
        return "vectors"
    pretrained = config.get("pretrained") or {}
    return (config.get("fit") or {}).get("arch") or pretrained.get("name") or "-"


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
    "--ready-made", is_flag=True, help="Only those that come with their weights, for --encoder."
)
@json_option
def encoders(ready_made: bool) -> None:
    """List the encoders: those at hand with what is known of them, and those to train."""
    from latentlab import plugins
    from latentlab.cli.texts.encoders import encoders_text
    from latentlab.encoders.at_hand import encoders_at_hand
    from latentlab.storage.json_form import to_json

    entries = encoders_at_hand()
    rows = [to_json(entry) | {"kind": "ready-made"} for entry in entries]
    text = encoders_text(entries)
    if not ready_made:
        for name in plugins.names("encoders"):
            summary = plugins.summary("encoders", name)
            rows.append({"name": name, "kind": "to train", "training": summary})
        text += f"\n\nTo train, for fit --arch\n{described('encoders', indent=2)}"
    print_result(rows, text)


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
