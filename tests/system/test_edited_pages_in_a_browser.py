"""Pages of edited clusters in a real browser: the switch to those as computed, joined clusters.

The run is of coloured pictures in class folders, embedded by a small image-text network, so that
the viewer also searches by words.
"""

import numpy as np
import pytest
from helpers import browsing
from helpers.files import read_json
from helpers.image_text import write_pair
from helpers.shared_runs import run_made_once
from helpers.viewing import serving
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.reporting.edits import Editor, Merge, Name

pytest.importorskip("tokenizers")

COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}
EACH = 20  # images of a colour
K = 6


def make_colours(folder):
    """Make a clustered run of coloured pictures, and the networks beside them."""
    rng = np.random.default_rng(0)
    for colour, channels in COLOURS.items():
        (folder / "photos" / colour).mkdir(parents=True)
        for number in range(EACH):
            pixels = (
                np.array(channels) + rng.integers(-60, 61, 3) + rng.integers(-9, 10, (20, 20, 3))
            )
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(folder / "photos" / colour / f"{number:04}.png")
    encoder = str(write_pair(folder / "clip"))
    run = pipeline.use_encoder(DataOptions(data=str(folder / "photos")), encoder, folder / "run")
    pipeline.embed(run)
    pipeline.cluster(run, ClusterOptions(k=K, features="l2", restarts=1))
    pipeline.report(run)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browsing.start(tmp_path_factory.mktemp("downloads"))
    yield driver
    driver.quit()


@pytest.fixture
def run(tmp_path_factory):
    return run_made_once(tmp_path_factory, "colours-in-words", make_colours)


@pytest.fixture
def viewed(driver, run, tmp_path):
    words = write_pair(tmp_path).with_name("text_model.onnx")
    with serving(pipeline.viewer(run, words=words)) as server:
        page = browsing.Page(driver, server.address)
        yield page
        assert page.errors() == []


def edit(run):
    """Name cluster 0 and merge clusters 1 and 2; return which images these are."""
    editor = Editor(run.clustering(None))
    editor.add(Name(0, "firsts"))
    editor.add(Merge((1, 2)))
    return pipeline.look(run)


def switch(page, state):
    page.run(
        "const choice = document.getElementById('state'); choice.value = arguments[0];"
        "choice.dispatchEvent(new Event('change'))",
        state,
    )
    page.wait("document.getElementById('state').value === arguments[0]", state)


def test_a_report_switches_between_edits_and_what_was_computed(driver, run):
    summary = edit(run)
    page = browsing.Page(driver, pipeline.report(run).as_uri())
    title, sizes = "return document.querySelector('h1').textContent", summary.sizes()
    size_of = "return latentlab.store.sizeOf(arguments[0])"
    assert page.texts("#state option") == ["with 2 edits by hand", "as computed"]
    assert page.find("#state").is_displayed()
    page.run("latentlab.go.cluster(1)")
    rows = page.run("return [...latentlab.grid.rows]")
    first = summary.images.ids[summary.gallery("nearest", 5)[1]].tolist()
    assert page.run("return arguments[0].map(row => latentlab.store.ids[row])", rows[:5]) == first
    assert len(rows) == sizes[1]

    switch(page, "computed")
    computed = summary.computed.sizes()
    page.wait("latentlab.store.sizeOf(2) > 0")
    assert [page.run(size_of, number) for number in range(K)] == computed.tolist()
    assert page.run("return latentlab.grid.rows.length") == computed[1]
    assert page.run(title).endswith(f"{K} clusters")
    assert page.run("return latentlab.store.clusterName(0)") == "cluster 0"
    page.run("latentlab.go.overview()")
    assert "as computed, without 2 edits by hand" in page.find("#head").text
    shown = [one.text for one in page.driver.find_elements("css selector", ".verdict")]
    assert sum(map(bool, shown)) == 1
    page.run("latentlab.showTab('scores')")
    assert "as computed, without 2 edits by hand" in page.find("#scores").text
    assert "edited by hand" not in page.find("#scores").text
    figures = page.driver.find_elements("css selector", "#scores figure img")
    assert [one.is_displayed() for one in figures if "cluster" in one.get_attribute("alt")] == [
        *(False, True)
    ]

    switch(page, "edited")
    page.wait("latentlab.store.sizeOf(2) === 0")
    assert page.run(title).endswith(f"{K - 1} clusters")
    assert page.run("return latentlab.store.clusterName(0)") == "firsts"
    assert "edited by hand" in page.find("#scores").text
    assert page.errors() == []


def test_a_report_without_edits_has_no_switch(driver, run):
    page = browsing.Page(driver, (run.path / "report" / "index.html").as_uri())
    assert not page.find("#state").is_displayed()
    assert page.run("return latentlab.states.note()") == "as computed"


def test_the_viewer_switches_too_and_changes_nothing_that_is_as_computed(viewed, run):
    assert not viewed.find("#state").is_displayed()
    viewed.run("latentlab.go.cluster(0)")
    viewed.run("latentlab.edit('edit', {action: 'name', cluster: 0, name: 'firsts'})")
    viewed.wait("latentlab.store.clusterName(0) === 'firsts'")
    assert viewed.texts("#state option") == ["with 1 edit by hand", "as computed"]
    viewed.wait("document.getElementById('accept')")
    switch(viewed, "computed")
    viewed.wait("latentlab.store.clusterName(0) === 'cluster 0'")
    assert not viewed.run("return document.getElementById('accept')")
    assert not viewed.find("#undo").is_displayed()
    viewed.run("latentlab.edit('undo')")
    viewed.wait("document.getElementById('notice').textContent.includes('as computed')")
    switch(viewed, "edited")
    viewed.wait("latentlab.store.clusterName(0) === 'firsts'")
    viewed.find("#undo").click()
    viewed.wait("document.getElementById('state').hidden")
    assert viewed.run("return latentlab.store.clusterName(0)") == "cluster 0"


def test_the_viewer_finds_images_by_words(viewed):
    choice = viewed.find("#search-by")
    assert choice.is_displayed()
    choice.find_element("css selector", "option[value=words]").click()
    viewed.find("#search").send_keys("a blue thing\n")
    viewed.wait("latentlab.store.scope.kind === 'like'")
    rows = viewed.run("return [...latentlab.grid.rows]")
    labels = viewed.run(
        "return arguments[0].map(row => latentlab.store.valueText('label', row))", rows
    )
    assert labels[:EACH] == ["blue"] * EACH
    assert "a blue thing" in viewed.find("#head h2").text


def test_the_groups_of_a_cut_become_the_clusters_and_undo_takes_them_back(viewed, run):
    viewed.find("#open-tree").click()
    viewed.run(
        "const cut = document.getElementById('cut'); cut.value = 3;"
        "cut.dispatchEvent(new Event('input'))"
    )
    viewed.wait("latentlab.store.groups.level?.names.length === 3")
    groups = viewed.run("return [...latentlab.store.groups.level.values]")
    viewed.find("#join").click()
    viewed.wait("latentlab.store.filled().length === 3")
    clusters = viewed.run("return [...latentlab.store.groups.cluster.values]")
    assert len(set(zip(groups, clusters, strict=True))) == 3
    edits = read_json(run.clustering(None).folder / "edits.json")["edits"]
    assert {one["action"] for one in edits} == {"merge"}
    for _ in edits:
        viewed.find("#undo").click()
    viewed.wait("latentlab.store.filled().length === arguments[0]", K)
