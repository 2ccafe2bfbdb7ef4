"""Names that some program reads as more than a name, of scripts/hostile_inputs.py: of classes,
files, clusters, runs and columns, in every place where latentlab writes them.

The name must arrive, and mean nothing there: no mathematics in a figure, no formula in a table, no
element in a page, no order to a terminal, no folder in the name of a file.
"""

import base64
import csv
import dataclasses
import functools
import html.parser
import random
import re
import warnings
import xml.dom.minidom
from collections.abc import Callable, Iterator
from pathlib import Path

import click.testing
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from _hostile_files import SIDE, Case, open_all, pictures
from PIL import Image

from latentlab import pipeline
from latentlab.cli import cli
from latentlab.plain_text import printable
from latentlab.reporting import html as pages
from latentlab.reporting import paper_figures, plots
from latentlab.reporting.export import FORMATS, export_clusters
from latentlab.storage import text_tables
from latentlab.storage.run import Run

FAMILY = "names as markup"
ROOT = Path(__file__).resolve().parent.parent
STORED_RUN = ROOT / "tests" / "stored_runs" / "run-format-1"
NAMES = (
    # matplotlib and LaTeX
    *(r"$\frac{$x", "$", "$$", "$x", "$a$ $b$", r"\$", r"$\sqrt{", r"\input{/etc/passwd}", "_x"),
    *("%", "&", "#", "~^{}", "\\", r"\\", r"\n", "^^41"),
    # pages
    *("<script>evil()</script>", "</script><script>evil()", "<img src=x onerror=evil()>", "&lt;"),
    *("' onload='evil()", '" onload="evil()', "<!--", "]]>", "{{ 7 * 7 }}", "{% raw %}"),
    # spreadsheets
    *("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1+1", "'=1", "-1"),
    *("=cmd|'c'!A0", '=HYPERLINK("https://evil.example/","a")'),
    # terminals, and what cannot be seen
    *("\x1b[2J", "\x1b]0;evil\x07", "\x9b31m", "\u202eevil", "\u2066a\u2069", "a\nb", "\x00"),
    *("\x7f", "\u200b", "\ufeffa", "\u2028", "\udcff", "\ud83e", "\ufffe"),
    # Markdown, programs and files
    *("a|b", "*a*", "[a](b)", "`a`", "![a](b)", "[red]a[/", "%s{0}", "-rf", "CON"),
    *("../a", "a/b", ".."),
    # nothing, and much
    *("", " ", "   ", "x" * 255, "x" * 5000, "日" * 100, "🦄" * 9, "a\u0301" * 50),
)
Judge = Callable[[str, Path], str]


def markup(rng: random.Random) -> Iterator[Case]:
    """Yield each name for three of the places where names are written, in turn."""
    judges = list(JUDGES.items())
    for number, name in enumerate(NAMES):
        for step in range(3):
            place, judge = judges[(number + 2 * step) % len(judges)]
            case = functools.partial(judge, name)
            yield Case(FAMILY, f"{place}: {printable(name)[:40]!r} {number}", case)


# Figures


def _figures(name: str, folder: Path) -> str:
    names = [name, "plain", name[::-1]]
    rng = np.random.default_rng(0)
    xy, groups = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    table = rng.integers(1, 9, (2, 3))
    rows = [{"epoch": epoch, "loss": 0.5**epoch, "val_loss": 0.6**epoch} for epoch in range(1, 4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = {
            "map": plots.scatter(xy, groups, names, f"of {name}", name),
            "heatmap": plots.contingency_heatmap(table, names, name),
            "losses": plots.loss_curves({name: rows}),
            "bars": paper_figures.label_bars(table, names),
        }
        for kind, figure in figures.items():
            plots.save_png(figure, folder / f"{kind}.png")
            svg = base64.b64decode(plots.svg_uri(figure).partition(",")[2])
            xml.dom.minidom.parseString(svg).unlink()
    return ""


# Tables


def _tables(name: str, folder: Path) -> str:
    name = _whole(name)
    table = pd.DataFrame({"class": [name, "plain"], "score": [-0.5, 0.5]})
    paths = text_tables.write(table, folder, "t")
    with paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if len(rows) != 3 or text_tables.plain_cell(rows[1][0]) != name:
        return f"the CSV holds {rows}"
    if _is_formula(rows[1][0]):
        return f"a formula: {rows[1][0]!r}"
    lines = paths[1].read_text(encoding="utf-8").splitlines()
    if len(lines) != 4:
        return "the name breaks the table of Markdown"
    unescaped = re.sub(r"\\.", "", lines[2])
    if re.search(r"[<>*`\[\]$]", unescaped):
        return f"Markdown: {lines[2]}"
    latex = paths[2].read_text(encoding="utf-8")
    commands = set(re.findall(r"\\[a-zA-Z]+", latex)) - LATEX
    return f"LaTeX: {commands}" if commands else ""


LATEX = set(
    r"\begin \end \toprule \midrule \bottomrule \textbackslash \textasciitilde \textasciicircum"
    r" \space".split()
)


def _whole(name: str) -> str:
    """Return a name as latentlab reads it from a disk: no table holds half a character."""
    has_half = any("\ud800" <= sign <= "\udfff" for sign in name)
    return printable(name) if has_half else name


def _is_formula(cell: str) -> bool:
    return bool(re.match(r"\s*[=+\-@＝＋－＠\t\r]", cell)) and not re.fullmatch(r"-?\d+", cell)


# Pages


class _Elements(html.parser.HTMLParser):
    """Counts the elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen += [tag, *(key for key, _ in attrs)]


def _pages(name: str, folder: Path) -> str:
    shown, plain = _page_of(name), _page_of("plain")
    counts = []
    for text in (shown, plain):
        parser = _Elements()
        parser.feed(text)
        counts.append(parser.seen)
    if counts[0] != counts[1]:
        return f"elements {counts[0]} and not {counts[1]}"
    unseen = [sign for sign in shown if not sign.isprintable() and sign not in "\n\t\u200c\u200d"]
    return f"in the page: {unseen[:3]}" if unseen else ""


def _page_of(name: str) -> str:
    values = {"trust": [name, name], "facts": {name: name}, "data": {"names": [name]}}
    lists = dict.fromkeys(("scores", "recalls", "beside", "refinement", "sheets", "scripts"), ())
    text = pages.template("report.html.jinja2").render(
        title=name,
        summary=[name],
        pictures={},
        captions={},
        score_note=name,
        **values,
        **lists,
    )
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


# The terminal


def _terminal(name: str, folder: Path) -> str:
    for words in (["runs", name], ["evaluate", "--run", name], ["fit", "--data", name], [name]):
        done = click.testing.CliRunner().invoke(cli, ["-q", *words])
        if isinstance(done.exception, Exception):  # SystemExit is none
            raise done.exception
        text = done.output.replace("\n", "").replace("\t", "")
        if not all(sign.isprintable() or sign in "\u200c\u200d" for sign in text):
            return f"{words}: {text!r}"
        if "bug in latentlab" in text:
            return text
    return ""


# Folders of classes


def _class_folders(name: str, folder: Path) -> str:
    """Read class folders and pictures of that name, where the file system takes it."""
    for number, image in enumerate(pictures(6)):
        try:
            place = folder / "data" / (name if number % 2 else "plain")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{name}{number}.png")
        except (OSError, ValueError):
            Image.fromarray(image).save(folder / f"{number}.png")
            return ""  # no name of a file
    if not (folder / "data").is_dir():
        return ""
    images, _, labels = open_all(data=str(folder / "data"), size=SIDE, held_out=0.0)
    return "" if len(images) and (labels is None or labels.class_names) else "nothing was read"


# Exports


def _exports(name: str, folder: Path) -> str:
    """Export a run whose labels and clusters have that name."""
    name = _whole(name)
    summary = pipeline.look(Run.open(STORED_RUN), "kmeans-k4")
    class_names = (name,) * len(summary.class_names)
    summary = dataclasses.replace(summary, class_names=class_names, names=(name,) * summary.k)
    for form in FORMATS:
        export_clusters(summary, form, folder / f"out-{form}")
    with (folder / "out-csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(_is_formula(cell) for row in rows for cell in row.values()):
        return "a formula in the CSV"
    labels = {text_tables.plain_cell(row["label"]) for row in rows}
    exact = set(pq.read_table(folder / "out-parquet", columns=["label"])["label"].to_pylist())
    if not labels == exact == {name}:
        return f"labels {labels} and {exact}"
    lines = (folder / "out-projector" / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    return "" if len(lines) == len(rows) + 1 else "the name breaks TensorBoard's table"


JUDGES: dict[str, Judge] = {
    "figures": _figures,
    "tables": _tables,
    "pages": _pages,
    "terminal": _terminal,
    "class folders": _class_folders,
    "exports": _exports,
}
ALL: tuple[Callable[[random.Random], Iterator[Case]], ...] = (markup,)
