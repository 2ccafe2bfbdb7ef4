"""Compare runs with each other, and a run with its own records."""

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import ConfigError, DataError, RunError
from latentlab.pipeline.run_data import open_run_images, open_shown_images
from latentlab.progress import log
from latentlab.storage import seal
from latentlab.storage.clustering import Clustering
from latentlab.storage.files import atomic_path
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.reporting.clustering_summary import ClusteringSummary
    from latentlab.scoring.compare import Candidate, CommonImages, Comparison
    from latentlab.scoring.labels import Labels
    from latentlab.scoring.verify import Check, Verification

# What reading a damaged run may raise.
DAMAGES = (RunError, DataError, OSError, ValueError, KeyError, zipfile.BadZipFile)


def compare(
    named: list[tuple[Run, str | None]], folder: str | Path, as_computed: bool = False
) -> "Comparison":
    """Compare clusterings of the same images with the first of them.

    Parameters
    ----------
    named : list of (Run, str or None)
        Runs with the name of their clusters; None is the newest.
    folder : str or pathlib.Path
        Where comparison.json, a page, three tables and a figure go.
    as_computed : bool
        Leave edits made by hand out.

    Returns
    -------
    Comparison
        As in comparison.json.

    Raises
    ------
    ConfigError
        If every cluster of one of them was dropped by hand.
    DataError
        If the runs share no image or split them differently.
    RunError
        If edits are damaged or were made for other assignments, unless `as_computed`.
    """
    from latentlab.encoders import model_files
    from latentlab.reporting.clustering_summary import read_summary
    from latentlab.scoring.compare import ComparedClusters, common_images, comparison_frame
    from latentlab.scoring.evaluate import read_labels
    from latentlab.storage import json_form, text_tables

    clusterings = [run.clustering(name) for run, name in named]
    labels = read_labels(clusterings[0].run, keep=False)
    summaries = [
        read_summary(item, open_shown_images(item.run), labels, as_computed) for item in clusterings
    ]
    candidates = _candidates(summaries)
    pretraining = {
        candidate.name: model_files.describe(item.run).pretraining
        for candidate, item in zip(candidates, clusterings, strict=True)
    }
    comparison = _comparison_of(common_images(candidates), labels)
    sides = []
    for candidate in candidates:
        further = len(candidate.assignments.ids) - comparison.images
        shown = candidate.clusters or ()
        sides.append(ComparedClusters(candidate.name, candidate.edits, shown, further))
    comparison = dataclasses.replace(comparison, pretraining=pretraining, sides=tuple(sides))
    target = Path(folder)
    json_form.write(target / "comparison.json", comparison)
    text_tables.write(comparison_frame(comparison), target, "comparison")
    _draw_comparison(comparison, target / "comparison.png")
    _write_comparison_page(comparison, summaries, target / "index.html")
    return comparison


def _candidates(summaries: "list[ClusteringSummary]") -> "list[Candidate]":
    """Return the clusterings by names that tell them apart: the last parts of their paths.

    Images that are in no cluster, since theirs was dropped by hand, are left out.
    """
    from latentlab.reporting.privacy import shortest_ends
    from latentlab.scoring.compare import Candidate
    from latentlab.storage.assignments import Assignments

    places = shortest_ends([str(item.run.path.resolve()) for item in summaries])
    candidates = []
    for place, item in zip(places, summaries, strict=True):
        if not item.shown:
            raise ConfigError(
                f"every cluster of {place}:{item.name} is dropped, so there is nothing to compare.",
                hint="Undo it in latentlab view.",
            )
        assignments = Assignments(item.images.ids, item.images.splits, item.clusters)
        clustered = assignments.at(item.clusters >= 0)
        name = f"{place}:{item.name}"
        candidates.append(Candidate(name, clustered, item.k, item.edit_note, item.listed()))
    return candidates


def _comparison_of(common: "CommonImages", labels: "Labels | None") -> "Comparison":
    """Compare each side with the first one, with scores if there are labels."""
    from latentlab.scoring.compare import Comparison, overlap_of, score_differences
    from latentlab.scoring.evaluate import align

    first, *rest = common.sides
    sides = []
    for side in rest:
        overlap = overlap_of(first, side)
        if labels is not None:
            classes = align(common.ids, labels)
            n_classes = len(labels.class_names)
            scores = score_differences(first, side, classes, common.splits, n_classes)
            overlap = dataclasses.replace(overlap, scores=scores)
        sides.append(overlap)
    return Comparison(first.name, len(common.ids), tuple(sides))


def _draw_comparison(comparison: "Comparison", target: Path) -> None:
    """Draw the differences of the scores; without labels, what moved to the second clustering."""
    from latentlab.reporting import comparison_page, plots

    second = comparison.others[0]
    if second.scores is not None:
        figure = plots.score_differences(comparison.others, comparison.first)
    else:
        figure = comparison_page.overlap_figure(comparison, second)
    plots.save_png(figure, target)


def _write_comparison_page(
    comparison: "Comparison", summaries: "list[ClusteringSummary]", target: Path
) -> None:
    from latentlab.reporting import comparison_page

    with atomic_path(target) as path:
        path.write_text(comparison_page.render_comparison(comparison, summaries), encoding="utf-8")


def accept(path: str | Path) -> tuple[str, ...]:
    """Write to a run from now on, though it holds links, special files or files of other users.

    What it holds later is not accepted with it. Links that lead out of the run are not followed
    all the same. Edits made by hand that are missing or damaged are given up.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder of the run.

    Returns
    -------
    tuple of str
        What was accepted, such as "the link report"; empty if there was nothing.

    Raises
    ------
    RunError
        If there is no run, or the user has no place where that could be kept.
    """
    findings = seal.accept(Path(path))
    log.info("%s is accepted, with %s", path, ", ".join(findings) or "nothing of others in it")
    _give_up_lost_edits(Run.open(path))
    return findings


def _give_up_lost_edits(run: Run) -> None:
    """Go on with what is left of edits made by hand, where some are missing."""
    from latentlab.reporting.edits import Editor, LostEditsError

    for clustering in run.clusterings():
        try:
            Editor(clustering).read()
        except LostEditsError:
            count = Editor(clustering).give_up()
            log.warning("%s goes on with %d edits by hand", clustering.name, count)
        except RunError as error:
            log.warning("%s", error)  # damage of another kind, which verify names


def verify(run: Run, name: str | None = None) -> "Verification":
    """Check whether a run still reproduces on this machine; the run is not changed.

    Checked are the files, the images, and what there is of codes, clusters and their scores.

    Parameters
    ----------
    run : Run
        A fitted run.
    name : str or None
        Its clusters; None is the newest.

    Returns
    -------
    Verification
        Every check, with its result.
    """
    from latentlab import backend
    from latentlab.scoring.verify import Check, Verification, check_files, version_differences

    run.encoder_config()
    backend.set_precision(run.precision)
    checks = check_files(run)
    try:
        checks += _recompute(run, name)
    except DAMAGES as error:  # damaged files are expected here
        if name is not None and name not in run.clustering_names():
            raise
        checks.append(Check("recomputing", False, str(error)))
    return Verification.of(checks, version_differences(run))


def _recompute(run: Run, name: str | None) -> "list[Check]":
    """Compute images, codes, clusters and scores again; what cannot be computed fails by itself."""
    from latentlab.scoring import verify as checking
    from latentlab.scoring.evaluate import read_labels

    has_clusters = bool(run.clustering_names()) or name is not None
    clustering = run.clustering(name) if has_clusters else None
    if run.config.vectors is not None:
        checks = [checking.check_vector_file(run.config.vectors)]
        if clustering is not None:
            subject = f"clusters {clustering.name}"
            checks.append(_tried(subject, checking.check_clusters_of_vectors, clustering))
    else:
        checks = _recompute_from_images(run, clustering)
    if clustering is not None and run.record(f"evaluate/{clustering.name}") is not None:
        labels = read_labels(run, keep=False)
        if labels is not None:
            subject = f"scores {clustering.name}"
            checks.append(_tried(subject, checking.check_scores, clustering, labels))
    return checks


def _recompute_from_images(run: Run, clustering: Clustering | None) -> "list[Check]":
    from latentlab.scoring.verify import Check, check_clusters, check_codes, code_subject

    try:
        images = open_run_images(run, rereads=True)
    except (*DAMAGES, ConfigError) as error:
        return [Check("images", False, _single_line(error))]
    checks = [Check("images", True, f"{len(images):,} as recorded")]
    if run.record("embed") is not None:
        checks.append(_tried(code_subject(run), check_codes, run, images))
    if clustering is not None:
        subject = f"clusters {clustering.name}"
        checks.append(_tried(subject, check_clusters, clustering, images))
    return checks


def _tried(subject: str, check: "Callable[..., Check]", *arguments: Any) -> "Check":
    """Return what a check finds; that it failed if something is missing or damaged."""
    from latentlab.scoring.verify import Check

    try:
        return check(*arguments)
    except (*DAMAGES, ConfigError) as error:
        return Check(subject, False, _single_line(error))


def _single_line(error: Exception) -> str:
    return " ".join(str(error).split())
