"""Fixtures: a small data set with real structure, and one finished run of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# As latentlab sets it, before a test imports TensorFlow by itself: where it is off by default, on older processors, results of a
# worker and of the commands that it starts would differ in their last bits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from latentlab.config import ClusterOptions, DataOptions, FitOptions  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def make_stripes(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images (count, 16, 16, 3) of four kinds (colour and direction of stripes), and their kinds."""
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


@pytest.fixture(scope="session")
def stripes_file(tmp_path_factory) -> Path:
    """Return an .npz file of 120 training and 40 held-out images with labels."""
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    x, y = make_stripes(160)
    np.savez(path, x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])
    return path


@pytest.fixture
def data(stripes_file) -> DataOptions:
    return DataOptions(data=str(stripes_file))


def use_weights_in(monkeypatch, folder):
    """Let ready-made encoders live in a folder of the test's own."""
    from latentlab.encoders import ready_made

    monkeypatch.setattr(ready_made, "FOLDER", folder)


def small_fit(**changes) -> FitOptions:
    """Return options that train in a second or two."""
    values = {
        "arch_options": {"width": 4, "code_channels": 4},
        "epochs": 2,
        "batch_size": 20,
        "validation": 0.1,
    }
    return FitOptions(**(values | changes))


@pytest.fixture(scope="session")
def finished_run(stripes_file, tmp_path_factory):
    """Return a run that was fitted, clustered and evaluated; tests must not change it."""
    from latentlab import pipeline

    run = pipeline.fit(
        DataOptions(data=str(stripes_file)),
        small_fit(),
        tmp_path_factory.mktemp("runs") / "finished",
    )
    pipeline.cluster(run, ClusterOptions(k=4))
    pipeline.evaluate(run)
    return run


@pytest.fixture(scope="module")
def reported(finished_run, tmp_path_factory):
    """Return a copy of the finished run with its report; tests must not change it."""
    from latentlab import pipeline

    folder = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(finished_run.path, folder)
    run = type(finished_run).open(folder)
    pipeline.report(run, sample=100)
    return run


@pytest.fixture(scope="module")
def strong_run(stripes_file, tmp_path_factory):
    """Return a run of a small fit by SwAV, whose epoch 2 was kept; a module's tests share it, and cluster in it."""
    from strong import strong_fit

    from latentlab import pipeline

    return pipeline.fit(
        DataOptions(data=str(stripes_file)),
        strong_fit(),
        tmp_path_factory.mktemp("runs") / "strong",
        keep_every=2,
    )


def latentlab(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    """Run the command line in a process of its own, as a user does."""
    return python("-m", "latentlab", *map(str, arguments), cwd=cwd, env=environment)


SEVERAL = """
import json, os, sys, tempfile
from latentlab.cli import main

for arguments in json.loads(sys.argv[1]):
    kept = {number: os.dup(number) for number in (1, 2)}
    files = {number: tempfile.TemporaryFile("w+") for number in kept}
    for number, file in files.items():
        os.dup2(file.fileno(), number)
    sys.argv, code = ["latentlab", *arguments], None
    try:
        main()
    except SystemExit as error:
        code = error.code
    sys.stdout.flush(), sys.stderr.flush()
    for number, descriptor in kept.items():
        os.dup2(descriptor, number)
        files[number].seek(0)
    print(json.dumps([code, files[1].read(), files[2].read()]), flush=True)
"""


def latentlab_in_turn(*commands: tuple) -> list[subprocess.CompletedProcess]:
    """Run several command lines one after the other in one process, which imports the heavy packages only once.

    What each writes to the descriptors 1 and 2 is kept apart, so that noise of native code is seen here too.
    """
    arguments = [[str(argument) for argument in command] for command in commands]
    done = python("-c", SEVERAL, json.dumps(arguments))
    assert done.returncode == 0, done.stderr
    results = map(json.loads, done.stdout.splitlines())
    return [
        subprocess.CompletedProcess(given, *result)
        for given, result in zip(arguments, results, strict=True)
    ]


def python(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Run Python in a process of its own that finds this latentlab."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path} | (env or {})
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=300,
    )


def read_json(path: Path):
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real CIFAR-10 and MNIST; tests skip without it, and fail where CI promises it."""
    folder = os.environ.get("LATENTLAB_TEST_DATA", "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    message = "LATENTLAB_TEST_DATA names no folder with the real data sets"
    if os.environ.get("LATENTLAB_REQUIRE_DATA"):
        pytest.fail(message)
    pytest.skip(message)
