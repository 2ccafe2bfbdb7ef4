"""A run's pictures are decoded by the rule that it records, and older runs by theirs."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from latentlab.config import PARTS, WHOLE, DataOptions, FitOptions
from latentlab.data import decoding
from latentlab.data.opening import open_images
from latentlab.pipeline.fitting import fit
from latentlab.pipeline.run_data import open_run_images
from latentlab.storage.run import Run

FIT = FitOptions(arch="mlp", epochs=1, batch_size=8)


@pytest.fixture
def photos(tmp_path):
    """Return options of a folder of large JPEG pictures of random blocks."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        blocks = generator.integers(0, 256, (40, 40, 3), np.uint8)
        picture = Image.fromarray(blocks).resize((320, 320), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.jpg", quality=90)
    return DataOptions(data=str(folder), size=16)


def test_pictures_are_read_in_parts_and_the_pixels_are_nearly_the_same(photos):
    parts, whole = open_images(photos), open_images(replace(photos, decoding=WHOLE))
    assert decoding.as_opened(photos, parts).decoding == PARTS
    assert decoding.as_opened(replace(photos, decoding=WHOLE), whole).decoding is None
    assert parts.fingerprint != whole.fingerprint
    everything = np.arange(12)
    difference = np.abs(parts.read(everything).astype(int) - whole.read(everything))
    assert 0 < difference.mean() < 2


def test_arrays_and_pictures_that_are_decoded_one_by_one_record_no_rule(photos):
    digits = DataOptions(data="digits", limit=4)
    assert decoding.as_opened(digits, open_images(digits)) == digits
    assert decoding.as_opened(photos, open_images(photos, lazy=True)) == photos


def made_by_an_older_version(path, photos):
    """Make a run whose record says nothing of decoding, and whose pictures were read whole."""
    run = fit(replace(photos, decoding=WHOLE), FIT, path)
    assert "decoding" not in run.recorded_config["data"]
    return run


def test_an_older_run_goes_on_with_whole_pictures(photos, tmp_path):
    before = made_by_an_older_version(tmp_path / "run", photos).recorded_config
    assert fit(photos, FIT, tmp_path / "run").recorded_config == before
    whole = open_images(replace(photos, decoding=WHOLE))
    assert open_run_images(Run.open(tmp_path / "run")).fingerprint == whole.fingerprint


def test_a_new_run_records_its_rule_and_repeats(photos, tmp_path):
    run = fit(photos, FIT, tmp_path / "run")
    assert run.recorded_config["data"]["decoding"] == PARTS
    assert fit(photos, FIT, tmp_path / "run").recorded_config == run.recorded_config
    assert open_run_images(Run.open(tmp_path / "run")).fingerprint == run.config.images_sha256
