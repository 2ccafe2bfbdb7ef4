"""Runs beside each other, and a run beside what it was."""

from pathlib import Path
from typing import Any

from latentlab.errors import DataError, RunError
from latentlab.pipeline.run_data import open_run_images
from latentlab.storage.files import atomic_path, write_json
from latentlab.storage.run import Run, embed_config


def compare(named: list[tuple[Run, str | None]], folder: str | Path) -> dict[str, Any]:
    """Compare clusterings with the first of them; write comparison.json, a page, three tables and a figure to `folder`.

    Parameters
    ----------
    named : list of (Run, str or None)
        Runs with the name of their clusters; None is the newest.

    Raises
    ------
    DataError
        If the runs share no image or split them differently.
    """
    import numpy as np

    from latentlab.clustering import assignments
    from latentlab.reporting import clustering_summary, comparison_page, plots
    from latentlab.scoring.compare import common_images, comparison_frame, overlap_of, score_differences
    from latentlab.scoring.evaluate import align, read_labels
    from latentlab.storage import text_tables

    chosen = [(run, assignments.choose(run, name)) for run, name in named]
    short = len({run.path.resolve() for run, _ in chosen}) == len(
        {run.path.name for run, _ in chosen}
    )
    assigned = [
        (
            f"{run.path.name if short else run.path}:{name}",
            assignments.read(run, name),
            assignments.options_of(run, name).k,
        )
        for run, name in chosen
    ]
    (first, *others), ids, splits = common_images(assigned)
    labels = read_labels(chosen[0][0])
    sides = []
    for other in others:
        side = {"name": other.name, **overlap_of(first, other)}
        if labels is not None:
            side["scores"] = score_differences(
                first, other, align(ids, labels), splits, len(labels.class_names)
            )
        sides.append(side)
    found = {"first": first.name, "images": len(ids), "others": sides}
    target = Path(folder)
    write_json(target / "comparison.json", found)
    text_tables.write(comparison_frame(found), target, "comparison")
    if labels is None:
        figure = plots.transfer_heatmap(
            np.array(sides[0]["overlap"]),
            f"of {first.name}",
            f"of {sides[0]['name']}",
            "Images by their clusters in both",
        )
    else:
        figure = plots.score_differences(sides, first.name)
    plots.save_png(figure, target / "comparison.png")
    gathered = [clustering_summary.read_summary(run, name, open_run_images(run), labels) for run, name in chosen]
    with atomic_path(target / "index.html") as path:
        path.write_text(comparison_page.render(found, gathered), encoding="utf-8")
    return found


def verify(run: Run, name: str | None = None) -> dict[str, Any]:
    """Check whether the run still reproduces here; return {"reproduces", "checks", "versions"}. The run is not changed.

    Checked are the files, the images, and what the run has of: codes, clusters `name` (default: the newest), their scores.
    """
    import zipfile

    from latentlab import backend
    from latentlab.clustering import assignments
    from latentlab.scoring.verify import Check, check_clusters, check_codes, check_files, check_scores, version_differences
    from latentlab.scoring.evaluate import align, read_labels

    embed_config(run)
    backend.set_precision(run.manifest["precision"])
    checks = check_files(run)
    stages = run.manifest["stages"]
    try:
        images = open_run_images(run)
        checks.append(Check("images", True, f"{len(images):,} as recorded"))
        if "embed" in stages:
            checks.append(check_codes(run, images))
        if assignments.names(run) or name is not None:
            name = assignments.choose(run, name)
            checks.append(check_clusters(run, name, images))
        labels = read_labels(run, keep=False) if f"evaluate/{name}" in stages else None
        if labels is not None:
            checks.append(check_scores(run, str(name), labels))
    except (
        RunError,
        DataError,
        OSError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
    ) as error:  # what is gone or damaged is what is looked for
        if name is not None and name not in assignments.names(run):
            raise
        checks.append(Check("recomputing", False, str(error)))
    return {
        "reproduces": all(check.held for check in checks),
        "checks": [check._asdict() for check in checks],
        "versions": version_differences(run),
    }
