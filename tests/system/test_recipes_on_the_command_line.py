"""Recipes on the command line: what they fill in, refuse, and go on with."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.processes import words
from helpers.runs import small_fit
from helpers.strong import SMALL

from latentlab import cli, pipeline, recipes
from latentlab.cli.cluster_request import ClusterRequest
from latentlab.cli.fit_request import FitRequest
from latentlab.config import LEAST_STEPS, ClusterOptions, DataOptions, FitOptions
from latentlab.encoders import ready_made
from latentlab.errors import ConfigError, RunError
from latentlab.storage.manifest import RunConfig
from latentlab.storage.run import Run
from latentlab.training.objective import Objective
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_weights import HeadWeights


def test_the_recipe_for_other_pictures_fits_the_encoder_that_it_starts_from():
    for machine in recipes.MACHINES:
        chosen = recipes.fit_settings("adapt", machine)
        described = ready_made.shipped().describe(chosen["objective_options"]["start"])
        assert (chosen["arch"], chosen.get("arch_options", {})) == (
            described.arch,
            described.options,
        )
    with cli.fit.make_context("fit", ["--recipe", "adapt", "--set", "mirror=false"]) as context:
        options = FitRequest.of(context).fit_options()
    own = SwAVOptions(**options.objective_options)
    assert (own.start, own.mirror, options.least_steps) == ("cifar10-strong", False, 1000)
    head = HeadWeights.of(ready_made.shipped().objective_weights(own.start))
    assert head.sizes() == {
        "hidden": own.hidden,
        "projection": own.projection,
        "prototypes": own.prototypes,
    }
    assert Objective.named("swav").image_shape(own) == (32, 32, 3)


def test_the_recipe_fills_in_what_is_not_given(monkeypatch):
    arguments = words("--recipe strong --epochs 1 --set prototypes=8 --set width=4")
    with cli.fit.make_context("fit", arguments) as context:
        chosen = FitRequest.of(context).fit_options()
    wanted = recipes.fit_settings("strong")
    assert (chosen.arch, chosen.objective, chosen.epochs, chosen.batch_size) == (
        wanted["arch"],
        wanted["objective"],
        1,
        wanted["batch_size"],
    )
    assert chosen.objective_options == {**wanted["objective_options"], "prototypes": 8}
    assert chosen.learning_rate == wanted["learning_rate"]
    assert chosen.arch_options == {"width": 4}
    assert chosen.least_steps == 0
    for more, steps in ([], LEAST_STEPS), (["--epochs", "2", "--least-steps", "7"], 7):
        with cli.fit.make_context("fit", ["--recipe", "strong", *more]) as context:
            assert FitRequest.of(context).fit_options().least_steps == steps
    preset = {**recipes.cluster_settings("strong"), "settings": {"heads": 2, "epochs": 3}}
    monkeypatch.setattr(recipes, "cluster_settings", lambda name, prototypes: dict(preset))
    asked = {"imc": [], "temi": ["--method", "temi"]}
    settings = {"imc": {"heads": 7, "epochs": 3}, "temi": {"heads": 7}}
    for method, more in asked.items():
        arguments = ["--recipe", "strong", "--k", "4", "--set", "heads=7", *more]
        with cli.cluster.make_context("cluster", arguments) as context:
            options = ClusterRequest.of(context).options(4)
        assert (options.k, options.method, options.settings) == (4, method, settings[method])


QUICK = "cluster --k 4 --recipe strong --set epochs=2 --set heads=2 --name by-recipe"


def run_command(line, *values):
    """Run a command in this process, and return its exit code, or None without an error."""
    return cli.cli.main(words(line, *values), standalone_mode=False)


@pytest.fixture
def plain_run(data, tmp_path, monkeypatch):
    """Return a run of the strong encoder that has no prototypes."""
    monkeypatch.setattr(recipes, "device", lambda: "cpu")
    options = small_fit(**SMALL | {"objective": "reconstruction"}, epochs=1)
    return pipeline.fit(data, options, tmp_path / "plain")


def test_the_recipe_takes_the_head_that_the_run_has_prototypes_for(strong_run, plain_run, capsys):
    for run, method in ((strong_run, "imc"), (plain_run, "scan")):
        run_command(QUICK + " --run {}", run.path)
        text = capsys.readouterr().err
        assert ("the run has no prototypes, so SCAN's head" in text) == (method == "scan")
        assert Run.open(run.path).clustering("by-recipe").options.method == method


def test_imc_is_recommended_only_where_prototypes_are_and_no_method_was_asked_for(
    strong_run, plain_run, capsys
):
    commands = {
        "strong": words("--run {}", strong_run.path),
        "asked": words("--method kmeans --run {}", strong_run.path),
        "plain": words("--run {}", plain_run.path),
    }
    for name, more in commands.items():
        cli.cli.main([*words("cluster --k 4 --name {}", name), *more], standalone_mode=False)
        assert ("--method imc" in capsys.readouterr().err) == (name == "strong")


def test_the_recipe_takes_scan_where_a_ready_made_encoder_saw_other_pictures(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(recipes, "device", lambda: "cpu")
    pictures, run_path = tmp_path / "own.npy", tmp_path / "ready"
    np.save(pictures, np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), np.uint8))
    run_command(QUICK + " --encoder cifar10-strong --data {} --run {}", pictures, run_path)
    reason = "the encoder's prototypes are of other pictures, those of cifar10, so SCAN's head"
    assert reason in capsys.readouterr().err
    assert Run.open(run_path).clustering("by-recipe").options.method == "scan"
    run_command("cluster --k 4 --name plain --run {}", run_path)
    assert "purer" not in capsys.readouterr().err  # not measured on such pictures


def test_the_recipe_takes_scan_for_vectors_and_says_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recipes, "device", lambda: "cpu")
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    pq.write_table(pa.table({"embedding": vectors.tolist()}), tmp_path / "own.parquet")
    places = tmp_path / "own.parquet", tmp_path / "out.parquet"
    run_command(QUICK + " --embeddings {} --out {} --json", *places)
    printed = capsys.readouterr()
    assert json.loads(printed.out)["result"]["method"] == "scan"
    assert "SCAN's head" not in printed.err


def test_the_recipe_refuses_a_run_without_a_trained_encoder(strong_run, tmp_path, capsys):
    unfinished = Run.create(tmp_path / "unfinished")
    for config in ({}, {"config": strong_run.recorded_config}):
        unfinished.note(**config)
        assert run_command(QUICK + " --run {}", unfinished.path) == RunError.exit_code
        assert "has no trained encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--embeddings", "own.parquet", "--encoder", "cifar10-strong", "--data", "digits"],
            "--encoder and --data would do nothing beside --embeddings",
        ),
        (
            ["--embeddings", "own.parquet", "--run", "runs/a"],
            "--run would do nothing beside --embeddings",
        ),
        (["--run", "runs/a", "--out", "mine.parquet"], "--out belongs to --embeddings"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message, capsys):
    assert (
        cli.cli.main(["cluster", "--k", "4", *options], standalone_mode=False)
        == ConfigError.exit_code
    )
    assert message in capsys.readouterr().err


def test_a_run_of_the_recipe_goes_on_where_another_kind_of_machine_began_it(
    tmp_path, capsys, monkeypatch
):
    begun = Run.create(tmp_path / "run")

    def begin_on(machine, **changes):
        options = FitOptions(**recipes.fit_settings("strong", machine) | changes)
        begun.note(config=RunConfig(DataOptions(), options, "").to_json())

    begin_on("gpu", epochs=3)
    monkeypatch.setattr(recipes, "device", lambda: "cpu")

    def options(*arguments):
        with cli.fit.make_context("fit", ["--recipe", "strong", *arguments]) as context:
            return FitRequest.of(context).options_to_resume(str(begun.path))

    assert options("--epochs", "3").arch == "resnet18"
    assert "going on with the setting for gpu" in capsys.readouterr().err
    assert options("--epochs", "4").arch == "fast8"
    assert not capsys.readouterr().err
    begin_on("cpu")  # before there was --least-steps
    monkeypatch.setattr(recipes, "device", lambda: pytest.fail("no trial of a run that goes on"))
    assert options().least_steps == 0
    assert "going on with the setting for cpu" in capsys.readouterr().err
    monkeypatch.setattr(recipes, "device", lambda: "cpu")
    assert options("--least-steps", "9").least_steps == 9


def test_a_shipped_encoder_is_clustered_by_umap_and_by_its_head_where_pictures_are_alike(
    tmp_path,
):
    colours = np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3), np.uint8)
    np.save(tmp_path / "alike.npy", colours)
    for data, features in (
        (DataOptions(data="digits", limit=5), "embedding+l2+umap10"),
        (DataOptions(data=str(tmp_path / "alike.npy")), "embedding+project+l2+umap10"),
    ):
        run = pipeline.use_encoder(data, "cifar10-strong", tmp_path / features)
        assert str(pipeline.resolve(run, ClusterOptions(k=2)).features) == features
