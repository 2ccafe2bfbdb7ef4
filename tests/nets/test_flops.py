"""Operations of a training step are counted by shapes."""

from helpers.strong import strong_fit

from latentlab import pipeline
from latentlab.training.swav_trainer import SwAVTrainer


def test_what_cannot_be_counted_ends_no_fit(data, tmp_path, monkeypatch):
    monkeypatch.setattr(SwAVTrainer, "flops_per_image", lambda self: 1 / 0)
    run = pipeline.fit(data, strong_fit(epochs=1), tmp_path / "run")
    assert run.fit_summary.flops_per_image is None


def test_operations_are_counted_by_shapes(strong_run):
    """By hand, for crops of 16 pixels.

    Maps are 8x8, 4x4 and 2x2, kernels 4x4, 3x3 and, for the code, 1x1.
    """
    lower = 64 * (16 * 3 * 8 + 9 * 8 * 8) + 16 * (9 * 8 * 16 + 9 * 16 * 16 + 16 * 4)
    top = 4 * (9 * 4 * 32 + 9 * 32 * 32)
    decoder = 16 * 9 * 4 * 32 + 64 * 9 * 32 * 16 + 256 * 9 * 16 * 3
    heads = 32 * 16 + 16 * 16 + 16 * 16
    assert strong_run.fit_summary.flops_per_image == 6 * (2 * (lower + top + heads) + decoder)
    assert strong_run.fit_summary.peak_memory > 50e6
