"""What is right for inputs of another maker: a file with a dictionary CASES of functions by name,
each of which draws one input in a folder.
"""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from _intake_cases import Case, Refused, Right, Value
from _intake_files import ARCHIVES, ARRAYS, ASKED, NUMBERED, PARQUET
from _intake_folders import FEW, LABELS, OWN, SAME, SPLITS, STRAY
from _intake_pictures import ENDINGS, HAS_DICOM, HAS_HEIC, LINKS, NUMBERS, PAGES, uses_the_range

FOUR = "checks, disc, square, stripes"
IN_ORDER = "disc, stripes, checks, square"  # of numbers that have names
ODD_CLASSES = ", ".join(f"class {name} (α)" for name in FOUR.split(", "))
SCALED = Right(100, held_out=20, classes=FOUR, has_scale=True, check=uses_the_range)
EIGHTY = Right(80, held_out=16, classes=FOUR)
ARRAY = Right(100)
DEEP_ARRAY = Right(100, has_scale=True)
Answer = Right | Refused
Opened = tuple[str, Answer] | tuple[str, Answer, dict[str, Value]]

_HEIC = (
    (Right(100, {"video|no picture": 1}), Right(80, {"video|no picture": 1}))
    if HAS_HEIC
    else (
        Right(20, {"HEIC": 80, "video|no picture": 1}, is_loud=True, says=("heic",)),
        Refused(("80 HEIC", "heic")),
    )
)

# Kind, and what is opened below the folder with what is right, for each maker by name.
GIVEN: dict[str, tuple[str, list[Opened]]] = {
    "plain": (ENDINGS, [(".", Right(120, held_out=24, classes=FOUR))]),
    "outputs_inside": (OWN, [(".", Right(80))]),
    "heic_like": (ENDINGS, [(".", _HEIC[0])]),
    "only_heic": (ENDINGS, [(".", _HEIC[1])]),
    "same_names": (
        LABELS,
        [(".", Right(80, held_out=16, classes="day1, day2, day3, day4"))],
    ),
    "odd_names": (
        ENDINGS,
        [
            (
                ".",
                Right(
                    80, held_out=16, classes=", ".join(f"class {k} (α)" for k in FOUR.split(", "))
                ),
            )
        ],
    ),
    "mac_zip_leftovers": (STRAY, [(".", EIGHTY)]),
    "lost_links": (
        LINKS,
        [(".", Right(60, {"text|link|no picture": 40}, None, FOUR, is_loud=True))],
    ),
    "twelve_bit": (NUMBERS, [(".", SCALED)]),
    "ten_bit_dim": (NUMBERS, [(".", SCALED)]),
    "sixteen_bit_full": (
        NUMBERS,
        [(".", Right(100, held_out=20, classes=FOUR, has_scale=None, check=uses_the_range))],
    ),
    "stack_tiff": (PAGES, [(".", Right(120, ids=("stack_disc.tif#1", "stack_disc.tif#30")))]),
    "dicom": (
        ENDINGS,
        [(".", Refused(("DICOM|readable",) if HAS_DICOM else ("20 DICOM", "dicom")))],
    ),
    "no_suffix": (ENDINGS, [(".", EIGHTY)]),
    "odd_suffix": (ENDINGS, [(".", EIGHTY)]),
    "train_val": (SPLITS, [(".", Right(100, held_out=20, classes=FOUR, says=("val",)))]),
    "train_val_test": (
        SPLITS,
        [(".", Right(128, held_out=48, classes=FOUR, says=("val", "test", "held out")))],
    ),
    "kaggle_flat_test": (
        SPLITS,
        [(".", Right(100, held_out=20, classes=FOUR, says=("not scored",)))],
    ),
    "csv_of_paths": (LABELS, [(".", Right(80, held_out=16, classes=FOUR, says=("labels.csv",)))]),
    "hf_imagefolder": (
        LABELS,
        [(".", Right(80, held_out=16, classes=FOUR, says=("metadata.csv",)))],
    ),
    "zipped": (ARCHIVES, [("photos.zip", EIGHTY), ("shard-000000.tar", EIGHTY)]),
    "path_list": (
        ARCHIVES,
        [
            ("list.txt", Right(60, held_out=12, classes=FOUR)),
            ("urls.txt", Refused(("address|URL|http|download",), (2, 3))),
            ("photos/cats", Refused(("does not exist",), (2, 3))),
        ],
    ),
    "parquet_paths": (PARQUET, [("table.parquet", Right(60, held_out=12, classes=FOUR))]),
    "parquet_hf": (
        PARQUET,
        [(".", Right(119, {"null|no picture|empty": 1}, held_out=40, classes=IN_ORDER))],
    ),
    "parquet_bytes_str": (
        PARQUET,
        [
            ("data.parquet", EIGHTY, {"label_column": "species"}),
            ("data.parquet", EIGHTY, {"image_column": "photo", "label_column": "species"}),
        ],
    ),
    "arrays": (
        ARRAYS,
        [
            ("float01.npy", ARRAY),
            ("float64_255.npy", ARRAY),
            ("nchw_uint8.npy", ARRAY),
            ("int64.npy", ARRAY),
            ("grey_nhw.npy", ARRAY),
            ("standardised.npy", DEEP_ARRAY),
            ("imagenet_norm.npy", DEEP_ARRAY),
            ("uint16.npy", Right(100, has_scale=None)),
            ("uint16_12bit.npy", DEEP_ARRAY),
            ("rgba.npy", ARRAY),
            ("five_channels.npy", Refused(("channels|shape",), (2, 3))),
            ("nonsquare.npy", ARRAY),
            ("bool.npy", Right(100, has_scale=None)),
            ("float_01_with_nan.npy", Right(99, {"finite|NaN": 1})),
            ("object.npy", Refused(("object|pickle",))),
            ("three_images.npy", Right(3)),
            ("one_image_hwc.npy", ASKED),
            ("float01_max_below_one_255.npy", Right(100, has_scale=None)),
            ("medmnist_like.npz", Right(100, held_out=50, classes=NUMBERED)),
            ("X_y.npz", Right(100, held_out=20, classes=NUMBERED)),
            ("data_labels.npz", Right(100, held_out=20, classes=NUMBERED)),
            ("keras_like.npz", Right(100, held_out=50, classes=NUMBERED)),
            ("pos.npz", Right(100, held_out=20, classes=NUMBERED)),
        ],
    ),
    "identical": (SAME, [(".", Right(80))]),
    "half_identical": (SAME, [(".", Right(120))]),
    "few": (FEW, [(".", Right(4))]),
    "one": (FEW, [(".", Right(1))]),
    "one_class": (LABELS, [(".", Right(80, says=("no labels",)))]),
    "imbalanced": (FEW, [(".", Right(309, held_out=62, classes="checks, disc, square"))]),
    "panoramas": (ENDINGS, [(".", Right(82, held_out=16, classes=FOUR))]),
    "exif_icc": (ENDINGS, [(".", Right(44, has_scale=None))]),
    "link_loop": (LINKS, [(".", EIGHTY)]),
    "broken_links": (
        LINKS,
        [
            (
                ".",
                Right(60, {"nothing|nowhere": 20, "LFS": 20}, None, FOUR, is_loud=True),
            )
        ],
    ),
    "dim_fluorescence": (NUMBERS, [(".", SCALED)]),
    "masks": (NUMBERS, [("png", SCALED), ("masks_uint8.npy", DEEP_ARRAY)]),
}
ELSEWHERE = ("vectors", "huge")  # vectors are imported, and 108 million pixels take their time


def makers_of(path: Path) -> dict[str, Callable[[Path], object]]:
    """Return the functions of a file that makes inputs, by name."""
    spec = importlib.util.spec_from_file_location("inputs_of_others", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


def given_cases(path: Path) -> Iterator[Case]:
    """Yield what is opened of the inputs of a file that makes some; each names its own maker."""
    for name, make in makers_of(path).items():
        if name in ELSEWHERE:
            continue
        kind, opened = GIVEN[name]
        for number, (data, right, *options) in enumerate(opened):
            own = name if len(opened) == 1 else f"{name}-{number}-{Path(data).name}"
            yield Case(kind, f"given-{own}", make, right, data, *options)
