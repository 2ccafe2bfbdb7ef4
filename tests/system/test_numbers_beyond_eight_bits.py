"""Pictures and arrays beyond 8 bits through a whole run: one scale, kept and used again."""

import collections
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.deep_files import save, write_png16, write_set
from helpers.files import ROOT

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import opening
from latentlab.pipeline.run_data import open_like, open_run_images
from latentlab.storage import tables
from latentlab.storage.run import Run

ENCODER = "cifar10-strong"
MOST_MIB = 1536  # anonymous memory


def run_on(folder: Path, run: Path, **more) -> Run:
    return pipeline.use_encoder(DataOptions(data=str(folder), **more), ENCODER, run)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    """Return a folder of sixty 16-bit PNGs of 100 to 900, and a clustered run of them."""
    folder = tmp_path_factory.mktemp("sixty")

    def numbers_of(picture):
        return 100 + (picture / 255 * 800).astype(np.uint16)

    write_set(folder / "pictures", 15, numbers_of, write_png16, ".png")
    run = run_on(folder / "pictures", folder / "run", held_out=0.2)
    pipeline.embed(run)
    pipeline.cluster(run, ClusterOptions(k=4))
    return folder, run


def test_sixty_png_of_sixteen_bits_are_clustered(sixty):
    _, run = sixty
    table = tables.read(run.clustering(None).folder / "assignments.parquet")
    classes = [name.split("/")[0] for name in table["id"].to_pylist()]
    assert len(classes) == 60
    assert purity(classes, table["cluster"].to_pylist()) >= 0.9


def purity(classes: list[str], clusters: list[int]) -> float:
    """Return the share of images whose class is the commonest of their cluster."""
    pairs = collections.Counter(zip(clusters, classes, strict=True))
    best = (max(n for (k, _), n in pairs.items() if k == each) for each in set(clusters))
    return sum(best) / len(classes)


def test_the_run_keeps_the_scale_and_says_it(sixty):
    folder, run = sixty
    recorded = json.loads((run.path / "run.json").read_text())
    low, high = map(float, recorded["config"]["data"]["value_range"].split(","))
    assert 100 <= low < high <= 900
    assert f"numbers {low:g} to {high:g} of 16-bit pictures" in recorded["intake"]["scale"]
    again = opening.open_images(dataclasses.replace(run.config.images, value_range=None))
    assert again.value_range == run.config.images.value_range
    assert open_run_images(Run.open(run.path)).fingerprint == run.config.images_sha256
    assert folder.exists()


def test_predict_sees_equal_numbers_as_equal_pixels(sixty):
    """Few of the pictures, which have another range alone, get the pixels that they had before."""
    folder, run = sixty
    (folder / "few").mkdir()
    for path in sorted((folder / "pictures" / "disc").iterdir())[:3]:
        (folder / "few" / path.name).write_bytes(path.read_bytes())
    few = open_like(run, DataOptions(data=str(folder / "few")))
    fitted = open_run_images(run)
    places = [fitted.ids.tolist().index(f"disc/{name}") for name in few.ids.tolist()]
    np.testing.assert_array_equal(few.read(np.arange(3)), fitted.read(np.array(places)))
    target = folder / "few.parquet"
    pipeline.predict(run, None, DataOptions(data=str(folder / "few")), target)
    assert target.exists()


def test_an_ordinary_run_leaves_dark_pictures_dark(tmp_path):
    write_set(tmp_path / "set", 3, lambda picture: picture, save, ".png")
    run = run_on(tmp_path / "set", tmp_path / "run")
    assert "value_range" not in json.loads((run.path / "run.json").read_text())["config"]["data"]
    write_set(tmp_path / "night", 1, lambda picture: picture // 16, save, ".png")
    assert open_like(run, DataOptions(data=str(tmp_path / "night"))).read(np.arange(4)).max() < 20
    write_set(tmp_path / "camera", 1, lambda x: 130 + x.astype(np.uint16) // 2, save, ".tif")
    assert open_like(run, DataOptions(data=str(tmp_path / "camera"))).read(np.arange(4)).max() > 200


def test_the_original_in_the_viewer_is_on_the_same_scale(sixty):
    _, run = sixty
    images = open_run_images(run)
    shown = np.asarray(opening.open_picture(images, 0, run.config.images))
    assert shown.min() < 30
    assert shown.max() > 220


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_trial_on_a_large_array_needs_little_memory(tmp_path):
    """A sparse file of 6.9 GB of floats: pages of a mapped file are not counted."""
    path = tmp_path / "large.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (11_450, 224, 224, 3))
    mapped[:40:2] = 100
    mapped.flush()
    del mapped
    assert path.stat().st_size > 6_850_000_000
    line = "-m latentlab fit --arch mlp --epochs 1 --least-steps 1 --size 16 --limit 300"
    command = [sys.executable, *line.split(), "--data", path, "--run", tmp_path / "run"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert _peak_of(process) < MOST_MIB
    assert process.returncode == 0


def _peak_of(process: subprocess.Popen) -> float:
    """Return the most anonymous memory that a process has until it ends, in MiB."""
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        rows = [row for row in status.read_text().splitlines() if row.startswith("RssAnon")]
        peak = max([peak, *(int(row.split()[1]) for row in rows)])
        time.sleep(0.05)
    return peak / 1024
