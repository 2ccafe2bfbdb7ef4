"""Small images with real structure, and fits of a second or two."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latentlab.config import FitOptions
from latentlab.storage.integrity import sealed_text
from latentlab.storage.manifest import MANIFEST_NAME


def make_stripes(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images of stripes and their kinds.

    Images are uint8 (count, 16, 16, 3); the four kinds differ in colour and direction.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, count)
    axis = np.arange(16)
    colours = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [220, 220, 40]])
    images = np.empty((count, 16, 16, 3))
    for i, kind in enumerate(kinds):
        wave = (np.sin(axis * 0.8 + rng.uniform(0, 0.5)) > 0).astype(float)
        pattern = wave[:, None] * np.ones(16) if kind % 2 else np.ones(16)[:, None] * wave
        images[i] = pattern[..., None] * colours[kind]
    return (images + rng.normal(0, 8, images.shape)).clip(0, 255).astype(np.uint8), kinds


def small_fit(**changes) -> FitOptions:
    """Return options that train in a second or two."""
    values = {
        "arch_options": {"width": 4, "code_channels": 4},
        "epochs": 2,
        "batch_size": 20,
        "validation": 0.1,
    }
    return FitOptions(**(values | changes))


def use_weights_in(monkeypatch, folder):
    """Let ready-made encoders live in a folder of the test's own."""
    from latentlab.encoders import ready_made

    monkeypatch.setattr(ready_made, "FOLDER", folder)


def rewrite_manifest(run_folder: Path, change: Callable[[str], str]) -> None:
    """Change the text of a run.json, and give it the checksum that belongs to the new one."""
    path = run_folder / MANIFEST_NAME
    value = json.loads(change(path.read_text()))
    value.pop("sha256", None)
    path.write_text(sealed_text(value))
