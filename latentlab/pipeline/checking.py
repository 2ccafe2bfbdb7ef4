"""Runs beside each other, and a run beside what it was."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.errors import DataError, RunError
from latentlab.pipeline.run_data import open_run_images
from latentlab.storage.files import atomic_path
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.scoring.compare import Comparison
    from latentlab.scoring.verify import Verification


def compare(named: list[tuple[Run, str | None]], folder: str | Path) -> "Comparison":
    """Compare clusterings of the same images with the first of them.

    Parameters
    ----------
    named : list of (Run, str or None)
        Runs with the name of their clusters; None is the newest.
    folder : str or pathlib.Path
        Where comparison.json, a page, three tables and a figure go.

    Returns
    -------
    Comparison
        As in comparison.json.

    Raises
    ------
    DataError
        If the runs share no image or split them differently.
    """
    import numpy as np

    from latentlab.reporting import clustering_summary, comparison_page, plots
    from latentlab.scoring.compare import (
        Candidate,
        Comparison,
        common_images,
        comparison_frame,
        overlap_of,
        score_differences,
    )
    from latentlab.scoring.evaluate import align, read_labels
    from latentlab.storage import json_form, text_tables

    clusterings = [run.clustering(name) for run, name in named]
    paths = {item.run.path.resolve() for item in clusterings}
    short = len(paths) == len({item.run.path.name for item in clusterings})
    candidates = []
    for item in clusterings:
        place = item.run.path.name if short else item.run.path
        candidates.append(Candidate(f"{place}:{item.name}", item.assignments, item.k))
    common = common_images(candidates)
    first, *others = common.sides
    labels = read_labels(clusterings[0].run)
    sides = []
    for other in others:
        side = overlap_of(first, other)
        if labels is not None:
            classes = align(common.ids, labels)
            scores = score_differences(
                first, other, classes, common.splits, len(labels.class_names)
            )
            side = dataclasses.replace(side, scores=scores)
        sides.append(side)
    comparison = Comparison(first.name, len(common.ids), tuple(sides))
    target = Path(folder)
    json_form.write(target / "comparison.json", comparison)
    text_tables.write(comparison_frame(comparison), target, "comparison")
    if labels is None:
        figure = plots.transfer_heatmap(
            np.array(sides[0].overlap),
            f"of {first.name}",
            f"of {sides[0].name}",
            "Images by their clusters in both",
        )
    else:
        figure = plots.score_differences(sides, first.name)
    plots.save_png(figure, target / "comparison.png")
    gathered = [
        clustering_summary.read_summary(item, open_run_images(item.run), labels)
        for item in clusterings
    ]
    with atomic_path(target / "index.html") as path:
        path.write_text(comparison_page.render_comparison(comparison, gathered), encoding="utf-8")
    return comparison


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
        Every check, with what was seen.
    """
    import zipfile

    from latentlab import backend
    from latentlab.scoring.evaluate import read_labels
    from latentlab.scoring.verify import (
        Check,
        Verification,
        check_clusters,
        check_codes,
        check_files,
        check_scores,
        version_differences,
    )

    run.encoder_config()
    backend.set_precision(run.precision)
    checks = check_files(run)
    try:
        images = open_run_images(run)
        checks.append(Check("images", True, f"{len(images):,} as recorded"))
        if run.record("embed") is not None:
            checks.append(check_codes(run, images))
        if run.clustering_names() or name is not None:
            clustering = run.clustering(name)
            checks.append(check_clusters(clustering, images))
            if run.record(f"evaluate/{clustering.name}") is not None:
                labels = read_labels(run, keep=False)
                if labels is not None:
                    checks.append(check_scores(clustering, labels))
    except (
        RunError,
        DataError,
        OSError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
    ) as error:  # damage is what is looked for
        if name is not None and name not in run.clustering_names():
            raise
        checks.append(Check("recomputing", False, str(error)))
    return Verification.of(checks, version_differences(run))
