"""Scores to pictures: map, decoded means, report, viewer, figures, files for other programs."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.data.images import ImageSet, Unreadable
from latentlab.pipeline.describing import score_outliers, take_columns
from latentlab.pipeline.embedding import MAP_SAMPLE, embed
from latentlab.pipeline.hierarchy import tree
from latentlab.pipeline.naming import take_looks
from latentlab.pipeline.run_data import IMAGE_LIST, open_named_images, open_shown_images
from latentlab.pipeline.scoring import evaluate, why_unlabelled
from latentlab.pipeline.trusting import trust_of
from latentlab.pipeline.word_search import word_search_of
from latentlab.progress import log
from latentlab.storage import tables
from latentlab.storage.clustering import Clustering
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.reporting.clustering_summary import ClusteringSummary
    from latentlab.reporting.share import Shared
    from latentlab.reporting.viewer_server import Server

FIGURE_FORMATS = ("png", "svg", "pdf")


def project(run: Run, sample: int = MAP_SAMPLE, seed: int = 0) -> Run:
    """Lay a sample of the codes out in two dimensions with UMAP, for looking only.

    Parameters
    ----------
    run : Run
        A fitted run.
    sample : int
        Largest number of images on the map; they are drawn at random.
    seed : int
        Seed of the sample and of UMAP.

    Returns
    -------
    Run
        The same run.
    """
    from latentlab.reporting import umap_map
    from latentlab.training import prototypes

    embed(run)
    config = {"sample": sample, "seed": seed, "embed": run.encoder_config()}
    if prototypes.are_there(run):
        # Older versions mapped the embedding, and recorded no features.
        config["features"] = str(umap_map.mapped_features(run))
    run.do_stage("project", config, lambda: umap_map.write_map(run, sample, seed))
    return run


def decode(run: Run, name: str | None = None) -> None:
    """Decode the mean codes of clusters, unless the clustering has done so itself.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.
    """
    from latentlab.clustering.decoded_means import write_decoded
    from latentlab.encoders import model_files
    from latentlab.refinement.run_methods import run_method

    clustering = run.clustering(name)
    method = clustering.options.method
    if not run.config.is_autoencoder or run_method(method).traits.trains_network:
        return

    def make() -> list[Path]:
        model = model_files.load(run)
        if model.decoder is None:
            return []
        return [write_decoded(run, clustering.name, clustering.k, model)]

    config = {"clusters": clustering.recorded_outputs()}
    run.do_stage(f"decode/{clustering.name}", config, make, uses_network=True)


def report(
    run: Run,
    name: str | None = None,
    sample: int = MAP_SAMPLE,
    seed: int = 0,
    as_computed: bool = False,
) -> Path:
    """Write the report on clusters: one HTML file and its pictures.

    Parameters
    ----------
    run : Run
        A clustered run; missing stages are made first.
    name : str or None
        Its clusters; None is the newest.
    sample, seed : int
        As for `project`.
    as_computed : bool
        Leave edits made by hand out.

    Returns
    -------
    pathlib.Path
        The page.
    """
    from latentlab.reporting.report import code_digest, write_report

    summary = _complete_summary(run.clustering(name), sample, seed, as_computed)
    stage = f"report/{summary.name}"
    page = run.path / "report" / "index.html"
    config = {"name": summary.name, "sample": sample, "seed": seed, "edits": summary.edit_note}
    # It shows everything that the run holds, and another version may draw it otherwise.
    config |= {"run": run.digest_without("report"), "drawn_by": code_digest()}
    if run.is_done(stage, config):
        log.info("report: drawn already, and nothing has changed since")
        return page
    with run.lock(), run.stage(stage, config) as outputs:
        # The folder holds one report.
        run.forget(*(listed for listed in run.stage_names() if listed.startswith("report/")))
        outputs += write_report(summary)
    return page


def figures(  # noqa: PLR0913  # as the flags of the command
    run: Run,
    folder: str | Path,
    name: str | None = None,
    formats: tuple[str, ...] = FIGURE_FORMATS,
    sample: int = MAP_SAMPLE,
    seed: int = 0,
    as_computed: bool = False,
) -> list[Path]:
    """Write figures fit for a paper.

    Parameters
    ----------
    run : Run
        A clustered run.
    folder : str or pathlib.Path
        Where the figures go.
    name : str or None
        Its clusters; None is the newest.
    formats : tuple of str
        Of "png", "svg" and "pdf".
    sample, seed : int
        As for `project`.
    as_computed : bool
        Leave edits made by hand out.

    Returns
    -------
    list of pathlib.Path
        The figures.

    Raises
    ------
    ConfigError
        If a format is unknown.
    """
    from latentlab.reporting import paper_figures

    summary = _complete_summary(run.clustering(name), sample, seed, as_computed)
    return paper_figures.write_figures(summary, Path(folder), formats)


def viewer(  # noqa: PLR0913  # as the flags of the command
    run: Run,
    name: str | None = None,
    sample: int = MAP_SAMPLE,
    seed: int = 0,
    port: int = 0,
    as_computed: bool = False,
    words: str | Path | None = None,
) -> "Server":
    """Return the server of `latentlab view`.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.
    sample, seed : int
        As for `project`.
    port : int
        Port on this machine; 0 is a free one.
    as_computed : bool
        Leave edits made by hand out, and take none.
    words : str, pathlib.Path or None
        ONNX file of the text part of the run's image-text encoder, to search by words; None looks
        for it beside the image part.

    Returns
    -------
    Server
        Its serve_forever() answers until it is shut down.

    Raises
    ------
    RunError
        If the port is taken, or the edits were made for other assignments.
    ConfigError
        If `words` is of another model.
    """
    from latentlab.reporting.report import training_figures
    from latentlab.reporting.viewer import Viewer
    from latentlab.reporting.viewer_server import Server

    # The viewer applies the edits itself, as they come.
    summary = _complete_summary(run.clustering(name), sample, seed, as_computed=True)
    search = word_search_of(run, words)
    return Server(Viewer(summary, training_figures(run), as_computed, search), port)


def export(
    run: Run,
    file_format: str,
    out: str | Path,
    name: str | None = None,
    link: bool = False,
    as_computed: bool = False,
) -> Path:
    """Write clusters, with the edits made by hand, for other programs.

    Parameters
    ----------
    run : Run
        A clustered run.
    file_format : str
        "csv", "parquet", "folders", "coco" or "projector".
    out : str or pathlib.Path
        The file, or the folder for folders, coco and projector.
    name : str or None
        Its clusters; None is the newest.
    link : bool
        folders: link to the pictures of an image folder instead of copying them.
    as_computed : bool
        Leave edits made by hand out.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    ConfigError
        If the format is unknown, or there is nothing to export.
    RunError
        If `out` cannot be written, or the edits were made for other assignments.
    """
    from latentlab.reporting.export import export_clusters

    summary = look(run, name, as_computed)
    if file_format == "projector":
        embed(run)
    return export_clusters(summary, file_format, Path(out), link)


def share(run: Run, out: str | Path) -> "Shared":
    """Write a copy of a run to give away: it tells no path of this machine, no user and no host.

    Parameters
    ----------
    run : Run
        Any run; it stays as it is.
    out : str or pathlib.Path
        A folder, or a .zip file.

    Returns
    -------
    Shared
        How many files there are, and which were left out since they tell something.

    Raises
    ------
    ConfigError
        If ids of its images are absolute paths.
    RunError
        If `out` is taken, or lies in the run.
    """
    from latentlab.reporting import share as sharing

    return sharing.share(run, Path(out))


def look(run: Run, name: str | None = None, as_computed: bool = False) -> "ClusteringSummary":
    """Return a summary of clusters from a run's files; nothing is made or changed.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.
    as_computed : bool
        Leave edits made by hand out.

    Returns
    -------
    ClusteringSummary
        The clusters as they were edited, unless `as_computed`.

    Raises
    ------
    RunError
        If the edits are damaged or were made for other assignments, unless `as_computed`.
    """
    from latentlab.reporting.clustering_summary import read_summary
    from latentlab.scoring.evaluate import read_labels

    labels = read_labels(run, keep=False)
    return read_summary(run.clustering(name), open_named_images(run), labels, as_computed)


def _complete_summary(
    clustering: Clustering, sample: int, seed: int, as_computed: bool = False
) -> "ClusteringSummary":
    """Return the summary of clusters once trust, scores, map, tree and more are made."""
    from latentlab.reporting import trust_text
    from latentlab.reporting.clustering_summary import read_summary
    from latentlab.scoring.evaluate import read_labels

    run = clustering.run
    trust = trust_text.sentences(trust_of(run, clustering.name))
    evaluate(run, clustering.name)
    project(run, sample, seed)
    decode(run, clustering.name)
    tree(run, clustering.name)
    take_looks(run)
    take_columns(run)
    score_outliers(run)
    labels = read_labels(run)
    text = why_unlabelled(run) if labels is None else labels.origin
    summary = read_summary(clustering, _shown_images(run), labels, as_computed)
    if summary.is_edited:
        trust.append(trust_text.OF_THE_COMPUTED)
    return replace(summary, trust=tuple(trust), labels_text=text)


def _shown_images(run: Run) -> ImageSet:
    """Return the images of a run as pages show them, with those that were left out."""
    images = open_shown_images(run)
    if run.config.is_autoencoder:
        return images
    table = tables.read(run.path / IMAGE_LIST, ["id", "status", "reason"])
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    left_out = [Unreadable(name, why, status) for name, status, why in rows if status != "ok"]
    return replace(images, unreadable=tuple(left_out))
