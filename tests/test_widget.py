"""The widget of a notebook: its model in Python, and its views in a browser."""

import shutil
import sys

import pytest
from helpers import browsing, page_gate, widget_page
from selenium.webdriver.common.keys import Keys

from latentlab import RunView, pipeline
from latentlab.errors import ConfigError, MissingDependencyError, RunError
from latentlab.storage.run import Run


@pytest.fixture(scope="module")
def mapped(finished_run, tmp_path_factory):
    """Return a copy of the finished run with a map."""
    folder = tmp_path_factory.mktemp("mapped") / "run"
    shutil.copytree(finished_run.path, folder)
    return pipeline.project(Run.open(folder), sample=100)


@pytest.fixture(scope="module")
def widget(mapped):
    return RunView(mapped.path).widget()


@pytest.fixture(scope="module")
def page(widget, tmp_path_factory):
    folder = tmp_path_factory.mktemp("widget")
    widget.select([])
    driver = browsing.start(folder, (1100, 1700))
    try:
        with widget_page.served(widget, folder) as address:
            yield browsing.Page(driver, address)
    finally:
        driver.quit()


def test_what_is_selected_in_the_notebook_is_selected_in_python(widget):
    told = []

    def hear(change):
        told.append(change["new"])

    widget.observe(hear, "selected")
    widget.set_state({"_rows": [3, 5]})  # as a view does
    assert told == [widget.selected]
    frame = widget.selection()
    assert frame["id"].tolist() == list(widget.selected)
    _, positions = widget._summary.read_map()
    assert frame["id"].tolist() == widget._summary.images.ids[positions[[3, 5]]].tolist()
    assert {"cluster", "cluster_name", "split", "label", "distance", "margin"} <= set(frame)
    widget.select([])
    assert widget.selected == ()
    assert widget.selection().empty
    widget.unobserve(hear, "selected")


def test_what_is_selected_in_python_is_told_to_the_notebook(widget):
    widget.set_state({"_rows": [8, 2]})
    two = widget.selected
    widget.select(reversed(two))
    assert widget.get_state("_rows") == {"_rows": [2, 8]}
    with pytest.raises(ConfigError, match=r"`ids=nowhere.png` is no image on the map"):
        widget.select([two[0], "nowhere.png"])
    assert widget.selected == two


def test_rows_from_outside_are_checked(widget):
    import traitlets

    with pytest.raises(traitlets.TraitError, match="not on the map"):
        widget.set_state({"_rows": [-1]})


def test_a_run_without_a_map_says_what_makes_it(finished_run):
    with pytest.raises(RunError, match=r"umap.parquet is missing"):
        RunView(finished_run.path).widget()


def test_one_line_says_what_is_missing(mapped, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "latentlab.widget", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'latentlab\[notebook\]'"):
        RunView(mapped.path).widget()
    assert "kmeans-k4" in RunView(mapped.path)._repr_html_()


def rows_told(page, number=0):
    """Return the rows that a model was given last."""
    return page.run("return models[arguments[0]].saved.at(-1) ?? null", number)


def in_view(page, selector, number=0):
    return page.run(
        "return views[arguments[0]].shadowRoot.querySelector(arguments[1])", number, selector
    )


def test_views_show_map_and_pictures_without_complaints(page):
    assert page.errors() == []
    for number in range(3):
        page.wait(
            "views[arguments[0]].shadowRoot.querySelectorAll('.cell canvas').length >= 8", number
        )
        inked = page.run(
            """const map = views[arguments[0]].shadowRoot.querySelector(".surface canvas");
               return map.getContext("2d").getImageData(0, 0, map.width, map.height)
                   .data.some(value => value);""",
            number,
        )
        assert inked
    assert not any("thumb" in address for address in page.requests())


def test_a_lasso_selects_in_its_own_widget_alone(page, widget):
    box = page.run(
        """const {left, top, width, height} =
               views[0].shadowRoot.querySelector(".surface").getBoundingClientRect();
           return [left, top, width, height];"""
    )
    left, top, width, height = box
    in_view(page, ".lasso").click()
    corners = [(2, 2), (width - 2, 2), (width - 2, height / 2), (2, height / 2)]
    page.lasso([(round(left + x), round(top + y)) for x, y in corners])
    page.wait("models[0].saved.length > 0")
    rows = rows_told(page)
    expected = page.run(
        """const {latentlab} = views[0], box = views[0].shadowRoot.querySelector(".surface")
               .getBoundingClientRect(), half = box.top + box.height / 2;
           return Array.from({length: latentlab.store.n}, (_, row) => row)
               .filter(row => latentlab.map.pixelOf(row)[1] < half);"""
    )
    assert 0 < len(rows) < 100
    assert rows == expected
    widget.set_state({"_rows": rows})
    assert len(widget.selected) == len(rows)
    assert in_view(page, "[role=status]").text == f"{len(rows)} images selected"
    # The other view of this model does not follow by itself here; the other model has nothing.
    assert rows_told(page, 1) is None
    assert in_view(page, "[role=status]", 1).text == "100 images"


def test_python_selects_in_every_view_of_the_model(page):
    page.run("models[0].fromPython('_rows', [1, 4, 9])")
    for number in (0, 2):
        page.wait("views[arguments[0]].latentlab.grid.rows.length === 3", number)
        assert in_view(page, "[role=status]", number).text == "3 images selected"
    assert page.run("return views[1].latentlab.grid.rows.length") == 100


def test_ticks_in_the_grid_narrow_what_is_selected(page):
    page.run("models[0].fromPython('_rows', [1, 4, 9])")
    page.wait("views[0].latentlab.grid.rows.length === 3")
    in_view(page, ".grid").send_keys(Keys.HOME, " ")
    assert len(rows_told(page)) == 1
    in_view(page, ".head-of-widget button").click()
    assert rows_told(page) == []


def test_a_picture_opens_by_keyboard_and_leads_to_those_like_it(page):
    in_view(page, ".grid", 1).send_keys(Keys.HOME, Keys.ENTER)
    page.wait("!views[1].shadowRoot.querySelector('.full').hidden")
    assert "cluster" in in_view(page, ".full table", 1).text
    assert rows_told(page, 1) is None
    opened = page.run("return views[1].latentlab.store.image")
    page.run(
        "[...views[1].shadowRoot.querySelectorAll('.full button')]"
        ".find(one => one.textContent === 'More like this').click()"
    )
    page.wait("models[1].saved.length > 0")
    assert opened in rows_told(page, 1)
    assert len(rows_told(page, 1)) > 3


def test_keys_stay_inside_and_the_theme_is_the_notebooks(page):
    page.run("window.heard = 0; document.addEventListener('keydown', () => heard++)")
    in_view(page, ".grid").send_keys("d")
    assert page.run("return heard") == 0
    assert page.run("return views[0].dataset.theme") == "light"
    page.run("document.body.style.backgroundColor = '#111111'")
    page.wait("views[0].dataset.theme === 'dark'")
    assert page.errors() == []


def test_axe_finds_nothing_in_a_widget(page):
    in_view(page, ".grid").send_keys(Keys.HOME)
    assert [found for found in page_gate.violations(page) if "latentlab" in found] == []
    in_view(page, ".grid").send_keys(Keys.ENTER)
    page.wait("!views[0].shadowRoot.querySelector('.full').hidden")
    assert [found for found in page_gate.violations(page) if "latentlab" in found] == []


def test_a_view_that_ends_leaves_its_model(page):
    page.run("ends[2]()")
    assert page.run("return models[0].listeners.length") == 1
    page.run("models[0].fromPython('_rows', [2])")
    assert page.errors() == []
