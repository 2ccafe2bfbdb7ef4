"""The page that compares clusterings."""

import re

from latentlab import pipeline
from latentlab.config import ClusterOptions


def test_comparison_page_matches_clusters_and_needs_no_script(reported, tmp_path):
    pipeline.cluster(reported, ClusterOptions(k=5))
    pipeline.compare([(reported, "kmeans-k4"), (reported, "kmeans-k5")], tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert text.count("without a partner</th>") == 1
    assert text.count("<figcaption>") == 2
    assert "paired" in text
