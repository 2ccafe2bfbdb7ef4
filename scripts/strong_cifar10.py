#!/usr/bin/env python3
"""Make reports/cifar10-strong: the recipe "strong" on CIFAR-10, from random weights, with this
machine's setting of it.

usage: scripts/strong_cifar10.py [--data-dir FOLDER] [--work FOLDER] [--seeds 0] [--minutes N]
[--methods LIST]
                                 [--no-baselines] [--short N] [--follow N] [--setting NAME]
                                 [--epochs N] [--width N] [--machine TEXT]

It is `latentlab fit --recipe strong` and then `latentlab cluster --recipe strong --k 10`, and
beside them k-means and the recipe's head with the mirror images too (-averaged) and on the
embedding below the projection head, k-means on the 8x8 code, the other heads, neighbour consistency
and self-labelling with the whole network; with --short first a fit of so many epochs, and no other
where that comes to too little; with --follow also the clusters of every so many epochs, with
--setting the recipe's setting of another kind of machine, and with --epochs or --width another
length of the whole schedule, or another width of the encoder, than the recipe's. Every step
resumes: runs are kept in --work, finished scores in parts/ of --out. Fit and clusters see the
50,000 training images; labels are read when all is done, by the scorer alone.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import _learning_curve
import _short_run
from _reports import (
    AVERAGED,
    REPORTS,
    Clock,
    Row,
    facts_table,
    fill,
    held_out_scores,
    is_fitted,
    parse,
    parser_of,
    read_parts,
    refuse_others,
    results,
    save_part,
    score,
    score_table,
)

from latentlab import backend, pipeline, recipes
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.refinement.run_methods import run_method
from latentlab.reporting import plots
from latentlab.storage import files
from latentlab.storage.json_form import to_json
from latentlab.storage.run import Run

REPORT = REPORTS / "cifar10-strong"
COMMAND = "scripts/strong_cifar10.py"
METHODS = (
    "kmeans",
    "scan",
    "temi",
    "imc",
    "kmeans-averaged",
    "imc-averaged",
    "code",
    "embedding",
    "imc-embedding",
    "consistency",
    "selflabel",
)
PROBES = {"knn_accuracy": "20 nearest neighbours", "linear_accuracy": "linear"}
WATCHED = (
    "epoch",
    "swapped_loss",
    "reconstruction_loss",
    "used_prototypes",
    "effective_rank",
    "images_per_second",
    "seconds",
)


def clusterings(run: Run, seed: int) -> dict[str, ClusterOptions]:
    """Return what is clustered of one run, by the names in METHODS; self-labelling from the
    recipe's head.
    """
    head = recipes.cluster_settings("strong")["method"]
    special: dict[str, dict[str, Any]] = {
        "code": {"method": "kmeans", "features": "code", "restarts": 2},
        "kmeans-averaged": {"method": "kmeans", "features": AVERAGED},
        "imc-averaged": {"method": "imc", "features": AVERAGED},
        "embedding": {"method": "kmeans", "features": "embedding+l2"},
        "imc-embedding": {"method": "imc", "features": "embedding+l2"},
        "selflabel": {"method": "selflabel", "settings": {"start": head}},
    }
    chosen = {
        name: ClusterOptions(**{"k": 10, "seed": seed, **special.get(name, {"method": name})})
        for name in METHODS
    }
    return {name: pipeline.resolve(run, options) for name, options in chosen.items()}


def fit_options(arguments: argparse.Namespace, seed: int) -> tuple[FitOptions, str]:
    """Return the recipe's setting with what the arguments change in it, and the encoder's name in
    the tables.
    """
    settings = recipes.fit_settings("strong", arguments.setting)
    if arguments.width:
        settings["arch_options"] = {**settings.get("arch_options", {}), "width": arguments.width}
    if arguments.epochs:
        settings["epochs"] = arguments.epochs
    options = FitOptions(**settings, seed=seed)
    changed = [f"{arguments.epochs}epochs"] if arguments.epochs else []
    changed += ["muon"] if options.objective_options.get("optimizer") == "muon" else []
    changed += ["float32"] if options.precision == "float32" else []
    return options, "-".join(
        [options.arch, *(f"{value}" for value in options.arch_options.values()), *changed]
    )


def work_through(
    data: DataOptions, arguments: argparse.Namespace, seed: int, clock: Clock, machine: str
) -> None:
    """Fit with one seed, cluster, score and keep the scores beside those of earlier calls."""
    options, encoder = fit_options(arguments, seed)
    name = f"{encoder}-seed{seed}"
    part, before = (
        arguments.out / "parts" / f"{name}.json",
        read_parts(arguments.out / "parts").get(name, {}),
    )
    refuse_others(name, before, options)
    had = before.get("methods", [])
    wanted = [method for method in METHODS if method in arguments.methods and method not in had]
    had_followed = before.get("followed", [])
    follows = _learning_curve.missing(options.epochs, arguments.follow, had_followed)
    if not (wanted or follows) or not clock.may_start():
        return
    short_run, short_folder = (
        before.get("short_run"),
        arguments.work / f"{name}-short{arguments.short}",
    )
    told_or_due = (short_folder / _short_run.TOLD).exists() or not is_fitted(arguments.work / name)
    if arguments.short and not short_run and told_or_due:
        logging.info("%s: first %d epochs", name, arguments.short)
        head = ClusterOptions(k=10, seed=seed, method=recipes.cluster_settings("strong")["method"])
        short_run = _short_run.make(data, options, arguments.short, head, short_folder)
        logging.info("%s: %s", name, short_run)
        if why := _short_run.objection(short_run):
            logging.error("%s: no long fit is made, since %s", name, why)
        if why or not clock.may_start():
            return
    logging.info("%s: fit", name)
    run = pipeline.fit(data, options, arguments.work / name, keep_every=arguments.follow)
    of_fit: dict[str, Any] = {
        "short_run": short_run,
        "peak_flops": before.get("peak_flops"),
        "machine": before.get("machine"),
    }
    if not before:  # what only the machine of the fit can tell is kept at once
        of_fit |= {"peak_flops": _learning_curve.peak_flops(run), "machine": machine}
        save_part(part, run, [], **{"methods": [], "watched": watched(run), **of_fit})
    chosen, done = clusterings(run, seed), {}
    for method in wanted:
        if clock.may_start():
            logging.info("%s: %s", name, method)
            pipeline.cluster(run, chosen[method])
            done[method] = chosen[method]
            logging.info(
                "%s: %s has a held-out purity of %.3f",
                name,
                method,
                held_out_scores(run, chosen[method])["purity"],
            )
    followed = _learning_curve.follow(run, follows, chosen, clock)
    if not (done or followed):
        return
    history = {
        method: run.metrics(f"clusters/{one.name}/history.jsonl")
        for method, one in done.items()
        if run_method(one.method).traits.trains_network
    }
    probed = before.get("probed") or probes(
        run, [chosen["kmeans"], chosen["embedding"]], str(options.arch), encoder
    )
    more: dict[str, Any] = {
        "methods": [method for method in METHODS if method in {*had, *done}],
        "watched": watched(run),
        "history": {**before.get("history", {}), **history},
        "probed": probed,
        "followed": sorted(
            [*had_followed, *followed], key=lambda row: (row["epoch"], row["method"])
        ),
        **of_fit,
    }
    scored = score(run, done.values(), encoder, baselines=arguments.baselines)
    rows = {
        (row["method"], row["split"], row["metric"]): row
        for row in [*before.get("rows", []), *scored]
    }
    save_part(
        part, run, [*rows.values()], done.values(), earlier_facts=before.get("facts", {}), **more
    )


def watched(run: Run) -> list[dict[str, Any]]:
    """Return what the report shows of every epoch."""
    return [{key: row[key] for key in WATCHED if key in row} for row in run.metrics()]


def probes(run: Run, of: list[ClusterOptions], arch: str, encoder: str) -> list[Row]:
    """Return the rows of both probes of the features of some clusterings, and of pixels, with the
    encoder's name in the tables.
    """
    reports = [pipeline.probe(run, options) for options in of]
    rows = [row for report in reports if report for row in to_json(report.rows)]
    named = [{**row, "method": row["method"].replace(arch, encoder)} for row in rows]
    return list({(row["method"], row["metric"]): row for row in named}.values())


def time_table(parts: dict[str, Any]) -> str:
    """Return the Markdown table of where the minutes went."""
    lines = [
        "| run | machine | fit, epochs | images per second | fit, minutes | clusters, minutes |",
        "| --- |" + " --- |" * 5,
    ]
    for name, part in parts.items():
        fit = part["fit"]
        trained = _learning_curve.minutes_of(part, fit["epochs"])
        deep = sum(facts["seconds"] for facts in part["facts"].values()) / 60
        lines.append(
            f"| {name} | {part['machine']} | {fit['epochs']} | {fit['images_per_second']:.0f}"
            f" | {trained:.0f} | {deep:.0f} |"
        )
    return "\n".join(lines)


def curve_table(parts: dict[str, Any]) -> str:
    """Return the Markdown table of every fifth epoch of the fits; it uses no label."""
    lines = [
        "| run | epoch | swapped loss | prototypes in use | reconstruction error | effective"
        " rank |",
        "| --- |" + " --- |" * 5,
    ]
    for name, part in parts.items():
        rows = [
            row
            for row in part["watched"]
            if row["epoch"] and (row["epoch"] % 5 == 0 or row["epoch"] == 1)
        ]
        lines += [
            f"| {name} | {row['epoch']} | {row['swapped_loss']:.3f} |"
            f" {row['used_prototypes']:.0f} | {row['reconstruction_loss']:.4f}"
            f" | {row['effective_rank']:.1f} |"
            for row in rows
        ]
    return "\n".join(lines)


def probe_table(parts: dict[str, Any]) -> str:
    """Return the Markdown table of what classifiers make of the features: the only place where
    something is trained with labels.
    """
    lines = ["| run | features | classifier | held-out accuracy |", "| --- | --- | --- | --- |"]
    for name, part in parts.items():
        lines += [
            f"| {name} | {row['method']} | {PROBES[row['metric']]} | {row['value']:.3f}"
            f" [{row['low']:.3f}, {row['high']:.3f}] |"
            for row in part.get("probed", [])
        ]
    return "\n".join(lines)


def methods_of(text: str) -> list[str]:
    """Return the methods that a comma-separated list names.

    Raises
    ------
    argparse.ArgumentTypeError
        If one is not in METHODS.
    """
    chosen = text.split(",")
    if unknown := set(chosen) - set(METHODS):
        raise argparse.ArgumentTypeError(
            f"unknown {', '.join(sorted(unknown))}; known are {', '.join(METHODS)}."
        )
    return chosen


def report(out: Path) -> None:
    """Write results.json and the tables between the page's markers."""
    parts = read_parts(out / "parts")
    rows: list[Row] = results(parts, "cifar10", COMMAND)
    files.write_json(out / "results.json", rows)
    tables = {
        "test": score_table(rows, "test"),
        "train": score_table(rows, "train"),
        "time": time_table(parts),
    }
    tables |= {
        "cost": _learning_curve.cost_table(parts),
        "purity": _learning_curve.purity_table(parts),
        "levels": _learning_curve.level_table(parts),
    }
    tables |= (
        {"short": _short_run.table(parts)}
        if any(part.get("short_run") for part in parts.values())
        else {}
    )
    tables |= {
        "probe": probe_table(parts),
        "facts": facts_table(parts),
        "curve": curve_table(parts),
    }
    fill(out / "README.md", tables)
    if figure := _learning_curve.picture(parts):
        plots.save_png(figure, out / "purity.png")


def main() -> None:
    """Run what is missing and write the report."""
    parser = parser_of(__doc__, REPORT)
    parser.add_argument(
        "--methods",
        type=methods_of,
        default=list(METHODS),
        metavar="LIST",
        help="only these of " + ",".join(METHODS) + "; a later call adds others",
    )
    parser.add_argument(
        "--no-baselines",
        dest="baselines",
        action="store_false",
        help="leave out pixels, PCA and the untrained network",
    )
    parser.add_argument(
        "--short",
        type=int,
        default=0,
        metavar="N",
        help="first a fit of so many epochs; where that fails, no long one",
    )
    parser.add_argument(
        "--follow",
        type=int,
        default=0,
        metavar="N",
        help="keep every so many epochs of the fit and cluster them too, for the curve",
    )
    parser.add_argument(
        "--setting",
        choices=recipes.MACHINES,
        default="",
        help="the recipe's for this kind of machine; default: this one's",
    )
    parser.add_argument("--epochs", type=int, default=0, help="of the fit; default: the recipe's")
    parser.add_argument(
        "--width",
        type=int,
        default=0,
        help="of the encoder, where it has one; default: the recipe's",
    )
    arguments = parse(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    clock = Clock(arguments.minutes)
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir, limit=arguments.limit or None)
    machine = arguments.machine or str(backend.versions()["device"])
    for seed in arguments.seeds.split(","):
        work_through(data, arguments, int(seed), clock, machine)
    report(arguments.out)
    print(arguments.out / "README.md")


if __name__ == "__main__":
    main()
