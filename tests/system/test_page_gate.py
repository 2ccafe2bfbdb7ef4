"""A gate that looks: every state of the pages, the figures and the terminal's texts.

Screenshots stay in the folder that LATENTLAB_SCREENSHOTS names, else where pytest keeps its
temporary files.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import browsing, page_gate
from helpers.page_states import MadeUp, write_page
from helpers.report_page import page as report_text
from helpers.runs import make_stripes
from helpers.viewing import serving

from latentlab import pipeline
from latentlab.cli import cli
from latentlab.config import ClusterOptions
from latentlab.reporting import paper_figures, plots
from latentlab.storage.run import Run

WINDOW = (1440, 900)
MADE_UP = {
    "two clusters": MadeUp(k=2),
    "thirty clusters": MadeUp(images=1200, k=30),
    "without labels": MadeUp(labels=False),
    "one cluster": MadeUp(k=1),
    "five images": MadeUp(images=5, k=2),
    "60,000 images": MadeUp(images=60_000, k=10),
    "long names": MadeUp(k=8, long=True),
}
STEPS = {  # of one page after another, without loading it anew
    "overview": "latentlab.go.overview()",
    "cluster": "latentlab.go.cluster(0)",
    "about a cluster": "latentlab.go.cluster(0); document.querySelector('.about').open = true",
    "picture": "latentlab.go.image(latentlab.store.rows[0])",
    "alike": "return latentlab.go.alike(latentlab.store.rows[0])",
    "tree": "latentlab.go.scope({kind: 'tree'})",
    "filters": "latentlab.go.cluster(0); document.getElementById('filter').open = true",
    "picked": "latentlab.go.cluster(0); latentlab.grid.toggle(latentlab.grid.rows[0])",
    "nothing found": "latentlab.go.overview(); latentlab.store.set({query: 'no such name'})",
    "keys": "latentlab.find.clearFilters(); document.getElementById('keys').click()",
}
BY_AXE = {  # states that axe looks at; others differ from them in nothing that it judges
    "light": ("overview", "about a cluster", "picture", "tree", "picked", "keys", "scores", "run"),
    "dark": ("filters", "scores"),
}
TABS = ("scores", "trust", "training", "intake", "run")


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    named = os.environ.get("LATENTLAB_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browsing.start(tmp_path_factory.mktemp("downloads"), WINDOW)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def judge(screenshots):
    """Return a function that names the faults of what a page shows."""

    def judge(page, name, on_paper=False, axe=True):
        found = page_gate.faults(page, on_paper)
        page_gate.keep_screenshot(page, screenshots, name.replace(" ", "-"))
        return [f"{name}: {fault}" for fault in found + (page_gate.violations(page) if axe else [])]

    return judge


@pytest.fixture(scope="module")
def opened(driver):
    """Return a function that opens an address in a window of the usual size."""

    def opened(address, scheme="light", size=WINDOW, mobile=False):
        page = browsing.Page.__new__(browsing.Page)
        page.driver = driver
        page_gate.use(page, scheme)
        page_gate.resize(page, *size, mobile=mobile)
        return browsing.Page(driver, address)

    return opened


@pytest.fixture(scope="module")
def made_up(reported, tmp_path_factory):
    """Return a function from the name of a made-up page to its address."""
    folder = tmp_path_factory.mktemp("made-up")
    report = report_text(reported)

    def address(name):
        return write_page(report, MADE_UP[name], folder / f"{name.replace(' ', '-')}.html")

    return address


def report_address(run):
    return (run.path / "report" / "index.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_in_every_state(opened, judge, reported, scheme):
    page = opened(report_address(reported), scheme)
    found = []
    for name, script in STEPS.items():
        page.run(script)
        found += judge(page, f"report {scheme} {name}", axe=name in BY_AXE[scheme])
    page.run("document.getElementById('keys-dialog').close()")
    for tab in page.run("return arguments[0].filter(id => document.getElementById(id))", TABS):
        page.run("latentlab.showTab(arguments[0])", tab)
        found += judge(page, f"report {scheme} tab {tab}", axe=tab in BY_AXE[scheme])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", MADE_UP)
def test_a_page_of_any_size(opened, judge, made_up, name):
    page = opened(made_up(name))
    found = judge(page, f"{name} overview", axe=name != "two clusters")
    for step in ("cluster", "picture"):
        page.run(STEPS[step])
        found += judge(page, f"{name} {step}", axe=False)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["without labels", "long names"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_on_a_phone(opened, judge, made_up, name, scheme):
    page = opened(made_up(name), scheme, page_gate.PHONE, mobile=True)
    found = []
    for step in ("overview", "cluster", "picture", "tree", "filters"):
        page.run(STEPS[step])
        found += judge(
            page, f"phone {scheme} {name} {step}", axe=scheme == "light" and step == "cluster"
        )
    for tab in ("scores", "run"):
        page.run("latentlab.showTab(arguments[0])", tab)
        found += judge(page, f"phone {scheme} {name} tab {tab}", axe=False)
    assert not found, "\n".join(found)


def test_print_holds_the_map_and_whole_tables(opened, judge, reported):
    page = opened(report_address(reported), "dark")
    page_gate.lay_on_paper(page)
    found = judge(page, "print", on_paper=True, axe=False)
    page_gate.resize(page, *WINDOW)
    sheets = page_gate.printed(page).pages
    assert not found, "\n".join(found)
    assert len(sheets) > 3
    largest = max(picture.image.width for picture in sheets[0].images)
    assert largest > 300, "the map is not on the first sheet"
    text = " ".join("".join(sheet.extract_text() for sheet in sheets).split())
    for rows in ("#scores tbody tr", "#run tr", "#intake tbody tr", "#scores details tr"):
        last = page.run(
            "const rows = [...document.querySelectorAll(arguments[0])];"
            "return rows.at(-1).firstElementChild.textContent",
            rows,
        )
        assert last in text, rows


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_viewer_with_its_tools(opened, judge, reported, tmp_path, scheme):
    shutil.copytree(reported.path, tmp_path / "run")
    server = pipeline.viewer(Run.open(tmp_path / "run"), sample=100)
    with serving(server):
        page = opened(server.address, scheme)
        found = judge(page, f"view {scheme} overview", axe=scheme == "light")
        page.run("latentlab.go.cluster(1)")
        page.driver.execute_async_script(
            "const edit = {action: 'name', cluster: 1, name: arguments[0]};"
            "latentlab.edit('edit', edit).then(arguments[1])",
            "ferries and other ships in the harbour of a large town",
        )
        for step in ("cluster", "picked", "picture"):
            page.run(STEPS[step].replace("cluster(0)", "cluster(1)"))
            found += judge(page, f"view {scheme} {step}", axe=scheme == "light")
        page_gate.resize(page, *page_gate.PHONE, mobile=True)
        for step in ("cluster", "picked", "picture"):
            page.run(STEPS[step])
            found += judge(page, f"view {scheme} phone {step}", axe=False)
    assert not found, "\n".join(found)


@pytest.fixture(scope="module")
def compared(reported, tmp_path_factory):
    """Return the address of the page that compares two clusterings."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(reported.path, folder / "run")
    run = Run.open(folder / "run")
    pipeline.cluster(run, ClusterOptions(k=3, restarts=1))
    pipeline.compare([(run, "kmeans-k4"), (run, "kmeans-k3")], folder)
    return (folder / "index.html").as_uri()


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WINDOW), ("dark", WINDOW), ("light", page_gate.PHONE)]
)
def test_a_comparison(opened, judge, compared, scheme, size):
    page = opened(compared, scheme, size, mobile=size == page_gate.PHONE)
    found = []
    sections = "return [...document.querySelectorAll('main > section')].map(one => one.id)"
    for tab in page.run(sections):
        page.run("document.querySelector(`nav a[href='#${arguments[0]}']`).click()", tab)
        found += judge(page, f"comparison {scheme} {size[0]} {tab}", axe=size == WINDOW)
    assert not found, "\n".join(found)


LONG = "a long name of something that was seen {}"


@pytest.mark.parametrize(("k", "name"), [(1, LONG), (2, "{}"), (30, LONG)])
def test_figures(screenshots, k, name):
    names = [name.format(number) for number in range(k)]
    found = []
    for title, figure in figures_of(k, names).items():
        found += [f"{title}: {fault}" for fault in page_gate.figure_faults(figure)]
        figure.canvas.print_png(screenshots / f"figure-{title.replace(' ', '-')}-{k}.png")
    assert not found, "\n".join(found)


def figures_of(k, names):
    """Return figures of made-up clusters."""
    rng = np.random.default_rng(k)
    groups = np.concatenate([np.arange(k), rng.integers(0, k, 300)])
    xy = rng.normal(0, 6, (k, 2))[groups] + rng.normal(size=(len(groups), 2))
    table = np.bincount(groups * k + rng.permutation(groups), minlength=k * k).reshape(k, k)
    note = "10,000 of 60,000 images, drawn at random; " + "UMAP, 15 neighbours, seed 0, " * 4
    images = make_stripes(8)[0]
    losses = [{"epoch": i, "loss": 0.5**i, "val_loss": 0.6**i} for i in range(1, 9)]
    title = "UMAP of the embedding of a folder with quite a long na…, coloured by clusters"
    rows = [(name, images) for name in names]
    captions = names[:8] + [""] * (8 - len(names[:8]))
    curves = {name: [(1, 2), (2, 3)] for name in names}
    return {
        "map": plots.scatter(xy, groups, names, title, note),
        "contingency": plots.contingency_heatmap(table, names, "Labels in each cluster", names),
        "moved": plots.transfer_heatmap(table, names=(names, names)),
        "gallery": plots.cluster_gallery(rows, "The images nearest to each center", 8),
        "captions": plots.captioned_grid(images, captions, "Pairs"),
        "sizes": plots.size_history(np.tile(np.bincount(groups), (3, 1)), range(3)),
        "losses": plots.loss_curves(dict.fromkeys(names[:6], losses)),
        "lines": plots.lines(curves, "k", "score", "Scores against k"),
        "confidence": plots.histogram(rng.random(300), "largest soft assignment", "Confidence"),
        "paper map": paper_figures.point_map(xy, groups, names, note),
        "paper labels": paper_figures.label_bars(table, names, names),
        "paper loss": paper_figures.loss_curve(losses),
    }


COMMANDS = [
    *([name, "--help"] for name in cli.commands),
    ["--help"],
    *(["runs", "FOLDER"], ["evaluate", "--run", "RUN"], ["trust", "--run", "RUN"]),
    *(["methods"], ["sources"], ["encoders"]),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_texts_in_a_terminal_of_80_columns(reported, words):
    places = {"RUN": str(reported.path), "FOLDER": str(reported.path.parent)}
    texts = []
    for columns in ("80", "400"):
        arguments = [places.get(word, word) for word in words]
        done = CliRunner(env={"COLUMNS": columns}).invoke(cli, arguments)
        assert done.exit_code == 0, done.output
        texts.append(done.stdout.replace(places["RUN"], "RUN").replace(places["FOLDER"], "FOLDER"))
    assert page_gate.line_faults(*texts) == []


PLANTED = {
    "overlap: 'one text | another text'": (
        "<p style='position: absolute; left: 9px; top: 9px'>one text</p>"
        "<p style='position: absolute; left: 15px; top: 12px'>another text</p>"
    ),
    "cut text: 'a text that its box cuts off'": (
        "<p style='width: 80px; overflow: hidden; white-space: nowrap'>"
        "a text that its box cuts off</p>"
    ),
    "empty panel: ''": "<section style='height: 200px; border: 1px solid'></section>",
    "blank canvas: ''": "<canvas width='90' height='90'></canvas>",
    "off the page: 'wide'": "<p style='width: 3000px'>wide</p>",
    "contrast: 'faint'": "<p style='color: #999'>faint</p>",
    "broken word: 'distance'": "<p style='width: 3em; overflow-wrap: anywhere'>distance</p>",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_gate_fails_on_a_planted_fault(opened, tmp_path, fault):
    path = tmp_path / "planted.html"
    path.write_text(
        "<!DOCTYPE html><title>t</title><body><h1>A page</h1>"
        f"{PLANTED[fault]}<script>window.latentlab = {{ready: Promise.resolve()}}</script>"
    )
    found = page_gate.faults(opened(path.as_uri()))
    assert any(one.startswith(fault) for one in found), found
    assert len({one.split(":")[0] for one in found}) == 1, found


def test_the_gate_fails_on_a_figure_whose_texts_lie_over_each_other():
    from latentlab.reporting.drawing import make_figure

    figure = make_figure(4, 3)
    axis = figure.subplots()
    axis.text(0.5, 0.5, "one name")
    axis.text(0.52, 0.5, "another name")
    axis.text(1.4, 0.5, "beyond the edge")
    found = page_gate.figure_faults(figure)
    assert "overlap: 'one name' | 'another name'" in found
    assert "off the figure: 'beyond the edge'" in found
