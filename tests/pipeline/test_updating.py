"""Runs that move and grow: pictures are found again, added ones embedded alone, gone ones named."""

import os
import shutil

import numpy as np
import pytest
from helpers.onnx_models import nchw_model
from helpers.runs import rewrite_manifest, small_fit
from helpers.vectors import CLASSES, make_vectors, write_pictures
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data.images import ImageSet
from latentlab.encoders.embedding import Embeddings
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.reporting.edits import Drop, Editor, Move, Name
from latentlab.storage import changes, tables
from latentlab.storage.run import Run

SIZE = 16
OPTIONS = ClusterOptions(k=4, features="l2")


def draw(path, group, seed):
    """Write a picture of one of the groups."""
    rng = np.random.default_rng([seed, 7])
    pixels = rng.integers(0, 60, (24, 20, 3)) + 45 * CLASSES.index(group)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with pictures, an encoder and two clustered runs of them."""
    root = tmp_path_factory.mktemp("made")
    write_pictures(root / "photos", [CLASSES[i % 4] for i in range(40)])
    encoder = str(nchw_model(root / "small.onnx", size=SIZE))
    data = DataOptions(data=str(root / "photos"))
    pretrained = pipeline.use_encoder(data, encoder, root / "runs" / "pretrained")
    trained = pipeline.fit(data, small_fit(epochs=1), root / "runs" / "trained")
    for run in (pretrained, trained):
        pipeline.cluster(run, OPTIONS if run is pretrained else ClusterOptions(k=4))
        pipeline.evaluate(run)
    return root


@pytest.fixture
def copied(made, tmp_path):
    """Return a copy of everything, of which 10 pictures were added and 5 removed."""
    root = tmp_path / "elsewhere"
    shutil.copytree(made, root)
    for number in range(10):
        draw(root / "photos" / "d" / f"new_{number}.png", "d", number)
    for path in sorted((root / "photos" / "a").iterdir())[:5]:
        path.unlink()
    return root


KINDS = ("pretrained", "trained")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_finds_the_pictures_beside_it_wherever_both_are(made, tmp_path, kind, monkeypatch):
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    run = Run.open(tmp_path / "copy" / "runs" / kind)
    assert len(pipeline.open_run_images(run)) == 40
    # The originals are still there, but those beside the run are its own.
    (tmp_path / "copy" / "photos" / "a" / "0000.png").unlink()
    with pytest.raises(RunError, match="1 removed"):
        pipeline.open_run_images(run)
    # A run alone finds the originals, also where other pictures lie beside it.
    shutil.copytree(made / "runs", tmp_path / "alone" / "runs")
    alone = Run.open(tmp_path / "alone" / "runs" / kind)
    assert len(pipeline.open_run_images(alone)) == 40
    write_pictures(tmp_path / "alone" / "photos" / "z", ["a", "b"])
    assert len(pipeline.open_run_images(alone)) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_a_relative_path_holds_from_any_working_folder(made, tmp_path, kind, monkeypatch):
    monkeypatch.chdir(made)
    encoder = str(made / "small.onnx")
    data = DataOptions(data="photos")
    path = tmp_path / "run"
    if kind == "pretrained":
        run = pipeline.use_encoder(data, encoder, path)
    else:
        run = pipeline.fit(data, small_fit(epochs=1), path)
    assert run.config.images.data == "photos"
    monkeypatch.chdir("/")
    assert len(pipeline.open_run_images(Run.open(path))) == 40
    again = DataOptions(data=os.path.relpath(made / "photos"))
    if kind == "pretrained":
        assert pipeline.use_encoder(again, encoder, path).config == run.config


def lost(made, tmp_path, kind):
    """Return a run whose pictures are nowhere, and where they are instead."""
    run_path, photos = tmp_path / "only" / "runs" / kind, tmp_path / "far" / "pictures"
    shutil.copytree(made / "runs" / kind, run_path)
    shutil.copytree(made / "photos", photos)
    rewrite_manifest(run_path, lambda text: text.replace(str(made), "/nowhere"))
    return Run.open(run_path), photos


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_that_moved_are_named_once(made, tmp_path, kind):
    run, photos = lost(made, tmp_path, kind)
    with pytest.raises(DataError, match=r"are not there: looked in .*/nowhere/photos.*`data`"):
        pipeline.open_run_images(run)
    with pytest.raises(ConfigError, match="does not exist"):
        pipeline.look_in(run, str(tmp_path / "missing"))
    assert len(pipeline.open_run_images(pipeline.look_in(run, str(photos)))) == 40
    assert len(pipeline.open_run_images(Run.open(run.path))) == 40
    assert Run.open(run.path).fact("moved_to")["absolute"] == str(photos)


def test_other_pictures_are_not_taken_for_those_that_moved(made, tmp_path):
    run, photos = lost(made, tmp_path, "pretrained")
    (photos / "a" / "0000.png").unlink()
    with pytest.raises(RunError, match=r"0 added, 1 removed \(a/0000.png\), 0 changed"):
        pipeline.look_in(run, str(photos))
    assert run.fact("moved_to") is None


@pytest.mark.parametrize("kind", KINDS)
def test_tables_and_scores_need_no_pictures(made, tmp_path, kind):
    run, _ = lost(made, tmp_path, kind)
    before = pipeline.evaluate(run)
    assert before.unlabelled == 0
    table = pipeline.export(run, "csv", tmp_path / "table.csv").read_text().splitlines()
    assert len(table) == 41
    assert '"a"' in "".join(table)
    exported = tables.read(pipeline.export(run, "parquet", tmp_path / "table.parquet"))
    assert "image" in exported.column_names  # the run stores small pictures
    (run.path / "labels.parquet").unlink()
    assert pipeline.look(run).class_names == tuple(CLASSES)  # they follow from the ids


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_of_stored_pictures_needs_no_originals(made, tmp_path, kind):
    run, _ = lost(made, tmp_path, kind)
    assert pipeline.report(run).exists()
    if kind == "trained":  # it stores what its network takes, to the bit
        original = pipeline.open_run_images(Run.open(made / "runs" / kind))
        shown = pipeline.open_shown_images(run)
        assert shown.ids.tolist() == original.ids.tolist()
        every = np.arange(len(original))
        assert np.array_equal(shown.read(every), original.read(every))
        backwards = every[::-7]
        assert np.array_equal(shown.read(backwards), original.read(backwards))


def hide(made, run):
    """Make a copied run forget the place of the original."""
    rewrite_manifest(run.path, lambda text: text.replace(str(made), "/nowhere"))
    return Run.open(run.path)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_pictures_are_counted_and_update_is_named(made, copied, kind):
    run = hide(made, Run.open(copied / "runs" / kind))
    draw(copied / "photos" / "b" / "0001.png", "c", 99)
    with pytest.raises(RunError, match=r"10 added, 5 removed \(.*\), 1 changed.*`update\(run="):
        pipeline.open_run_images(run)


@pytest.mark.parametrize("kind", KINDS)
def test_update_embeds_what_was_added_alone(made, copied, kind, monkeypatch):
    from latentlab.encoders import embedding, picture_pass

    run = hide(made, Run.open(copied / "runs" / kind))
    before = run.clustering().assignments
    vectors_before = np.concatenate(list(Embeddings(run.path).parts(column=column_of(run))))
    seen = []
    for module, name in ((picture_pass, "embed_pictures"), (embedding.Embeddings, "write")):
        record_images(monkeypatch, module, name, seen)
    report = pipeline.update(run)
    assert seen == [10]
    assert (report.added, report.gone, report.changed, report.images) == (10, 5, 0, 45)
    assert report.examples["gone"] == tuple(f"a/{4 * i:04d}.png" for i in range(5))

    # What was there keeps its vectors, clusters and splits.
    after = run.clustering().assignments
    kept = [name not in report.examples["gone"] for name in before.ids]
    assert after.ids[:35].tolist() == before.ids[kept].tolist()
    assert after.clusters[:35].tolist() == before.clusters[kept].tolist()
    assert after.splits[:35].tolist() == before.splits[kept].tolist()
    vectors = np.concatenate(list(Embeddings(run.path).parts(column=column_of(run))))
    assert np.array_equal(vectors[:35], vectors_before[kept])
    assert sum(run.clustering().result.sizes["train"] + run.clustering().result.sizes["test"]) == 45
    listed = tables.read(run.path / "images.parquet")
    removed = [
        name
        for name, status in zip(listed["id"].to_pylist(), listed["status"].to_pylist(), strict=True)
        if status == "removed"
    ]
    assert tuple(removed) == report.examples["gone"]

    # New pictures come to where prediction puts them, and every stage goes on.
    target = pipeline.predict(
        run, None, DataOptions(data=str(copied / "photos")), copied / "new.parquet"
    )
    rows = tables.read(target)
    predicted = dict(zip(rows["id"].to_pylist(), rows["cluster"].to_pylist(), strict=True))
    assert [predicted[name] for name in after.ids[35:]] == after.clusters[35:].tolist()
    opened, shown = pipeline.open_run_images(run), pipeline.open_shown_images(run)
    assert sorted(opened.ids.tolist()) == sorted(shown.ids.tolist())
    if kind == "trained":
        order = np.array([opened.ids.tolist().index(name) for name in shown.ids.tolist()])
        assert np.array_equal(shown.read(np.arange(45)), opened.read(order))
    assert pipeline.evaluate(run).unlabelled == 0
    assert pipeline.report(run).exists()
    assert len(pipeline.export(run, "csv", copied / "t.csv").read_text().splitlines()) == 46
    assert pipeline.verify(run).reproduces
    assert pipeline.update(run).added == 0


def column_of(run):
    return "code" if run.config.is_autoencoder else "embedding"


def record_images(monkeypatch, owner, name, seen):
    """Let a function note how many images it is given."""
    whole = getattr(owner, name)

    def noted(*arguments, **named):
        seen.append(len(next(each for each in arguments if isinstance(each, ImageSet))))
        return whole(*arguments, **named)

    monkeypatch.setattr(owner, name, noted)


def test_a_changed_picture_is_embedded_again_and_keeps_its_split(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    before = dict(zip(*pipeline.run_data.recorded_images(run), strict=True))
    draw(copied / "photos" / "b" / "0001.png", "d", 5)
    report = pipeline.update(run)
    assert report.changed == 1
    after = dict(zip(*pipeline.run_data.recorded_images(run), strict=True))
    assert after["b/0001.png"] == before["b/0001.png"]
    assert pipeline.verify(run).reproduces


def test_new_pictures_that_cannot_be_read_are_listed(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    for path in (copied / "photos" / "d").glob("new_*"):
        path.write_bytes(path.read_bytes()[:200])
    report = pipeline.update(run)
    assert (report.added, report.unreadable, report.images) == (10, 10, 35)
    assert pipeline.update(run).added == 0


def test_clusters_can_be_made_anew(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    pipeline_seeds = pipeline.cluster_seeds(run, OPTIONS, 2)
    report = pipeline.update(run, recluster=True)
    assert set(report.reclustered) == set(run.clustering_names())
    assert len(run.clustering(pipeline_seeds.name).assignments) == 45


def test_a_consensus_takes_new_pictures_by_the_vote_of_its_members(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    name = pipeline.cluster_seeds(run, OPTIONS, 2).name
    assert set(pipeline.update(run).assigned) == set(run.clustering_names())
    consensus = run.clustering(name)
    assert len(consensus.members) == 2
    assert len(consensus.assignments.agreement) == 45


def test_edits_by_hand_stay(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    clustering = run.clustering()
    editor = Editor(clustering)
    editor.add(Name(0, "first"))
    editor.add(Move(("a/0000.png", "a/0036.png"), 1))
    editor.add(Drop((3,)))
    pipeline.update(run)
    state = Editor(run.clustering()).state()
    assert state.name(0) == "first"
    assert state.clusters[state.ids.tolist().index("a/0036.png")] == 1
    assert len(state.clusters) == 45


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["embedded", "listed", "moving"])
def test_a_killed_update_goes_on(made, copied, kind, moment, monkeypatch):
    run = hide(made, Run.open(copied / "runs" / kind))
    clustering = run.clustering().assignments

    def die(*_arguments, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "embedded":
            patch.setattr(changes.Changes, "start", die)
        elif moment == "listed":
            patch.setattr(changes.Changes, "commit", die)
        else:
            replaced = os.replace
            moved = []

            def third_dies(source, target):
                if "update/new" in str(source) and "update/new" not in str(target):
                    moved.append(target)
                if len(moved) == 3:
                    die()
                return replaced(source, target)

            patch.setattr(changes.os, "replace", third_dies)
        with pytest.raises(KeyboardInterrupt):
            pipeline.update(run)
    again = Run.open(run.path)
    if moment != "moving":  # nothing of the run has changed
        assert len(again.clustering().assignments) == len(clustering)
        assert pipeline.update(again).added == 10
    assert len(again.clustering().assignments) == 45
    assert len(pipeline.open_run_images(again)) == 45
    assert pipeline.verify(again).reproduces
    assert not (run.path / "update").exists()


def test_update_takes_the_place_where_the_pictures_are_now(made, tmp_path):
    run, photos = lost(made, tmp_path, "pretrained")
    draw(photos / "a" / "new.png", "a", 1)
    assert pipeline.update(run, data=str(photos)).added == 1
    assert len(pipeline.open_run_images(Run.open(run.path))) == 41


def test_update_tells_the_account_whether_or_not_anything_is_new(made, tmp_path, caplog):
    run, photos = lost(made, tmp_path, "pretrained")
    draw(photos / "a" / "new.png", "a", 1)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level("INFO", "latentlab"):
            pipeline.update(run, data=str(photos))
        told = [text for text in caplog.messages if text.startswith("intake: ")]
        assert len(told) == 1
        assert told[0].startswith("intake: 41 images used")


def test_other_pictures_are_no_update(made, tmp_path):
    run, _ = lost(made, tmp_path, "pretrained")
    write_pictures(tmp_path / "others" / "z", ["a", "b"])
    with pytest.raises(DataError, match="not one of the 40 images"):
        pipeline.update(run, data=str(tmp_path / "others"))


def test_kinds_of_runs_that_cannot_grow_say_so(tmp_path, made):
    vectors, _ = make_vectors(20)
    np.save(tmp_path / "v.npy", vectors)
    run = pipeline.import_vectors(tmp_path / "v.npy", tmp_path / "vectors")
    with pytest.raises(ConfigError, match="made of vectors"):
        pipeline.update(run)
    images = np.random.default_rng(0).integers(0, 255, (20, SIZE, SIZE, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    data = DataOptions(data=str(tmp_path / "images.npy"))
    array = pipeline.use_encoder(data, str(made / "small.onnx"), tmp_path / "array")
    with pytest.raises(ConfigError, match="lie in one array"):
        pipeline.update(array)


def test_a_cut_takes_new_pictures_as_its_clusters_do(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    origin = run.clustering().name
    cut = pipeline.cut(run, 2)
    report = pipeline.update(run)
    assert sum(report.assigned[cut.name]) == sum(report.assigned[origin]) == 10
    before, after = run.clustering(origin).assignments, run.clustering(cut.name).assignments
    assert len(set(zip(before.clusters, after.clusters, strict=True))) == 4
    assert not pipeline.update(run).dropped  # the record names the new files of its origin
    report = pipeline.update(run, recluster=True)
    assert set(report.reclustered) == {origin, cut.name}
    assert run.clustering(cut.name).k == 2


def test_a_cut_of_clusters_that_were_made_again_is_dropped(made, copied):
    run = hide(made, Run.open(copied / "runs" / "pretrained"))
    origin = run.clustering()
    cut = pipeline.cut(run, 2)
    run.forget(f"cluster/{origin.name}")
    pipeline.cluster(run, ClusterOptions(k=3, features="l2", label=origin.name))
    assert pipeline.update(run).dropped == (cut.name,)
