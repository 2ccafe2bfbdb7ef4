#!/usr/bin/env python3
"""Make reports/cifar10-deep-clustering: the deep methods on CIFAR-10 from conv8's 8x8 code, over
three seeds.

usage: scripts/deep_cifar10.py [--data-dir FOLDER] [--work FOLDER] [--limit 5000] [--seeds 0,1,2]
[--minutes N]

Every step resumes: fits and clusterings are kept in --work, finished scores in parts/ of --out, and
both are skipped. --limit takes the first images of each split; 0 takes all. --minutes starts no new
step after that time. Labels are read after all fitting and clustering of a run is done, by the
scorer alone, and take part in no choice.
"""

import json
import logging
from pathlib import Path
from typing import Any

from _reports import (
    REPORTS,
    Clock,
    Row,
    agreement,
    agreement_table,
    facts_table,
    fill,
    parse,
    parser_of,
    read_parts,
    results,
    save_part,
    score,
    score_table,
    short_name,
)

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.features.spec import CODE
from latentlab.refinement.run_methods import run_method
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = REPORTS / "cifar10-deep-clustering"
COMMAND = "scripts/deep_cifar10.py"
REDUCED = "whiten+l2"
LOOP = {"interval": 40, "max_steps": 160}
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "kmeans"},
    {"method": "kmeans", "features": REDUCED},
    {"method": "n2d"},
    {"method": "gmm", "features": REDUCED},
    *(
        {"method": method, "features": REDUCED, "settings": LOOP}
        for method in ("dec", "idec", "dcec", "dcn")
    ),
    {"method": "vade", "settings": LOOP},
    {"method": "dcec", "features": REDUCED, "settings": {**LOOP, "start": "n2d", "warm_up": 2}},
)
PUBLISHED, BY_UNCERTAINTY = "1, as published", "by q's uncertainty"
KERNELS: tuple[dict[str, Any], ...] = (
    {"features": "code", "settings": {**LOOP, "scale": 1.0}},
    {"features": "pca10", "settings": {**LOOP, "scale": 1.0}},
    {"features": "code", "settings": LOOP},
)


def options_of(settings: dict[str, Any], seed: int) -> ClusterOptions:
    """Return the options of one clustering."""
    options = ClusterOptions(**{"k": 10, "restarts": 4, "seed": seed, **settings})
    return run_method(options.method).resolve(options)


def row_name(options: ClusterOptions) -> str:
    """Return how the tables name a clustering of conv8's code."""
    return "+".join(
        (
            "conv8",
            *([] if options.features == CODE else [str(options.features)]),
            short_name(options),
        )
    )


def main_methods(
    data: DataOptions, work: Path, parts: Path, seed: int, epochs: int, clock: Clock
) -> None:
    """Fit conv8 with one seed, cluster with every method and keep the scores."""
    folder, part = work / f"conv8-seed{seed}", parts / f"conv8-seed{seed}.json"
    if part.exists() or not clock.may_start():
        return
    logging.info("%s: fit", folder.name)
    run = pipeline.fit(data, FitOptions(arch="conv8", epochs=epochs, seed=seed), folder)
    options = [options_of(settings, seed) for settings in METHODS]
    for one in options:
        if not clock.may_start():
            return
        logging.info("%s: %s", folder.name, one.name)
        pipeline.cluster(run, one)
    save_part(part, run, score(run, options, "conv8"), options)


def kernels(work: Path, parts: Path, clock: Clock) -> None:
    """Run DEC from seed 0's code with the published kernel and the default one, and keep how sure
    it is; rows that are there stay.
    """
    folder, part = work / "conv8-seed0", parts / "kernels-seed0.json"
    rows = json.loads(part.read_text())["kernels"] if part.exists() else []
    done = {(row["features"], row["scale"]) for row in rows}
    missing = [
        settings
        for settings in KERNELS
        if (settings["features"], _kernel_name(settings)) not in done
    ]
    if not missing or not (parts / "conv8-seed0.json").exists() or not folder.exists():
        return
    run = Run.open(folder)
    for settings in missing:
        if not clock.may_start():
            return
        one = options_of({"method": "dec", **settings}, 0)
        logging.info("kernel: %s, scale %s", one.features, _kernel_name(settings))
        result = pipeline.cluster(run, one).result
        rows_of_dec = [
            row
            for row in score(run, [one], "conv8")
            if row["split"] == "test" and row["method"].endswith("+dec")
        ]
        scores = {row["metric"]: row["value"] for row in rows_of_dec}
        history = [
            json.loads(line)
            for line in (run.path / "clusters" / one.name / "history.jsonl")
            .read_text()
            .splitlines()
        ]
        rows.append(
            {
                "features": str(one.features),
                "scale": _kernel_name(settings),
                "confidence": [row["confidence"] for row in history],
                "label_change": [row["label_change"] for row in history],
                "effective_clusters": history[-1]["effective_clusters"],
                "moved": result.fact("moved"),
                "recoveries": len(result.fact("recoveries", [])),
                "scores": scores,
            }
        )
    save_part(part, run, [], kernels=rows)


def _kernel_name(settings: dict[str, Any]) -> str:
    return PUBLISHED if settings["settings"].get("scale") == 1.0 else BY_UNCERTAINTY


def kernel_table(part: dict[str, Any]) -> str:
    """Return the Markdown table of kernels."""
    lines = [
        "| DEC on | kernel scale | confidence after round 1 | at the end | moved | effective"
        " clusters | held-out purity | NMI |",
        "| --- |" + " --- |" * 7,
    ]
    for row in part["kernels"]:
        lines.append(
            f"| {row['features']} | {row['scale']} | {row['confidence'][0]:.3f} |"
            f" {row['confidence'][-1]:.3f} | {row['moved']:.3f}"
            f" | {row['effective_clusters']:.2f} | {row['scores']['purity']:.3f} |"
            f" {row['scores']['nmi']:.3f} |"
        )
    return "\n".join(lines)


def report(work: Path, out: Path, seeds: list[int]) -> None:
    """Write results.json and the tables between the page's markers."""
    parts = read_parts(out / "parts")
    rows: list[Row] = results(parts, "cifar10", COMMAND)
    files.write_json(out / "results.json", rows)
    kept = out / "parts" / "agreement.json"
    clusterings = (options_of(settings, seed) for settings in METHODS for seed in seeds)
    if between := agreement(
        (row_name(one), work / f"conv8-seed{one.seed}", one) for one in clusterings
    ):
        files.write_json(kept, between)
    tables = {
        "test": score_table(rows, "test"),
        "train": score_table(rows, "train"),
        "facts": facts_table(parts),
    }
    if kept.exists():
        tables["agreement"] = agreement_table({"cifar10": json.loads(kept.read_text())})
    if "kernels-seed0" in parts:
        tables["kernels"] = kernel_table(parts["kernels-seed0"])
    fill(out / "README.md", tables)


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORT, seeds="0,1,2", limit=5000)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parse(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir, limit=arguments.limit or None)
    clock = Clock(arguments.minutes)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    for seed in seeds:
        main_methods(data, arguments.work, arguments.out / "parts", seed, arguments.epochs, clock)
    kernels(arguments.work, arguments.out / "parts", clock)
    report(arguments.work, arguments.out, seeds)


if __name__ == "__main__":
    main()
