"""Clusters to scores."""

import click

from latentlab.cli._options import by_k_options, name_option, open_run, run_option
from latentlab.cli._output import json_option, print_result, with_intake
from latentlab.cli.places import Place, place_options
from latentlab.config import ClusterOptions

NO_SCORES = "the data has no labels, so there is nothing to score; "


@click.command()
@run_option
@name_option
@json_option
def evaluate(run_path: str, name: str | None) -> None:
    """Score the clusters against held-out labels, beside chance and baselines."""
    from latentlab import pipeline
    from latentlab.cli.texts.scores import scores_text

    scores = pipeline.evaluate(open_run(run_path), name)
    if scores is None:
        print_result({"rows": []}, f"{NO_SCORES}latentlab report shows the clusters")
    else:
        print_result(scores, scores_text(scores))


@click.command("score-by-k")
@place_options
@by_k_options
@json_option
@click.pass_context
def score_by_k(
    context: click.Context, ks: str, features: str, restarts: int, seed: int, **_values: object
) -> None:
    """Score k-means against held-out labels for each k, beside chance.

    Purity grows with k, and so does its chance.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.by_k import by_k_text
    from latentlab.clustering.choose_k import parse_range

    options = ClusterOptions(features=features, restarts=restarts, seed=seed)
    run = Place.of(context).open()
    scores = pipeline.score_by_k(run, options, parse_range(ks))
    if scores is None:
        nothing = with_intake({"rows": []}, run)
        print_result(nothing, f"{NO_SCORES}latentlab choose-k needs none")
    else:
        print_result(with_intake(scores, run), by_k_text(scores))


@click.command()
@place_options
@click.option(
    "--features",
    default="auto",
    help="What is probed, as in cluster [default: what kmeans clusters, without umap].",
)
@json_option
@click.pass_context
def probe(context: click.Context, features: str, **_values: object) -> None:
    """Ask with labels what the features hold: k-NN accuracy and a linear probe.

    Raw pixels are probed too.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.probe import probe_text

    run = Place.of(context).open()
    report = pipeline.probe(run, ClusterOptions(features=features))
    if report is None:
        nothing = with_intake({"rows": []}, run)
        print_result(nothing, "the data has no labels, so there is nothing to probe")
    else:
        print_result(with_intake(report, run), probe_text(report))


@click.command()
@run_option
@name_option
@json_option
def audit(run_path: str, name: str | None) -> None:
    """Find duplicates, within and across the splits, and labels that are probably wrong."""
    from latentlab import pipeline
    from latentlab.cli.texts.audit import audit_text
    from latentlab.reporting.audit import audit_folder
    from latentlab.storage.json_form import to_json

    clustering = open_run(run_path).clustering(name)
    report = pipeline.audit(clustering.run, clustering.name)
    folder = audit_folder(clustering)
    place = {"run": clustering.run.path, "name": clustering.name, "folder": folder}
    print_result(place | to_json(report), audit_text(report, folder))
