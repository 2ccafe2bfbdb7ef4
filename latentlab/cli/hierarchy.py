"""Fewer clusters, by the tree over them."""

import click

from latentlab.cli._options import name_option, run_option
from latentlab.cli._output import json_option, print_result, with_intake
from latentlab.cli.moved import moved_option, open_moved


@click.command()
@run_option
@moved_option
@name_option
@click.option(
    "--k", type=click.IntRange(1), required=True, help="Number of clusters to keep, at most theirs."
)
@json_option
def cut(run_path: str, moved_to: str | None, name: str | None, k: int) -> None:
    """Join clusters to --k larger ones without a new fit.

    Clusters are joined by Ward's rule on their centers, those of hdbscan as the density falls. The
    result is a clustering of its own, NAME-cutK. Of a cut, the clusters that it was made of are cut
    again.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.cluster import clusters_text

    clustering = pipeline.cut(open_moved(run_path, moved_to), k, name)
    result = clustering.result
    note = pipeline.cut_note(clustering)
    place = {"run": str(clustering.run.path), "name": clustering.name, "of": note}
    text = clusters_text(clustering.folder, result.sizes["train"], result.values)
    text = f"cut of {note}\n{text}"
    print_result(with_intake(place | result.to_json(), clustering.run), text)
