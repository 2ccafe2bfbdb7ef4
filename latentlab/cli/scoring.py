"""Clusters to scores."""

from typing import Any

import click

from latentlab.cli._options import by_k_options, name_option, open_run, run_option
from latentlab.cli._output import json_option, print_result


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
        print_result(
            {"rows": []},
            "the data has no labels, so there is nothing to score; latentlab report shows the clusters",
        )
        return
    print_result(scores, scores_text(scores))


@click.command("score-by-k")
@run_option
@by_k_options
@json_option
def score_by_k(run_path: str, ks: str, **values: Any) -> None:
    """Score k-means against held-out labels for each k, beside chance: purity grows with k, and so does its chance."""
    from latentlab import pipeline
    from latentlab.cli.texts.by_k import by_k_text
    from latentlab.clustering import choosing
    from latentlab.config import ClusterOptions

    found = pipeline.score_by_k(
        open_run(run_path), ClusterOptions(**values), choosing.parse_range(ks)
    )
    if found is None:
        print_result(
            {"rows": []},
            "the data has no labels, so there is nothing to score; latentlab choose-k needs none",
        )
        return
    print_result(found, by_k_text(found))


@click.command()
@run_option
@click.option(
    "--features",
    default="auto",
    help="What is probed, as in cluster [default: what kmeans clusters].",
)
@json_option
def probe(run_path: str, features: str) -> None:
    """Ask with labels what the features hold: k-NN accuracy and a linear probe, beside those of raw pixels."""
    from latentlab import pipeline
    from latentlab.cli.texts.probe import probe_text
    from latentlab.config import ClusterOptions

    found = pipeline.probe(open_run(run_path), ClusterOptions(features=features))
    if found is None:
        print_result({"rows": []}, "the data has no labels, so there is nothing to probe")
        return
    print_result(found, probe_text(found))


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
