"""Recipes on the command line: what they fill in, refuse, and go on with."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.runs import small_fit
from helpers.strong import SMALL

from latentlab import cli, pipeline, recipes
from latentlab.cli.cluster_request import ClusterRequest
from latentlab.cli.fit_request import FitRequest
from latentlab.config import LEAST_STEPS, DataOptions, FitOptions
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
    arguments = ["--recipe", "strong", "--epochs", "1", "--set", "prototypes=8", "--set", "width=4"]
    with cli.fit.make_context("fit", list(arguments)) as context:
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


def test_the_recipe_takes_the_head_that_the_run_has_prototypes_for(
    data, strong_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(recipes, "device", lambda: "cpu")
    plain = pipeline.fit(
        data, small_fit(**SMALL | {"objective": "reconstruction"}, epochs=1), tmp_path / "plain"
    )
    pq.write_table(
        pa.table(
            {"embedding": np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32).tolist()}
        ),
        tmp_path / "own.parquet",
    )
    quick = [
        "cluster",
        "--k",
        "4",
        "--recipe",
        "strong",
        "--set",
        "epochs=2",
        "--set",
        "heads=2",
        "--name",
        "by-recipe",
    ]
    for of, method in ((strong_run.path, "imc"), (plain.path, "scan")):
        cli.cli.main([*quick, "--run", str(of)], standalone_mode=False)
        assert ("the run has no prototypes, so SCAN's head" in capsys.readouterr().err) == (
            method == "scan"
        )
        assert Run.open(of).clustering("by-recipe").options.method == method
    own_pictures = tmp_path / "own.npy"
    np.save(own_pictures, np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), np.uint8))
    asked = {
        "strong": [strong_run.path],
        "asked": [strong_run.path, "--method", "kmeans"],
        "plain": [plain.path],
    }
    for name, (of, *more) in asked.items():
        cli.cli.main(
            ["cluster", "--k", "4", "--name", name, "--run", str(of), *more], standalone_mode=False
        )
        assert ("--method imc" in capsys.readouterr().err) == (name == "strong")
    ready = [
        *quick,
        "--encoder",
        "cifar10-strong",
        "--data",
        str(own_pictures),
        "--run",
        str(tmp_path / "ready"),
    ]
    cli.cli.main(ready, standalone_mode=False)
    assert (
        "the encoder's prototypes are of other pictures, those of cifar10, so SCAN's head"
        in capsys.readouterr().err
    )
    assert Run.open(tmp_path / "ready").clustering("by-recipe").options.method == "scan"
    cli.cli.main(
        ["cluster", "--k", "4", "--run", str(tmp_path / "ready"), "--name", "plain"],
        standalone_mode=False,
    )
    assert (
        "on pictures unlike those of cifar10 those of --method scan are purer"
        in capsys.readouterr().err
    )
    cli.cli.main(
        [
            *quick,
            "--embeddings",
            str(tmp_path / "own.parquet"),
            "--out",
            str(tmp_path / "out.parquet"),
            "--json",
        ],
        standalone_mode=False,
    )
    told = capsys.readouterr()
    assert json.loads(told.out)["result"]["method"] == "scan"
    assert not told.err
    unfinished = Run.create(tmp_path / "unfinished")
    for config in ({}, {"config": strong_run.recorded_config}):
        unfinished.note(**config)
        assert (
            cli.cli.main([*quick, "--run", str(unfinished.path)], standalone_mode=False)
            == RunError.exit_code
        )
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
    assert (options().least_steps, options("--least-steps", "9").least_steps) == (0, 9)
    assert not capsys.readouterr().err
