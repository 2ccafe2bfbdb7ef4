"""The map, the figures and the page: what stands in them, from real runs."""

import json
import re


def page(run):
    return (run.path / "report" / "index.html").read_text(encoding="utf-8")


def data_of(text):
    """Return the data of a page."""
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))
