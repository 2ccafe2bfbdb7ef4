"""Reports and the viewer in a real browser, from disk, with the network off."""

import contextlib
import csv
import http.server
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import browsing
from helpers.files import read_json
from helpers.runs import make_stripes, small_fit
from helpers.viewing import serving
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.reporting.edits import Editor
from latentlab.reporting.viewer_opening import opening_page
from latentlab.storage.run import Run


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(downloads):
    driver = browsing.start(downloads)
    yield driver
    driver.quit()


def reported(data: DataOptions, folder: Path, k: int = 10, **cluster) -> str:
    """Fit, cluster and report; return the address of the page."""
    run = pipeline.fit(data, small_fit(epochs=1, batch_size=100), folder)
    pipeline.cluster(run, ClusterOptions(k=k, restarts=1, **cluster))
    return pipeline.report(run, sample=400).as_uri()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return reported(
        DataOptions(data="digits", size=16, limit=400),
        tmp_path_factory.mktemp("digits") / "run",
        method="gmm",
    )


@pytest.fixture(scope="module")
def cifar(tmp_path_factory, real_data):
    folder = tmp_path_factory.mktemp("cifar")
    subprocess.run(
        [sys.executable, real_data / "unpack_cifar10.py", folder, "--layout", "bin"], check=True
    )
    return reported(DataOptions(data="cifar10", data_dir=str(folder), limit=150), folder / "run")


@pytest.fixture(params=["digits", "cifar"])
def page(request, driver):
    return browsing.Page(driver, request.getfixturevalue(request.param))


def lonely_row(page) -> int:
    """Return the row of the point that is farthest from every other: no other lies on it."""
    return page.run("""
        const n = latentlab.store.n;
        const at = [...Array(n).keys()].map(row => latentlab.pixelOf(row));
        const apart = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]);
        const gap = row => Math.min(
            ...at.map((p, i) => i === row ? Infinity : apart(p, at[row]))
        );
        const gaps = [...Array(n).keys()].map(row => [gap(row), row]);
        return gaps.sort((a, b) => b[0] - a[0])[0][1];""")


def pixels(page, selector: str) -> list[int]:
    """Return the red, green and blue bytes of a canvas."""
    return page.run(
        """const canvas = document.querySelector(arguments[0]);
        return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]""",
        selector,
    )


def rows_of(page, cluster: int) -> list[int]:
    return page.run("return [...latentlab.store.rowsOf('cluster', arguments[0])]", cluster)


def press(page, *keys: str) -> None:
    """Press keys where the focus is."""
    page.mouse().send_keys(*keys).perform()


def focused(page) -> str:
    """Return the role, or the kind, of the element that has the focus."""
    return page.run(
        "const one = document.activeElement; return one.getAttribute('role') ?? one.localName"
    )


def choose(page, identifier: str, value: str) -> None:
    page.run(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.onchange()",
        identifier,
        value,
    )


def test_hover_shows_the_image_of_the_point(page):
    page.run("latentlab.map.setNames([])")  # a name may lie over the point
    row = lonely_row(page)
    page.hover(row)
    page.wait(
        "!document.getElementById('tip').hidden"
        " && Number(document.getElementById('tip').dataset.row) === arguments[0]",
        row,
    )
    texts = page.texts("#tip div div")
    assert texts[0] == page.run("return latentlab.store.ids[arguments[0]]", row)
    assert any(text.startswith("label: ") for text in texts)
    shown = pixels(page, "#tip canvas")
    assert len(set(shown[::4])) > 5, "the thumbnail is blank"
    wanted = page.driver.execute_async_script(
        """const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 128;
        const read = () => [...canvas.getContext("2d").getImageData(0, 0, 128, 128).data];
        latentlab.thumbs.draw(canvas, arguments[0]).then(() => arguments[1](read()))""",
        row,
    )
    assert shown == wanted
    assert page.errors() == []


def drag_around_the_left_half(page) -> int:
    """Draw a lasso around the left of the map; return where it ends."""
    page.find("#lasso").click()
    page.wait("document.getElementById('lasso').getAttribute('aria-pressed') === 'true'")
    page.pixel(0)
    left, top, width, height = page.run(
        "const b = document.getElementById('map').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]"
    )
    right = int(left + width * 0.55)
    corners = ((left + 4, top + 4), (right, top + 4), (right, top + height - 4))
    page.lasso([(int(x), int(y)) for x, y in (*corners, (left + 4, top + height - 4))])
    page.wait("latentlab.store.scope.kind === 'rows'")
    return right


def test_lasso_selects_what_is_inside_and_tells_of_it(page):
    right = drag_around_the_left_half(page)
    rows = page.run("return [...latentlab.store.scope.rows]")
    inside = page.run(
        "return latentlab.store.ids.map((_, row) => row)"
        ".filter(row => latentlab.pixelOf(row)[0] < arguments[0])",
        right,
    )
    assert set(rows) == set(inside)
    assert page.find("#head h2").text == f"{len(rows)} images selected"
    assert page.run("return latentlab.grid.rows.length") == len(rows)
    page.find("#clear").click()
    assert page.run("return latentlab.store.scope.kind") == "overview"
    assert page.errors() == []


def test_colours_switch_and_the_legend_hides_groups(page):
    seen = {}
    choices = page.texts("#colour-by option")
    assert {"cluster", "label", "split"} < set(choices)
    assert {"confidence", "margin"} & set(choices)
    for choice in choices:
        choose(page, "colour-by", choice)
        seen[choice] = page.run(
            "return latentlab.store.ids.map((_, row) => latentlab.map.colourOf(row)).join()"
        )
    assert len(set(seen.values())) == len(choices)
    choose(page, "colour-by", "split")
    page.find("#legend button").click()
    shown = page.run(
        "return latentlab.store.ids.filter((_, row) => latentlab.map.levelOf(row)).length"
    )
    assert shown == page.run("return latentlab.store.rowsOf('split', 1).length")
    assert "split: test" in page.texts("#chips .chip")[0]
    page.find("#chips button").click()
    assert page.run("return latentlab.store.passing") is None
    assert page.errors() == []


def test_a_cluster_opens_from_legend_card_and_address_and_closes(page):
    page.find("#legend button.open").click()
    assert page.find("#head h2").text == "cluster 0"
    assert "#cluster-0" in page.driver.current_url
    sizes = page.run("return latentlab.store.clusters[0].sizes")
    assert f"{sizes['train']} training, {sizes['test']} held-out" in page.find("#head").text
    page.find("#head .about summary").click()
    decoded = page.run("return latentlab.store.clusters[0].centroid")
    shown = page.run("return [...document.querySelectorAll('.about img')].map(one => one.src)")
    assert shown == ([decoded] if decoded else []), "decoded mean code"
    own = set(rows_of(page, 0))
    levels = page.run("return latentlab.store.ids.map((_, row) => latentlab.map.levelOf(row))")
    assert {row for row, level in enumerate(levels) if level == 2} == own
    assert set(page.run("return [...latentlab.grid.rows]")) == own
    page.find("#to-clusters").click()
    page.run("document.querySelectorAll('.card .name')[3].click()")
    assert page.find("#head h2").text == "cluster 3"
    page.driver.back()
    page.driver.back()
    page.wait("document.querySelector('#head h2').textContent === 'cluster 0'")
    page.driver.refresh()
    page.driver.execute_async_script("window.latentlab.ready.then(arguments[0])")
    assert page.find("#head h2").text == "cluster 0"
    assert page.errors() == []


def test_a_tab_opens_by_its_address_and_leads_back_to_the_images(page):
    page.driver.get(page.driver.current_url.split("#")[0] + "#scores")
    page.driver.refresh()
    page.driver.execute_async_script("window.latentlab.ready.then(arguments[0])")
    assert page.find("#scores").is_displayed()
    assert not page.find("#browse").is_displayed()
    page.find("nav a[href='#browse']").click()
    page.wait("document.querySelectorAll('.card .strip canvas').length > 10")
    assert not page.find("#scores").is_displayed()
    assert page.errors() == []


def test_the_first_screen_shows_images_of_every_cluster_in_view(page):
    page.wait("document.querySelectorAll('.card .strip .picture canvas').length > 10")
    in_window = page.run("""
        const inside = box => box.top >= 0 && box.bottom <= innerHeight && box.width > 0;
        return [...document.querySelectorAll('.card .strip canvas')]
            .filter(one => inside(one.getBoundingClientRect())).length""")
    assert in_window > 10


def test_mouse_leads_from_the_first_screen_to_images_like_the_last_of_a_cluster(page):
    page.run("document.querySelectorAll('.card .name')[1].scrollIntoView()")
    page.mouse().click(page.driver.find_elements("css selector", ".card .name")[1]).perform()
    rows = page.run("return [...latentlab.grid.rows]")
    assert set(rows) == set(rows_of(page, 1))
    last = rows[-1]
    page.run("const box = latentlab.grid.element; box.scrollTop = box.scrollHeight")
    page.wait("document.querySelector('.cell[data-row=\"' + arguments[0] + '\"]')", last)
    page.mouse().click(page.find(f'.cell[data-row="{last}"]')).perform()
    page.wait("latentlab.store.image === arguments[0]", last)
    page.wait("document.querySelector('.frame canvas').width > 10")
    assert len(set(pixels(page, ".frame canvas")[::4])) > 5, "the picture is blank"
    assert page.find("#picture h2").text == page.run(
        "return latentlab.store.ids[arguments[0]]", last
    )
    ring_at = page.run(
        "const b = document.getElementById('map').getBoundingClientRect();"
        "return [b.left + b.width / 2, b.top + b.height / 2]"
    )
    page.wait("Math.abs(latentlab.pixelOf(arguments[0])[0] - arguments[1]) < 3", last, ring_at[0])
    page.mouse().click(page.find("#more")).perform()
    page.wait("latentlab.store.scope.kind === 'like'")
    alike = page.run("return [...latentlab.grid.rows]")
    assert alike[0] == last
    assert len(alike) > 5
    assert page.errors() == []


def test_keys_alone_lead_from_the_first_screen_to_images_like_the_last_of_a_cluster(page):
    from selenium.webdriver.common.keys import Keys

    press(page, "2")
    page.wait("latentlab.store.scope.kind === 'cluster'")
    assert focused(page) == "listbox"
    press(page, Keys.END)
    rows = page.run("return [...latentlab.grid.rows]")
    assert set(rows) == set(rows_of(page, 1))
    active = page.run(
        "const id = document.activeElement.getAttribute('aria-activedescendant');"
        "return document.getElementById(id)?.dataset.row"
    )
    assert int(active) == rows[-1]
    press(page, Keys.ENTER)
    page.wait("latentlab.store.image === arguments[0]", rows[-1])
    press(page, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    page.wait("latentlab.store.image === arguments[0]", rows[-2])
    press(page, "s")
    page.wait("latentlab.store.scope.kind === 'like'")
    assert page.run("return latentlab.grid.rows[0]") == rows[-2]
    assert focused(page) == "listbox"
    press(page, Keys.ESCAPE)
    assert page.run("return latentlab.store.scope.kind") == "overview"
    assert page.errors() == []


def test_tab_leads_through_the_page_and_every_stop_has_a_name(page):
    from selenium.webdriver.common.keys import Keys

    for state in ("", "latentlab.go.cluster(0)", "latentlab.go.image(latentlab.store.rows[0])"):
        page.run(state)
        tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        stops = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node.get("ignored")
            and {"name": "focusable", "value": {"type": "booleanOrUndefined", "value": True}}
            in node.get("properties", [])
            and node["role"]["value"] != "RootWebArea"
        ]
        assert len(stops) > 15
        assert [stop for stop in stops if not stop[1].strip()] == []
    page.run("latentlab.go.overview(); document.activeElement.blur()")
    reached = set()
    for _ in range(60):
        press(page, Keys.TAB)
        reached.add(page.run("const one = document.activeElement; return one.className || one.id"))
    assert {"skip", "search", "surface", "name", "colour-by"} <= reached


def test_search_filters_and_order_decide_what_the_grid_shows(page):
    from selenium.webdriver.common.keys import Keys

    wanted = page.run("return latentlab.store.ids[123]")
    press(page, "/")
    press(page, *wanted)
    page.wait("latentlab.store.query === arguments[0]", wanted)
    press(page, Keys.ENTER)
    page.wait("latentlab.store.rows.includes(123)")
    assert page.run(
        "return [...latentlab.store.rows]"
        ".every(row => latentlab.store.ids[row].includes(arguments[0]))",
        wanted,
    )
    page.run("latentlab.find.clearFilters(); latentlab.go.scope({kind: 'all'})")
    choose(page, "sort", "distance")
    distances = "latentlab.store.groups.distance.values"
    assert page.run(
        f"const values = [...latentlab.grid.rows].map(row => {distances}[row]);"
        "return values.every((value, i) => !i || values[i - 1] <= value)"
    )
    page.find("#direction").click()
    assert page.run(f"return {distances}[latentlab.grid.rows[0]] === Math.max(...{distances})")
    page.find("#filter summary").click()
    low = page.run(f"return {distances}[latentlab.grid.rows[9]]")
    field = page.find("input[aria-label='distance from']")
    field.send_keys(str(low + 1e-6), Keys.TAB)
    assert page.run("return latentlab.grid.rows.length") == 9
    label = page.run("return latentlab.store.groups.label.names[2]")
    page.run("latentlab.find.clearFilters()")
    page.find("#search").send_keys(label)
    page.wait("latentlab.store.query === arguments[0]", label)
    assert set(page.run("return [...latentlab.store.rowsOf('label', 2)]")) <= set(
        page.run("return [...latentlab.store.rows]")
    )
    page.find("#search").clear()
    page.find("#search").send_keys("nothing has this name")
    page.wait("latentlab.store.rows.length === 0")
    assert "No image is left" in page.find("#lacks").text
    assert page.errors() == []


def test_images_are_picked_by_keys_and_their_list_is_saved(page, downloads):
    from selenium.webdriver.common.keys import Keys

    press(page, "3", " ", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, "x")
    picked = page.run("return [...latentlab.grid.picked]")
    rows = page.run("return [...latentlab.grid.rows]")
    assert picked == [rows[0], rows[2]]
    page.mouse().key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    assert page.run("return latentlab.grid.picked.size") == 3
    assert "3 picked" in page.find("#actions").text
    path = downloads / "selection.csv"
    path.unlink(missing_ok=True)
    page.find("#save-list").click()
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with path.open(newline="", encoding="utf-8") as file:
        saved = list(csv.DictReader(file))
    chosen = [*picked, rows[3]]
    ids = page.run("return arguments[0].map(row => latentlab.store.ids[row])", chosen)
    assert [row["id"] for row in saved] == ids
    assert {row["cluster"] for row in saved} == {"2"}
    assert {row["cluster_name"] for row in saved} == {"cluster 2"}
    press(page, Keys.ESCAPE)
    assert page.run("return latentlab.grid.picked.size") == 0
    assert page.errors() == []


def test_the_map_moves_by_keys_and_selects_what_is_in_view(page):
    from selenium.webdriver.common.keys import Keys

    place = page.run("return latentlab.pixelOf(123)")
    surface = page.find("#map .surface")
    surface.send_keys(Keys.ARROW_RIGHT)
    assert page.run("return latentlab.pixelOf(123)")[0] < place[0] - 20
    surface.send_keys("0")
    assert page.run("return latentlab.pixelOf(123)") == pytest.approx(place)
    surface.send_keys(*"++++++")
    page.run("latentlab.map.centre(123)")
    page.driver.execute_async_script("setTimeout(arguments[0], 400)")
    press(page, "v")
    rows = page.run("return [...latentlab.store.scope.rows]")
    assert 123 in rows
    assert 0 < len(rows) < page.run("return latentlab.store.n")
    assert page.errors() == []


def test_the_tree_of_the_clusters_is_cut_anywhere_and_its_nodes_open(page):
    from selenium.webdriver.common.keys import Keys

    page.find("#open-tree").click()
    count = page.run("return latentlab.store.filled().length")
    page.wait("document.querySelectorAll('.card').length === arguments[0]", count)
    page.find("#cut").click()
    page.run("const cut = document.getElementById('cut'); cut.value = 4; cut.oninput()")
    page.wait("document.querySelectorAll('.card').length === 4")
    press(page, Keys.ARROW_LEFT)
    page.wait("document.querySelectorAll('.card').length === 3")
    assert page.run("return new Set(latentlab.store.groups.level.values).size") == 3
    assert page.run("return latentlab.store.colour") == "level"
    opened = page.run("""
        const nodes = [...document.querySelectorAll('.node')];
        nodes[nodes.length - 1].focus();
        return nodes[nodes.length - 1].getAttribute('aria-label')""")
    press(page, Keys.ENTER)
    page.wait("latentlab.store.scope.kind === 'rows'")
    everything = page.run("""
        const {store} = latentlab;
        return store.clusters.reduce((sum, cluster) => sum + store.sizeOf(cluster.number), 0)""")
    assert f"{everything} images" in opened  # the last node is the root
    n_on_map = page.run("return latentlab.store.n")
    assert page.run("return latentlab.grid.rows.length") == n_on_map
    assert page.run("return latentlab.store.colour") == "cluster"
    page.driver.back()
    page.wait("latentlab.store.scope.kind === 'tree'")
    assert page.errors() == []


def test_two_maps_and_grids_on_a_page_have_each_their_own_state(page):
    page.run("""
        const box = document.createElement('div');
        box.style = 'position: fixed; left: 0; top: 0; width: 300px;'
            + 'height: 300px; display: flex';
        document.body.append(box);
        const xy = latentlab.store.xy.map(value => -value);
        window.second = latentlab.Map(box, {xy, label: 'second'});
        window.second.paint(Uint32Array.from({length: xy.length / 2}, () => 0xff0000ff), null);
        window.before = latentlab.pixelOf(5);
        window.second.zoom(3);
        const other = document.createElement('div');
        other.style = 'position: fixed; right: 0; top: 0; width: 300px;'
            + 'height: 300px; display: flex';
        document.body.append(other);
        window.cells = latentlab.Grid(other, {label: 'second', size: 50,
            show: latentlab.thumbs.show, describe: row => `row ${row}`});
        window.cells.setRows(Int32Array.from([7, 8, 9]));""")
    assert page.run("return latentlab.pixelOf(5)") == page.run("return window.before")
    assert page.run("return window.second.getView().scale") == pytest.approx(3)
    assert page.run("return latentlab.map.getView().scale") == pytest.approx(1)
    page.wait("document.querySelectorAll('[aria-label=second] .cell').length === 3")
    page.run("window.cells.toggle(8)")
    assert page.run("return [latentlab.grid.picked.size, window.cells.picked.size]") == [0, 1]
    assert page.errors() == []


def test_nothing_is_asked_of_any_network(page):
    asked = page.requests()
    assert asked
    assert {address.split(":")[0] for address in asked} <= {"file", "data", "blob"}


def test_every_picture_has_an_alternative_text_and_every_control_a_name(page):
    page.run("latentlab.go.cluster(0)")
    assert (
        page.run("return [...document.images].filter(one => !one.hasAttribute('alt')).length") == 0
    )
    assert (
        page.run("""return [...document.querySelectorAll('button, select, input')]
        .filter(one => !one.textContent.trim() && !one.getAttribute('aria-label'))
        .filter(one => !one.title && !one.closest('label')).length""")
        == 0
    )


def test_phone_and_dark(page):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        page.driver.refresh()
        page.driver.execute_async_script("window.latentlab.ready.then(arguments[0])")
        assert page.run("return document.documentElement.scrollWidth") <= 390
        page.run(
            "const theme = document.getElementById('theme'); theme.value = 'dark'; theme.onchange()"
        )
        assert (
            page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 28)"
        )
        page.run(
            "const theme = document.getElementById('theme'); theme.value = 'auto'; theme.onchange()"
        )
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page.errors() == []


def test_a_class_named_like_a_script_is_text(driver, tmp_path):
    hostile = "<script>window.hacked=1<" + "∕script>&\"'"
    names = [hostile, r"$\frac{$x", "\u202ekind\x1b[31m", "  "]
    images, kinds = make_stripes(60)
    for i, (image, kind) in enumerate(zip(images, kinds, strict=True)):
        folder = tmp_path / "photos" / names[kind]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"<img src=x onerror=hacked=2>{i}.png")
    page = browsing.Page(
        driver, reported(DataOptions(data=str(tmp_path / "photos"), size=16), tmp_path / "run", k=3)
    )
    page.run("latentlab.go.cluster(0); latentlab.go.image(0); return latentlab.go.alike(0)")
    page.run("latentlab.go.overview(); latentlab.map.showAll()")
    choose(page, "colour-by", "label")
    page.run("latentlab.map.setNames([])")  # a name may lie over the point
    page.hover(lonely_row(page))
    page.wait("!document.getElementById('tip').hidden")
    legend = "".join(page.texts("#legend"))
    assert hostile in legend
    assert r"$\frac{$x" in legend
    assert r"\u202ekind\x1b[31m" in legend
    assert page.run("return window.hacked") is None
    assert page.errors() == []


@contextlib.contextmanager
def viewing(driver, data, run_path, k):
    run = pipeline.fit(data, small_fit(epochs=1, batch_size=100), run_path)
    pipeline.cluster(run, ClusterOptions(k=k, restarts=1))
    with serving(viewer_of(run)) as server:
        yield browsing.Page(driver, server.address), run


def viewer_of(run):
    """Return a server of a run that has all that the viewer needs, beside other viewers of it."""
    return pipeline.viewer(run, sample=300)


class CookieThief(http.server.BaseHTTPRequestHandler):
    """A server of somebody else at another port of this machine."""

    got: ClassVar[list[str]] = []

    def do_GET(self):
        self.got.append(str(self.headers))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another port</title>")

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def another_port():
    thief = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CookieThief)
    threading.Thread(target=thief.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{thief.server_port}"
    thief.shutdown()
    thief.server_close()


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory):
    data = DataOptions(data="digits", size=16, limit=150)
    folder = tmp_path_factory.mktemp("shared") / "run"
    run = pipeline.fit(data, small_fit(epochs=1, batch_size=100), folder)
    pipeline.cluster(run, ClusterOptions(k=5, restarts=1))
    return run


def test_view_opens_from_a_file_and_tells_no_other_port_its_secrets(driver, shared_run):
    with (
        serving(viewer_of(shared_run)) as server,
        opening_page(server.address) as opening,
        another_port() as other,
    ):
        page = browsing.Page(driver, opening.as_uri())
        assert page.driver.current_url == server.session.origin + server.session.path
        page.run("latentlab.go.image(3)")
        page.wait("document.querySelector('.original img')?.naturalWidth > 0")
        shown = page.run("return document.querySelector('.original').href")
        page.driver.refresh()
        page.driver.execute_async_script("window.latentlab.ready.then(arguments[0])")
        assert page.errors() == []

        page.driver.get(shown)  # an image in a tab of its own
        page.wait("document.images[0]?.naturalWidth > 0")
        address = server.session.origin + server.session.path
        page.driver.get(other)
        page.driver.execute_async_script(
            """const [viewer, done] = arguments;
            const ask = address => fetch(address, {mode: "no-cors", credentials: "include"});
            const image = new Image();
            image.onload = () => { document.title = "stolen"; done(); };
            image.onerror = () => ask(viewer + "state").catch(() => {}).then(() => done());
            image.src = viewer + "image/0";""",
            address,
        )
        assert page.driver.title == "another port"
        assert CookieThief.got
        secret = server.session.cookie.split("=")[1]
        assert not any(secret in headers for headers in CookieThief.got)


def test_two_tabs_lose_no_edit_and_say_what_was_not_done(driver, shared_run):
    name = "return latentlab.edit('edit', {action: 'name', cluster: %d, name: '%s'})"
    with serving(viewer_of(shared_run)) as server:
        page = browsing.Page(driver, server.address)
        first = driver.current_window_handle
        driver.switch_to.new_window("tab")
        second = browsing.Page(driver, server.session.origin + server.session.path)
        driver.switch_to.window(first)
        for cluster in range(3):  # at once, without waiting for the answers
            page.run(f"{name % (cluster, f'name {cluster}')}.then(() => 0) && 0")
        page.wait("document.getElementById('notice').textContent.startsWith('3 edits saved')")

        driver.switch_to.window(driver.window_handles[-1])
        assert second.run(name % (4, "late")) is False
        assert "Not done" in second.find("#notice").text
        assert "another tab or viewer" in second.find("#notice").text
        second.find("#reload").click()
        second.wait("latentlab.store.clusterName(2) === 'name 2'")
        assert second.run(name % (4, "late")) is True
        driver.close()
        driver.switch_to.window(first)
        edits = Editor(shared_run.clustering()).read().edits
        assert [edit.edit.name for edit in edits] == ["name 0", "name 1", "name 2", "late"]
    assert page.run(name % (0, "lost")) is False
    assert "does not answer" in page.find("#notice").text


@pytest.fixture(scope="module")
def complete_run(tmp_path_factory):
    """A run that has all that the viewer needs."""
    data = DataOptions(data="digits", size=16, limit=150)
    folder = tmp_path_factory.mktemp("complete") / "run"
    run = pipeline.fit(data, small_fit(epochs=1, batch_size=100), folder)
    pipeline.cluster(run, ClusterOptions(k=5, restarts=1))
    pipeline.viewer(run, sample=300).server_close()
    return run


@pytest.fixture
def viewed(driver, complete_run, tmp_path):
    shutil.copytree(complete_run.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    with serving(viewer_of(run)) as server:
        yield browsing.Page(driver, server.address), run


def test_view_opens_a_photo_in_the_size_of_its_file(driver, tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(12):
        noise = np.random.default_rng(i).integers(0, 255, (200, 300, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{i}.png")
    with viewing(
        driver, DataOptions(data=str(tmp_path / "photos"), size=16), tmp_path / "run", k=2
    ) as (page, run):
        page.run("latentlab.go.image(3)")
        page.wait("document.querySelector('.original img')?.naturalWidth === 300")
        assert "300 x 200 pixels" in page.find("#picture").text
        assert page.run(
            "const i = document.querySelector('.original img');"
            "return i.clientWidth <= i.closest('#picture').clientWidth"
        )
        assert page.find(".original").get_attribute("href").endswith("/original/3")
        (tmp_path / "photos" / "1.png").unlink()
        page.run("latentlab.go.image(1)")
        page.wait(
            "document.getElementById('picture').textContent.includes('cannot be read any more')"
        )


def test_view_judges_names_and_tags_by_keys(viewed):
    from selenium.webdriver.common.keys import Keys

    page, run = viewed
    press(page, "1", "y")
    page.wait("latentlab.store.clusters[0].status === 'accepted'")
    page.wait("latentlab.store.scope.number === 1")
    press(page, "n")
    page.wait("latentlab.store.clusters[1].status === 'rejected'")
    page.wait("latentlab.store.scope.number === 2")
    press(page, "e", *"twos", Keys.ENTER)
    page.wait("latentlab.store.clusterName(2) === 'twos'")
    assert page.find("#head h2").text == "twos"
    press(page, Keys.ESCAPE, "g", " ", "t", *"odd one")
    picked = page.run("return latentlab.store.ids[[...latentlab.grid.picked][0]]")
    page.find("#tag").click()
    page.wait("latentlab.store.groups.tag")
    edits = read_json(run.path / "clusters" / "kmeans-k5" / "edits.json")["edits"]
    assert [edit["action"] for edit in edits] == ["accept", "reject", "name", "tag"]
    assert edits[3]["images"] == [picked]
    page.find("#head h2").click()
    page.mouse().key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    page.wait("!latentlab.store.groups.tag")
    assert page.errors() == []


def test_view_shows_originals_in_the_grid_and_finds_images_that_are_alike(viewed):
    page, _ = viewed
    page.run("latentlab.go.cluster(1)")
    page.wait(
        "document.querySelector('.cell canvas')"
        "?.getContext('2d').getImageData(20, 20, 1, 1).data[3] > 0"
    )
    row = page.run("return latentlab.grid.rows[0]")
    page.run("latentlab.go.image(arguments[0])", row)
    page.wait("document.querySelectorAll('#alike button').length > 5")
    page.find("#more").click()
    page.wait("latentlab.store.scope.kind === 'like'")
    assert page.run("return latentlab.grid.rows[0]") == row
    assert page.errors() == []


# Resolves to whether each cell in view shows its own image, as a canvas drawn anew does.
SHOWS_ITS_IMAGES = """const done = arguments[0], cells = [...document.querySelectorAll('.cell')];
const bytes = canvas => {
  const {width, height} = canvas;
  return canvas.getContext('2d').getImageData(0, 0, width, height).data;
};
const isRight = async cell => {
  const shown = cell.querySelector('canvas'), again = document.createElement('canvas');
  [again.width, again.height] = [shown.width, shown.height];
  await latentlab.thumbs.draw(again, Number(cell.dataset.row));
  const middle = 4 * (again.width >> 1) * (again.width + 1);
  return bytes(again)[middle + 3] > 0 && bytes(shown).join() === bytes(again).join();
};
Promise.all(cells.map(isRight)).then(right => done(cells.length > 2 && right.every(Boolean)));"""


def test_view_shows_the_right_pictures_after_scrolling_fast_and_asks_for_many_at_a_time(viewed):
    page, _ = viewed
    page.run("latentlab.go.scope({kind: 'all'}); latentlab.grid.setSize(240)")
    for share in (0.3, 0.9, 0.1, 1, 0.5):
        page.run(
            "const {element} = latentlab.grid;"
            "element.scrollTop = arguments[0] * element.scrollHeight",
            share,
        )
        page.driver.execute_async_script("requestAnimationFrame(arguments[0])")
    last = "document.querySelector('.cell[data-row=\"' + latentlab.grid.rows.at(-1) + '\"]')"
    page.run("latentlab.grid.goTo(latentlab.grid.rows.at(-1))")
    page.wait(f"{last}?.querySelector('canvas')")
    page.driver.set_script_timeout(20)
    page.wait("latentlab.thumbs.isQuiet()")
    assert page.driver.execute_async_script(SHOWS_ITS_IMAGES)
    places = page.run(
        "return [...document.querySelectorAll('.cell')].map(cell => cell.dataset.place)"
    )
    assert list(map(int, places)) == sorted(map(int, places))
    loaded = page.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    sheets = [address for address in loaded if address.endswith("/sheet")]
    assert 0 < len(sheets) < 30
    assert not any("/thumb/" in address for address in loaded if "side=96" in address)
    assert page.errors() == []


def test_view_saves_an_edit_undoes_it_and_exports(viewed, tmp_path):
    page, run = viewed
    edits = run.path / "clusters" / "kmeans-k5" / "edits.json"
    page.run("latentlab.map.setNames([])")  # a name may lie over the point
    page.hover(lonely_row(page))
    page.wait("!document.getElementById('tip').hidden && document.querySelector('#tip canvas')")
    assert len(set(pixels(page, "#tip canvas")[::4])) > 5
    page.run("latentlab.go.cluster(2)")
    page.find("#name-text").clear()
    page.find("#name-text").send_keys("<i>ones</i>")
    page.find("#name").click()
    page.wait("latentlab.store.clusterName(2) === '<i>ones</i>'")
    assert page.find("#head h2").text == "<i>ones</i>"
    assert read_json(edits)["edits"][0]["name"] == "<i>ones</i>"

    drag_around_the_left_half(page)
    chosen = page.run("return [...latentlab.store.scope.rows].map(row => latentlab.store.ids[row])")
    page.find("#split").click()
    page.wait("latentlab.store.clusters.length === 6")
    assert set(read_json(edits)["edits"][1]["images"]) == set(chosen)
    page.run("latentlab.go.cluster(5)")
    page.find("#drop").click()
    page.wait("latentlab.store.sizeOf(5) === 0")
    page.find("#undo").click()
    page.wait("latentlab.store.sizeOf(5) > 0")
    assert [edit["action"] for edit in read_json(edits)["edits"]] == ["name", "split"]
    assert [edit["action"] for edit in read_json(edits)["undone"]] == ["drop"]

    page.driver.refresh()
    page.driver.execute_async_script("window.latentlab.ready.then(arguments[0])")
    assert page.run("return [latentlab.store.sizeOf(5), latentlab.store.clusterName(2)]") == [
        len(chosen),
        "<i>ones</i>",
    ]
    table = pq.read_table(pipeline.export(run, "parquet", tmp_path / "edited.parquet")).to_pylist()
    assert {row["id"] for row in table if row["cluster"] == 5} == set(chosen)
    assert {row["cluster_name"] for row in table if row["cluster"] == 2} == {"<i>ones</i>"}
    assert page.errors() == []
    assert {
        address.split("/")[2].split(":")[0]
        for address in page.requests()
        if address.startswith("http")
    } == {"127.0.0.1"}
