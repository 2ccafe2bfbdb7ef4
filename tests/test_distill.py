"""A student learns from another run's encoder: what it comes to, on both backends, and teachers that are none."""

import dataclasses

import numpy as np
import pytest
from conftest import latentlab, small_fit
from strong import SMALL, SWAV, strong_fit

from latentlab import assignments, checkpoints, embedding, features, pipeline, prototypes, training
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, RunError
from latentlab.objectives import distill
from latentlab.run import Run
from latentlab.sources import DataOptions


@pytest.fixture(scope="module")
def teacher(strong_run):
    return pipeline.embed(strong_run)


def student_fit(teacher, **changes):
    options = {"teacher": str(teacher.path), "hidden": 16, "steps_per_call": 4, "smallest": 0.8}
    return small_fit(
        **{**SMALL, "objective": "distill", "objective_options": options, "epochs": 8, "batch_size": 27, "learning_rate": 0.01, **changes}
    )


def unit(run):
    embedded = np.concatenate(list(embedding.read_parts(pipeline.embed(run).path / "embeddings", column="embedding")))
    return features.fit(features.PROJECTED, [], embedded.shape[1:], 0, head=prototypes.head(run)).transform(embedded)


def test_a_student_puts_images_where_its_teacher_does(data, teacher, tmp_path):
    student = pipeline.fit(data, student_fit(teacher), tmp_path / "student")
    rows = student.metrics()
    assert rows[-1]["distillation_loss"] < rows[1]["distillation_loss"]
    assert rows[0]["agreement"] < 0.8 < rows[-1]["agreement"]
    of_student, of_teacher = unit(student), unit(teacher)
    assert (of_student * of_teacher).sum(axis=1).mean() > 0.8
    np.testing.assert_array_equal(prototypes.kernel(student), prototypes.kernel(teacher))
    options = pipeline.resolve(student, ClusterOptions(k=4, method="imc"))
    assert options.features == features.PROJECTED
    pipeline.cluster(student, options)
    assert len(assignments.read(student, options.name)[2]) == 160
    one, all_crops = (run.manifest["fit"]["flops_per_image"] for run in (student, teacher))
    assert one < 0.8 * all_crops


def test_targets_are_the_teachers_own_and_stay(teacher):
    images = pipeline.open_run_images(teacher)
    fitted = student_fit(teacher)
    targets, kernel = distill._teacher(images, distill.Options(**fitted.objective_options))
    np.testing.assert_allclose(targets, unit(teacher), atol=1e-6)
    assert kernel.shape == (SWAV["projection"], SWAV["prototypes"])


def test_jax_takes_a_student_up_where_it_was_left(data, teacher, tmp_path, monkeypatch):
    fitted = student_fit(teacher, epochs=2)
    here = pipeline.fit(data, fitted, tmp_path / "here")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training._TensorBoard, "add", lambda board, row: (_ for _ in ()).throw(KeyboardInterrupt))
        pipeline.fit(data, fitted, tmp_path / "jax")
    options = [f"--set={name}={value}" for name, value in {**SMALL["arch_options"], **fitted.objective_options}.items()]
    shared = "--arch fast8 --objective distill --patience 0 --epochs 2 --batch-size 27 --learning-rate 0.01 --validation 0.1"
    done = latentlab("--backend", "jax", "fit", "--data", data.data, *shared.split(), *options, "--run", str(tmp_path / "jax"))
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch 1" in done.stderr
    losses = [[row["distillation_loss"] for row in run.metrics()[1:]] for run in (here, Run.open(tmp_path / "jax"))]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)


def test_what_is_no_teacher_is_told_before_anything_is_lost(data, teacher, strong_run, tmp_path):
    bare = pipeline.fit(data, strong_fit(epochs=1), tmp_path / "bare")
    plain = pipeline.embed(pipeline.fit(data, small_fit(epochs=1), tmp_path / "plain"))
    for path, error, words in (
        (tmp_path / "none", RunError, "holds no latentlab run"),
        (bare.path, RunError, "latentlab embed --run"),
        (plain.path, ConfigError, "a teacher needs the projection head"),
    ):
        other = student_fit(teacher, objective_options={"teacher": str(path)})
        with pytest.raises(error, match=words):
            pipeline.fit(data, other, plain.path, overwrite=True)
    assert plain.is_done("embed", plain.manifest["stages"]["embed"]["config"])
    fewer = dataclasses.replace(DataOptions(data=data.data), limit=50)
    with pytest.raises(ConfigError, match="fitted on other images"):
        pipeline.fit(fewer, student_fit(teacher), tmp_path / "fewer")


def test_a_teacher_whose_checkpoint_is_damaged_is_told(data, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "load", lambda folder: ({}, {}))
    with pytest.raises(RunError, match="is damaged"):
        prototypes.kernel(teacher)


@pytest.mark.parametrize("wrong", [{}, {"teacher": "x", "smallest": 0}, {"teacher": "x", "optimizer": "sgd"}, {"teacher": "x", "temperature": 0}])
def test_settings_are_checked(wrong):
    with pytest.raises(ConfigError, match="--set"):
        distill.Options(**wrong)
