"""Inputs of the intake: parquet, arrays, archives and lists of paths."""

import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _intake_cases import Case, CaseList, Refused, Right
from _intake_drawing import (
    CLASSES,
    SIDE,
    class_numbers,
    drawn,
    encoded,
    fill,
    picture,
    put,
    stacked,
    stacked_grey,
)
from _intake_pictures import ALL_CLASSES, FORTY

PARQUET = "parquet"
ARRAYS = "arrays"
ARCHIVES = "zip, tar and lists"
NUMBERED = "0, 1, 2, 3"
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

cases = CaseList()


def _write(path: Path, columns: Mapping[str, object], features: object = None) -> None:
    """Write a table; `features` are those of Hugging Face."""
    table = pa.table(columns)
    if features is not None:
        facts = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": facts})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _hub_shard(path: Path, each: int, start: int, has_null: bool = False) -> None:
    """Write a shard as Hugging Face does: pictures as structs, numbers that features name."""
    rows = [
        {"bytes": encoded(picture(name, number)), "path": f"{number}.png"}
        for name, number in drawn(each, start)
    ]
    pictures = [None, *rows[1:]] if has_null else rows
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(CLASSES)},
    }
    columns = {"image": pa.array(pictures, PICTURE), "label": class_numbers(each)}
    _write(path, columns, features)


@cases.add(PARQUET, Right(43, {"null|no picture|empty": 1}, held_out=12, classes=ALL_CLASSES))
def clone_of_the_hub(folder: Path) -> None:
    """A clone with three parts, one picture of which is missing."""
    _hub_shard(folder / "data" / "train-00000-of-00001.parquet", 8, 0, has_null=True)
    _hub_shard(folder / "data" / "validation-00000-of-00001.parquet", 1, 8)
    _hub_shard(folder / "data" / "test-00000-of-00001.parquet", 2, 9)
    put(folder / "README.md", "---\nlicense: mit\n---\n")


@cases.add(PARQUET, Right(40, held_out=8, classes=ALL_CLASSES))
def shards_of_the_hub(folder: Path) -> None:
    """One part in two files."""
    _hub_shard(folder / "data" / "train-00000-of-00002.parquet", 5, 0)
    _hub_shard(folder / "data" / "train-00001-of-00002.parquet", 5, 5)


@cases.add(PARQUET, FORTY, data="table.parquet")
@cases.add(PARQUET, FORTY, name="folder_of_a_table_of_bytes")
def bytes_and_words(folder: Path) -> None:
    """Bytes in a column, words as labels, and a column of bytes that are no pictures."""
    contents = [encoded(picture(name, number), "JPEG") for name, number in drawn(10)]
    columns = {
        "digest": pa.array([b"\1\2\3"] * 40),
        "photo": pa.array(contents, pa.large_binary()),
        "label": pa.array([name for name, _ in drawn(10)]).dictionary_encode(),
    }
    _write(folder / "table.parquet", columns)


@cases.add(
    PARQUET,
    Right(40, held_out=8, classes=ALL_CLASSES),
    data="t.parquet",
    image_column="photo",
    label_column="sort",
)
@cases.add(PARQUET, Refused(("image.column", "photo", "small"), (2, 3)), "t.parquet", "not_told")
def two_columns_of_pictures(folder: Path) -> None:
    """Which of them is meant is asked."""
    whole = [encoded(picture(name, number)) for name, number in drawn(10)]
    small = [encoded(picture(name, number, 16)) for name, number in drawn(10)]
    columns = {"photo": whole, "small": small, "sort": [name for name, _ in drawn(10)]}
    _write(folder / "t.parquet", columns)


def _path_columns(paths: Iterable[str]) -> dict[str, object]:
    paths = list(paths)
    labels = [next(name for name in CLASSES if name in path) for path in paths]
    return {"image": paths, "label": labels, "width": [SIDE] * len(paths)}


@cases.add(PARQUET, FORTY, data="table.parquet")
def absolute_paths(folder: Path) -> None:
    """A table of pandas: paths as text."""
    paths = fill(folder / "imgs", 10, "{name}{number:02d}.png")
    _write(folder / "table.parquet", _path_columns(str(folder / "imgs" / path) for path in paths))


@cases.add(PARQUET, FORTY, data="table.parquet")
def relative_paths(folder: Path) -> None:
    """Paths from the table's own folder."""
    paths = fill(folder / "imgs", 10, "{name}{number:02d}.png")
    _write(folder / "table.parquet", _path_columns(f"imgs/{path}" for path in paths))


@cases.add(
    PARQUET, Refused(("lead out", "follow.links")), "lists/table.parquet", "paths_that_lead_out"
)
@cases.add(PARQUET, FORTY, data="lists/table.parquet", follow_links=True)
def paths_that_may_lead_out(folder: Path) -> None:
    """Paths to a folder beside that of the table: a table of others may name any file."""
    paths = fill(folder / "imgs", 10, "{name}{number:02d}.png")
    _write(folder / "lists" / "table.parquet", _path_columns(f"../imgs/{path}" for path in paths))


@cases.add(
    PARQUET,
    Right(36, {"not there|not exist|missing|no such|nothing": 4}, None, ALL_CLASSES, is_loud=True),
    data="table.parquet",
)
def paths_to_nothing(folder: Path) -> None:
    """Four of the files are gone."""
    paths = fill(folder / "imgs", 9, "{name}{number:02d}.png")
    paths += [f"ring9{number}.png" for number in range(4)]
    _write(folder / "table.parquet", _path_columns(f"imgs/{path}" for path in paths))


@cases.add(PARQUET, Refused(("picture",), (2, 3)), data="table.parquet")
def no_pictures_in_it(folder: Path) -> None:
    """A table of numbers."""
    _write(folder / "table.parquet", {"x": [1.0, 2.0], "y": ["a", "b"]})


def _array(name: str, right: Right | Refused, values: object, **options: object) -> None:
    """Add a .npy or .npz file; `values` makes its array or its named arrays."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        arrays = values()  # type: ignore[operator]
        if isinstance(arrays, dict):
            np.savez(folder / f"{name}.npz", **arrays)
        else:
            np.save(folder / f"{name}.npy", arrays, allow_pickle=arrays.dtype == object)

    ending = "npz" if name.endswith("_npz") else "npy"
    cases.append(Case(ARRAYS, name, make, right, f"{name}.{ending}", options))  # type: ignore[arg-type]


X = stacked(10, 32)
G = stacked_grey(10, 28)
Y = class_numbers(10)
PLAIN = Right(40)
SCALED = Right(40, has_scale=True)
WITH_LABELS = Right(40, held_out=8, classes=NUMBERED)
ASKED = Refused(("layout",), (2, 3))

_array("bytes_nhwc", PLAIN, lambda: X)
_array("bytes_nchw", PLAIN, lambda: X.transpose(0, 3, 1, 2))
_array("grey_nhw", PLAIN, lambda: G)
_array("grey_n1hw", PLAIN, lambda: G[:, None])
_array("grey_nhw1", PLAIN, lambda: G[..., None])
_array("floats_to_one", PLAIN, lambda: (X / 255).astype(np.float32))
_array("floats_to_255", PLAIN, lambda: X.astype(np.float64))
_array("integers_of_64_bits", PLAIN, lambda: X.astype(np.int64))
_array("standardised", SCALED, lambda: (X / 127.5 - 1).astype(np.float32))
_array("sixteen_bits", Right(40, has_scale=None), lambda: X.astype(np.uint16) * 257)
_array("twelve_bits_of_sixteen", SCALED, lambda: G.astype(np.uint16) * 16)
_array("signed_sixteen_bits", SCALED, lambda: G.astype(np.int16) * 8 - 1000)
_array("truth_values", Right(40, has_scale=None), lambda: G > 127)
_array("masks_of_bytes", SCALED, lambda: (G > 127).astype(np.uint8))
_array("rgba", PLAIN, lambda: np.concatenate([X, np.full_like(X[..., :1], 255)], 3))
_array("not_square", PLAIN, lambda: X[:, :20])
_array("one_of_colour", ASKED, lambda: X[0])
_array("one_of_colour_told", Right(1), lambda: X[0], layout="hwc")
_array("three_or_one", ASKED, lambda: X[0].transpose(2, 0, 1))
_array(
    "three_of_grey_told",
    Right(3),
    lambda: X[0].transpose(2, 0, 1),
    layout="nhw",
)
_array("five_channels", Refused(("channels|shape",), (2, 3)), lambda: X.repeat(2, 3)[..., :5])
_array("objects", Refused(("object|pickle",)), lambda: np.array([*X, X[0, :16]], object))
_array("a_line_of_numbers", Refused(("shape|dimension",), (2, 3)), lambda: np.arange(40.0))
_array(
    "one_not_finite",
    Right(39, {"finite|NaN": 1}),
    lambda: np.where(np.arange(40)[:, None, None, None] == 3, np.nan, X / 255).astype(np.float32),
)
_array("x_and_y_npz", WITH_LABELS, lambda: {"X": X, "y": Y})
_array("data_and_labels_npz", WITH_LABELS, lambda: {"data": X, "labels": Y})
_array("images_only_npz", PLAIN, lambda: {"images": X})
_array("without_names_npz", WITH_LABELS, lambda: {"arr_0": X, "arr_1": Y})
_array(
    "keras_npz",
    Right(40, held_out=20, classes=NUMBERED),
    lambda: {
        "x_train": X[::2],
        "y_train": Y[::2, None],
        "x_test": X[1::2],
        "y_test": Y[1::2, None],
    },
)
_array(
    "medmnist_npz",
    Right(40, held_out=20, classes=NUMBERED, says=("val", "test")),
    lambda: {
        "train_images": G[::2],
        "train_labels": Y[::2, None],
        "val_images": G[1::4],
        "val_labels": Y[1::4, None],
        "test_images": G[3::4],
        "test_labels": Y[3::4, None],
    },
)
_array(
    "two_sets_npz",
    Refused(("before", "after"), (2, 3)),
    lambda: {"before": X, "after": X[::-1]},
)
_array("no_images_npz", Refused(("image|picture|array",), (2, 3)), lambda: {"y": Y})


def _zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


def _tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _members(each: int, below: str = "photos/", start: int = 0) -> list[tuple[str, bytes]]:
    """Return names and contents of pictures in class folders."""
    return [
        (f"{below}{name}/{number}.png", encoded(picture(name, number)))
        for name, number in drawn(each, start)
    ]


@cases.add(ARCHIVES, FORTY, data="photos.zip")
def photos_in_a_zip(folder: Path) -> None:
    """As it was downloaded, with what Macs and Windows put in."""
    leftovers = [("__MACOSX/photos/ring/._0.png", b"\0\5\x16\7" + bytes(40))]
    _zip(folder / "photos.zip", [*_members(10), *leftovers, ("photos/Thumbs.db", b"\xd0\xcf")])


@cases.add(ARCHIVES, Right(40, held_out=8, classes=ALL_CLASSES), data="set.zip")
def zip_of_splits(folder: Path) -> None:
    """Folders of splits within."""
    _zip(folder / "set.zip", _members(8, "set/train/") + _members(2, "set/val/", 8))


@cases.add(ARCHIVES, Refused(("zip",)), data="photos.zip")
def broken_zip(folder: Path) -> None:
    """A download that broke off."""
    _zip(folder / "whole.zip", _members(3))
    put(folder / "photos.zip", (folder / "whole.zip").read_bytes()[:2000])


@cases.add(ARCHIVES, FORTY, data="photos.tar.gz")
def compressed_tar(folder: Path) -> None:
    """The same as a tar."""
    _tar(folder / "photos.tar.gz", _members(10), "w:gz")


def _samples(each: int, ending: str, start: int = 0) -> list[tuple[str, bytes]]:
    """Return the members of a shard of WebDataset."""
    members = []
    for name, number in drawn(each, start):
        label = json.dumps({"label": name}) if ending == "json" else name
        key = f"{name[0]}{number:05d}"
        members += [(f"{key}.jpg", encoded(picture(name, number), "JPEG"))]
        members += [(f"{key}.{ending}", label.encode())]
    return members


@cases.add(ARCHIVES, FORTY, data="shard-000000.tar")
def webdataset(folder: Path) -> None:
    """A shard with a word beside each picture."""
    _tar(folder / "shard-000000.tar", _samples(10, "cls"))


@cases.add(ARCHIVES, FORTY)
def webdataset_in_shards(folder: Path) -> None:
    """A folder of shards with JSON beside each picture."""
    _tar(folder / "shard-000000.tar", _samples(5, "json"))
    _tar(folder / "shard-000001.tar", _samples(5, "json", 5))


@cases.add(ARCHIVES, Right(40, held_out=8, classes=ALL_CLASSES), data="list.txt")
def list_of_absolute_paths(folder: Path) -> None:
    """What `find` prints."""
    paths = fill(folder / "imgs", 10)
    put(folder / "list.txt", "".join(f"{folder / 'imgs' / path}\n" for path in paths))


@cases.add(ARCHIVES, FORTY, data="list.txt")
def list_with_labels(folder: Path) -> None:
    """Path and class, from the list's own folder."""
    paths = fill(folder, 10, "imgs/{name}{number:02d}.png")
    labels = [path.removeprefix("imgs/")[:-6] for path in paths]
    put(folder / "list.txt", "".join(f"{p} {c}\n" for p, c in zip(paths, labels, strict=True)))


@cases.add(
    ARCHIVES,
    Right(36, {"not there|not exist|missing|no such|nothing": 4}, None, is_loud=True),
    data="list.txt",
)
def list_with_gaps(folder: Path) -> None:
    """Four of the files are gone."""
    paths = fill(folder / "imgs", 9, "{name}{number:02d}.png")
    paths += [f"gone{number}.png" for number in range(4)]
    put(folder / "list.txt", "".join(f"imgs/{path}\n" for path in paths))


@cases.add(ARCHIVES, Refused(("address|URL|http|download",), (2, 3)), data="urls.txt")
def list_of_addresses(folder: Path) -> None:
    """Nothing is fetched without a word, and it is said what to do."""
    put(folder / "urls.txt", "".join(f"https://example.org/{i}.jpg\n" for i in range(30)))


@cases.add(ARCHIVES, Refused(("notes.txt",), (2, 3)), data="notes.txt")
def no_list_at_all(folder: Path) -> None:
    """A text."""
    put(folder / "notes.txt", "It rained all day.\nNobody came.\n")


@cases.add(ARCHIVES, FORTY, data="table.csv")
def table_as_data(folder: Path) -> None:
    """The table itself is given, and not the folder."""
    paths = fill(folder / "imgs", 10, "{name}{number:02d}.png")
    rows = [f"imgs/{path},{path[:-6]}\n" for path in paths]
    put(folder / "table.csv", "path,label\n" + "".join(rows))


@cases.add(ARCHIVES, Right(1), data="one.png")
def a_single_picture(folder: Path) -> None:
    """One file."""
    put(folder / "one.png", encoded(picture("ring", 0)))


NOWHERE = Refused(("does not exist",), (2, 3))


@cases.add(ARCHIVES, NOWHERE, data="photos/cats", name="no_such_folder")
@cases.add(ARCHIVES, NOWHERE, data="photos.zip", name="no_such_zip")
@cases.add(ARCHIVES, NOWHERE, data="list.txt", name="no_such_list")
@cases.add(ARCHIVES, Refused(("no pictures|empty",), (2, 3)), name="empty_folder")
def _nothing(folder: Path) -> None:
    folder.mkdir(parents=True)
