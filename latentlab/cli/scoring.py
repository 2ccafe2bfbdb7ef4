"""Clusters to scores."""

import click

from latentlab.cli._options import by_k_options, name_option, run_option
from latentlab.cli._output import json_option, print_result, with_intake
from latentlab.cli.edits_shown import as_computed_option, facts_of, tell_edits
from latentlab.cli.moved import moved_option, open_moved
from latentlab.cli.places import Place, place_options
from latentlab.config import ClusterOptions


@click.command()
@run_option
@moved_option
@name_option
@as_computed_option
@json_option
def evaluate(run_path: str, moved_to: str | None, name: str | None, as_computed: bool) -> None:
    """Score the clusters against held-out labels, beside chance and baselines.

    Clusters are scored as they were edited in view; scores.json has the scores as computed.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.scores import scores_text
    from latentlab.storage.json_form import to_json

    run = open_moved(run_path, moved_to)
    computed = pipeline.evaluate(run, name)
    shown = pipeline.look(run, name, as_computed)
    facts = facts_of(shown)
    if shown.scores is None:
        why = "no image with a label is left in a cluster"
        if computed is None:
            why = pipeline.why_unlabelled(run)
        text = f"nothing is scored: {why}; latentlab report shows the clusters"
        print_result({"rows": [], "labels": why} | facts, text)
    else:
        print_result(to_json(shown.scores) | facts, scores_text(shown.scores))


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
        why = pipeline.why_unlabelled(run)
        nothing = with_intake({"rows": [], "labels": why}, run)
        print_result(nothing, f"nothing is scored: {why}; latentlab choose-k needs no labels")
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
        why = pipeline.why_unlabelled(run)
        nothing = with_intake({"rows": [], "labels": why}, run)
        print_result(nothing, f"nothing is probed: {why}")
    else:
        print_result(with_intake(report, run), probe_text(report))


@click.command()
@run_option
@moved_option
@name_option
@json_option
def audit(run_path: str, moved_to: str | None, name: str | None) -> None:
    """Find duplicates, within and across the splits, and labels that are probably wrong."""
    from latentlab import pipeline
    from latentlab.cli.texts.audit import audit_text
    from latentlab.reporting.audit import audit_folder
    from latentlab.reporting.edits import AS_COMPUTED, Editor
    from latentlab.storage.json_form import to_json

    clustering = open_moved(run_path, moved_to).clustering(name)
    report = pipeline.audit(clustering.run, clustering.name)
    folder = audit_folder(clustering)
    note = Editor(clustering).note_as_computed()
    tell_edits(clustering.name, "" if note == AS_COMPUTED else note)
    place = {"run": clustering.run.path, "name": clustering.name, "folder": folder, "edits": note}
    print_result(place | to_json(report), audit_text(report, folder))
