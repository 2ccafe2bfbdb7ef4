"""A run shown in a notebook."""

import re

import numpy as np
import pytest

from latentlab import RunView


def test_a_notebook_shows_a_run(reported):
    view = RunView(reported.path)
    text = view._repr_html_()
    assert "<script" not in text
    assert text.count("<tr>") == 5
    heads = re.findall(r"<th scope='col'[^>]*>([^<]*)</th>", text)
    assert heads == ["cluster", "images", "commonest labels", "nearest images"]
    assert "kmeans-k4, as computed</h3>" in text
    assert "the purity is" in text
    assert text.count("data:image/webp;base64,") == sum(
        min(8, size) for size in np.bincount(view.summary.clusters)
    )
    assert repr(view).endswith("160 images in 4 clusters, as computed")
    assert view.plot_map("label").get_suptitle() == "By label"
    with pytest.raises(ValueError, match="known are cluster"):
        view.plot_map("colour")
