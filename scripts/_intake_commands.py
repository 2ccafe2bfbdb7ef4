"""Scenarios of the intake: runs among their pictures, few and equal pictures, vectors, runs that
move and grow, imbalanced pictures.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from _intake_drawing import CLASSES, encoded, fill, picture, put
from _intake_folders import FEW, OWN, SAME, STRAY
from _intake_steps import Scenario, Step

MOVED = "runs that move and grow"
UNEVEN = "imbalanced"
VECTORS = "vectors"
FLAT = "{name}{number:02d}.png"
HERE = "cluster --encoder {E} --k 4 --data ."
KMEANS = "--method kmeans --features embedding+l2"
USED_24 = ("24 images used",)
CHANGED = ("have changed", "unknown data")
WORKS_OR_ONE_LINE = (0, 2, 3)

Make = Callable[[Path], object]
scenarios: list[Scenario] = []


LONG = (
    *("figures_inside", "from_another_folder", "2_pictures", "3_pictures"),
    *("black_pictures", "two_pictures_again_and_again"),
    *("one_frequent_class_scan", "one_frequent_class_imc", "vectors_of_200_10_5_5"),
)


def _add(kind: str, name: str, make: Make, *steps: Step) -> None:
    scenarios.append(Scenario(kind, name, make, steps, name in LONG))


def _photos(each: int, classes: Sequence[str] = CLASSES, name: str = FLAT) -> Make:
    """Return a maker of pictures in a folder `photos`, beside an empty one."""

    def make(folder: Path) -> None:
        (folder / "other").mkdir(parents=True)
        fill(folder / "photos", each, name, classes=classes)

    return make


def _here(words: str, **more: object) -> Step:
    """Return a command line within the pictures."""
    return Step(words, place="photos", **more)  # type: ignore[arg-type]


_add(
    OWN,
    "outputs_inside",
    _photos(6),
    _here(f"{HERE} {KMEANS}", reads_data=True, says=USED_24),
    _here("report", never=CHANGED),
    _here(f"{HERE} {KMEANS} --k 3 --run again", reads_data=True, says=(*USED_24, "own output")),
    _here(f"{HERE} {KMEANS}", never=CHANGED),
)
_add(
    OWN,
    "exports_inside",
    _photos(6),
    _here(f"{HERE} {KMEANS} --run ../r", reads_data=True),
    _here("export --run ../r --format folders --out sorted"),
    _here("export --run ../r --format csv --out clusters.csv"),
    _here("export --run ../r --format coco --out coco"),
    _here(f"{HERE} {KMEANS} --run ../s", reads_data=True, says=(*USED_24, "own output")),
)
_add(
    OWN,
    "figures_inside",
    _photos(6),
    _here(f"{HERE} {KMEANS} --run mine", reads_data=True),
    _here("figures --run mine"),
    _here("audit --run mine"),
    _here(f"{HERE} {KMEANS} --run ../s", reads_data=True, says=(*USED_24, "own output")),
)
_add(
    STRAY,
    "predict_twice",
    _photos(6),
    _here(f"{HERE} {KMEANS} --run ../r", reads_data=True),
    _here("predict --data . --run ../r", reads_data=True, says=USED_24),
    _here("predict --data . --run ../r", reads_data=True, says=(*USED_24, "own output")),
)
_add(
    STRAY,
    "predict_to_a_name_of_ones_own",
    _photos(6),
    _here(f"{HERE} {KMEANS} --run ../r", reads_data=True),
    _here("predict --data . --run ../r --out mine.parquet", reads_data=True, says=USED_24),
    _here("predict --data . --run ../r --out mine.parquet", reads_data=True, says=USED_24),
)


def _limits(kind: str, name: str, make: Make, codes: tuple[int, ...], ks: str = "2") -> None:
    """Add what libraries cannot take: every method, and what follows it."""
    new = "cluster --encoder {E} --data photos --run r"
    _add(
        kind,
        name,
        make,
        Step(f"{new} --k 1 {KMEANS}", codes),
        Step("cluster --run r --method hdbscan --features embedding+l2", codes),
        Step("cluster --run r --method hdbscan", codes),
        Step(f"cluster --run r --method n2d --k {ks}", codes),
        Step(f"cluster --run r --method gmm --k {ks}", codes),
        Step(f"cluster --run r --k {ks}", codes),
        Step("cluster --run r --k auto", (*codes, 8)),
        Step("choose-k --run r", (*codes, 8)),
        Step("report --run r", codes),
        Step("export --run r --format csv --out c.csv", (0, 2, 3, 4)),
    )


for _count in (1, 2, 3, 6):
    _limits(
        FEW,
        f"{_count}_pictures",
        _photos(1, CLASSES[:_count]) if _count <= 4 else _photos(3, CLASSES[:2]),
        WORKS_OR_ONE_LINE,
    )
_add(
    FEW,
    "4_pictures",
    _photos(1),
    Step(f"cluster --encoder {{E}} --data photos --run r --k 4 {KMEANS}", reads_data=True),
    Step("report --run r"),
    Step("cluster --run r --method hdbscan", WORKS_OR_ONE_LINE),
    Step("cluster --run r --method n2d --k 2", WORKS_OR_ONE_LINE),
    Step("report --run r"),
    Step("cluster --run r --k 2"),
    Step("report --run r"),
)


def _equal(pictures: Sequence[np.ndarray]) -> Make:
    def make(folder: Path) -> None:
        for number, pixels in enumerate(pictures):
            put(folder / "photos" / f"{number:02d}.png", encoded(pixels))

    return make


_limits(SAME, "equal_pictures", _equal([picture("ring", 0)] * 30), WORKS_OR_ONE_LINE)
_limits(SAME, "black_pictures", _equal([np.zeros((40, 40, 3), np.uint8)] * 20), WORKS_OR_ONE_LINE)
_limits(
    SAME,
    "two_pictures_again_and_again",
    _equal([picture("ring", 0), picture("bars", 0)] * 12),
    WORKS_OR_ONE_LINE,
    "3",
)
_add(
    SAME,
    "as_kmeans_says_it",
    _equal([picture("ring", 0)] * 30),
    Step(
        f"cluster --encoder {{E}} --data photos --run r --k 2 {KMEANS}",
        (3,),
        ("equal|distinct|different|same",),
    ),
    Step("cluster --run r --method gmm --k 2", (3,), ("equal|distinct|different|same",)),
    Step("cluster --run r --k auto", (3, 8), never=("at most -",)),
)


def _move_photos(folder: Path) -> None:
    (folder / "new place").mkdir()
    (folder / "photos").rename(folder / "new place" / "pics")


def _has_lines(name: str, count: int) -> Callable[[Path], str]:
    """Return a check that a CSV has so many rows below its names."""

    def check(folder: Path) -> str:
        rows = len((folder / name).read_text().splitlines()) - 1
        return "" if rows == count else f"{name} has {rows} rows, not {count}"

    return check


MAKE_RUN = Step(f"cluster --encoder {{E}} --k 4 --data photos --run r {KMEANS}", reads_data=True)
CLASS_FOLDERS = "{name}/{number:02d}.png"

_add(
    MOVED,
    "pictures_moved",
    _photos(6, name=CLASS_FOLDERS),
    MAKE_RUN,
    Step("evaluate --run r"),
    Step("report --run r", never=CHANGED, before=_move_photos),
    Step("export --run r --format csv --out c.csv", check=_has_lines("c.csv", 24)),
    Step("evaluate --run r", never=CHANGED),
    Step("verify r", (3, 4, 7), ("photos", "--data")),
    Step("export --run r --format folders --out small", says=("small pictures are written",)),
    Step(
        "predict --run r --data moved/pics --out p.parquet",
        reads_data=True,
        before=lambda folder: (folder / "new place").rename(folder / "moved"),
    ),
    Step("verify r --data moved/pics"),
    Step("export --run r --format folders --out f"),
    Step("audit --run r"),
)
_add(
    MOVED,
    "from_another_folder",
    _photos(6, name=CLASS_FOLDERS),
    MAKE_RUN,
    *(
        Step(words, place="other", never=CHANGED)
        for words in (
            "report --run ../r",
            "evaluate --run ../r",
            "export --run ../r --format csv --out c.csv",
            "export --run ../r --format folders --out f",
            "verify ../r",
            "cluster --run ../r --k 3 --method gmm --features embedding+l2",
        )
    ),
)


def _copy_all(folder: Path) -> None:
    """Copy run and pictures, and remove the originals."""
    for name in ("photos", "r"):
        shutil.copytree(folder / name, folder / "other" / name)
        shutil.rmtree(folder / name)


def _change(folder: Path) -> None:
    """Add ten pictures and remove five."""
    photos = folder / "other" / "photos"
    fill(photos, 5, CLASS_FOLDERS, start=20, classes=CLASSES[:2])
    for number in range(5):
        (photos / "ring" / f"{number:02d}.png").unlink()


_add(
    MOVED,
    "copied_added_and_removed",
    _photos(10, name=CLASS_FOLDERS),
    MAKE_RUN,
    Step("evaluate --run r"),
    *(
        Step(words, place="other", never=CHANGED, before=before)
        for words, before in (
            ("report --run r", _copy_all),
            ("export --run r --format csv --out c.csv", None),
            ("evaluate --run r", None),
            ("verify r", None),
        )
    ),
    Step(
        "export --run r --format csv --out c.csv",
        place="other",
        before=_change,
        check=_has_lines("other/c.csv", 40),
    ),
    Step("evaluate --run r", place="other"),
    Step(
        "predict --run r --data photos --out p.parquet",
        place="other",
        reads_data=True,
        says=("45 images used",),
    ),
    Step("update --run r", place="other", says=("10", "5", "ring/0")),
    Step(
        "export --run r --format csv --out c.csv",
        place="other",
        check=_has_lines("other/c.csv", 45),
    ),
    Step("evaluate --run r", place="other", never=CHANGED),
    Step("verify r", place="other", never=CHANGED),
    Step("update --run r", place="other"),
)


def _add_one(folder: Path) -> None:
    put(folder / "photos" / "new.png", encoded(picture("ring", 77)))


_add(
    MOVED,
    "one_picture_added",
    _photos(6),
    MAKE_RUN,
    Step("report --run r", before=_add_one),
    Step("export --run r --format csv --out c.csv", check=_has_lines("c.csv", 24)),
    Step("update --run r --recluster", says=("1",)),
    Step("export --run r --format csv --out c.csv", check=_has_lines("c.csv", 25)),
    Step("verify r"),
)


def _uneven(*counts: int) -> Make:
    """Return a maker of so many pictures of each class, the plainest first: k-means parts bars."""

    def make(folder: Path) -> None:
        for name, count in zip(reversed(CLASSES), counts, strict=False):
            fill(folder / "photos", count, CLASS_FOLDERS, classes=[name])

    return make


NO_ADVICE = ("purer", "is better", "try --method")
EVEN_OUT = "even out|evens out|evened"
EVEN = (EVEN_OUT,)


def _head_on(name: str, method: str, counts: tuple[int, ...], says: tuple[str, ...]) -> None:
    """Add a head on pictures, by the shipped encoder: another may not tell the classes apart."""
    new = f"cluster --encoder cifar10-strong --k {len(counts)} --data photos --run r {KMEANS}"
    _add(
        UNEVEN,
        name,
        _uneven(*counts),
        Step(new, reads_data=True, never=NO_ADVICE),
        Step(f"cluster --run r --method {method} --k {len(counts)}", says=says, never=NO_ADVICE),
    )


_head_on("one_frequent_class_scan", "scan", (150, 6, 3), EVEN)
_head_on("one_frequent_class_imc", "imc", (150, 6, 3), EVEN)


def _groups(*counts: int) -> Make:
    """Return a maker of vectors in groups of these sizes, far from each other."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        rng = np.random.default_rng(7)
        middles = np.eye(len(counts)).repeat(4, 1)
        groups = [rng.normal(m, 0.1, (n, m.size)) for m, n in zip(middles, counts, strict=True)]
        np.save(folder / "vectors.npy", np.concatenate(groups).astype(np.float32))

    return make


def _head_on_vectors(name: str, method: str, counts: tuple[int, ...], says: str) -> None:
    k = len(counts)
    _add(
        UNEVEN,
        name,
        _groups(*counts),
        Step("import --embeddings vectors.npy --run r"),
        Step(f"cluster --run r --k {k} {KMEANS}", never=NO_ADVICE),
        Step(
            f"cluster --run r --method {method} --k {k} --features embedding+l2",
            says=(says,) if says else (),
            never=() if says else (EVEN_OUT,),
        ),
    )


_head_on_vectors("vectors_of_300_6_3", "scan", (300, 6, 3), EVEN_OUT)
_head_on_vectors("vectors_of_200_10_5_5", "temi", (200, 10, 5, 5), EVEN_OUT)
_head_on_vectors("vectors_of_90_90_90", "scan", (90, 90, 90), "")


def _vectors(name: str, write: Callable[[Path, np.ndarray, np.ndarray], object]) -> Make:
    """Return a maker of a file of vectors of three groups."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        rng = np.random.default_rng(5)
        middles = np.eye(3).repeat(4, 1)  # of three groups, each in a direction of its own
        vectors = np.concatenate([rng.normal(middle, 0.1, (20, 12)) for middle in middles])
        write(folder / name, vectors.astype(np.float32), np.arange(500, 560))

    return make


def _as_table(path: Path, columns: dict[str, object]) -> None:
    pd.DataFrame(columns).to_parquet(path)


def _file(
    name: str,
    write: Callable[[Path, np.ndarray, np.ndarray], object],
    codes: tuple[int, ...] = (0,),
    says: tuple[str, ...] = (),
) -> None:
    steps = [Step(f"import --embeddings {name} --run r", codes, says)]
    if codes == (0,):
        steps.append(Step(f"cluster --run r --k 3 {KMEANS}", says=("20, 20|20, 19|17, 16, 15",)))
    _add(VECTORS, name.replace(".", "_"), _vectors(name, write), *steps)


def _wide(vectors: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(vectors, columns=[f"f{i}" for i in range(vectors.shape[1])])


_file("plain.npy", lambda path, v, ids: np.save(path, v))
_file("named.npz", lambda path, v, ids: np.savez(path, embeddings=v, ids=ids))
_file("wide.csv", lambda path, v, ids: _wide(v).to_csv(path, index=False))
_file("wide.parquet", lambda path, v, ids: _wide(v).assign(id=ids).to_parquet(path))
_file(
    "half.parquet",
    lambda path, v, ids: _as_table(path, {"id": ids, "embedding": list(v.astype(np.float16))}),
)
_file(
    "others.parquet",
    lambda path, v, ids: _as_table(
        path, {"file": [f"{i}.jpg" for i in ids], "clip_embedding": list(v), "label": "x"}
    ),
)
_file("no_ids.parquet", lambda path, v, ids: _as_table(path, {"vector": list(v)}))
_file(
    "not_finite.parquet",
    lambda path, v, ids: _as_table(
        path, {"id": ids, "embedding": list(np.where(np.arange(60)[:, None] == 5, np.nan, v))}
    ),
    says=("1",),
)
_file(
    "null.parquet",
    lambda path, v, ids: _as_table(
        path, {"id": ids, "embedding": [None if i == 7 else row for i, row in enumerate(v)]}
    ),
    says=("1",),
)
_file(
    "twice.parquet",
    lambda path, v, ids: _as_table(path, {"id": np.r_[ids[:-1], ids[0]], "embedding": list(v)}),
    (3,),
    ("500",),
)
_file("words.npy", lambda path, v, ids: np.save(path, np.array(["a", "b"])), (2, 3))
_file(
    "damaged.parquet",
    lambda path, v, ids: path.write_bytes(b"PAR1" + bytes(80)),
    (2, 3),
    ("damaged.parquet",),
)


def _keeps_columns(folder: Path) -> str:
    names = set(pq.read_schema(folder / "out.parquet").names)
    missing = {"sku", "price", "cluster"} - names
    return f"out.parquet lacks {sorted(missing)}" if missing else ""


_add(
    VECTORS,
    "other_columns_stay",
    _vectors(
        "shop.parquet",
        lambda path, v, ids: _as_table(
            path, {"sku": ids.astype(str), "price": 1.5, "embedding": list(v)}
        ),
    ),
    Step(
        "cluster --embeddings shop.parquet --k 3 --out out.parquet --method kmeans",
        check=_keeps_columns,
    ),
)
