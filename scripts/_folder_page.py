"""The page reports/photos/README.md, of what scripts/bench_folders.py has measured."""

import statistics
from collections.abc import Mapping
from pathlib import Path

from _folder_table import Table, markdown
from _reports import fill

from latentlab.clustering.encoder_criteria import CRITERIA, ranks
from latentlab.storage.files import read_json, write_json

CHOICES = "choose-encoder.json"
HITS = Path(__file__).resolve().parent.parent / "latentlab" / "pipeline" / "encoder_hits.json"
SOURCE = "reports/photos, by scripts/bench_folders.py"
MEAN_RANK = "mean rank"
EQUAL = 0.02  # of purity, as docs/decisions/0067-equal-scores.md has it
NOISE = "noise"  # a folder that no encoder is right for
HEADS_IN_ORDER = ("default", "k-means", "UMAP + k-means", "HDBSCAN", "SCAN", "TEMI", "recipe")


def write_page(out: Path, table: Table, hits_file: Path, machine: str) -> None:
    """Fill the tables of the page, and write how often choose-encoder's criteria were right.

    Parameters
    ----------
    out : pathlib.Path
        Holds table.csv and choose-encoder.json.
    table : Table
    hits_file : pathlib.Path
        Where the hits go.
    machine : str
        In words.
    """
    folders = list(dict.fromkeys(row.folder for row in table.rows))
    pairs = dict.fromkeys((row.encoder, row.head) for row in table.rows)
    heads = sorted(pairs, key=lambda pair: (HEADS_IN_ORDER.index(pair[1]) == 6, pair[0], _at(pair)))
    tables = {
        "purity of all pictures": markdown(table, "purity", heads, folders),
        "agreement between seeds, no label": markdown(table, "agreement", heads, folders),
        "silhouette in the encoder's vectors, no label": markdown(
            table, "silhouette", heads, folders
        ),
        "neighbours in one cluster, no label": markdown(table, "neighbours", heads, folders),
        "the default against UMAP and colours": _bounds(table, folders),
    }
    if (out / CHOICES).exists():
        said = read_json(out / CHOICES)
        hits = hits_of(said, _purities(table))
        write_json(hits_file, {"source": SOURCE, "hits": hits})
        tables["choose-encoder"] = _hits_table(hits)
        tables["what choose-encoder says"] = _said_table(said, _purities(table))
    if machine:
        tables["machine"] = machine
    fill(out / "README.md", tables)
    write_json(out / "results.json", results_of(table, machine))


def results_of(table: Table, machine: str) -> list[dict[str, object]]:
    """Return the purities as rows of results.json: one for each folder, encoder and head.

    Parameters
    ----------
    table : Table
    machine : str
        In words.
    """
    purities: dict[tuple[str, str, str], list[float]] = {}
    for row in table.rows:
        purities.setdefault((row.folder, row.encoder, row.head), []).append(row.purity)
    return [
        {
            "dataset": folder,
            "split": "all",
            "method": f"{encoder}, {head}",
            "metric": "purity",
            "mean": round(statistics.mean(values), 4),
            "std": round(statistics.stdev(values), 4) if len(values) > 1 else None,
            "seeds": len(values),
            "device": machine,
            "command": "scripts/bench_folders.py",
        }
        for (folder, encoder, head), values in purities.items()
    ]


def hits_of(
    said: Mapping[str, Mapping[str, Mapping[str, float]]],
    purities: Mapping[tuple[str, str], float],
) -> list[dict[str, object]]:
    """Return how often each criterion was right, as `CriterionHits` has it.

    Parameters
    ----------
    said : mapping
        Folder -> encoder -> criterion -> value; a small mean rank is good, the others large.
    purities : mapping
        (folder, encoder) -> purity of the default head.
    """
    rows = []
    for criterion in (*CRITERIA, MEAN_RANK):
        best = pairs = right = folders = 0
        for folder, encoders in said.items():
            names = [name for name in encoders if (folder, name) in purities]
            if folder == NOISE or len(names) < 2:
                continue
            sign = -1 if criterion == MEAN_RANK else 1
            values = [sign * encoders[name][criterion] for name in names]
            pure = [purities[folder, name] for name in names]
            folders += 1
            best += pure[ranks(values).index(1)] >= max(pure) - EQUAL
            for first in range(len(names)):
                for second in range(first):
                    if abs(pure[first] - pure[second]) > EQUAL:
                        pairs += 1
                        right += (values[first] - values[second]) * (pure[first] - pure[second]) > 0
        rows.append(
            {
                "criterion": criterion,
                "best": best,
                "folders": folders,
                "pairs_right": right,
                "pairs": pairs,
            }
        )
    return rows


def _at(pair: tuple[str, str]) -> int:
    return HEADS_IN_ORDER.index(pair[1])


def _purities(table: Table) -> dict[tuple[str, str], float]:
    """Return (folder, encoder) -> purity of the default head."""
    means = table.means("purity")
    return {key[:2]: value[0] for key, value in means.items() if key[2] == "default"}


def _bounds(table: Table, folders: list[str]) -> str:
    """Return a table of the default beside UMAP and k-means and the histogram of colours."""
    means = {key: value[0] for key, value in table.means("purity").items()}
    lines = [
        "| folder | encoder | default | UMAP + k-means | colours | within 0.02, above colours |",
        "| --- " * 6 + "|",
    ]
    for (folder, encoder, head), default in means.items():
        other = means.get((folder, encoder, "UMAP + k-means"))
        colour = means.get((folder, "colour histogram", "k-means"))
        if head != "default" or folder == NOISE or other is None or colour is None:
            continue
        verdict = f"{_yes(default >= other - EQUAL)}, {_yes(default > colour)}"
        cells = (folder, encoder, f"{default:.3f}", f"{other:.3f}", f"{colour:.3f}", verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _hits_table(hits: list[dict[str, object]]) -> str:
    lines = [
        "| criterion | its first encoder is best | pairs in the order of their purities |",
        "| --- " * 3 + "|",
    ]
    for hit in hits:
        first = f"{hit['best']} of {hit['folders']}"
        lines.append(f"| {hit['criterion']} | {first} | {hit['pairs_right']} of {hit['pairs']} |")
    return "\n".join(lines)


def _said_table(
    said: Mapping[str, Mapping[str, Mapping[str, float]]],
    purities: Mapping[tuple[str, str], float],
) -> str:
    names = (*CRITERIA, MEAN_RANK)
    lines = [f"| folder | encoder | {' | '.join(names)} | purity |", "| --- " * 7 + "|"]
    for folder, encoders in said.items():
        for encoder, values in encoders.items():
            purity = purities.get((folder, encoder))
            cells = [folder, encoder, *(f"{values[name]:.3f}" for name in names)]
            cells.append("" if purity is None else f"{purity:.3f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
