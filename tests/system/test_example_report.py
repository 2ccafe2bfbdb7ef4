"""The report in docs/example, which README offers to who has installed nothing."""

import json
import re

import pytest
from helpers import browsing
from helpers.files import ROOT

from latentlab.reporting import page_data

EXAMPLE = ROOT / "docs" / "example" / "digits-report.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    driver = browsing.start(tmp_path_factory.mktemp("example"))
    try:
        yield browsing.Page(driver, EXAMPLE.as_uri())
    finally:
        driver.quit()


def test_the_example_is_small_linked_and_of_the_page_as_it_is_now():
    """scripts/gallery.py makes it anew."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.encode()) < 2_000_000
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    assert json.loads(found[1])["version"] == page_data.VERSION
    assert "docs/example/digits-report.html" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_opens_with_all_images_and_asks_nobody(page):
    assert page.errors() == []
    assert [one for one in page.requests() if not one.startswith(("file:", "data:", "blob:"))] == []
    assert page.run("return latentlab.store.n") == 1797
    page.run("latentlab.go.cluster(1)")
    page.wait("document.querySelectorAll('#grid .cell canvas').length > 20")
    grey = """const canvas = document.querySelector("#grid .cell canvas");
        return new Set(canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data).size;"""
    assert page.run(grey) > 10
    page.run("latentlab.go.image(latentlab.store.rows[0])")
    page.wait("!document.getElementById('picture').hidden")
    assert page.errors() == []
