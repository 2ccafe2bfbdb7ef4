"""What the scripts that make reports/ share: a time limit, scores of a run as a small file, their
means, tables in a page.
"""

import argparse
import itertools
import json
import shutil
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from latentlab import pipeline
from latentlab.config import ClusterOptions, FitOptions
from latentlab.options import recorded_values
from latentlab.pipeline.run_data import feature_name
from latentlab.refinement.run_methods import run_method
from latentlab.scoring.evaluate import read_labels, scores_of
from latentlab.scoring.scores import Scores
from latentlab.storage import files
from latentlab.storage.json_form import to_json
from latentlab.storage.run import Run

REPORTS = Path(__file__).resolve().parent.parent / "reports"
SHOWN = ("purity", "acc", "nmi", "ari", "homogeneity", "completeness")
SHARES = (
    "purity",
    "acc",
    "purity_train_map",
    "acc_train_map",
)  # scores that are shares of the images
AVERAGED = "averaged+project+l2"  # what is clustered where the mirror image counts too
CURVE = ("epoch", "loss", "val_loss", "images_per_second", "loss_one_image")

Row = dict[str, Any]
Parts = dict[str, dict[str, Any]]


def parser_of(about: str, out: Path, seeds: str = "0", limit: int = 0) -> argparse.ArgumentParser:
    """Return the command line of a script that makes a report on CIFAR-10 in the folder `out`: what
    all such scripts take.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir", help="where CIFAR-10 lies; default: the Keras cache or a download"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs") / out.name,
        help=f"for the runs; default: runs/{out.name}",
    )
    parser.add_argument(
        "--out", type=Path, default=out, help=f"for the report; default: reports/{out.name}"
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=limit,
        help="only so many images of each split, for trials; 0: all",
    )
    parser.add_argument("--seeds", default=seeds)
    parser.add_argument(
        "--minutes",
        type=float,
        default=float("inf"),
        help="start no new step after so many minutes",
    )
    parser.add_argument(
        "--machine", default="", help="in words, for the report's table of times, where it has one"
    )
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the arguments; end where a trial's scores would stand among the report's."""
    arguments = parser.parse_args()
    if arguments.limit != parser.get_default("limit") and arguments.out == parser.get_default(
        "out"
    ):
        parser.error("--limit is for trials: give them an --out of their own")
    return arguments


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write named arrays to an .npz file, which is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(path) as target, target.open("wb") as file:
        np.savez(file, **arrays)


class Clock:
    """Says whether a new step may start."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def may_start(self) -> bool:
        """Return whether there is time left."""
        return time.monotonic() < self.end


def is_fitted(folder: Path) -> bool:
    """Return whether a fit is done."""
    return (folder / "run.json").exists() and "fit" in Run.open(folder).stage_names()


def score(
    run: Run,
    clusterings: Iterable[ClusterOptions],
    encoder: str,
    shared: Path | None = None,
    baselines: bool = True,
) -> list[Row]:
    """Return the scores of finished clusterings of a run, and of its baselines where they are
    wanted, with the encoder called `encoder`.

    Parameters
    ----------
    shared : pathlib.Path or None
        Folder in which runs on the same images leave each other the baselines on pixels.
    """
    own = run.path / "baselines"
    own.mkdir(exist_ok=True)
    if shared:
        shared.mkdir(exist_ok=True)
        for path in shared.glob("p*-seed*.parquet"):
            shutil.copy(path, own)
    arch = run.recorded_config["fit"]["arch"]
    rows: dict[tuple[str, str, str], Row] = {}
    for options in clusterings:
        scored = pipeline.evaluate(run, options.name) if baselines else _scored_alone(run, options)
        for row in to_json(scored.rows) if scored else []:
            first, plus, rest = (
                row["method"].replace(options.title, short_name(options)).partition("+")
            )
            method = (
                {arch: encoder, "untrained": f"untrained-{encoder}"}.get(first, first) + plus + rest
            )
            rows[method, row["split"], row["metric"]] = {**row, "method": method}
    if shared:
        for path in own.glob("p*-seed*.parquet"):
            shutil.copy(path, shared)
    return [*rows.values()]


def held_out_scores(run: Run, options: ClusterOptions) -> Row:
    """Return metric -> held-out score of one finished clustering, without the baselines beside it;
    empty where the data has no labels.
    """
    scores = _scored_alone(run, options)
    rows = scores.rows if scores else ()
    return {row.metric: round(row.value, 4) for row in rows if row.split == "test"}


def _scored_alone(run: Run, options: ClusterOptions) -> Scores | None:
    """Return what `pipeline.evaluate` does of one clustering, without the baselines; None where the
    data has no labels.
    """
    labels = read_labels(run, keep=False)
    if labels is None:
        return None
    method = f"{feature_name(run, options)}+{options.title}"
    clustering = run.clustering(options.name)
    return scores_of(run.data_name, labels, {method: clustering.assignments}, clustering.k)


def short_name(options: ClusterOptions) -> str:
    """Return the method with where it starts from, as the reports name it; how long it trains
    stands in their text.
    """
    start = f"{options.settings['start']}+" if "start" in options.settings else ""
    return (
        f"{start}{options.method}{'-augmented' if options.augment not in ('auto', 'none') else ''}"
    )


def save_part(
    path: Path,
    run: Run,
    rows: list[Row],
    clusterings: Iterable[ClusterOptions] = (),
    earlier_facts: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """Keep what a report needs of a run, what its deep clusterings tell of themselves, and `more`
    in a small file of the repository.

    `earlier_facts` are those of deep clusterings that an earlier call has kept.
    """
    facts = {
        key: run.fact(key)
        for key in ("fit", "device", "backend", "backend_version", "keras", "git", "images")
    }
    seconds = {stage: run.seconds(stage) for stage in run.stage_names()}
    curve = [{key: row[key] for key in CURVE if key in row} for row in run.metrics()]
    told = {
        **(earlier_facts or {}),
        **{
            short_name(options): _facts_of(run, options)
            for options in clusterings
            if run_method(options.method).traits.trains_network
        },
    }
    config = run.recorded_config["fit"]
    files.write_json(
        path,
        {
            "config": config,
            **facts,
            "seconds": seconds,
            "facts": told,
            "curve": curve,
            "rows": rows,
            **more,
        },
    )


def _facts_of(run: Run, options: ClusterOptions) -> dict[str, Any]:
    """Return the rounds, stop and repairs of a deep clustering, and the seconds that it took."""
    result = run.clustering(options.name).result.to_json()
    told = {key: result[key] for key in ("rounds", "stopped", "moved", "recoveries")}
    return {**told, "seconds": run.seconds(f"cluster/{options.name}")}


def refuse_others(name: str, before: dict[str, Any], options: FitOptions) -> None:
    """End where the part of this name is of a fit with other settings."""
    now = json.loads(json.dumps(recorded_values(options)))
    kept = before.get("config", {})
    if other := sorted(key for key in now.keys() & kept.keys() if now[key] != kept[key]):
        raise SystemExit(
            f"{name}: its part is of a fit with another {', '.join(other)}. Take --out of"
            " your own, or move the part away."
        )


def facts_table(parts: Parts) -> str:
    """Return the Markdown table of rounds, stops and repairs."""
    lines = [
        "| run | clustering | rounds | stopped | moved | repairs | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, part in parts.items():
        for clustering, facts in part.get("facts", {}).items():
            values = (
                f"{facts['rounds']}",
                facts["stopped"],
                f"{facts['moved']:.3f}",
                f"{len(facts['recoveries'])}",
                f"{facts['seconds']:.0f}",
            )
            lines.append(f"| {name} | {clustering} | {' | '.join(values)} |")
    return "\n".join(lines)


def agreement(clusterings: Iterable[tuple[str, Path, ClusterOptions]]) -> list[Row]:
    """Return the mean adjusted Rand index between the assignments of every two seeds.

    Parameters
    ----------
    clusterings : iterable of (name, run folder, options)
        Those of one name, of different seeds, are compared; those that are not on this machine are
        left out.
    """
    found: dict[str, list[np.ndarray]] = {}
    for name, folder, options in clusterings:
        if (folder / "clusters" / options.name / "assignments.parquet").exists():
            clustering = Run.open(folder).clustering(options.name)
            found.setdefault(name, []).append(clustering.assignments.clusters)
    rows = []
    for name, assigned in found.items():
        values = [adjusted_rand_score(a, b) for a, b in itertools.combinations(assigned, 2)]
        if values:
            rows.append(
                {
                    "method": name,
                    "ari_between_seeds": round(statistics.mean(values), 4),
                    "seeds": len(assigned),
                }
            )
    return rows


def agreement_table(found: dict[str, list[Row]]) -> str:
    """Return the Markdown table of what `agreement` gave for each data set."""
    lines = ["| data | method | seeds | mean ARI between two seeds |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {data} | {row['method']} | {row['seeds']} | {row['ari_between_seeds']:.3f} |"
        for data, rows in found.items()
        for row in rows
    ]
    return "\n".join(lines)


def read_parts(folder: Path) -> Parts:
    """Return all parts, name -> contents; the name ends in "seedN"."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*seed*.json"))}


def results(parts: Parts, dataset: str, command: str) -> list[Row]:
    """Return the rows of results.json: mean and standard deviation over seeds, and the median."""
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for name, part in parts.items():
        seed = name.rsplit("seed", 1)[1]
        for row in part["rows"]:
            groups.setdefault((row["method"], row["split"], row["metric"]), {}).setdefault(
                seed, {**row, "device": part["device"]}
            )
    rows = []
    for (method, split, metric), by_seed in groups.items():
        values = [row["value"] for row in by_seed.values()]
        chances = [row["chance"] for row in by_seed.values() if row["chance"] is not None]
        low, high = interval(metric, list(by_seed.values()))
        rows.append(
            {
                "dataset": dataset,
                "split": split,
                "method": method,
                "metric": metric,
                "mean": round(statistics.mean(values), 5),
                "median": round(statistics.median(values), 5),
                "std": round(statistics.stdev(values), 5) if len(values) > 1 else None,
                "low": low,
                "high": high,
                "seeds": len(values),
                "chance": round(statistics.mean(chances), 4) if chances else None,
                "seconds": None,
                "device": next(iter(by_seed.values()))["device"],
                "command": command,
            }
        )
    return rows


def interval(metric: str, rows: list[Row]) -> tuple[float | None, float | None]:
    """Return the ends of the 95% interval over images of a mean over seeds, whose images are the
    same.

    The mean ends of the seeds' bootstrap intervals where the scorer kept them. Scores that were
    made before it did still have an interval where they are shares of images: Wilson's, at their
    mean and the number of images.
    """
    from scipy.stats import binomtest

    if all(row.get("low") is not None for row in rows):
        return round(statistics.mean(row["low"] for row in rows), 5), round(
            statistics.mean(row["high"] for row in rows), 5
        )
    if metric not in SHARES or not rows[0].get("n"):
        return None, None
    count = rows[0]["n"]
    between = binomtest(
        round(statistics.mean(row["value"] for row in rows) * count), count
    ).proportion_ci(0.95, method="wilson")
    return round(float(between.low), 5), round(float(between.high), 5)


def mean_text(row: Row) -> str:
    """Return mean and spread over seeds as text, and the interval over images if there is one."""
    spread = f" ± {row['std']:.3f}" if row["std"] is not None else ""
    between = f" [{row['low']:.3f}, {row['high']:.3f}]" if row["low"] is not None else ""
    return f"{row['mean']:.3f}{spread}{between}"


def score_table(rows: list[Row], split: str, median: bool = False) -> str:
    """Return a Markdown table of methods by metrics for one split, the purest first; `median` adds
    that of the purity.
    """
    cells = {(row["method"], row["metric"]): row for row in rows if row["split"] == split}
    methods = [m for m in dict.fromkeys(row["method"] for row in rows) if (m, "purity") in cells]
    methods.sort(key=lambda m: -cells[m, "purity"]["mean"])
    heads = [
        "method",
        "seeds",
        *(["median purity"] if median else []),
        *SHOWN,
        "purity by chance",
        "acc by chance",
    ]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for method in methods:
        values = [cells[method, metric] for metric in SHOWN]
        shown = f" {values[0]['median']:.3f} |" if median else ""
        lines.append(
            f"| {method} | {values[0]['seeds']} |{shown} "
            + " | ".join(map(mean_text, values))
            + f" | {values[0]['chance']:.3f} | {values[1]['chance']:.3f} |"
        )
    return "\n".join(lines)


def fill(page: Path, tables: dict[str, str]) -> None:
    """Replace what stands between the markers of a page; what a page has no marker for yet is added
    at its end.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    for marker, table in tables.items():
        start, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        if start not in text:
            text += f"## {marker}\n\n{start}\n{end}\n\n"
        text = text[: text.index(start) + len(start)] + f"\n{table}\n" + text[text.index(end) :]
    with files.atomic_path(page) as path:
        path.write_text(text, encoding="utf-8")
