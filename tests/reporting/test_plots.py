"""Pictures are reduced to a size that a page can hold."""

import numpy as np
from PIL import Image

from latentlab.reporting import plots


def test_big_pictures_are_reduced(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    path = plots.save_png(plots.image_grid(noise, "noise"), tmp_path / "noise.png")
    assert path.stat().st_size < 1_000_000
    assert Image.open(path).size[0] > 500
