"""Figures for papers in every format."""

import numpy as np
import pytest
from PIL import Image

from latentlab import pipeline
from latentlab.errors import ConfigError
from latentlab.storage import tables


def test_paper_figures_come_in_every_format_with_text_as_text(reported, tmp_path):
    written = pipeline.figures(reported, tmp_path / "figures", sample=100)
    names = {path.name for path in written}
    assert {
        f"{name}.{kind}"
        for name in ("datamap", "map-clusters", "map-labels", "nearest", "labels", "loss")
        for kind in ("png", "svg", "pdf")
    } == names
    datamap = (tmp_path / "figures" / "datamap.svg").read_text()
    sizes = np.bincount(reporting_sizes(reported))
    assert all(f"{cluster}  ({size:,})" in datamap for cluster, size in enumerate(sizes))
    assert Image.open(tmp_path / "figures" / "map-clusters.png").size[0] == pytest.approx(
        3.35 * 400, abs=2
    )
    with pytest.raises(ConfigError, match="unknown format"):
        pipeline.figures(reported, tmp_path, formats=("gif",), sample=100)


def reporting_sizes(run):
    return np.asarray(
        tables.read(run.path / "clusters" / "kmeans-k4" / "assignments.parquet")["cluster"]
    )
