"""What the report says in words and tables: summary, scores, recall by class, the facts of the run."""

import json
import shlex
from typing import Any

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.scoring import purity_gap, tables
from latentlab.storage.files import read_json

SAME = 0.02  # scores closer than this are called equal: another seed changes a k-means purity by about as much


def summary_sentences(summary: ClusteringSummary) -> list[str]:
    """Return what was found, in plain sentences: how good it is, against what, and what that means."""
    sizes = np.bincount(summary.clusters, minlength=summary.k)
    texts = [
        f"{len(summary.images):,} images in {summary.k} clusters of {sizes.min():,} to {sizes.max():,} images."
    ]
    if summary.scores is None:
        return [
            *texts,
            "The data has no labels, so nothing can be scored: look at the galleries to judge.",
        ]
    rows = tables.by_method(summary.scores["rows"], summary.split)
    own, *others = rows
    purity = rows[own]["purity"]
    best = max(others, key=lambda method: rows[method]["purity"]["value"], default=None)
    between = (
        f" (95% interval {purity['low']:.3f} to {purity['high']:.3f})"
        if purity.get("low") is not None
        else ""
    )
    beside = f", ACC {rows[own]['acc']['value']:.3f}" if "acc" in rows[own] else ""
    texts.append(
        f"On the {summary.split} split ({purity['n']:,} images) the purity is {purity['value']:.3f}{between}{beside}: of 100 images,"
        f" {round(100 * purity['value'])} carry the commonest label of their cluster. Chance gives {purity['chance']:.3f}."
    )
    texts += filter(
        None,
        [
            purity_gap.gap_text(
                summary.scores.get("gap", {}).get(summary.split), summary.class_names
            )
        ],
    )
    if best is not None:
        texts.append(
            f"The best baseline, {best}, reaches {rows[best]['purity']['value']:.3f}: {_verdict(purity['value'], rows[best]['purity']['value'])}."
        )
    return texts


def further_sentences(summary: ClusteringSummary) -> list[str]:
    """Return what else the run knows that bears on the scores: their spread over seeds, what the features hold, the audit."""
    if summary.scores is None:
        return []
    probed, audited = (
        summary.file_for_features("probe"),
        summary.run.path / "audit" / summary.name / "audit.json",
    )
    texts = [tables.seeds_text(summary.scores.get("over_seeds", []), summary.split)]
    if probed.exists():
        texts.append(_probe_text(read_json(probed)["rows"]))
    if audited.exists():
        texts.append(_audit_text(read_json(audited)))
    return [text for text in texts if text]


def _probe_text(rows: list[dict[str, Any]]) -> str:
    cells = {(row["method"], row["metric"]): row for row in rows}
    name = next(method for method, _ in cells if method != "pixels")
    told = [
        f"{what} {tables.with_interval(cells[name, metric])} (raw pixels {cells['pixels', metric]['value']:.3f})"
        for metric, what in (
            ("knn_accuracy", "a k-NN classifier names"),
            ("linear_accuracy", "a linear probe"),
        )
    ]
    steps = name.partition("+")[2] or "code"
    held = f"what the features ({steps}) hold, not what the clusters are"
    return f"Given the training labels, {' and '.join(told)} of the held-out images right: {held}."


def _audit_text(audit: dict[str, Any]) -> str:
    counts = audit["duplicates"]
    text = f"{counts['held_out_images']:,} held-out images have an exact or near duplicate among the fitted ones"
    purity = audit.get("held_out", {}).get("purity")
    if purity and purity["without"] is not None:
        text += (
            f"; without them the purity is {purity['without']:.3f} instead of {purity['all']:.3f}"
        )
    return f"{text}. {audit.get('label_errors', 0):,} labels are suspected to be wrong."


def _verdict(own: float, baseline: float) -> str:
    if own > baseline + SAME:
        return "so these clusters are better than what needs no training"
    if own > baseline - SAME:
        return "so these clusters are no better than what needs no training"
    return "so these clusters are worse than what needs no training"


def score_table(scores: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return one row a split and method, the held-out split first: {"split", "method", "scores": {metric: row of scores.json}}."""
    if scores is None:
        return []
    return [
        {"split": split, "method": method, "scores": own}
        for split in (TEST, TRAIN)
        for method, own in tables.by_method(scores["rows"], split).items()
    ]


def score_note(summary: ClusteringSummary) -> str:
    """Return how the scores were made, in sentences; empty without labels."""
    return (
        ""
        if summary.scores is None
        else tables.note(
            next(iter(tables.by_method(summary.scores["rows"], summary.split).values()))
        )
    )


def recall_table(summary: ClusteringSummary) -> list[tuple[str, float]]:
    """Return each class with its recall under the majority map, the worst first."""
    if summary.scores is None:
        return []
    known = zip(summary.class_names, summary.scores["recall"][summary.split], strict=True)
    return sorted(
        ((name, value) for name, value in known if value is not None), key=lambda pair: pair[1]
    )


def facts(summary: ClusteringSummary) -> dict[str, str]:
    """Return the run's facts as text, name -> value."""
    manifest = summary.run.manifest
    fit, cluster = (
        manifest["config"]["fit"],
        manifest["stages"][f"cluster/{summary.name}"]["config"]["options"],
    )
    git, counts = manifest.get("git"), manifest["images"]
    software = f"keras {manifest['keras']}, {manifest['backend']} {manifest['backend_version']}"
    told = {
        "run": summary.run.path.resolve().name,
        "clusters": summary.name,
        "command": shlex.join(manifest["argv"]),
        "data": f"{manifest['data']}: {counts[TRAIN]:,} training and {counts[TEST]:,} held-out images of {_shape(summary.images.image_shape)}",
        "unreadable images": f"{manifest['unreadable']}",
        "encoder": _settings(fit),
        "best epoch": f"{manifest['fit']['best_epoch']} of {manifest['fit']['epochs']}, validation error {manifest['fit']['best_val_loss']:.5f}",
        "clustering": _settings(cluster),
        "made by": f"latentlab {manifest['latentlab']}"
        + (
            f", commit {git['commit'][:12]}{'' if git['clean'] else ' with changes'}" if git else ""
        ),
        "ran on": f"{manifest['device']}, Python {manifest['python']}, {software}",
        "time": _times(manifest["stages"], summary.name),
    }
    errors_path = summary.run.path / "reconstructions" / "mse.json"
    if errors_path.exists():
        errors = json.loads(errors_path.read_text(encoding="utf-8"))
        told["reconstruction error"] = (
            ", ".join(f"{value:.5f} ({split})" for split, value in errors.items())
            + ", mean squared, pixels in [0, 1]"
        )
    return told


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value}" for key, value in values.items() if value not in ({}, None, "")
    )


def _times(stages: dict[str, Any], name: str) -> str:
    """Return the seconds of the stages that made these clusters."""
    own = {"cluster": f"cluster/{name}", "evaluate": f"evaluate/{name}"}
    shared = {stage: stage for stage in stages if "/" not in stage}
    return ", ".join(
        f"{text} {stages[stage]['seconds']:.1f} s"
        for text, stage in {**shared, **own}.items()
        if stage in stages
    )


def _shape(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
