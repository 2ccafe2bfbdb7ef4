"""Scores to pictures: map, decoded means, report, viewer, figures, files for other programs."""

from pathlib import Path
from typing import Any

from latentlab.pipeline.fitting import embed
from latentlab.pipeline.run_data import open_run_images
from latentlab.pipeline.scoring import evaluate
from latentlab.storage.run import Run, embed_config

MAP_SAMPLE = 60_000  # images of the map, drawn at random where there are more


def project(run: Run, sample: int = MAP_SAMPLE, seed: int = 0) -> Run:
    """Lay a sample of the codes out in two dimensions with UMAP, for looking only."""
    from latentlab.reporting import projection
    from latentlab.training import prototypes

    embed(run)
    config = {"sample": sample, "seed": seed, "embed": embed_config(run)}
    if prototypes.are_there(run):
        config["features"] = projection.mapped(
            run
        )  # a map of an older version was of the embedding
    if not run.is_done("project", config):
        with run.lock(), run.stage("project", config) as outputs:
            outputs += projection.write(run, sample, seed)
    return run


def decode(run: Run, name: str) -> None:
    """Decode the clusters' mean codes; deep methods have done so with the encoder that they trained."""
    from latentlab import backend
    from latentlab.clustering import assignments, decoding
    from latentlab.encoders import model_files

    config = {"clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"]}
    if assignments.is_deep(assignments.options_of(run, name).method) or run.is_done(
        f"decode/{name}", config
    ):
        return
    backend.set_precision(run.manifest["precision"])
    model = model_files.load(run)
    if model.decoder is not None:
        with run.lock(), run.stage(f"decode/{name}", config) as outputs:
            outputs.append(
                decoding.write(run, name, assignments.read_result(run, name)["k"], model)
            )


def report(run: Run, name: str | None = None, sample: int = MAP_SAMPLE, seed: int = 0) -> Path:
    """Write the report on the clusters `name` (default: the newest): one HTML file and its pictures; return its path."""
    from latentlab.reporting import report

    found = _found(run, name, sample, seed)
    with (
        run.lock(),
        run.stage(
            f"report/{found.name}", {"name": found.name, "sample": sample, "seed": seed}
        ) as outputs,
    ):
        run.forget(
            *(stage for stage in run.manifest["stages"] if stage.startswith("report/"))
        )  # the folder holds one report
        outputs += report.build(found)
    return run.path / "report" / "index.html"


def figures(
    run: Run,
    folder: str | Path,
    name: str | None = None,
    formats: tuple[str, ...] = ("png", "svg", "pdf"),
    sample: int = MAP_SAMPLE,
    seed: int = 0,
) -> list[Path]:
    """Write figures fit for a paper, as PNG, SVG and PDF, of the clusters `name` (default: the newest); return their paths.

    Raises
    ------
    ConfigError
        If a format is unknown.
    """
    from latentlab.reporting import paper_figures

    return paper_figures.write(_found(run, name, sample, seed), Path(folder), formats)


def viewer(
    run: Run, name: str | None = None, sample: int = MAP_SAMPLE, seed: int = 0, port: int = 0
) -> Any:
    """Return the server of `latentlab view`, whose serve_forever() answers until it is shut down.

    Raises
    ------
    RunError
        If the port is taken, or the edits were made for other assignments.
    """
    from latentlab.reporting import report, viewer

    found = _found(run, name, sample, seed)
    return viewer.Server(viewer.Viewer(found, report.training_figures(run)), port)


def export(
    run: Run, kind: str, target: str | Path, name: str | None = None, link: bool = False
) -> Path:
    """Write the clusters `name` (default: the newest), with the edits made by hand, for other programs; return the path.

    Raises
    ------
    ConfigError
        If the format `kind` is unknown, or there is nothing to export.
    RunError
        If the target cannot be written, or the edits were made for other assignments.
    """
    from latentlab.reporting import edits, exporting

    found = look(run, name)
    if kind == "projector":
        embed(run)
    return exporting.write(found, edits.Editor(run, found.name).state(), kind, Path(target), link)


def look(run: Run, name: str | None = None) -> Any:
    """Return what the run's files say of the clusters `name` (default: the newest), `latentlab.reporting.clustering_summary.ClusteringSummary`; nothing is made or changed."""
    from latentlab.clustering import assignments
    from latentlab.reporting import clustering_summary
    from latentlab.scoring.evaluate import read_labels

    return clustering_summary.read_summary(
        run,
        assignments.choose(run, name),
        open_run_images(run),
        read_labels(run, keep=False),
    )


def _found(run: Run, name: str | None, sample: int, seed: int) -> Any:
    """Return what there is to show of the clusters `name`: everything that `report` makes but the page."""
    from latentlab.clustering import assignments
    from latentlab.reporting import clustering_summary
    from latentlab.scoring.evaluate import read_labels

    name = assignments.choose(run, name)
    evaluate(run, name)
    project(run, sample, seed)
    decode(run, name)
    return clustering_summary.read_summary(run, name, open_run_images(run), read_labels(run))
