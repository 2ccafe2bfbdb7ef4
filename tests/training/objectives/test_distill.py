"""A student learns from another run's encoder: results, resuming, both backends, wrong teachers."""

import dataclasses
import shutil

import numpy as np
import pytest
from helpers.processes import latentlab_command, words
from helpers.runs import small_fit, use_weights_in
from helpers.strong import SMALL, weights_of

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders import model_files, ready_made
from latentlab.encoders.embedding import Embeddings
from latentlab.errors import ConfigError, RunError
from latentlab.features.fitted import fit_features
from latentlab.features.spec import PROJECTED
from latentlab.storage import checkpoints
from latentlab.storage.run import Run
from latentlab.training import prototypes
from latentlab.training.teachers import read_teacher
from latentlab.training.tensorboard import ScalarLog


def student_fit(path, **changes):
    options = {"teacher": str(path), "hidden": 16, "steps_per_call": 4, "smallest": 0.8}
    return small_fit(
        **{
            **SMALL,
            "objective": "distill",
            "objective_options": options,
            "epochs": 8,
            "batch_size": 27,
            "learning_rate": 0.01,
            **changes,
        }
    )


def killed_after_an_epoch(data, options, place, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(
            ScalarLog, "add", lambda board, row: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        pipeline.fit(data, options, place)


def test_a_student_puts_images_where_its_teacher_does(data, teacher, tmp_path):
    student = pipeline.fit(data, student_fit(teacher.path), tmp_path / "student")
    rows = student.metrics()
    assert rows[-1]["distillation_loss"] < rows[1]["distillation_loss"]
    assert rows[0]["agreement"] < 0.8 < rows[-1]["agreement"]
    known = read_teacher(str(teacher.path), pipeline.open_run_images(teacher))
    embeddings = Embeddings(pipeline.embed(student).path)
    embedded = np.concatenate(list(embeddings.parts(column="embedding")))
    head = prototypes.head(student)
    features = fit_features(PROJECTED, [], embedded.shape[1:], 0, head=head)
    placed = features.transform(embedded)
    assert (placed * known.points).sum(axis=1).mean() > 0.8
    np.testing.assert_array_equal(prototypes.kernel(student), known.prototypes)
    options = pipeline.resolve(student, ClusterOptions(k=4, method="imc"))
    assert options.features == PROJECTED
    assert len(pipeline.cluster(student, options).assignments) == 160
    one, all_crops = (run.fit_summary.flops_per_image for run in (student, teacher))
    assert one < 0.8 * all_crops


def test_a_ready_made_encoder_can_teach(data, teacher, tmp_path, monkeypatch):
    own = model_files.load(teacher).weights()
    above = checkpoints.in_order(
        "weight", checkpoints.load(teacher.path / "checkpoints" / "epoch-0003")[0]
    )[len(own) :]
    use_weights_in(monkeypatch, tmp_path / "weights")
    described = model_files.describe(teacher)
    description = ready_made.ShippedEncoder(
        described.arch,
        described.options,
        described.image_shape,
        fit=teacher.recorded_config["fit"],
        summary=teacher.fact("fit"),
    )
    ready_made.shipped().save("stripes", own, description, objective_weights=above)
    shipped = pipeline.embed(pipeline.use_ready_made(data, "stripes", tmp_path / "shipped"))
    known, stored = (
        read_teacher(str(run.path), pipeline.open_run_images(run)) for run in (teacher, shipped)
    )
    assert (known.points * stored.points).sum(axis=1).min() > 0.99
    np.testing.assert_allclose(stored.prototypes, known.prototypes, atol=1e-3)
    student = pipeline.fit(data, student_fit(shipped.path, epochs=1), tmp_path / "student")
    assert student.metrics()[-1]["epoch"] == 1


def test_a_killed_student_goes_on_to_the_same_weights_and_on_jax_to_the_same_losses(
    data, teacher, tmp_path, monkeypatch
):
    fitted = student_fit(teacher.path, epochs=2)
    whole = pipeline.fit(data, fitted, tmp_path / "whole")
    killed_after_an_epoch(data, fitted, tmp_path / "here", monkeypatch)
    shutil.copytree(tmp_path / "here", tmp_path / "jax")
    for one, other in zip(
        weights_of(whole), weights_of(pipeline.fit(data, fitted, tmp_path / "here")), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    options = [
        f"--set={name}={value}"
        for name, value in {**SMALL["arch_options"], **fitted.objective_options}.items()
    ]
    shared = (
        "--arch fast8 --objective distill --patience 0 --epochs 2 --batch-size 27"
        " --learning-rate 0.01 --validation 0.1"
    )
    places = words("--data {} --run {}", data.data, tmp_path / "jax")
    done = latentlab_command(*words("--backend jax fit"), *words(shared), *options, *places)
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch 1" in done.stderr
    losses = [
        [row["distillation_loss"] for row in run.metrics()[1:]]
        for run in (whole, Run.open(tmp_path / "jax"))
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)


def test_a_student_does_not_go_on_with_another_teacher_and_needs_none_when_done(
    data, teacher, strong_run, tmp_path, monkeypatch
):
    shutil.copytree(teacher.path, tmp_path / "teacher")
    fitted = student_fit(tmp_path / "teacher", epochs=2)
    killed_after_an_epoch(data, fitted, tmp_path / "student", monkeypatch)
    other = pipeline.embed(pipeline.at_epoch(strong_run, 2, tmp_path / "other"))
    (tmp_path / "teacher").rename(tmp_path / "before")
    other.path.rename(tmp_path / "teacher")
    with pytest.raises(RunError, match="has changed since this fit began"):
        pipeline.fit(data, fitted, tmp_path / "student")
    shutil.rmtree(tmp_path / "teacher")
    (tmp_path / "before").rename(tmp_path / "teacher")
    student = pipeline.fit(data, fitted, tmp_path / "student")
    assert student.fit_summary.epochs == 2
    shutil.rmtree(tmp_path / "teacher")
    assert pipeline.fit(data, fitted, tmp_path / "student").fit_summary.epochs == 2


def test_what_is_no_teacher_is_told_before_anything_is_lost(
    data, teacher, strong_run, finished_run, tmp_path
):
    bare = strong_run  # nothing is embedded there
    plain = Run.open(shutil.copytree(finished_run.path, tmp_path / "plain"))
    own = tmp_path / "own"
    shutil.copytree(teacher.path, own)
    for path, place, error, message in (
        (tmp_path / "none", plain.path, RunError, "holds no latentlab run"),
        (Run.create(tmp_path / "empty").path, plain.path, RunError, "has no trained encoder"),
        (bare.path, plain.path, RunError, r"`embed\(run="),
        (plain.path, own, ConfigError, "a teacher needs the projection head"),
        (own, own, ConfigError, "cannot learn from itself"),
    ):
        with pytest.raises(error, match=message):
            pipeline.fit(data, student_fit(path), place, overwrite=True)
    with pytest.raises(ConfigError, match="goes on above its code"):
        pipeline.fit(
            data,
            student_fit(teacher.path, arch="conv8", arch_options={}),
            plain.path,
            overwrite=True,
        )
    for run in (plain, Run.open(own)):
        assert run.is_done("embed", run.record("embed").config)
    with pytest.raises(ConfigError, match="other images than these"):
        pipeline.fit(
            dataclasses.replace(DataOptions(data=data.data), limit=50),
            student_fit(teacher.path),
            tmp_path / "fewer",
        )
    images = pipeline.open_run_images(teacher)
    with pytest.raises(ConfigError, match="or on another split"):
        read_teacher(str(teacher.path), dataclasses.replace(images, splits=images.splits[::-1]))
