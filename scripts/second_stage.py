#!/usr/bin/env python3
"""Make reports/second-stage: self-training from the clusters of a trained encoder.

usage: scripts/second_stage.py [--encoder cifar10-resnet18 | --run FOLDER] [--data cifar10]
[--data-dir FOLDER] [--k 10] [--start imc] [--settings LIST] [--epochs 60,200] [--seeds 0]
[--minutes N] [--limit N] [--work FOLDER] [--out FOLDER] [--machine TEXT]

For each setting, length and seed it runs `latentlab cluster --method selftrain` from the clusters
of imc, notes the measures without labels of every round, and afterwards scores all rounds. Every
step resumes: runs are kept in --work, finished parts in parts/ of --out. Training never sees a
label.

Settings are compared by this rule, which was committed before any labelled curve was drawn: of
those that did not go back to their start, the one with the highest agreement of neighbours after
the last round; where two are within 0.005, the one with the higher mean confidence.
"""

import argparse
import contextlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from _reports import REPORTS, Clock, parse, parser_of, write_arrays

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.progress import log
from latentlab.refinement.loop import RefinementLoop
from latentlab.refinement.methods.selftrain import Certainty, SelfTraining
from latentlab.scoring import metrics
from latentlab.scoring.evaluate import read_labels
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = REPORTS / "second-stage"
BATCH = 256
EVEN = 0.005  # agreements that differ by less are even
SETTINGS: dict[str, dict[str, Any]] = {
    "labels": {},
    "labels-gentle": {"threshold": 0.8, "operations": 2, "cutout": 0.25},
    "labels-smooth": {"smoothing": 0.3},
    "fixmatch": {"labelled": 64, "momentum": 0.999, "learning_rate": 3e-4},
    "fixmatch-aligned": {"labelled": 64, "align": True, "learning_rate": 3e-4},
}


def run_of(arguments: argparse.Namespace, data: DataOptions) -> Run:
    """Return the run whose clusters training starts from, with its embeddings."""
    if arguments.run:
        run = Run.open(arguments.run)
    else:
        folder = arguments.work / f"{arguments.encoder}-{Path(data.data).stem}"
        run = pipeline.use_encoder(data, arguments.encoder, folder)
    pipeline.embed(run)
    return run


@contextlib.contextmanager
def rounds_watched(folder: Path) -> Iterator[None]:
    """Keep the clusters of the training images of every round, and the measures of both ends."""
    record, verdict = RefinementLoop._record, SelfTraining.go_back_if_worse

    def recording(loop: RefinementLoop, losses: dict[str, float], before: np.ndarray) -> None:
        record(loop, losses, before)
        number = loop.progress.round
        arrays = {"labels": loop.current.labels.astype(np.int16)}
        if number == 1:
            write_arrays(folder / "round-0000.npz", {"labels": before.astype(np.int16)})
        write_arrays(folder / f"round-{number:04d}.npz", arrays)

    def judging(training: SelfTraining, z: np.ndarray, q: np.ndarray) -> str:
        from latentlab.features.neighbors import nearest_others

        last = Certainty.of(q, nearest_others(z, training._neighbors.shape[1]))
        first = training._first
        measures = {"first": vars(first), "last": vars(last)}
        files.write_json(folder / "certainty.json", measures)
        return verdict(training, z, q)

    with (
        mock.patch.object(RefinementLoop, "_record", recording),
        mock.patch.object(SelfTraining, "go_back_if_worse", judging),
    ):
        yield


def train(run: Run, name: str, options: ClusterOptions, folder: Path) -> float:
    """Train one setting and return the minutes of this call."""
    start = time.monotonic()
    log.info("%s: training", name)
    with rounds_watched(folder):
        pipeline.cluster(run, pipeline.resolve(run, options))
    return (time.monotonic() - start) / 60


def part_of(run: Run, name: str, options: ClusterOptions, folder: Path) -> dict[str, Any]:
    """Return what one training tells, with labels only now."""
    result = run.clustering(name).result
    return {
        "settings": dict(options.settings),
        "seed": options.seed,
        "rounds": result.fact("rounds"),
        "went_back": result.fact("went_back"),
        "recoveries": len(result.fact("recoveries")),
        "certainty": json.loads((folder / "certainty.json").read_text()),
        "history": run.metrics(f"clusters/{name}/history.jsonl"),
        "device": run.fact("device"),
        "seconds": run.seconds(f"cluster/{name}"),
        "purity": purities(run, name, folder),
    }


def purities(run: Run, name: str, folder: Path) -> dict[str, Any] | None:
    """Return the purity of the training images by round, and the held-out one before and after."""
    labels = read_labels(run, keep=False)
    if labels is None:
        return None
    assignments = run.clustering(name).assignments
    if assignments.start is None:
        raise SystemExit(f"{name}: its assignments hold no start.")
    class_of = dict(zip(labels.ids.tolist(), labels.labels.tolist(), strict=True))
    classes = np.array([class_of[image] for image in assignments.ids.tolist()])
    is_train = assignments.splits == "train"
    by_round = []
    for path in sorted(folder.glob("round-*.npz")):
        with np.load(path) as arrays:
            by_round.append(purity(arrays["labels"], classes[is_train]))
    held_out = classes[~is_train]
    return {
        "train_by_round": by_round,
        "test_before": purity(assignments.start[~is_train], held_out),
        "test_after": purity(assignments.clusters[~is_train], held_out),
    }


def purity(clusters: np.ndarray, classes: np.ndarray) -> float | None:
    """Return the purity of clusters, rounded; None without images."""
    if not len(clusters):
        return None
    table = metrics.contingency(clusters, classes, clusters.max() + 1, classes.max() + 1)
    return round(float(metrics.purity(table)), 4)


def chosen(parts: dict[str, dict[str, Any]]) -> str:
    """Return the name of the part that the rule without labels chooses; "" if all went back."""
    kept = {
        name: part["certainty"]["last"] for name, part in parts.items() if not part["went_back"]
    }
    if not kept:
        return ""
    best = max(last["agreement"] for last in kept.values())
    even = [name for name, last in kept.items() if last["agreement"] >= best - EVEN]
    return max(even, key=lambda name: kept[name]["confidence"])


def table_of(parts: dict[str, dict[str, Any]]) -> str:
    """Return the parts as a Markdown table."""
    lines = [
        "| training | rounds | confidence | agreement | used | held-out purity | went back"
        " | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, part in parts.items():
        first, last = part["certainty"]["first"], part["certainty"]["last"]
        history = part["history"]
        cells = [
            name,
            str(part["rounds"]),
            f"{first['confidence']:.3f} to {last['confidence']:.3f}",
            f"{first['agreement']:.3f} to {last['agreement']:.3f}",
            f"{history[0]['used_share']:.2f} to {history[-1]['used_share']:.2f}",
            _purity_text(part["purity"]),
            part["went_back"] or "no",
            f"{part['seconds'] / 60:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _purity_text(purity: dict[str, Any] | None) -> str:
    if purity is None or purity["test_before"] is None:
        return "no labels"
    return f"{purity['test_before']:.3f} to {purity['test_after']:.3f}"


def draw(parts: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw the measures without labels, and the purity, by round."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, 3)
    for name, part in parts.items():
        rounds = [row["epoch"] for row in part["history"]]
        axes[0].plot(rounds, [row["confidence"] for row in part["history"]], label=name)
        axes[1].plot(rounds, [row["used_share"] for row in part["history"]])
        if part["purity"]:
            axes[2].plot(part["purity"]["train_by_round"])
    titles = ("Mean confidence", "Share of images learnt", "Purity, training images (labels)")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title)
        axis.set_xlabel("round")
    figure.legend(loc="outside lower center", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def write_report(out: Path) -> None:
    """Write README.md and curves.png of all parts."""
    parts = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("parts/*.json"))}
    if not parts:
        return
    draw(parts, out / "curves.png")
    choice = chosen(parts) or "none: all went back to their start"
    text = (
        "# Does a second stage of training raise purity?\n\n"
        "The network learns its own clusters (`--method selftrain`). Confidence, agreement and the"
        " share of images learnt take no label.\n\n"
        f"{table_of(parts)}\n\n"
        f"Chosen without labels: {choice}.\n\n![by round](curves.png)\n\n"
        "Command: `scripts/second_stage.py`, whose docstring holds the rule of choice.\n"
    )
    (out / "README.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Train what is missing, then write the report."""
    parser = parser_of(__doc__ or "", REPORT)
    parser.add_argument("--encoder", default="cifar10-resnet18")
    parser.add_argument("--run", type=Path, help="start from a fitted run instead of an encoder")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--start", default="imc", help="method of the first clusters")
    parser.add_argument("--settings", default="labels,fixmatch", help=", ".join(SETTINGS))
    parser.add_argument("--epochs", default="60")
    arguments = parse(parser)
    clock = Clock(arguments.minutes)
    data = DataOptions(
        data=arguments.data, data_dir=arguments.data_dir, limit=arguments.limit or None
    )
    run = run_of(arguments, data)
    start = arguments.run.name if arguments.run else arguments.encoder
    for epochs, seed, setting in planned(arguments):
        name = f"{start}-{setting}-{epochs}epochs-seed{seed}"
        path = arguments.out / "parts" / f"{name}.json"
        if path.exists() or not clock.may_start():
            continue
        options = options_of(run, arguments, name, setting, epochs, seed)
        folder = arguments.work / "rounds" / name
        train(run, name, options, folder)
        part = part_of(run, name, options, folder) | {"machine": arguments.machine}
        files.write_json(path, part)
        write_report(arguments.out)
    write_report(arguments.out)


def planned(arguments: argparse.Namespace) -> Iterable[tuple[int, int, str]]:
    """Return epochs, seed and setting of each training, the shortest first."""
    epochs = sorted(map(int, arguments.epochs.split(",")))
    seeds = map(int, arguments.seeds.split(","))
    return itertools.product(epochs, [*seeds], arguments.settings.split(","))


def options_of(
    run: Run, arguments: argparse.Namespace, name: str, setting: str, epochs: int, seed: int
) -> ClusterOptions:
    """Return the options of one training, whose rounds are epochs."""
    interval = max(1, run.fact("images")["train"] // BATCH)
    length = {"interval": interval, "max_steps": interval * epochs, "start": arguments.start}
    settings = {**length, **SETTINGS[setting]}
    return ClusterOptions(
        k=arguments.k, method="selftrain", settings=settings, seed=seed, label=name
    )


if __name__ == "__main__":
    main()
