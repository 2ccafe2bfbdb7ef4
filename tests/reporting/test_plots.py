"""Pictures are reduced to a size that a page can hold."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from latentlab.reporting import paper_figures, plots


def test_big_pictures_are_reduced(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    path = plots.save_png(plots.image_grid(noise, "noise"), tmp_path / "noise.png")
    assert path.stat().st_size < 1_000_000
    assert Image.open(path).size[0] > 500


LONG_NOTE = (
    "10,000 of 60,000 images, drawn at random; UMAP, 15 neighbours, seed 0; trustworthiness 0.905"
    " (± 0.002 over 3 seeds), continuity 0.943 (± 0.001 over 3 seeds); another seed keeps 77% of an"
    " image's nearest ones"
)


@pytest.mark.parametrize("n_groups", [1, 2, 30, 90])
def test_the_note_below_a_map_stands_inside_the_figure(n_groups):
    xy = np.random.default_rng(0).normal(size=(200, 2))
    groups = np.arange(200) % n_groups
    names = [f"a class with a long name {number}" for number in range(n_groups)]
    figures = {
        "report": plots.scatter(xy, groups, names, "UMAP", LONG_NOTE),
        "paper": paper_figures.point_map(xy, groups, names, LONG_NOTE),
    }
    for name, figure in figures.items():
        FigureCanvasAgg(figure).draw()
        notes = [text for text in figure.findobj(Text) if "trustworthiness" in text.get_text()]
        assert len(notes) == 1, name
        extent = notes[0].get_window_extent()
        assert extent.x0 >= 0, name
        assert extent.y0 >= 0, name
        assert extent.x1 <= figure.bbox.x1, name
