"""Figures whose texts come from outside."""

import base64
import warnings
import xml.dom.minidom

import matplotlib.text
import numpy as np
import pytest
from helpers.names import HOSTILE

from latentlab.reporting import paper_figures, plots
from latentlab.reporting.drawing import figure_name, legend_name, make_figure

K = len(HOSTILE)


def scattered():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 2)), rng.integers(0, K, 200)


def a_table():
    return np.random.default_rng(1).integers(0, 50, (4, K))


def losses():
    return [{"epoch": epoch, "loss": 0.5**epoch, "val_loss": 0.6**epoch} for epoch in range(1, 5)]


FIGURES = {
    "map": lambda: plots.scatter(*scattered(), HOSTILE, r"of $\frac{$x", r"note $\frac{$"),
    "heatmap": lambda: plots.contingency_heatmap(a_table(), HOSTILE, r"of $\frac{$x"),
    "losses": lambda: plots.loss_curves(dict.fromkeys(HOSTILE, losses())),
    "lines": lambda: plots.lines(dict.fromkeys(HOSTILE, [(1, 2), (3, 4)]), "x", "y", r"$\frac{$"),
    "moved": lambda: plots.transfer_heatmap(np.eye(3), HOSTILE[0], HOSTILE[-1]),
    "grid": lambda: plots.image_grid(np.zeros((3, 8, 8, 3), np.uint8), r"first of $\frac{$x"),
    "paper map": lambda: paper_figures.point_map(*scattered(), HOSTILE, r"$\frac{$; b"),
    "paper bars": lambda: paper_figures.label_bars(a_table(), HOSTILE),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_name_is_markup_or_a_warning(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name]()
        plots.save_png(figure, tmp_path / "figure.png")
        uri = plots.svg_uri(figure)
    assert (tmp_path / "figure.png").stat().st_size > 1000
    # An XML reader takes no control character and no half of a character.
    xml.dom.minidom.parseString(base64.b64decode(uri.partition(",")[2])).unlink()
    for text in figure.findobj(matplotlib.text.Text):
        assert text.get_text().replace("\n", "").isprintable()


def test_a_name_stands_in_the_figure_as_it_is():
    figure = plots.contingency_heatmap(np.ones((2, 2), int), [r"$\frac{$x", r"\$a_b%"], "of")
    svg = base64.b64decode(plots.svg_uri(figure).partition(",")[2]).decode()
    assert r">$\frac{$x<" in svg
    assert r">\$a_b%<" in svg


def test_ticks_of_a_logarithmic_axis_are_numbers():
    svg = base64.b64decode(plots.svg_uri(FIGURES["losses"]()).partition(",")[2]).decode()
    assert ">0.1<" in svg
    assert "mathdefault" not in svg


def test_a_legend_leaves_no_name_out():
    names = ["_hidden", "", "plain"]
    figure = plots.loss_curves(dict.fromkeys(names, losses()))
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert [text.partition(" (best")[0] for text in texts] == [" _hidden", " ", "plain"]


def test_long_names_leave_room():
    assert len(figure_name("x" * 300)) < 40
    assert len(legend_name("_" * 300, 5)) < 40


def test_texts_added_to_a_figure_later_are_plain_too():
    figure = make_figure(2, 2)
    axis = figure.subplots()
    axis.set_title(r"$\frac{$x")
    axis.set_xticks([0, 1], [r"$\frac{$x", "\x1b[31m"])
    figure.canvas.draw()
    assert not axis.title.get_parse_math()
