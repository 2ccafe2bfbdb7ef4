"""How the clusters of a fit become purer while it trains, and what the machine gave: purity by
epoch and minutes, arithmetic a second.
"""

import math
import statistics
import time
from typing import Any

from _reports import Clock, Parts, held_out_scores

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions
from latentlab.features.spec import PROJECTED
from latentlab.progress import log
from latentlab.storage import checkpoints
from latentlab.storage.run import Run

LEVELS = (0.5, 0.7, 0.8, 0.9)  # of purity
FOLLOWED = ("kmeans", "imc")  # methods
PEAKS = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16", "float32": "float32"}


def missing(epochs: int, every: int, had: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return epoch and method of what `follow` has not scored yet of a fit, at every so many epochs
    and at its end.

    Scores of other features than the recipe's, by an older version, do not count.
    """
    done = {(row["epoch"], row["method"]) for row in had if row["features"] == str(PROJECTED)}
    wanted = [*range(0, epochs, every), epochs] if every else []
    return [
        (epoch, method) for epoch in wanted for method in FOLLOWED if (epoch, method) not in done
    ]


def follow(
    run: Run, wanted: list[tuple[int, str]], clusterings: dict[str, ClusterOptions], clock: Clock
) -> list[dict[str, Any]]:
    """Cluster the features of epochs whose checkpoints were kept, as `missing` lists them, and
    return their held-out scores.

    Returns
    -------
    list of dict
        epoch, method, features, purity, acc and more; the fit's own last epoch too. Each epoch's
        run stays beside `run`, so that all resumes.
    """
    rows = []
    for epoch, method in wanted:
        if not checkpoints.folder_of(run.path / "checkpoints", "epoch", epoch).exists():
            log.warning(
                "epoch %d of %s was not kept: only a fit with --follow from its start can be"
                " followed",
                epoch,
                run.path,
            )
        elif clock.may_start():
            log.info("epoch %d: %s", epoch, method)
            at_epoch = pipeline.at_epoch(
                run, epoch, run.path.with_name(f"{run.path.name}-epoch{epoch:04d}")
            )
            pipeline.cluster(at_epoch, clusterings[method])
            rows.append(
                {
                    "epoch": epoch,
                    "method": method,
                    "features": str(clusterings[method].features),
                    **held_out_scores(at_epoch, clusterings[method]),
                }
            )
    return rows


def peak_flops(run: Run, side: int = 4096, repeats: int = 10) -> float | None:
    """Return the operations a second of this machine's best case, a product of two large square
    matrices in the run's precision.

    None where the run was fitted on another machine.
    """
    import keras
    from keras import ops

    if backend.versions()["device"] != run.fact("device"):
        return None
    start = keras.random.normal((side, side)) / math.sqrt(side)  # so that products keep their size
    start = ops.cast(start, PEAKS[run.precision])
    best = math.inf
    for _ in range(3):
        product, started = start, time.perf_counter()
        for _ in range(repeats):
            product = ops.matmul(product, start)
        float(ops.cast(product[0, 0], "float32"))  # waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 * repeats / best


def minutes_of(part: dict[str, Any], epoch: int) -> float:
    """Return the minutes of training up to an epoch, by the median epoch: an interrupted or crowded
    fit has epochs of any length.
    """
    return epoch * statistics.median(row["seconds"] for row in part["watched"] if row["epoch"]) / 60


def _told(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}"


def purity_table(parts: Parts) -> str:
    """Return the Markdown table of held-out scores by epoch."""
    lines = [
        "| run | epoch | minutes of training | clusters | features | purity | acc | nmi |",
        "| --- |" + " --- |" * 7,
    ]
    for name, part in parts.items():
        lines += [
            f"| {name} | {row['epoch']} | {_told(minutes_of(part, row['epoch']))} |"
            f" {row['method']} | {row['features']}"
            f" | {row['purity']:.3f} | {row['acc']:.3f} | {row['nmi']:.3f} |"
            for row in part.get("followed", [])
        ]
    return "\n".join(lines)


def level_table(parts: Parts) -> str:
    """Return the Markdown table of the minutes of training to each purity, of the first kept epoch
    that has it.
    """
    lines = [
        "| run | clusters | features | " + " | ".join(f"purity {level}" for level in LEVELS) + " |",
        "| --- |" + " --- |" * (2 + len(LEVELS)),
    ]
    for name, part in parts.items():
        followed = part.get("followed", [])
        for method, steps in dict.fromkeys((row["method"], row["features"]) for row in followed):
            own = [row for row in followed if (row["method"], row["features"]) == (method, steps)]
            reached = [[row["epoch"] for row in own if row["purity"] >= level] for level in LEVELS]
            texts = [
                f"{_told(minutes_of(part, min(epochs)))} (epoch {min(epochs)})"
                if epochs
                else "not reached"
                for epochs in reached
            ]
            lines.append(f"| {name} | {method} | {steps} | {' | '.join(texts)} |")
    return "\n".join(lines)


def cost_table(parts: Parts) -> str:
    """Return the Markdown table of arithmetic, its share of what the machine does at best, and
    memory.
    """
    lines = [
        "| run | operations an image | images per second | TFLOP/s | at best | utilisation |"
        " memory |",
        "| --- |" + " --- |" * 6,
    ]
    for name, part in parts.items():
        fit = part["fit"]
        if not (fit.get("flops_per_image") and fit["images_per_second"] and part.get("peak_flops")):
            continue
        speed, peak = fit["flops_per_image"] * fit["images_per_second"], part["peak_flops"]
        lines.append(
            f"| {name} | {fit['flops_per_image'] / 1e9:.2f} billion |"
            f" {fit['images_per_second']:.0f} | {speed / 1e12:.2f} | {peak / 1e12:.2f}"
            f" | {speed / peak:.0%} | {(fit['peak_memory'] or math.nan) / 2**30:.1f} GiB |"
        )
    return "\n".join(lines)


def picture(parts: Parts) -> Any:
    """Return the figure of purity against minutes; None if no fit was followed."""
    from latentlab.reporting import plots

    curves: dict[str, list[tuple[float, float]]] = {}
    for name, part in parts.items():
        for row in part.get("followed", []):
            curves.setdefault(f"{name}, {row['method']} on {row['features']}", []).append(
                (minutes_of(part, row["epoch"]), row["purity"])
            )
    return (
        plots.lines(
            curves,
            "minutes of training",
            "held-out purity",
            "Purity while the encoder trains",
            log_x=True,
        )
        if curves
        else None
    )
