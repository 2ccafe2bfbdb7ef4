"""Stages that are done again: no old result is taken for a new one, and none is lost too early."""

import json
import shutil

import numpy as np
import pytest
from helpers.files import read_json
from helpers.runs import make_stripes, small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.reporting.edits import Editor, Name
from latentlab.storage import files
from latentlab.storage.run import Run


@pytest.fixture
def run(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_a_stage_is_not_listed_while_it_is_done_again(run):
    with pytest.raises(KeyboardInterrupt), run.stage("cluster/kmeans-k4", {"other": "settings"}):
        assert "cluster/kmeans-k4" not in Run.open(run.path).stage_names()
        raise KeyboardInterrupt
    assert "cluster/kmeans-k4" not in Run.open(run.path).stage_names()


def test_a_file_that_was_cut_is_made_again(run):
    result = run.path / "clusters" / "kmeans-k4" / "result.json"
    whole = read_json(result)
    result.write_text(result.read_text()[:20])
    assert pipeline.cluster(run, ClusterOptions(k=4)).result.to_json() == whole


def test_wrong_settings_are_refused_before_anything_is_removed(run, data, tmp_path):
    before = {
        path: files.sha256(path)
        for path in run.path.rglob("*")
        if path.is_file() and not path.name.startswith("run.lock")
    }
    for wrong in (
        {"arch": "conv9"},
        {"arch_options": {"widht": 4}},
        {"objective_options": {"no": 1}, "objective": "swav"},
    ):
        with pytest.raises(ConfigError):
            pipeline.fit(data, small_fit(**wrong), run.path, overwrite=True)
        with pytest.raises(ConfigError):
            pipeline.fit(data, small_fit(**wrong), run.path, overwrite=True, fresh=True)
        with pytest.raises(ConfigError):
            pipeline.fit(data, small_fit(**wrong), tmp_path / "new")
    assert {path: files.sha256(path) for path in before} == before
    pipeline.fit(
        data, small_fit(epochs=1), tmp_path / "new"
    )  # the refused settings have not taken the folder


def test_a_clustering_that_cannot_be_made_again_stays(run):
    pipeline.cluster(run, ClusterOptions(k=4, label="mine"))
    with pytest.raises(DataError, match="more than the"):
        pipeline.cluster(run, ClusterOptions(k=9999, label="mine"))
    assert Run.open(run.path).clustering("mine").k == 4
    assert "cluster/mine" in Run.open(run.path).stage_names()


def test_nothing_of_an_older_clustering_of_the_name_stays_but_the_edits(run):
    pipeline.cluster(run, ClusterOptions(k=4, label="mine"))
    pipeline.evaluate(run, "mine")
    Editor(run.clustering("mine")).add(Name(1, "stripes"))
    (run.path / "audit" / "mine").mkdir(parents=True)
    pipeline.cluster(run, ClusterOptions(k=3, label="mine"))
    left = {path.name for path in (run.path / "clusters" / "mine").iterdir()}
    edits = {"edits.json", "edits.jsonl"}
    assert left == {"assignments.parquet", "model.npz", "result.json"} | edits
    assert not (run.path / "audit" / "mine").exists()
    assert "evaluate/mine" not in run.stage_names()
    assert 3 in np.array(pipeline.evaluate(run, "mine").contingency["train"]).shape


def test_a_consensus_whose_member_was_made_again_is_refused(run, data, tmp_path):
    name = pipeline.cluster_seeds(run, ClusterOptions(k=4), 2).name
    pipeline.predict(run, name, data, tmp_path / "p.parquet")
    pipeline.cluster(run, ClusterOptions(k=4, restarts=1, minibatch_above=1))  # of the same name
    with pytest.raises(RunError, match="was made again"):
        pipeline.predict(run, name, data, tmp_path / "p.parquet")


def test_corrected_labels_are_scored_anew(tmp_path):
    images, kinds = make_stripes(60)
    np.savez(
        tmp_path / "x.npz",
        x_train=images[:40],
        y_train=kinds[:40],
        x_test=images[40:],
        y_test=kinds[40:],
    )
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "x.npz")), small_fit(epochs=1), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=4))
    first = pipeline.evaluate(run)
    stamp = run.record("evaluate/kmeans-k4").finished
    assert pipeline.evaluate(run) == first
    assert run.record("evaluate/kmeans-k4").finished == stamp
    rolled = np.roll(kinds, 1)
    np.savez(
        tmp_path / "x.npz",
        x_train=images[:40],
        y_train=rolled[:40],
        x_test=images[40:],
        y_test=rolled[40:],
    )
    assert pipeline.evaluate(run).contingency != first.contingency


def test_a_baseline_has_the_restarts_of_what_it_stands_beside(run):
    pipeline.cluster(run, ClusterOptions(k=4, restarts=1, label="once"))
    pipeline.evaluate(run, "once")
    assert {path.name for path in (run.path / "baselines").glob("pixels-*")} == {
        "pixels-k4-seed0.parquet",
        "pixels-k4-seed0-restarts1.parquet",
    }


def test_renamed_images_are_told_of(tmp_path):
    images, _ = make_stripes(30)
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "photos" / "cats" / f"{i:02d}.png")
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "photos"), size=16), small_fit(epochs=1), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=2))
    (tmp_path / "photos" / "cats").rename(tmp_path / "photos" / "cat")
    with pytest.raises(RunError, match="names or splits of the images"):
        pipeline.open_run_images(run)


def test_a_second_report_does_not_make_the_run_look_damaged(run):
    pipeline.cluster(run, ClusterOptions(k=3))
    pipeline.report(run, "kmeans-k3", sample=60)
    pipeline.report(run, "kmeans-k4", sample=60)
    assert [stage for stage in Run.open(run.path).stage_names() if stage.startswith("report/")] == [
        "report/kmeans-k4"
    ]
    assert pipeline.verify(run).reproduces


def test_a_report_is_drawn_again_only_when_something_has_changed(run, caplog):
    caplog.set_level("INFO")
    page = pipeline.report(run, sample=60)
    drawn = page.stat().st_mtime_ns
    pipeline.report(run, sample=60)
    assert page.stat().st_mtime_ns == drawn
    assert "nothing has changed since" in caplog.text

    def time_after(change):
        change()
        pipeline.report(run, sample=60)
        return page.stat().st_mtime_ns

    changes = [
        page.unlink,
        lambda: Editor(run.clustering()).add(Name(0, "dark")),
        lambda: pipeline.cluster(run, ClusterOptions(k=3)),
    ]
    times = [drawn, *map(time_after, changes)]
    assert times == sorted(set(times))


def test_the_run_is_held_while_another_encoder_is_fitted_below_it(run, monkeypatch):
    def fit(*_):
        with pytest.raises(RunError, match="in use"), Run.open(run.path).lock():
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.clustering, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        pipeline.cluster_seeds(run, ClusterOptions(k=4), 2, refit=True)


def test_codes_are_made_in_the_precision_of_the_run(run, monkeypatch):
    from latentlab import backend

    asked = []
    monkeypatch.setattr(backend, "set_precision", asked.append)
    run.note(precision="mixed_bfloat16")
    run.forget("embed", "reconstruct")
    pipeline.embed(run)
    pipeline.evaluate(run)
    assert set(asked) == {"mixed_bfloat16"}
    assert len(asked) >= 2
    assert json.loads((run.path / "run.json").read_text())["stages"]["embed"]
