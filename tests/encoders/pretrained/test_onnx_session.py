"""Batches that run at the same time give what one batch after the other gives."""

import subprocess
import sys
import threading

import numpy as np
import onnxruntime
import pytest
from helpers import onnx_models as made
from PIL import Image

from latentlab import backend
from latentlab.encoders.pretrained import onnx_session
from latentlab.encoders.pretrained.onnx_session import Batches, encode_in_batches, start_session


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr(backend, "count_processors", lambda: 3)
    monkeypatch.setattr(onnx_session, "PIXELS", made.SIZE**2)


@pytest.fixture
def path(tmp_path):
    return str(made.nchw_model(tmp_path / "net.onnx"))


def encode(session, count, encode_batch):
    pixels = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    pixels = np.broadcast_to(pixels, (count, made.SIZE, made.SIZE, 3))
    return encode_in_batches(session, pixels, encode_batch, feature_size=1)


def first_number(pixels):
    return pixels[:, 0, 0, :1].astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 41])
def test_each_picture_has_its_row(three_cores, path, count):
    features = encode(start_session(path, made.SIZE), count, first_number)
    assert features.dtype == np.float32
    assert features[:, 0].tolist() == list(range(count))


def test_as_many_batches_as_cores_run_at_the_same_time(three_cores, path):
    together = threading.Barrier(3, timeout=10)

    def encode_batch(pixels):
        together.wait()  # breaks unless three threads come here
        return first_number(pixels)

    assert len(encode(start_session(path, made.SIZE), 3 * 4, encode_batch)) == 12


def test_what_a_batch_raises_is_raised(three_cores, path):
    def encode_batch(pixels):
        if pixels[0, 0, 0, 0] == 8:
            raise ValueError("the third batch")
        return first_number(pixels)

    with pytest.raises(ValueError, match="the third batch"):
        encode(start_session(path, made.SIZE), 41, encode_batch)


def test_the_cores_are_shared_among_the_batches(monkeypatch, path):
    monkeypatch.setattr(backend, "count_processors", lambda: 8)
    assert _threads_of(path, 224) == 1
    assert _threads_of(path, 224, batch=32) == 4
    assert _threads_of(path, 4096) == 8


def _threads_of(path, size, batch=None):
    session: onnxruntime.InferenceSession = start_session(path, size, batch)
    return session.get_session_options().intra_op_num_threads


def test_batches_are_small_and_few_where_they_are_large(monkeypatch):
    monkeypatch.setattr(backend, "count_processors", lambda: 16)
    assert Batches.on_cores(224, None) == Batches(step=4, lanes=16)
    assert Batches.on_cores(224, 64) == Batches(step=64, lanes=1)
    assert Batches.on_cores(4096, None) == Batches(step=1, lanes=1)
    assert Batches.on_gpu(224, None) == Batches(step=32, lanes=1)
    assert Batches.on_gpu(4096, None) == Batches(step=1, lanes=1)


def test_neither_keras_nor_its_backend_starts(path, tmp_path):
    """They take seconds to import, and ONNX Runtime needs neither."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "black.png")
    program = (
        "import sys; from latentlab import pipeline; from latentlab.config import DataOptions;"
        f"run = pipeline.use_encoder(DataOptions(data={str(folder)!r}), {path!r}, sys.argv[1]);"
        "pipeline.embed(run);"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & {*sys.modules}));"
        "print(run.fact('onnxruntime'), run.fact('device'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded, facts = result.stdout.splitlines()[-2:]
    assert loaded == "[]"
    assert facts.startswith(f"{onnxruntime.__version__} ")
