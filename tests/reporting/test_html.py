"""Pages stay below their size limit."""

from latentlab import pipeline
from latentlab.reporting import clustering_summary
from latentlab.reporting import html as pages


def test_long_ids_cost_thumbnails_and_not_the_size_of_the_page(reported, monkeypatch):
    summary = clustering_summary.read_summary(
        reported.clustering("kmeans-k4"), pipeline.open_run_images(reported), None
    )
    whole = pages.render_report(summary, {})
    monkeypatch.setattr(pages, "LARGEST_PAGE", len(whole.encode()) - 5_000)
    smaller = pages.render_report(summary, {})
    assert len(smaller.encode()) < len(whole.encode()) - 4_000
    assert "every image of the map has a thumbnail" in whole
    assert "every image of the map has a thumbnail" not in smaller
    monkeypatch.setattr(pages, "LARGEST_PAGE", 0)
    assert "0 of " in pages.render_report(summary, {})  # and a page nevertheless
