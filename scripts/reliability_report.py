"""Make reports/reliability from the trials of reliability.py, damage_runs.py, hostile_inputs.py and
fuzz_readers.py.

    python scripts/reliability_report.py [--faults DIR] [--damage DIR] [--hostile DIR] [--fuzz DIR]
        --machine "two cores of ..."

Tables of which no trial is given stay as they are.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile_inputs import finished
from reliability import STAGES, rows_of

from latentlab.storage.files import write_json

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]


def _figure(method: str, metric: str, value: float, command: str, **more: Any) -> Row:
    row = {
        "dataset": "stripes",
        "split": "all",
        "method": method,
        "metric": metric,
        "mean": value,
        "std": None,
        "seeds": 1,
    }
    return row | {
        "low": None,
        "high": None,
        "chance": None,
        "seconds": None,
        "command": command,
        **more,
    }


def kills(work: Path) -> tuple[list[Row], str]:
    """Return the figures of the kills, and their table."""
    rows, command = (
        rows_of(work, "kills"),
        "python scripts/reliability.py kills --work DIR --count 200",
    )
    lines = [
        "| killed in | kills, each resumed | trials that ended in the same bits | files that"
        " were not whole |",
        "| --- | --- | --- | --- |",
    ]
    for stage in [*STAGES, "all"]:
        own = [row for row in rows if stage in (row["stage"], "all") and row["kills"]]
        lines.append(
            f"| {stage} | {_sum(own, 'kills')} | {_share(own, 'equal')} |"
            f" {sum(len(row['broken']) for row in own)} |"
        )
    killed = [row for row in rows if row["kills"]]
    ways = Counter(how for row in killed for how in row["how"])
    text = (
        f"{ways['write event']} kills came at a write event and {ways['moment']} at a"
        f" moment, in {len(killed)} trials."
    )
    figures = [
        _figure("kill", "kills", _sum(killed, "kills"), command),
        _figure(
            "kill",
            "resumed",
            sum(row["kills"] for row in killed if row["equal"]),
            command,
            trials=len(killed),
        ),
        _figure("kill", "corrupt_files", sum(len(row["broken"]) for row in killed), command),
    ]
    return figures, "\n".join([*lines, "", text])


def further(work: Path) -> tuple[list[Row], str]:
    """Return the figures of the kills in commands that read a finished run, and their table."""
    command = "python scripts/reliability.py further --work DIR"
    rows = [row for row in rows_of(work, "further") if row["kills"]]
    lines = [
        "| killed in | kills, each resumed | trials that ended in the same bits | files that"
        " were not whole |",
        "| --- | --- | --- | --- |",
    ]
    for stage in [*dict.fromkeys(row["stage"] for row in rows), "all"]:
        of_stage = [row for row in rows if stage in (row["stage"], "all")]
        broken = sum(len(row["broken"]) for row in of_stage)
        counts = (_sum(of_stage, "kills"), _share(of_stage, "equal"), broken)
        lines.append(f"| {stage} | {' | '.join(map(str, counts))} |")
    resumed = sum(row["kills"] for row in rows if row["equal"])
    figures = [
        _figure("kill-further", "kills", _sum(rows, "kills"), command),
        _figure("kill-further", "resumed", resumed, command, trials=len(rows)),
    ]
    return figures, "\n".join(lines)


def damaged(work: Path) -> tuple[list[Row], str]:
    """Return the figures of the damaged files, and their table by kind of damage."""
    command = "python scripts/damage_runs.py --work DIR"
    path = work / "damage.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    head = ("trials", "as without damage", "one line", "named by verify", "faults")
    lines = [f"| damage | {' | '.join(head)} |", f"| --- |{' --- |' * len(head)}"]
    for damage in [*dict.fromkeys(row["damage"] for row in rows), "all"]:
        of_kind = [row for row in rows if damage in (row["damage"], "all")]
        outcomes = Counter(end for row in of_kind for end in row["outcomes"].values())
        counts = [outcomes[name] for name in ("as without damage", "one line", "named")]
        faults = sum(bool(row["faults"]) for row in of_kind)
        shown = (len(of_kind), *counts, faults)
        lines.append(f"| {damage} | {' | '.join(map(str, shown))} |")
    n_files = len({row["file"] for row in rows})
    n_faults = sum(bool(row["faults"]) for row in rows)
    figures = []
    for metric, value in {"trials": len(rows), "files": n_files, "faults": n_faults}.items():
        figures.append(_figure("damage", metric, value, command))
    lines += ["", f"{n_files} files. Every trial runs six commands, `verify` among them."]
    return figures, "\n".join(lines)


def trials(work: Path) -> tuple[list[Row], str]:
    """Return the figures of all other faults, and their table."""
    lines = [
        "| fault | trials | as promised | resumed to the same bits | files not whole | what"
        " was looked at |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    figures = []
    told = {
        "signals": (
            "clean",
            "SIGINT and SIGTERM at a random moment: exit code 130 or 143, one line that says"
            " how to resume",
        ),
        "disk": ("clear", "ENOSPC from a write event on, or EIO at one: one line, exit code 4"),
        "tmpfs": (
            "clear",
            "a file system with too little room: one line, exit code 4, or the stage fitted in",
        ),
        "locks": (
            "one_line",
            "two processes at one run: one proceeds, the other says who holds it, or finds it done",
        ),
        "clock": ("equal", "a clock that jumps by up to a year at each look"),
        "memory": (
            "documented",
            "RLIMIT_AS a few MiB above what the process has: a documented exit code",
        ),
        "twice": ("equal", "the whole line again with --deterministic"),
    }
    for what, (promise, text) in told.items():
        rows = rows_of(work, what)
        if not rows:
            continue
        command = f"python scripts/reliability.py {what} --work DIR"
        broken = sum(len(row.get("broken", [])) for row in rows)
        lines.append(
            f"| {what} | {len(rows)} | {_share(rows, promise)} | {_share(rows, 'equal')} |"
            f" {broken} | {text} |"
        )
        figures += [
            _figure(what, "trials", len(rows), command),
            _figure(what, "as_promised", sum(bool(row[promise]) for row in rows), command),
            _figure(what, "resumed", sum(bool(row["equal"]) for row in rows), command),
        ]
    return figures, "\n".join(lines)


def hostile(work: Path) -> tuple[list[Row], str]:
    """Return the figures of the hostile inputs, and their table by family."""
    rows, command = finished(work / "hostile.jsonl"), "python scripts/hostile_inputs.py --work DIR"
    head = (
        "inputs",
        "refused",
        "accepted, right",
        "wrong",
        "tracebacks",
        "hangs",
        "crashes",
        "outside",
        "seconds, largest",
        "MiB above, largest",
    )
    lines = [f"| family | {' | '.join(head)} |", f"| --- |{' --- |' * len(head)}"]
    for family in [*dict.fromkeys(row["family"] for row in rows), "all"]:
        own = [row for row in rows if family in (row["family"], "all")]
        counts = Counter(row["outcome"] for row in own)
        shown = [
            len(own),
            *(
                counts[name]
                for name in ("refused", "accepted", "wrong", "traceback", "hang", "crash")
            ),
        ]
        shown += [
            sum(bool(row["outside"]) for row in own),
            max(row["seconds"] for row in own),
            max(row["above_mib"] for row in own),
        ]
        lines.append(f"| {family} | {' | '.join(map(str, shown))} |")
    counts = Counter(row["outcome"] for row in rows)
    figures = [
        _figure("hostile", metric, value, command, dataset="hostile-inputs")
        for metric, value in {
            "inputs": len(rows),
            "refused": counts["refused"],
            "tracebacks": counts["traceback"],
            "hangs": counts["hang"],
            "crashes": counts["crash"],
            "wrong": counts["wrong"],
            "outside": sum(bool(row["outside"]) for row in rows),
            "above_mib": max(row["above_mib"] for row in rows),
            "seconds": round(sum(row["seconds"] for row in rows)),
        }.items()
    ]
    return figures, "\n".join(lines)


def linked(work: Path) -> tuple[list[Row], str]:
    """Return the figures of the links in runs, and their table by command."""
    command = "python scripts/hostile_inputs.py --work DIR --only links"
    rows = [row for row in finished(work / "hostile.jsonl") if row["family"] == "links"]
    parts = [row["name"].split(" | ") for row in rows]
    lines = [
        "| command | inputs | refused: one line, exit code 4 | as without the link | faults |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in [*dict.fromkeys(part[2] for part in parts), "all"]:
        of_command = []
        for row, part in zip(rows, parts, strict=True):
            if name in (part[2], "all"):
                of_command.append(row)
        lines.append(f"| {name} | {' | '.join(map(str, _link_counts(of_command)))} |")
    touching: dict[str, list[str]] = {}
    for row, (place, _, name) in zip(rows, parts, strict=True):
        names = touching.setdefault(place, [])
        if row["outcome"] == "refused" and name not in names:
            names.append(name)
    lines += ["", "| in the place of | refused by |", "| --- | --- |"]
    lines += [f"| `{place}` | {'; '.join(names)} |" for place, names in touching.items()]
    figures = []
    for metric, value in zip(
        ("inputs", "refused", "as_before", "faults"), _link_counts(rows), strict=True
    ):
        figures.append(_figure("links", metric, value, command, dataset="hostile-inputs"))
    return figures, "\n".join(lines)


def _link_counts(rows: list[Row]) -> list[int]:
    """Return the inputs, those refused, those without effect, and the faults."""
    outcomes = Counter(row["outcome"] for row in rows)
    faults = sum(row["outcome"] not in ("refused", "accepted") for row in rows)
    return [len(rows), outcomes["refused"], outcomes["accepted"], faults]


def fuzzed(work: Path) -> tuple[list[Row], str]:
    """Return the figures of the fuzzer, and their table."""
    path = work / "fuzz.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    lines = [
        "| reader | seconds | inputs | branches of the valid files | branches reached | faults |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        shown = (
            row["seconds"],
            row["inputs"],
            row["branches_of_seeds"],
            row["branches"],
            len(row["faults"]),
        )
        lines.append(f"| {row['reader']} | {' | '.join(map(str, shown))} |")
    command = "python scripts/fuzz_readers.py --work DIR"
    figures = [
        _figure(
            f"fuzz-{row['reader']}",
            "inputs",
            row["inputs"],
            command,
            dataset="fuzz",
            faults=len(row["faults"]),
        )
        for row in rows
    ]
    return figures, "\n".join(lines)


def _sum(rows: list[Row], key: str) -> int:
    return sum(row[key] for row in rows)


def _share(rows: list[Row], key: str) -> str:
    known = [row for row in rows if key in row]
    return f"{sum(bool(row[key]) for row in known)} of {len(known)}"


PARTS: dict[str, list[tuple[str, Callable[[Path], tuple[list[Row], str]]]]] = {
    "faults": [("kills", kills), ("further", further), ("trials", trials)],
    "damage": [("damage", damaged)],
    "hostile": [("hostile", hostile), ("links", linked)],
    "fuzz": [("fuzz", fuzzed)],
}


def with_table(page: str, name: str, table: str) -> str:
    """Return the page with another table between the marks of its section."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.partition(begin)
    if not rest:
        raise SystemExit(f"the page has no section {name}")
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def merged(before: list[Row], now: list[Row]) -> list[Row]:
    """Return figures with those of the same methods replaced."""
    methods = {(row["dataset"], row["method"]) for row in now}
    return [row for row in before if (row["dataset"], row["method"]) not in methods] + now


def main() -> None:
    """Write the tables of README.md, and results.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in PARTS:
        parser.add_argument(f"--{name}", type=Path, help="Folder of trials.")
    parser.add_argument("--machine", required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "reliability")
    chosen = parser.parse_args()
    page = (chosen.out / "README.md").read_text()
    figures: list[Row] = []
    for source, sections in PARTS.items():
        work = getattr(chosen, source)
        for name, make in sections if work else ():
            rows, table = make(work)
            if rows and rows[0]["mean"]:  # a series of which there are no trials here
                page = with_table(page, name, table)
                figures += [row | {"device": "cpu-2", "machine": chosen.machine} for row in rows]
    (chosen.out / "README.md").write_text(page)
    results = merged(json.loads((chosen.out / "results.json").read_text()), figures)
    write_json(chosen.out / "results.json", results)
    print(f"{len(figures)} figures of {len(results)}")


if __name__ == "__main__":
    main()
