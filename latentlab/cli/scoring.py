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

    scores = pipeline.evaluate(open_run(run_path), name)
    if scores is None:
        print_result(
            {"rows": []},
            "the data has no labels, so there is nothing to score; latentlab report shows the clusters",
        )
        return
    print_result(scores, _score_text(scores))


def _score_text(scores: dict[str, Any]) -> str:
    """Return the table of scores, and what is to be said about it."""
    from latentlab.scoring import purity_gap, score_text

    split = score_text.main_split(scores["rows"])
    gap = purity_gap.gap_text(scores["gap"][split], scores["class_names"])
    spread = score_text.seeds_text(scores.get("over_seeds", []), split)
    return "\n".join(filter(None, [score_text.text_table(scores["rows"]), spread, gap]))


@click.command("score-by-k")
@run_option
@by_k_options
@json_option
def score_by_k(run_path: str, ks: str, **values: Any) -> None:
    """Score k-means against held-out labels for each k, beside chance: purity grows with k, and so does its chance."""
    from latentlab import pipeline
    from latentlab.clustering import choosing
    from latentlab.config import ClusterOptions
    from latentlab.scoring import score_text

    found = pipeline.score_by_k(
        open_run(run_path), ClusterOptions(**values), choosing.parse_range(ks)
    )
    if found is None:
        print_result(
            {"rows": []},
            "the data has no labels, so there is nothing to score; latentlab choose-k needs none",
        )
        return
    print_result(found, score_text.curve_table(found["rows"]))


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
    from latentlab.config import ClusterOptions
    from latentlab.scoring import probing

    found = pipeline.probe(open_run(run_path), ClusterOptions(features=features))
    if found is None:
        print_result({"rows": []}, "the data has no labels, so there is nothing to probe")
        return
    print_result(found, probing.text(found))


@click.command()
@run_option
@name_option
@json_option
def audit(run_path: str, name: str | None) -> None:
    """Find duplicates, within and across the splits, and labels that are probably wrong."""
    from latentlab import pipeline
    from latentlab.clustering import assignments
    from latentlab.reporting import auditing

    run = open_run(run_path)
    name = assignments.choose(run, name)
    found = pipeline.audit(run, name)
    folder = run.path / "audit" / name
    print_result(
        {"run": str(run.path), "name": name, "folder": str(folder), **found},
        auditing.text(found, folder),
    )
