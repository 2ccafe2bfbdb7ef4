"""Inputs of the intake: own outputs and tables among pictures, labels, splits, few pictures."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _intake_cases import CaseList, Refused, Right
from _intake_drawing import CLASSES, drawn, encoded, fill, picture, put
from _intake_pictures import ALL_CLASSES, FORTY

OWN = "own outputs"
STRAY = "stray tables"
LABELS = "tables of labels and single classes"
SPLITS = "splits"
FEW = "few pictures"
SAME = "identical pictures"
MANIFEST = json.dumps({"format": 1, "stages": {}})
UNLABELLED = Right(40)
FLAT = "{name}{number:02d}.png"

cases = CaseList()


def _table(path: Path, rows: list[tuple[str, str]], head: str = "file_name,label") -> None:
    """Write two columns with their names, with the comma or tab of the head between them."""
    between = "\t" if "\t" in head else ","
    put(path, "".join(f"{line}\n" for line in [head, *(between.join(row) for row in rows)]))


def _class_of(path: str) -> str:
    """Return the class that a path names."""
    return next(name for name in CLASSES if name in path)


def _labelled(paths: list[str]) -> list[tuple[str, str]]:
    return [(path, _class_of(path)) for path in paths]


def _old_run(folder: Path) -> None:
    """Write what a run leaves: a manifest, pictures of its report, tables."""
    put(folder / "run.json", MANIFEST)
    for number in range(6):
        put(folder / "report" / "pictures" / f"{number}.png", encoded(picture("ring", number)))
    put(folder / "clusters" / "kmeans" / "card.jpg", encoded(picture("ring", 7), "JPEG"))


@cases.add(OWN, Right(40, {"own output": 8}, held_out=8, classes=ALL_CLASSES))
def run_below_runs(folder: Path) -> None:
    """An earlier run lies below the pictures, as the default puts it."""
    fill(folder, 10)
    _old_run(folder / "runs" / "cifar10-strong-photos")


@cases.add(OWN, Right(40, {"own output": 8}))
def run_of_any_name(folder: Path) -> None:
    """The user named the run, among flat pictures."""
    fill(folder, 10, FLAT)
    _old_run(folder / "my first try")


@cases.add(OWN, Right(40, {"own output": 16}, held_out=8, classes=ALL_CLASSES))
def runs_at_several_depths(folder: Path) -> None:
    """One of them lies in a class folder."""
    fill(folder, 10)
    _old_run(folder / "ring" / "run-of-rings")
    _old_run(folder / "old" / "2025" / "runs" / "a")


@cases.add(OWN, Refused(("run",)), data="runs/a/report/pictures", name="below_a_run")
@cases.add(OWN, Refused(("run",)), data="runs/a", name="a_run_itself")
def _a_run(folder: Path) -> None:
    """A run is no data."""
    _old_run(folder / "runs" / "a")


@cases.add(OWN, Right(40, {"own output": 1}))
def predictions_beside(folder: Path) -> None:
    """What `predict` writes by default."""
    fill(folder, 10, FLAT)
    rows = {"id": ["a", "b"], "cluster": [0, 1]}
    pq.write_table(pa.table(rows), folder / "predictions.parquet")


@cases.add(STRAY, Right(40, {"array": 1}, held_out=8, classes=ALL_CLASSES))
def tables_beside(folder: Path) -> None:
    """Somebody's notes, features and scores lie beside the classes."""
    fill(folder, 10)
    put(folder / "notes.csv", "day,weather\n1,rain\n")
    pq.write_table(pa.table({"x": [1.0, 2.0]}), folder / "scores.parquet")
    np.save(folder / "features.npy", np.zeros((40, 8), np.float32))


@cases.add(STRAY, Right(40))
def parquet_with_pictures_beside(folder: Path) -> None:
    """A table that holds pictures itself, beside more pictures."""
    fill(folder, 10, FLAT)
    rows = [encoded(picture("ring", number)) for number in range(3)]
    pq.write_table(pa.table({"image": pa.array(rows, pa.binary())}), folder / "old.parquet")


@cases.add(STRAY, FORTY)
def unpacked_on_a_nas(folder: Path) -> None:
    """What Macs, Windows, notebooks and file servers leave."""
    fill(folder, 10)
    small = encoded(picture("ring", 50, side=16), "JPEG")
    for name, number in drawn(5):
        put(folder / "__MACOSX" / name / f"._{name}{number:02d}.png", b"\0\5\x16\7" + bytes(80))
        put(folder / name / "@eaDir" / f"{number}.png" / "SYNOPHOTO_THUMB_S.jpg", small)
    for name in CLASSES:
        put(folder / name / ".DS_Store", b"\0\0\0\1Bud1" + bytes(50))
        put(folder / name / "Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50))
        put(folder / name / ".ipynb_checkpoints" / "a-checkpoint.png", small)


@cases.add(STRAY, Right(40, says=("no labels",)))
def coco_beside(folder: Path) -> None:
    """Annotations of another task, in JSON."""
    fill(folder / "images", 10, FLAT)
    put(folder / "annotations" / "instances.json", json.dumps({"images": [], "annotations": []}))


@cases.add(STRAY, Refused(("no pictures", "tables")))
def tables_only(folder: Path) -> None:
    """No picture at all."""
    put(folder / "notes.csv", "day,weather\n1,rain\n")
    put(folder / "more.csv", "day,weather\n2,rain\n")


SAYS_TABLE = Right(40, held_out=8, classes=ALL_CLASSES, says=("labels.*labels.csv",))


@cases.add(LABELS, SAYS_TABLE)
def table_of_paths(folder: Path) -> None:
    """Pictures in one folder, a table beside it."""
    paths = [f"images/{path}" for path in fill(folder / "images", 10, FLAT)]
    _table(folder / "labels.csv", _labelled(paths))


@cases.add(LABELS, Right(40, held_out=8, classes=ALL_CLASSES, says=("metadata.csv",)))
def imagefolder(folder: Path) -> None:
    """As Hugging Face has it: metadata.csv within the only split."""
    paths = fill(folder / "train", 10, "{number:03d}_{name}.png")
    _table(folder / "train" / "metadata.csv", _labelled(paths))


@cases.add(LABELS, Right(40, held_out=8, classes=ALL_CLASSES, says=("metadata.jsonl",)))
def json_lines(folder: Path) -> None:
    """The same in JSON lines."""
    paths = fill(folder, 10, FLAT)
    rows = [{"file_name": path, "label": name} for path, name in _labelled(paths)]
    put(folder / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@cases.add(LABELS, Right(40, held_out=8, classes=ALL_CLASSES))
def names_without_endings(folder: Path) -> None:
    """A table whose names lack the ending, as in many contests."""
    paths = fill(folder / "pics", 10, "{name}{number:02d}.jpg", "JPEG")
    rows = [(path.removesuffix(".jpg"), name) for path, name in _labelled(paths)]
    _table(folder / "labels.csv", rows, "id,label")


@cases.add(LABELS, Right(40, held_out=8, classes=ALL_CLASSES))
def tabs(folder: Path) -> None:
    """Tabs between other names of the columns."""
    paths = fill(folder, 10, FLAT)
    _table(folder / "classes.tsv", _labelled(paths), "filename\tclass")


@cases.add(LABELS, Right(40, held_out=8, classes="0, 1, 2, 3"))
def numbers_as_classes(folder: Path) -> None:
    """Classes by number."""
    paths = fill(folder, 10, FLAT)
    rows = [(path, str(CLASSES.index(name))) for path, name in _labelled(paths)]
    _table(folder / "labels.csv", rows, "image,target")


@cases.add(LABELS, Right(40, says=("things", "no")))
def one_class(folder: Path) -> None:
    """All in one folder: nothing to score, nothing to hold out."""
    fill(folder / "things", 10, FLAT)


@cases.add(LABELS, Right(40, says=("no labels",)))
def one_class_below_others(folder: Path) -> None:
    """The same below folders that say nothing."""
    fill(folder / "data" / "photos" / "holiday", 10, FLAT)


@cases.add(LABELS, Right(40, says=("no labels",)))
def a_folder_each(folder: Path) -> None:
    """Each picture in a folder of its own, as some downloads have it."""
    fill(folder, 10, "{name}{number:02d}/picture.png")


@cases.add(LABELS, Right(40, held_out=8, classes="left, right", says=("recur",)))
@cases.add(
    LABELS, Right(40, held_out=8, classes="a, b"), name="recurring_by_depth", labels="folder:1"
)
def recurring(folder: Path) -> None:
    """The same names below two folders: which are the classes is said."""
    for outer, inner, name in [("a", "left", 0), ("a", "right", 1), ("b", "left", 2)]:
        fill(folder / outer / inner, 10, FLAT, classes=CLASSES[name : name + 1])
    fill(folder / "b" / "right", 10, FLAT, classes=CLASSES[3:])


@cases.add(
    LABELS,
    Right(40, held_out=8, classes=ALL_CLASSES),
    labels="name:{label}_{}.png",
)
@cases.add(LABELS, UNLABELLED, name="names_not_asked")
def classes_in_names(folder: Path) -> None:
    """The class is a part of the name."""
    fill(folder, 10, "{name}_{number:02d}.png")


@cases.add(LABELS, UNLABELLED, labels="none")
def labels_not_wanted(folder: Path) -> None:
    """Folders that are no classes, and the user says so."""
    fill(folder, 10)


@cases.add(
    LABELS,
    Right(40, held_out=8, classes=ALL_CLASSES),
    data="pics",
    labels="table:{D}/truth.csv",
)
def table_elsewhere(folder: Path) -> None:
    """The table lies outside of the folder."""
    paths = fill(folder / "pics", 10, FLAT)
    _table(folder / "truth.csv", _labelled(paths))


@cases.add(LABELS, Refused(("label",), (2, 3)), labels="table:{D}/labels.csv")
def table_of_other_pictures(folder: Path) -> None:
    """The user names a table that names none of the pictures."""
    fill(folder, 10, FLAT)
    _table(folder / "labels.csv", [("x.png", "a"), ("y.png", "b")])


@cases.add(SPLITS, Right(40, held_out=8, classes=ALL_CLASSES, says=("val",)))
def train_val(folder: Path) -> None:
    """As tutorials have it."""
    fill(folder / "train", 8)
    fill(folder / "val", 2, start=8)


THREE = Right(48, held_out=16, classes=ALL_CLASSES, says=("val", "test", "held out"))


@cases.add(SPLITS, THREE)
def train_val_test(folder: Path) -> None:
    """Both others are held out, and that is said."""
    fill(folder / "train", 8)
    fill(folder / "val", 1, start=8)
    fill(folder / "test", 3, start=9)


@cases.add(SPLITS, THREE)
def spelled_out(folder: Path) -> None:
    """Other spellings, below the folder that the archive is called by."""
    for split, each, start in [("Training", 8, 0), ("Validation", 1, 8), ("TEST", 3, 9)]:
        fill(folder / "shapes-v2" / split, each, start=start)


@cases.add(SPLITS, Right(44, held_out=12, classes=ALL_CLASSES, says=("not scored", "test")))
def flat_test(folder: Path) -> None:
    """A contest: the test part has no classes."""
    base = folder / "shapes" / "shapes"
    fill(base / "train", 8)
    fill(base / "test", 3, FLAT, start=8)
    put(base / "sample_submission.csv", "id,label\n")


@cases.add(SPLITS, Right(40, held_out=8, classes=ALL_CLASSES))
def with_years(folder: Path) -> None:
    """Splits below a folder of pictures, with a year."""
    fill(folder / "images" / "train2017", 8)
    fill(folder / "images" / "val2017", 2, start=8)


@cases.add(SPLITS, Right(40, held_out=8, classes=ALL_CLASSES))
def splits_below_classes(folder: Path) -> None:
    """The splits lie within each class."""
    fill(folder, 8, "{name}/train/{number}.png")
    fill(folder, 2, "{name}/test/{number}.png", start=8)


@cases.add(SPLITS, Right(48, held_out=8, classes=ALL_CLASSES, says=("8 .*not scored",)))
def with_a_part_to_predict(folder: Path) -> None:
    """Folders of their own name within each split, and a third part that is neither."""
    fill(folder / "seg_train" / "seg_train", 8)
    fill(folder / "seg_test" / "seg_test", 2, start=8)
    fill(folder / "seg_pred" / "seg_pred", 2, FLAT, start=10)


@cases.add(SPLITS, Right(40, held_out=8, says=("no labels",)))
def splits_without_classes(folder: Path) -> None:
    """Two folders, which are splits and no classes."""
    fill(folder / "train", 8, FLAT)
    fill(folder / "test", 2, FLAT, start=8)


@cases.add(SPLITS, Right(40, held_out=8, says=("no labels",)))
def splits_of_one_class(folder: Path) -> None:
    """One class in both splits is still one class."""
    fill(folder / "train" / "things", 8, FLAT)
    fill(folder / "valid" / "things", 2, FLAT, start=8)


@cases.add(SPLITS, Right(40, held_out=8, classes="bars, cross, ring, test", says=("test",)))
def a_class_called_test(folder: Path) -> None:
    """Without a training part, that is said and not guessed."""
    fill(folder, 10, classes=CLASSES[:3])
    fill(folder / "test", 10, FLAT, classes=CLASSES[3:])


@cases.add(SPLITS, Right(40, held_out=8, classes=ALL_CLASSES), split="table:{D}/splits.csv")
def splits_in_a_table(folder: Path) -> None:
    """A table says which are held out."""
    rows = [(path, "train") for path in fill(folder, 8)]
    rows += [(path, "test") for path in fill(folder, 2, start=8)]
    _table(folder / "splits.csv", rows, "file_name,split")


@cases.add(SPLITS, Right(40, classes=ALL_CLASSES), split="none", held_out=0.0)
def splits_not_wanted(folder: Path) -> None:
    """The user wants all of them."""
    fill(folder / "train", 8)
    fill(folder / "val", 2, start=8)


@cases.add(FEW, Right(1))
def one_picture(folder: Path) -> None:
    """A folder of one."""
    fill(folder, 1, FLAT, classes=CLASSES[:1])


@cases.add(FEW, Right(2))
def two_pictures(folder: Path) -> None:
    """A folder of two."""
    fill(folder, 1, FLAT, classes=CLASSES[:2])


@cases.add(FEW, Right(4))
def four_folders_of_one(folder: Path) -> None:
    """A picture in each class folder: these are no classes."""
    fill(folder, 1)


@cases.add(FEW, Right(5, held_out=1, classes="ring, wedge"))
def five_of_two_classes(folder: Path) -> None:
    """As few as can be scored."""
    fill(folder, 2, classes=CLASSES[2:])
    fill(folder, 1, start=2, classes=CLASSES[2:3])


@cases.add(SAME, Right(30))
def thirty_equal(folder: Path) -> None:
    """A camera that is stuck."""
    for number in range(30):
        put(folder / f"{number:02d}.png", encoded(picture("ring", 0)))


@cases.add(SAME, Right(40))
def half_equal(folder: Path) -> None:
    """Twenty copies among twenty others."""
    fill(folder, 5, FLAT)
    for number in range(20):
        put(folder / f"copy{number:02d}.png", encoded(picture("ring", 0)))


@cases.add(SAME, Right(30, has_scale=None))
def thirty_black(folder: Path) -> None:
    """The lens cap is on."""
    for number in range(30):
        put(folder / f"{number:02d}.png", encoded(np.zeros((40, 40, 3), np.uint8)))


@cases.add(SAME, Right(20, has_scale=None))
def one_number(folder: Path) -> None:
    """Sixteen bits in which every number is 700."""
    for number in range(20):
        put(folder / f"{number:02d}.png", encoded(np.full((40, 40), 700, np.uint16)))
