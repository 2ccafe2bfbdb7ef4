"""Sphinx's settings; `scripts/docs` builds the site, and a warning is an error."""

import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

import latentlab  # noqa: E402

project = "latentlab"
copyright = "the latentlab authors"  # noqa: A001  # Sphinx's name for it
version = release = latentlab.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "latentlab"
html_static_path = ["pictures"]
html_extra_path = ["example"]  # a report, as a page of the site
templates_path: list[str] = []
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
default_role = "code"
suppress_warnings = [
    "ref.python"
]  # types of parameters are words here, such as "ndarray of shape (k,)"
exclude_patterns = ["_build"]


def _plain_modules(
    app: Any, kind: str, name: str, member: Any, options: Any, lines: list[str]
) -> None:
    """Show a module's docstring below its first paragraph as written: it has formulas."""
    first = lines.index("") if kind == "module" and "" in lines else len(lines)
    if any(lines[first:]):
        lines[first:] = ["", "::", "", *(f"    {line}" for line in lines[first + 1 :]), ""]


def _skip_fields(
    app: Any, kind: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the fields of a named tuple: the docstring of its class describes them."""
    return True if type(member).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    """Connect both functions to autodoc."""
    app.connect("autodoc-process-docstring", _plain_modules)
    app.connect("autodoc-skip-member", _skip_fields)
