"""Scores to pictures, and to files for other programs."""

import contextlib
import sys
from pathlib import Path

import click

from latentlab.cli._options import (
    name_option,
    run_option,
    sample_option,
    typed_names,
    typed_or_last_run,
)
from latentlab.cli._output import json_option, print_result, say
from latentlab.cli._signals import ended_by_interrupt
from latentlab.cli.edits_shown import as_computed_option, shown_clusters
from latentlab.cli.moved import moved_option, open_moved
from latentlab.cli.searching import words_option
from latentlab.errors import ConfigError

EXPORT_FORMATS = ("csv", "parquet", "folders", "coco", "projector")


@click.command()
@run_option
@moved_option
@name_option
@sample_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of UMAP and its sample.")
@as_computed_option
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@json_option
def report(  # noqa: PLR0913  # a flag each
    run_path: str,
    moved_to: str | None,
    name: str | None,
    sample: int,
    seed: int,
    as_computed: bool,
    opens: bool,
) -> None:
    """Score, lay out and write one HTML file and its pictures.

    Clusters are shown as they were edited in view.
    """
    from latentlab import pipeline

    run = open_moved(run_path, moved_to)
    page = pipeline.report(run, name, sample, seed, as_computed)
    place = {"run": run_path, "page": str(page)}
    print_result(place | shown_clusters(run, name, as_computed), str(page))
    if opens:
        _launch(page)


@click.command()
@run_option
@moved_option
@name_option
@click.option(
    "--format",
    "formats",
    default="png,svg,pdf",
    show_default=True,
    help="Formats, separated by commas.",
)
@click.option("--out", type=click.Path(), help="Folder [default: report/figures of the run].")
@as_computed_option
@json_option
def figures(  # noqa: PLR0913  # a flag each
    run_path: str,
    moved_to: str | None,
    name: str | None,
    formats: str,
    out: str | None,
    as_computed: bool,
) -> None:
    """Draw figures fit for a paper.

    The map with cluster names and typical images, labels, galleries, losses. Clusters are shown as
    they were edited in view.
    """
    from latentlab import pipeline

    folder = out or Path(run_path) / "report" / "figures"
    run = open_moved(run_path, moved_to)
    chosen = tuple(formats.split(","))
    written = pipeline.figures(run, folder, name, chosen, as_computed=as_computed)
    paths = list(map(str, written))
    place = {"run": run_path, "files": paths}
    print_result(place | shown_clusters(run, name, as_computed), "\n".join(paths))


@click.command()
@click.argument("run_path", metavar="RUN", required=False, callback=typed_or_last_run)
@moved_option
@name_option
@sample_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port on this machine [default: a free one].",
)
@as_computed_option
@words_option
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def view(  # noqa: PLR0913  # a flag each
    run_path: str,
    moved_to: str | None,
    name: str | None,
    sample: int,
    port: int,
    as_computed: bool,
    words: str | None,
    opens: bool,
) -> None:
    """Look at a run in the browser, and name, merge, split and drop its clusters.

    Ctrl-C ends it; edits are kept.
    """
    from latentlab import pipeline

    run = open_moved(run_path, moved_to)
    server = pipeline.viewer(run, name, sample, port=port, as_computed=as_computed, words=words)
    edits = f"edits are kept in {server.viewer.editor.path}"
    if as_computed:
        edits = "clusters are shown as computed and are not changed"
    try:
        with ended_by_interrupt(), contextlib.ExitStack() as stack:
            say(f"{server.address}\nCtrl-C ends it; {edits}")
            sys.stdout.flush()
            if opens:
                _open_in_browser(server.address, stack)
            server.serve_forever()
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        server.server_close()


def _open_in_browser(address: str, stack: contextlib.ExitStack) -> None:
    """Open the viewer in the browser, by a file that is removed with the stack."""
    from latentlab.reporting.viewer_opening import opening_page

    try:
        # Not the address itself: other users can see the command lines of programs.
        page = stack.enter_context(opening_page(address))
    except OSError as error:
        _tell_of_no_browser(error)
    else:
        _launch(page)


def _launch(page: Path) -> None:
    """Open a page in the browser; say so where that cannot be done, since the page is there."""
    try:
        status = click.launch(str(page.resolve()))
    except OSError as error:
        _tell_of_no_browser(error)
    else:
        if status:
            _tell_of_no_browser("there is none")


def _tell_of_no_browser(error: OSError | str) -> None:
    problem = error if isinstance(error, str) else error.strerror or error
    say(f"The browser cannot be opened ({problem}); open the address in it.", err=True)


@click.command()
@run_option
@moved_option
@name_option
@click.option(
    "--format",
    "file_format",
    type=click.Choice(EXPORT_FORMATS),
    default="csv",
    show_default=True,
    help="csv; parquet with images; folders, one per cluster; coco JSON with images; TensorBoard's"
    " projector.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(),
    help="File, or folder for folders, coco and projector.",
)
@click.option(
    "--link",
    is_flag=True,
    help="folders: link to the pictures of an image folder instead of copying them.",
)
@click.option(
    "--share",
    "is_shared",
    is_flag=True,
    help="Write a copy of the whole run to give away, into a folder or .zip file, without paths,"
    " user and machine.",
)
@as_computed_option
@json_option
@click.pass_context
def export(  # noqa: PLR0913  # a flag each
    context: click.Context,
    run_path: str,
    moved_to: str | None,
    name: str | None,
    file_format: str,
    out: str,
    link: bool,
    is_shared: bool,
    as_computed: bool,
) -> None:
    """Write clusters, as they were edited in view, for other programs; or a run to give away."""
    from latentlab import pipeline

    if is_shared:
        choices = {"file_format", "name", "link", "as_computed"}
        _share(run_path, out, typed_names(context) & choices)
        return
    run = open_moved(run_path, moved_to)
    path = str(pipeline.export(run, file_format, out, name, link, as_computed))
    place = {"run": run_path, "format": file_format, "out": path}
    print_result(place | shown_clusters(run, name, as_computed), path)


def _share(run_path: str, out: str, needless: frozenset[str]) -> None:
    """Write a copy of a run to give away; other options of export would do nothing."""
    from latentlab import pipeline
    from latentlab.storage.run import Run

    if needless:
        raise ConfigError("a run is shared whole, so format, clusters and links have no meaning.")
    shared = pipeline.share(Run.open(run_path), out)
    result = {"run": run_path, "format": "share", "out": str(shared.path)}
    print_result(
        result | {"files": shared.files, "left_out": list(shared.left_out)},
        f"{shared.path}: {shared.files} files without paths, user and machine",
    )
