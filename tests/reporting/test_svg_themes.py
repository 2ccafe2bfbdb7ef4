"""Figures for light and dark pages."""

import re
import xml.dom.minidom

import numpy as np

from latentlab.reporting import plots
from latentlab.reporting.svg_themes import themed_svg

NOISE = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)


def test_no_ground_is_painted_and_no_ink_is_black_for_good():
    svg = themed_svg(plots.loss_curves({"a": [{"epoch": 1, "loss": 0.5, "val_loss": 0.6}]}))
    xml.dom.minidom.parseString(svg)
    assert not re.search(r": #(ffffff|000000|262626)[;\"]", svg.partition("</style>")[2])
    assert "prefers-color-scheme: dark" in svg


def test_pictures_inside_are_small_and_their_gaps_are_clear():
    svg = themed_svg(plots.image_grid(NOISE, "noise"))
    assert "image/png" not in svg
    assert svg.count("data:image/webp;base64,") == 1
    assert svg == themed_svg(plots.image_grid(NOISE, "noise"))


def test_texts_of_a_heatmap_are_white_on_full_cells_only():
    figure = plots.contingency_heatmap(np.array([[100, 0], [40, 60]]), ["a", "b"], "labels")
    colours = [text.get_color() for text in figure.axes[0].texts]
    assert colours == ["white", "black", "black", "black"]
