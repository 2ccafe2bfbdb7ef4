"""The report in words and tables: summary, scores, recall by class, the facts of the run."""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PureWindowsPath

from latentlab.data import account
from latentlab.data.images import TEST, TRAIN
from latentlab.data.pictures.form_summary import FormSummary
from latentlab.encoders import model_files
from latentlab.encoders.pretrained.card import NO_LABELS, NO_POOLING, UNKNOWN, EncoderCard
from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.reporting import audit
from latentlab.reporting.audit import AuditReport
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.edits import AS_COMPUTED
from latentlab.reporting.privacy import Privacy
from latentlab.scoring import purity_gap, tables
from latentlab.scoring.evaluate import EDITED
from latentlab.scoring.probes import ProbeReport, ProbeRow
from latentlab.scoring.scores import ALL, MethodScores, Scores
from latentlab.storage import guard, json_form
from latentlab.storage.files import read_json
from latentlab.storage.manifest import StageRecord
from latentlab.storage.run import Run

# Purities that differ by less are called equal: another seed changes k-means by about as much
# (docs/decisions/0067-equal-scores.md).
EQUAL_WITHIN = 0.02
PIXELS = "pixels"  # the method of probes on raw pixels
EDITED_SCORES = (
    "These are scores of clusters edited by hand: whoever edited may have seen labels, and images"
    " of dropped clusters do not count, so they say what the edited clusters hold and not how good"
    " the method is."
)
COMMIT_DIGITS = 12
DIGEST_DIGITS = 12


def summary_sentences(summary: ClusteringSummary) -> list[str]:
    """Return the result in plain sentences: how good it is, compared with what.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    list of str
    """
    sentences = [_sizes_sentence(summary)]
    if summary.scores is None:
        reason = Privacy.of(summary.run).public(summary.labels_text) or "the data has no labels"
        if summary.classes is not None and summary.is_edited:
            reason = "no image with a label is left in a cluster"
        why = f"{reason}, so nothing can be scored"
        sentences.append(f"{why[0].upper()}{why[1:]}: look at the galleries to judge.")
        return sentences

    # The first method is the clustering itself; the others are baselines.
    methods = list(summary.scores.by_method(summary.split).values())
    clustering = methods[0]
    baselines = methods[1:]
    sentences.append(_score_sentence(clustering))
    sentences.append(_over_all_sentence(summary.scores, clustering.method))
    if clustering.method.endswith(EDITED):
        sentences.append(EDITED_SCORES)
    sentences.append(_pretraining_sentence(summary.encoder.pretraining))
    gap = summary.scores.gap.get(summary.split)
    sentences.append(purity_gap.gap_text(gap, summary.class_names))
    if baselines:
        sentences.append(_baseline_sentence(clustering, baselines, summary.is_edited))
    return list(filter(None, sentences))


def clusters_text(count: int) -> str:
    """Return how many clusters there are in words.

    Parameters
    ----------
    count : int
        Their number.

    Examples
    --------
    >>> clusters_text(1), clusters_text(4)
    ('1 cluster', '4 clusters')
    """
    return f"{count:,} {'cluster' if count == 1 else 'clusters'}"


def further_sentences(summary: ClusteringSummary) -> list[str]:
    """Return what else affects the scores: their spread over seeds, probes, the data audit.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    list of str
        Empty without labels.
    """
    if summary.scores is None:
        return []
    sentences = [tables.seeds_text(summary.scores.over_seeds or (), summary.split)]
    probe_path = summary.file_for_features("probe")
    if guard.is_there(probe_path):
        sentences.append(_probe_sentence(json_form.read(ProbeReport, probe_path)))
    report = audit.read_audit(summary.clustering)
    if report is not None:
        sentences.append(_audit_sentences(report))
        if summary.is_edited:
            sentences.append(f"The audit is of the clusters {AS_COMPUTED}.")
    return list(filter(None, sentences))


def score_table(scores: Scores | None) -> list[MethodScores]:
    """Return the scores of every method: the held-out split, all images, the training split.

    Parameters
    ----------
    scores : Scores or None
        The scores; None without labels.

    Returns
    -------
    list of MethodScores
    """
    if scores is None:
        return []
    # Without held-out images all of them are the training images.
    splits = (TEST, ALL, TRAIN) if scores.split == TEST else (TRAIN,)
    rows: list[MethodScores] = []
    for split in splits:
        rows += scores.by_method(split).values()
    return rows


def score_note(summary: ClusteringSummary) -> str:
    """Return how the scores were made, in sentences.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    str
        "" without labels.
    """
    if summary.scores is None:
        return ""
    methods = summary.scores.by_method(summary.split)
    return tables.note(next(iter(methods.values())))


def recall_table(summary: ClusteringSummary) -> list[tuple[str, float]]:
    """Return the recall of each class under the majority map.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    list of (str, float)
        Class name and recall, the worst first; classes without images are left out.
    """
    if summary.scores is None:
        return []
    recalls = summary.scores.recall[summary.split]
    pairs = zip(summary.class_names, recalls, strict=True)
    with_images = [(name, recall) for name, recall in pairs if recall is not None]
    return sorted(with_images, key=lambda pair: pair[1])


def clustering_fact(summary: ClusteringSummary) -> str:
    """Return the name of a clustering, and whether its clusters are shown as computed.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    """
    return f"{summary.name}, {summary.edit_note}"


def facts(summary: ClusteringSummary) -> dict[str, str]:
    """Return the facts of the run, as a table of names and texts.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    dict of str to str
    """
    run = summary.run
    public = Privacy.of(run).public
    table = {
        "run": run.path.resolve().name,
        "clusters": clustering_fact(summary),
        "command": shlex.join(map(public, run.fact("argv", []))),
        "data": _data_text(summary),
        "labels": summary.labels_text,
        "images left out": _left_out_text(run),
        **_encoder_facts(run),
        "clustering": settings_text(summary.clustering.record.setting("options")),
        "made by": _version_text(run),
        "ran on": _machine_text(run),
        "time": _time_text(run, summary.name),
    }
    table = {name: public(text) for name, text in table.items() if text}
    errors_path = run.path / "reconstructions" / "mse.json"
    if guard.is_there(errors_path):
        errors = read_json(errors_path)
        values = ", ".join(f"{value:.5f} ({split})" for split, value in errors.items())
        table["reconstruction error"] = f"{values}, mean squared, pixels in [0, 1]"
    return table


def _encoder_facts(run: Run) -> dict[str, str]:
    """Return what is known of the encoder, and of its input."""
    description = model_files.describe(run)
    if run.config.is_autoencoder:
        fit = run.fit_summary
        error = f"validation error {fit.best_val_loss:.5f}"
        return {
            "encoder": settings_text(run.recorded_config["fit"]),
            "labels used in pretraining": description.pretraining,
            "best epoch": f"{fit.best_epoch} of {fit.epochs}, {error}",
        }
    if description.card is not None:
        return _card_facts(description.card) | _picture_facts(run, description.card)
    file = run.config.vectors
    if file is None:
        return {}
    name = PureWindowsPath(file.path).name
    size = math.prod(description.code_shape)
    return {
        "vectors": f"{name}, {size} numbers each, SHA-256 {file.sha256[:DIGEST_DIGITS]}",
        "labels used in pretraining": description.pretraining,
    }


def _card_facts(card: EncoderCard) -> dict[str, str]:
    height, width, channels = card.image_shape
    colours = "grey" if channels == 1 else "RGB"
    output = f"output {card.output}" + (f", {card.pooling}" if card.pooling != NO_POOLING else "")
    table = {
        "encoder": (
            f"{card.name} ({card.kind}), SHA-256 {card.sha256[:DIGEST_DIGITS]}, input"
            f" {width}x{height} {colours}, {card.feature_size:,} features ({output}),"
            f" licence {card.licence}"
        ),
        "labels used in pretraining": card.pretraining,
    }
    if card.assumed:
        table["assumed of the encoder"] = "; ".join(card.assumed)
    return table


def _picture_facts(run: Run, card: EncoderCard) -> dict[str, str]:
    """Return what was done to the pictures, if the run stores their sizes."""
    sizes = StoredPictures(run.path).sizes()
    if sizes is None:
        return {}
    form = FormSummary.of(sizes, run.config.images.resize, card.preprocessing.size)
    return {"pictures": form.text}


# Sentences


def _sizes_sentence(summary: ClusteringSummary) -> str:
    """Return how many images are in how many clusters, and whether these are as computed."""
    sizes = summary.sizes()[list(summary.shown)]
    n_images = f"{len(summary.images) - summary.dropped:,} images"
    if not len(sizes):
        return f"Every cluster was dropped ({summary.edit_note})."
    clusters = clusters_text(len(sizes))
    size_range = f"{sizes.min():,} to {sizes.max():,}"
    sentence = f"{n_images} in {clusters} of {size_range} images, {summary.edit_note}"
    if summary.dropped:
        sentence += f"; {summary.dropped:,} images are in none, since theirs was dropped"
    return f"{sentence}."


def _over_all_sentence(scores: Scores, method: str) -> str:
    """Return the purity over all images; "" in scores of older versions."""
    over_all = scores.by_method(ALL).get(method)
    if over_all is None or scores.split == TRAIN:
        return ""
    purity = over_all.headline("purity")
    return (
        f"Over all {purity.n:,} images, matched on all of them, the purity is {purity.value:.3f}"
        f" (95% interval {purity.low:.3f} to {purity.high:.3f}; chance {purity.chance:.3f})."
    )


def _pretraining_sentence(pretraining: str) -> str:
    if pretraining == NO_LABELS:
        return "Labels used in pretraining: none."
    if pretraining == UNKNOWN:
        return (
            "Labels used in pretraining: unknown, so these scores need not be those of a method"
            " without labels."
        )
    return (
        f"Labels used in pretraining: {pretraining}. The encoder has seen labels of other pictures,"
        " so compare these scores with those of encoders that have, too."
    )


def _score_sentence(clustering: MethodScores) -> str:
    purity = clustering.headline("purity")
    interval = ""
    if purity.low is not None:
        interval = f" (95% interval {purity.low:.3f} to {purity.high:.3f})"
    acc = ""
    if clustering.has("acc"):
        acc = f", ACC {clustering.headline('acc').value:.3f}"
    return (
        f"On the {clustering.split} split ({purity.n:,} images) the purity is"
        f" {purity.value:.3f}{interval}{acc}: of 100 images, {round(100 * purity.value)} carry the"
        f" commonest label of their cluster. Chance gives {purity.chance:.3f}."
    )


def _baseline_sentence(
    clustering: MethodScores, baselines: Sequence[MethodScores], is_edited: bool
) -> str:
    best = max(baselines, key=lambda baseline: baseline.headline("purity").value)
    purity = clustering.headline("purity").value
    best_purity = best.headline("purity").value
    verdict = "worse than"
    if purity > best_purity + EQUAL_WITHIN:
        verdict = "better than"
    elif purity > best_purity - EQUAL_WITHIN:
        verdict = "no better than"
    n_images = best.headline("purity").n
    if is_edited and n_images != clustering.headline("purity").n:
        # What hands have taken out makes the rest purer.
        return (
            f"The best baseline, {best.method}, reaches {best_purity:.3f}, on all {n_images:,}"
            " images: that is another set, so the two numbers cannot be compared."
        )
    return (
        f"The best baseline, {best.method}, reaches {best_purity:.3f}: so these clusters are"
        f" {verdict} what needs no training."
    )


def _probe_sentence(report: ProbeReport) -> str:
    pixels = {row.metric: row for row in report.rows if row.method == PIXELS}
    features = {row.metric: row for row in report.rows if row.method != PIXELS}
    knn = _against_pixels(features["knn_accuracy"], pixels)
    linear = _against_pixels(features["linear_accuracy"], pixels)
    return (
        f"Given the training labels, a k-NN classifier names {knn} and a linear probe {linear} of"
        f" the held-out images right: what the features ({report.features}) hold, not what the"
        " clusters are."
    )


def _against_pixels(row: ProbeRow, pixels: Mapping[str, ProbeRow]) -> str:
    if row.metric not in pixels:  # a run without images
        return tables.with_interval(row)
    return f"{tables.with_interval(row)} (raw pixels {pixels[row.metric].value:.3f})"


def _audit_sentences(report: AuditReport) -> str:
    counts = report.duplicates
    sentence = f"{counts.exact + counts.near:,} pairs of images are exact or near duplicates"
    if counts.has_held_out:
        duplicates = f"{counts.held_out_images:,} held-out images have an exact or near"
        sentence = f"{duplicates} duplicate among the fitted ones"
    purity = (report.held_out or {}).get("purity")
    if purity is not None and purity.without is not None:
        sentence += f"; without them the purity is {purity.without:.3f} instead of {purity.all:.3f}"
    if report.label_errors is None:
        return f"{sentence}."
    return f"{sentence}. {report.label_errors:,} labels are suspected to be wrong."


# Facts


def _data_text(summary: ClusteringSummary) -> str:
    run = summary.run
    things = "images" if summary.has_pictures else "vectors"
    text = f"{run.data_name}: {_numbers_text(run.fact('images'), things)}"
    if run.config.vectors is not None:
        return text
    height, width, channels = summary.encoder.image_shape
    return f"{text} of {width}x{height} {'grey' if channels == 1 else 'RGB'}"


def _numbers_text(counts: Mapping[str, int], things: str) -> str:
    """Return how many images are fitted and held out; of all alone if none is held out."""
    if not counts[TEST]:
        return f"{counts[TRAIN]:,} {things}"
    return f"{counts[TRAIN]:,} training and {counts[TEST]:,} held-out {things}"


def _left_out_text(run: Run) -> str:
    """Return how many images are left out; older runs count those that cannot be read."""
    intake = account.recorded(run)
    count = run.fact("unreadable", 0) if intake is None else intake.missed
    return f"{count:,}"


def settings_text(settings: Mapping[str, object]) -> str:
    """Return recorded settings as words, without empty ones; those within others stand beside them.

    Parameters
    ----------
    settings : mapping
        Name -> value, as in run.json.

    Returns
    -------
    str

    Examples
    --------
    >>> settings_text({"k": 4, "label": "", "settings": {"gamma": 0.1}, "learning_rate": None})
    'k 4, gamma 0.1'
    """
    parts = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            parts.append(settings_text(value))
        elif value is not None:
            parts.append(_setting_text(name.replace("_", " "), value))
    return ", ".join(filter(None, parts))


def _setting_text(name: str, value: object) -> str:
    """Return one setting as words; "" if it is empty."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    if isinstance(value, float):
        value = f"{value:g}"
    return "" if value == "" else f"{name} {value}"


def _version_text(run: Run) -> str:
    version = f"latentlab {run.fact('latentlab')}"
    commit = run.fact("git")
    if not commit:
        return version
    changes = "" if commit["clean"] else " with changes"
    return f"{version}, commit {commit['commit'][:COMMIT_DIGITS]}{changes}"


def _machine_text(run: Run) -> str:
    backend = f"{run.fact('backend')} {run.fact('backend_version')}"
    python = f"Python {run.fact('python')}"
    return f"{run.fact('device')}, {python}, keras {run.fact('keras')}, {backend}"


def _time_text(run: Run, name: str) -> str:
    """Return the seconds of the stages that made a clustering."""
    records: dict[str, StageRecord | None] = {}
    for stage in run.stage_names():
        if "/" not in stage:
            records[stage] = run.record(stage)
    records["cluster"] = run.record(f"cluster/{name}")
    records["evaluate"] = run.record(f"evaluate/{name}")
    parts = []
    for stage, record in records.items():
        if record is not None:
            parts.append(f"{stage} {record.seconds:.1f} s")
    return ", ".join(parts)
