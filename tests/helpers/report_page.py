"""The page of a run's report, and the data in it."""

import json
import re


def page(run):
    """Return the text of the page."""
    return (run.path / "report" / "index.html").read_text(encoding="utf-8")


def data_of(text):
    """Return the data of a page."""
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))
