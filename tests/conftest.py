"""Markers of the tests, a small data set with real structure, and finished runs of it."""

import inspect
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

# As latentlab sets it, before a test imports TensorFlow by itself. Where it is off by default,
# on older processors, results of a worker and of the commands that it starts would differ in
# their last bits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Workers of pytest-xdist are given the columns of a terminal; what the tests read is piped.
os.environ.pop("COLUMNS", None)
# The networks of the tests are tiny: XLA would spend half of the time on making them fast.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

from helpers.runs import make_stripes, small_fit  # noqa: E402
from helpers.shared_runs import made_once, run_made_once  # noqa: E402

from latentlab.config import ClusterOptions, DataOptions  # noqa: E402

STARTS_A_RUN_OR_PROCESS = {
    "pipeline",
    "subprocess",
    "latentlab_command",
    "latentlab_in_turn",
    "warm_command",
    "python",
}


def pytest_runtest_logreport(report):
    """Print a failure when it happens: a run that is ended from outside prints no summary."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if report.failed and not is_worker:
        sys.stdout.write(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}\n")
        sys.stdout.flush()


def pytest_collection_modifyitems(items):
    """Mark each test as `unit`, `run` or `system`, unless its author did."""
    for item in items:
        if not any(item.get_closest_marker(name) for name in ("unit", "run", "system")):
            item.add_marker(marker_of(item))


def marker_of(item) -> str:
    """Return `system` for tests in tests/system, and `run` where a run or a process is started.

    A test starts one if the test itself or one of its fixtures names what does. Tests on the real
    data sets are `run` too. Slow tests of single modules are marked `run` by hand.
    """
    if item.path.parent.name == "system":
        return "system"
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    functions = [item.obj, *(definition.func for group in fixtures for definition in group)]
    starts = bool(names_in(functions) & STARTS_A_RUN_OR_PROCESS)
    return "run" if starts or "real_data" in item.fixturenames else "unit"


def names_in(functions) -> set[str]:
    """Return the names that functions use, also through other functions of their own files."""
    names, following = set(), list(functions)
    while following:
        function = inspect.unwrap(following.pop())
        if not inspect.isfunction(function):
            continue
        for name in set(names_of_code(function.__code__)) - names:
            names.add(name)
            called = function.__globals__.get(name)
            if getattr(called, "__module__", "") == function.__module__:
                following.append(called)
    return names


def names_of_code(code):
    """Yield the names in code and in the functions and comprehensions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from names_of_code(constant)


@pytest.fixture(scope="session", autouse=True)
def shared_work_of_jax(tmp_path_factory):
    """Let the processes that train on JAX share what it compiles: half of their time."""
    folder = made_once(tmp_path_factory, "jax", lambda folder: None)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.fixture(scope="session")
def stripes_file(tmp_path_factory) -> Path:
    """Return an .npz file of 120 training and 40 held-out images with labels."""

    def make(folder: Path) -> None:
        x, y = make_stripes(160)
        np.savez(
            folder / "stripes.npz", x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:]
        )

    return made_once(tmp_path_factory, "data", make) / "stripes.npz"


@pytest.fixture
def data(stripes_file) -> DataOptions:
    return DataOptions(data=str(stripes_file))


@pytest.fixture(scope="session")
def finished_run(stripes_file, tmp_path_factory):
    """Return a run that was fitted, clustered and evaluated; tests must not change it."""
    from latentlab import pipeline

    def make(folder: Path) -> None:
        run = pipeline.fit(DataOptions(data=str(stripes_file)), small_fit(), folder / "run")
        pipeline.cluster(run, ClusterOptions(k=4))
        pipeline.evaluate(run)

    return run_made_once(tmp_path_factory, "finished", make)


@pytest.fixture(scope="module")
def reported(finished_run, tmp_path_factory):
    """Return a copy of the finished run with its report; tests must not change it."""
    from latentlab import pipeline

    folder = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(finished_run.path, folder)
    run = type(finished_run).open(folder)
    pipeline.report(run, sample=100)
    return run


@pytest.fixture(scope="session")
def shared_strong_run(stripes_file, tmp_path_factory):
    """Return a run of a small fit by SwAV, whose epoch 2 was kept; tests must not change it."""
    from helpers.strong import strong_fit

    from latentlab import pipeline

    def make(folder: Path) -> None:
        data = DataOptions(data=str(stripes_file))
        pipeline.fit(data, strong_fit(), folder / "run", keep_every=2)

    return run_made_once(tmp_path_factory, "strong", make)


@pytest.fixture
def strong_run(shared_strong_run, tmp_path_factory):
    """Return a copy of the run of SwAV, which a test may cluster in."""
    folder = tmp_path_factory.mktemp("strong") / "run"
    shutil.copytree(shared_strong_run.path, folder)
    return type(shared_strong_run).open(folder)


@pytest.fixture
def uncompiled():
    """Let networks run as Python does, where a test trains a step or two.

    To compile them takes ten times as long.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real CIFAR-10 and MNIST.

    Tests skip without it, and fail where CI promises it.
    """
    folder = os.environ.get("LATENTLAB_TEST_DATA", "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    message = "LATENTLAB_TEST_DATA names no folder with the real data sets"
    if os.environ.get("LATENTLAB_REQUIRE_DATA"):
        pytest.fail(message)
    pytest.skip(message)
