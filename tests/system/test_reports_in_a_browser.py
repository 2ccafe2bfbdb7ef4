"""Reports and the viewer in a real browser, from disk, with the network off."""

import contextlib
import http.server
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import browsing
from helpers.files import read_json
from helpers.runs import make_stripes, small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.reporting.edits import Editor
from latentlab.reporting.viewer_opening import opening_page


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browsing.start(tmp_path_factory.mktemp("downloads"))
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
        const n = latentlab.data.ids.length;
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


def test_hover_shows_the_image_of_the_point(page):
    row = lonely_row(page)
    page.hover(row)
    page.wait(
        "!document.getElementById('tip').hidden"
        " && Number(document.getElementById('tip').dataset.row) === arguments[0]",
        row,
    )
    texts = page.texts("#tip div div")
    assert texts[0] == page.run("return latentlab.data.ids[arguments[0]]", row)
    assert any(text.startswith("label: ") for text in texts)
    shown = pixels(page, "#tip canvas")
    assert len(set(shown[::4])) > 5, "the thumbnail is blank"
    wanted = page.driver.execute_async_script(
        """const canvas = Object.assign(document.createElement("canvas"), {width: 96, height: 96});
        const read = () => [...canvas.getContext("2d").getImageData(0, 0, 96, 96).data];
        latentlab.drawRow(canvas, arguments[0]).then(() => arguments[1](read()))""",
        row,
    )
    assert shown == wanted
    assert page.errors() == []


def test_lasso_selects_what_is_inside_and_tells_of_it(page):
    page.find("#lasso").click()
    page.wait("document.getElementById('lasso').getAttribute('aria-pressed') === 'true'")
    page.pixel(0)
    box = page.run(
        "const b = document.getElementById('map').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]"
    )
    left, top, right, bottom = box[0] + 10, box[1] + 10, box[0] + box[2] * 0.5, box[1] + box[3] - 10
    page.lasso(
        [(int(x), int(y)) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]
    )
    page.wait("latentlab.state.selection.length > 0")
    rows = page.run("return latentlab.state.selection")
    inside = page.run(
        "return latentlab.data.ids.map((_, row) => row)"
        ".filter(row => latentlab.pixelOf(row)[0] < arguments[0])",
        int(right),
    )
    assert set(rows) == set(inside)
    assert page.find("#panel h3").text == f"{len(rows)} images selected"
    page.find("#clear").click()
    assert page.run("return latentlab.state.selection.length") == 0
    assert page.errors() == []


def test_colours_switch_and_the_legend_hides_groups(page):
    seen = {}
    choices = page.texts("#colour-by option")
    assert {"cluster", "label", "split"} < set(choices)
    assert {"confidence", "margin"} & set(choices)
    for choice in choices:
        page.run(
            "const s = document.getElementById('colour-by'); s.value = arguments[0]; s.onchange()",
            choice,
        )
        seen[choice] = page.run(
            "return [...Bokeh.documents[0].get_model_by_name('points').data.colour].join()"
        )
    assert len(set(seen.values())) == len(choices)
    page.run("const s = document.getElementById('colour-by'); s.value = 'split'; s.onchange()")
    page.find("#legend button").click()
    shown = page.run(
        "return Bokeh.documents[0].get_model_by_name('shown').booleans.filter(Boolean).length"
    )
    assert shown == page.run("return latentlab.rowsOf('split', 1).length")
    assert page.errors() == []


def test_a_cluster_opens_from_legend_card_and_address_and_closes(page):
    page.find("#legend button.open").click()
    assert page.find("#panel h3").text == "cluster 0"
    assert "#cluster-0" in page.driver.current_url
    sizes = page.run("return latentlab.data.clusters[0].sizes")
    assert f"{sizes['train']} training, {sizes['test']} held-out" in page.find("#panel").text
    assert page.run("return document.querySelectorAll('#panel .thumbs img').length") > 10
    assert page.run("return document.querySelector('#panel .big img').naturalWidth") in (16, 32), (
        "no decoded mean code"
    )
    assert page.run(
        "return Bokeh.documents[0].get_model_by_name('points').selected.indices.length"
    ) == len(page.run("return latentlab.rowsOf('cluster', 0)"))
    page.run("document.querySelectorAll('.card button')[0].scrollIntoView()")
    page.run("document.querySelectorAll('.card h3 button')[3].click()")
    assert page.find("#panel h3").text == "cluster 3"
    page.driver.back()
    page.wait("document.querySelector('#panel h3').textContent === 'cluster 0'")
    assert page.errors() == []


def test_search_finds_an_image_by_its_id_and_keys_move_the_map(page):
    from selenium.webdriver.common.keys import Keys

    wanted = page.run("return latentlab.data.ids[123]")
    page.find("#search").send_keys(wanted, Keys.ENTER)
    assert page.find("#panel h3").text == wanted
    place = page.run("return latentlab.pixelOf(123)")
    page.find("#map").send_keys(Keys.ARROW_RIGHT)
    assert page.run("return latentlab.pixelOf(123)")[0] < place[0] - 20
    page.find("#map").send_keys("0")
    assert page.run("return document.getElementById('matches').hidden")
    assert page.errors() == []


def test_nothing_is_asked_of_any_network(page):
    asked = page.requests()
    assert asked
    assert {address.split(":")[0] for address in asked} <= {"file", "data", "blob"}


def test_every_picture_has_an_alternative_text_and_every_control_a_name(page):
    page.run("latentlab.openCluster(0)")
    assert (
        page.run("return [...document.querySelectorAll('img')].filter(one => !one.alt).length") == 0
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
    page.run("latentlab.openCluster(0); latentlab.openRow(0)")
    page.run("const s = document.getElementById('colour-by'); s.value = 'label'; s.onchange()")
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
    with serving(run) as server:
        yield browsing.Page(driver, server.address), run


@contextlib.contextmanager
def serving(run):
    """Serve a run that has all that the viewer needs, beside other viewers of it."""
    server = pipeline.viewer(run, sample=300)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
        serving(shared_run) as server,
        opening_page(server.address) as opening,
        another_port() as other,
    ):
        page = browsing.Page(driver, opening.as_uri())
        assert page.driver.current_url == server.session.origin + server.session.path
        page.run("latentlab.openRow(3)")
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
    with serving(shared_run) as server:
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
        second.wait("latentlab.clusterName(2) === 'name 2'")
        assert second.run(name % (4, "late")) is True
        driver.close()
        driver.switch_to.window(first)
        edits = Editor(shared_run.clustering()).read().edits
        assert [edit.edit.name for edit in edits] == ["name 0", "name 1", "name 2", "late"]
    assert page.run(name % (0, "lost")) is False
    assert "does not answer" in page.find("#notice").text


@pytest.fixture
def viewed(driver, tmp_path):
    with viewing(
        driver, DataOptions(data="digits", size=16, limit=150), tmp_path / "run", k=5
    ) as opened:
        yield opened


def test_view_opens_a_photo_in_the_size_of_its_file(driver, tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(12):
        noise = np.random.default_rng(i).integers(0, 255, (200, 300, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{i}.png")
    with viewing(
        driver, DataOptions(data=str(tmp_path / "photos"), size=16), tmp_path / "run", k=2
    ) as (page, run):
        page.run("latentlab.openRow(3)")
        page.wait("document.querySelector('.original img')?.naturalWidth === 300")
        assert "300 x 200 pixels" in page.find("#panel").text
        assert page.run(
            "const i = document.querySelector('.original img');"
            "return i.clientWidth <= i.closest('#panel').clientWidth"
        )
        assert page.find(".original").get_attribute("href").endswith("/original/3")
        (tmp_path / "photos" / "1.png").unlink()
        page.run("latentlab.openRow(1)")
        page.wait(
            "document.getElementById('panel').textContent.includes('cannot be read any more')"
        )


def test_view_saves_an_edit_undoes_it_and_exports(viewed, tmp_path):
    page, run = viewed
    edits = run.path / "clusters" / "kmeans-k5" / "edits.json"
    page.hover(lonely_row(page))
    page.wait(
        "!document.getElementById('tip').hidden && !document.querySelector('#tip canvas').hidden"
    )
    assert len(set(pixels(page, "#tip canvas")[::4])) > 5
    page.run("latentlab.openCluster(2)")
    page.find("#name-text").clear()
    page.find("#name-text").send_keys("<i>ones</i>")
    page.find("#name").click()
    page.wait("latentlab.clusterName(2) === '<i>ones</i>'")
    assert page.find("#panel h3").text == "<i>ones</i>"
    assert read_json(edits)["edits"][0]["name"] == "<i>ones</i>"

    page.find("#lasso").click()
    page.pixel(0)
    box = page.run(
        "const b = document.getElementById('map').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]"
    )
    right, bottom = int(box[0] + box[2] * 0.55), int(box[1] + box[3] - 8)
    page.lasso(
        [
            (int(box[0] + 8), int(box[1] + 8)),
            (right, int(box[1] + 8)),
            (right, bottom),
            (int(box[0] + 8), bottom),
        ]
    )
    page.wait("latentlab.state.selection.length > 0")
    chosen = page.run("return latentlab.state.selection.map(row => latentlab.data.ids[row])")
    page.find("#split").click()
    page.wait("latentlab.data.clusters.length === 6")
    assert set(read_json(edits)["edits"][1]["images"]) == set(chosen)
    page.run("latentlab.openCluster(5)")
    page.find("#drop").click()
    page.wait("latentlab.sizeOf(5) === 0")
    page.find("#undo").click()
    page.wait("latentlab.sizeOf(5) > 0")
    assert [edit["action"] for edit in read_json(edits)["edits"]] == ["name", "split"]
    assert [edit["action"] for edit in read_json(edits)["undone"]] == ["drop"]

    page.driver.refresh()
    page.driver.execute_async_script("window.latentlab.ready.then(arguments[0])")
    assert page.run("return [latentlab.sizeOf(5), latentlab.clusterName(2)]") == [
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
