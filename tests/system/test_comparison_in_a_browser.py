"""The page that compares two clusterings, in a real browser, from disk."""

import pytest
from helpers import browsing

from latentlab import pipeline
from latentlab.config import ClusterOptions


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browsing.start(tmp_path_factory.mktemp("downloads"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(reported, tmp_path_factory):
    pipeline.cluster(reported, ClusterOptions(k=5))
    folder = tmp_path_factory.mktemp("comparison")
    pipeline.compare([(reported, "kmeans-k4"), (reported, "kmeans-k5")], folder)
    return (folder / "index.html").as_uri()


@pytest.fixture
def page(driver, address):
    page = browsing.Page(driver, address)
    yield page
    assert page.errors() == []
    assert all(one.startswith(("file:", "data:", "blob:")) for one in page.requests())


def shown_on(page, side):
    """Return the images that a map shows in full colour."""
    return page.run(
        "const {map, rows} = latentlab.sides.maps[arguments[0]];"
        "return [...rows].filter((_, place) => map.levelOf(place) === 2)",
        side,
    )


def in_cell(page, left, right):
    """Return the images of a cell of the table."""
    return page.run(
        "const {left, right} = latentlab.store.groups;"
        "return [...left.values.keys()].filter("
        "row => left.values[row] === arguments[0] && right.values[row] === arguments[1])",
        left,
        right,
    )


def grid(page):
    return page.run("return [...latentlab.grid.rows]")


def test_a_cell_of_the_table_selects_its_images_on_both_maps_and_in_the_grid(page):
    cell = page.find("#table td.matched")
    left, right = (int(cell.get_attribute(f"data-{side}")) for side in ("left", "right"))
    cell.click()
    wanted = in_cell(page, left, right)
    assert grid(page) == wanted
    for side in ("left", "right"):
        on_map = page.run("return [...latentlab.sides.maps[arguments[0]].rows]", side)
        assert shown_on(page, side) == [row for row in on_map if row in wanted]
    assert cell.text == str(len(wanted))
    page.wait("document.querySelector('#grid .cell canvas')")
    cell.click()
    assert len(grid(page)) == 160


def test_a_cluster_on_the_left_says_where_its_images_are_on_the_right(page):
    page.find('#table th[data-side="left"]').click()
    number = page.run("return latentlab.store.scope.number")
    rows = page.run("return [...latentlab.store.rowsOf('left', arguments[0])]", number)
    assert grid(page) == rows
    parts = page.run(
        "return [...document.querySelectorAll('.part[data-side=right]')]"
        ".map(part => Number(part.dataset.number))"
    )
    right = page.run("return [...latentlab.store.groups.right.values]")
    assert set(parts) == {right[row] for row in rows}
    page.find(".part[data-side=right]").click()
    assert grid(page) == in_cell(page, number, parts[0])


def test_a_lasso_on_one_map_selects_on_the_other(page):
    page.run("latentlab.sides.maps.left.map.setTool('lasso')")
    left, top, width, height = page.run(
        "const b = document.querySelector('#map-left .surface').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]"
    )
    corners = ((4, 4), (width * 0.55, 4), (width * 0.55, height - 4), (4, height - 4))
    page.lasso([(int(left + x), int(top + y)) for x, y in corners])
    page.wait("latentlab.store.scope.kind === 'rows'")
    chosen = page.run("return [...latentlab.store.scope.rows]")
    assert 0 < len(chosen) < 100
    assert sorted(shown_on(page, "left")) == sorted(shown_on(page, "right")) == chosen
    assert "selected on the map of" in page.find("#head h2").text


def test_a_search_hides_the_rest_of_both_maps(page):
    wanted = page.run("return latentlab.store.ids[7]")
    page.find("#search").send_keys(wanted)
    page.wait("latentlab.store.query === arguments[0]", wanted)
    assert 7 in grid(page)
    assert len(grid(page)) < 160
    assert set(shown_on(page, "left")) == set(shown_on(page, "right")) <= set(grid(page))


def test_the_keyboard_alone_leads_to_a_cell_its_images_and_a_picture(page):
    from selenium.webdriver.common.keys import Keys

    def press(*keys):
        page.mouse().send_keys(*keys).perform()

    page.run("document.querySelector('#table [tabindex=\"0\"]').focus()")
    stops = page.run("return document.querySelectorAll('#table [tabindex=\"0\"]').length")
    assert stops == 1
    press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER)
    left, right = page.run("return latentlab.store.scope.pairs[0]")
    assert grid(page) == in_cell(page, left, right)
    selected = page.find('#table td[aria-selected="true"]')
    assert selected.get_attribute("data-left") == str(left)
    page.run("latentlab.grid.focus()")
    press(Keys.ARROW_RIGHT, Keys.ENTER)
    assert page.run("return latentlab.store.image") == grid(page)[1]
    press(Keys.ARROW_LEFT)
    assert page.run("return latentlab.store.image") == grid(page)[0]
    page.wait("document.querySelector('#picture canvas:not([hidden])')")
    press(Keys.ESCAPE)
    assert page.run("return latentlab.store.image") is None
    press(Keys.ESCAPE)
    assert len(grid(page)) == 160


def test_the_images_that_moved_are_a_press_away(page):
    moved = page.run("return latentlab.sides.movedTotal()")
    assert str(moved) in page.find("#moved-images").text
    page.find("#moved-images").click()
    assert len(grid(page)) == moved
    badge = page.find("#grid .badge").text
    assert "→" in badge


def test_on_a_phone_the_maps_are_below_each_other_and_nothing_is_cut(page):
    page.driver.set_window_size(500, 900)
    try:
        page.wait("innerWidth <= 520")
        left, right = page.run(
            "return ['left', 'right'].map("
            "side => document.getElementById(`map-${side}`).getBoundingClientRect().top)"
        )
        assert right > left
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.driver.set_window_size(1280, 800)


def test_scores_and_matched_clusters_have_pages_of_their_own(page):
    page.find('nav a[href="#scores"]').click()
    page.wait("!document.getElementById('scores').hidden")
    assert page.run("return document.getElementById('browse').hidden")
    assert "paired" in page.find("#scores").text
