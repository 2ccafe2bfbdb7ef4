"""Few, equal and imbalanced images: a result or one line, no bug of ours, no raw warning."""

import re
import warnings

import numpy as np
import pytest
from helpers.command_line import error_line
from helpers.processes import latentlab_in_turn, words
from helpers.vectors import write_pictures

from latentlab import pipeline, plugins
from latentlab.clustering import heads
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import ConfigError, DataError, LatentlabError
from latentlab.refinement.run_methods import run_method

QUICK = {"scan": {"epochs": 1, "heads": 2}, "temi": {"epochs": 1, "heads": 2}}
ON_VECTORS = plugins.names("clustering")
WITH_NETWORK = plugins.names("refinement")
DIMS = 16


def blob(count, at=0.0, seed=0):
    return np.random.default_rng(seed).normal(at, 0.3, (count, DIMS))


SETS = {
    **{str(count): blob(count) for count in range(1, 7)},
    "equal": np.ones((12, DIMS)),
    "half equal": np.concatenate([np.ones((12, DIMS)), blob(12)]),
    "imbalanced": np.concatenate([blob(60), blob(2, 4.0), blob(1, -4.0)]),
}


@pytest.fixture(autouse=True)
def short_training_of_heads(monkeypatch):
    monkeypatch.setattr(heads, "LEAST_STEPS", 5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a run of the vectors of each set."""
    folder = tmp_path_factory.mktemp("sets")
    made = {}
    for name, vectors in SETS.items():
        np.save(folder / f"{name}.npy", vectors.astype(np.float32))
        made[name] = pipeline.import_vectors(folder / f"{name}.npy", folder / name)
    return made


def outcome(function, *arguments):
    """Return the error of a call, or None; a warning that gets out fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Users do not see these: Keras asks TensorFlow for arrays in an old way.
        warnings.simplefilter("ignore", DeprecationWarning)
        error = raised(function, *arguments)
    if error is not None:
        assert "\n" not in str(error)
        assert not re.search(r"at most (-|0|1\b)|must be \d+ to [01]\b|nan", str(error))
        assert error.exit_code in (2, 3, 5, 8)
    return error


def raised(function, *arguments):
    """Return the error of ours that a call ends in, or None."""
    try:
        function(*arguments)
    except LatentlabError as error:
        return error
    return None


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("method", ON_VECTORS)
def test_every_method_on_vectors(runs, method, name):
    run = runs[name]
    found = run_method(method).traits.finds_k
    numbers = [2] if method in QUICK else [1, 2, 3]  # networks compile for seconds each time
    for k in [None] if found else numbers:
        settings = QUICK.get(method, {})
        options = ClusterOptions(k=k, method=method, restarts=2, settings=settings, label="tried")
        error = outcome(pipeline.cluster, run, options)
        if k is not None and k > len(SETS[name]):
            assert isinstance(error, ConfigError | DataError)
        elif method == "kmeans" and not (name == "equal" and k > 1):
            assert error is None


def test_equal_images_are_called_so_by_every_method_of_centers(runs):
    for method in ("kmeans", "gmm"):
        options = ClusterOptions(k=2, method=method, label="tried")
        error = outcome(pipeline.cluster, runs["equal"], options)
        assert "is more than the different images there are" in str(error)


@pytest.mark.parametrize("method", WITH_NETWORK)
def test_every_method_with_a_network_refuses_vectors_in_one_line(runs, method):
    options = ClusterOptions(k=2, method=method)
    assert isinstance(outcome(pipeline.cluster, runs["4"], options), ConfigError)


@pytest.mark.parametrize("name", SETS)
def test_everything_after_clusters(runs, name, tmp_path):
    run = runs[name]
    options = ClusterOptions(k=1 if name in ("1", "equal") else 2, label="clusters", restarts=2)
    pipeline.cluster(run, options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.trust_of(run, "clusters")
        assert pipeline.report(run, "clusters").exists()
        pipeline.figures(run, tmp_path / "figures", "clusters", ("png",))
        pipeline.audit(run, "clusters")
        pipeline.viewer(run, "clusters").server_close()
        pipeline.cluster_seeds(run, options, 2)
        pipeline.compare([(run, "clusters")] * 2, tmp_path / "compared")
        for file_format in ("csv", "parquet", "projector"):
            pipeline.export(run, file_format, tmp_path / file_format, "clusters")
        assert pipeline.evaluate(run, "clusters") is None
        assert pipeline.probe(run, ClusterOptions()) is None


@pytest.mark.parametrize("name", SETS)
def test_choosing_k(runs, name):
    error = outcome(pipeline.choose_k, runs[name], ClusterOptions(restarts=1))
    if name in "123" or name == "equal":
        assert "takes at least 4 different training images" in str(error)


def test_few_images_have_a_report_without_a_map(runs):
    page = pipeline.report(runs["4"], pipeline.cluster(runs["4"], ClusterOptions(k=2)).name)
    assert "no map, which takes at least 5 images" in page.read_text(encoding="utf-8")
    assert not list(page.parent.glob("umap-*.png"))


def test_few_equal_and_imbalanced_pictures_through_the_command_line(tmp_path):
    write_pictures(tmp_path / "one", ["a"])
    write_pictures(tmp_path / "few", ["a", "b", "c", "d"])
    write_pictures(tmp_path / "many", [*"a" * 60, *"b" * 3, *"c" * 2])
    place = "--encoder cifar10-strong --data {} --run {}"
    commands = []
    for name in ("one", "few", "many"):
        paths = tmp_path / name, tmp_path / f"run-{name}"
        commands.append(words(f"cluster {place} --k 1", *paths))
        commands.append(words(f"cluster {place} --method hdbscan", *paths))
        commands.append(words(f"cluster {place} --k auto", *paths))
        commands.append(words("report --run {} --name kmeans-k1-embedding+l2+umap10", paths[1]))
    for command, result in zip(commands, latentlab_in_turn(*commands), strict=True):
        assert "bug" not in result.stderr, (command, result.stderr)
        assert "Warning" not in result.stderr, (command, result.stderr)
        if result.returncode:
            assert result.returncode in (2, 3, 8), (command, result.stderr)
            error_line(result, result.returncode)


def test_a_fit_of_few_images_is_one_line_or_works(tmp_path):
    from helpers.runs import small_fit

    for count in (1, 2, 3):
        write_pictures(tmp_path / str(count), list("abc")[:count])
        data = DataOptions(data=str(tmp_path / str(count)))
        outcome(pipeline.fit, data, small_fit(epochs=1), tmp_path / f"run{count}")
