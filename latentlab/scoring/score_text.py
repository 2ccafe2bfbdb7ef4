"""Rows of scores.json as tables for people: one choice of what stands in them, for the command line and for the report."""

from collections.abc import Sequence
from typing import Any

SHOWN = ("purity", "acc", "nmi", "ari")
TRAIN_MAP = {"purity": "purity_train_map", "acc": "acc_train_map"}
HEADS = {"purity": "purity", "acc": "ACC", "nmi": "NMI", "ari": "ARI"}

Row = dict[str, Any]


def by_method(rows: Sequence[Row], split: str) -> dict[str, dict[str, Row]]:
    """Return method -> metric -> row of one split, in the order of the rows.

    Where the classes of the training split were used, "purity" and "acc" are the scores under them, and what the
    matches of this very split give is "purity_own_map" and "acc_own_map".
    """
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["split"] == split:
            found.setdefault(row["method"], {})[row["metric"]] = row
    for own in found.values():
        for name, mapped in TRAIN_MAP.items():
            if mapped in own:
                own[f"{name}_own_map"], own[name] = own[name], own.pop(mapped)
    return found


def main_split(rows: Sequence[Row]) -> str:
    """Return the split that is told of: the held-out one where there is one."""
    return "test" if any(row["split"] == "test" for row in rows) else "train"


def with_interval(row: Row) -> str:
    """Return a score as text, with its interval where it has one."""
    between = f" [{row['low']:.3f}, {row['high']:.3f}]" if row.get("low") is not None else ""
    return f"{row['value']:.3f}{between}"


def text_table(rows: Sequence[Row]) -> str:
    """Return methods by metrics as text, the held-out split where there is one, with the chance of purity and ACC."""
    split = main_split(rows)
    found = by_method(rows, split)
    lines = [[f"{split} split", *HEADS.values(), "chance: purity", "ACC"]]
    for method, own in found.items():
        lines.append(
            [
                method,
                *(with_interval(own[name]) for name in SHOWN),
                *(f"{own[name]['chance']:.3f}" for name in ("purity", "acc")),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return f"{table}\n\n{note(next(iter(found.values())))}"


def frame(rows: Sequence[Row]) -> Any:
    """Return the scores as a pandas DataFrame: a row a split, method and metric, with chance and interval."""
    import pandas as pd

    kept = (
        *(("k",) if "k" in rows[0] else ()),
        "split",
        "method",
        "metric",
        "value",
        "low",
        "high",
        "chance",
        "n",
    )
    table = pd.DataFrame([{name: row.get(name) for name in kept} for row in rows])
    return table.astype(dict.fromkeys(("value", "low", "high", "chance"), float))


def seeds_text(spread: Sequence[Row], split: str) -> str:
    """Return mean and standard deviation over seeds of what is shown of one split, as a sentence; "" where there are no seeds."""
    of_split = {row["metric"]: row for row in spread if row["split"] == split}
    if not of_split:
        return ""
    rows = {name: of_split.get(TRAIN_MAP.get(name, ""), of_split[name]) for name in SHOWN}
    values = ", ".join(
        f"{HEADS[name]} {row['mean']:.3f} ± {row['std']:.3f}" for name, row in rows.items()
    )
    return f"Over its {rows['purity']['seeds']} seeds, each by itself: {values} (mean and standard deviation)."


def note(own: dict[str, Row]) -> str:
    """Return how the scores of a method were made, in sentences."""
    texts = ["Intervals are 95% bootstrap intervals over images; another seed can change more."]
    if "purity_own_map" in own:
        values = " and ".join(
            f"{own[f'{name}_own_map']['value']:.3f}" for name in ("purity", "acc")
        )
        texts.append(
            f"Purity and ACC use the classes that the training split gave the clusters; matched on the split itself they are {values}."
        )
    recall = own.get("balanced_purity")
    if recall:
        texts.append(f"With every class counted alike the purity is {recall['value']:.3f}.")
    return " ".join(texts)


def curve_table(rows: Sequence[Row]) -> str:
    """Return the scores of each k as text, the held-out split where there is one, with the chance of purity and ACC."""
    split = main_split(rows)
    shown = ("purity", "acc", "nmi", "ari", "homogeneity", "completeness")
    lines = [
        f"{'k':>4}"
        + "".join(f"{name:>14}" for name in shown)
        + f"{'chance: purity':>16}{'acc':>8}   {split} split"
    ]
    for k in dict.fromkeys(row["k"] for row in rows):
        own = next(iter(by_method([row for row in rows if row["k"] == k], split).values()))
        values = "".join(f"{own[name]['value']:14.3f}" for name in shown)
        lines.append(f"{k:>4}{values}{own['purity']['chance']:16.3f}{own['acc']['chance']:8.3f}")
    return "\n".join(lines)
