"""More hostile inputs of scripts/hostile_inputs.py: vectors, run folders and saved networks from
elsewhere, and options.
"""

import functools
import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _hostile_files import Case, damaged, encoded, pictures

from latentlab import pipeline, recipes
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.data import opening
from latentlab.encoders import embedding, model_files
from latentlab.errors import RunError
from latentlab.features.fitted import fit_features
from latentlab.features.spec import FeatureSpec
from latentlab.refinement.run_methods import run_method
from latentlab.storage import checkpoints, keras_files, tables, vector_files
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run

ROOT = Path(__file__).resolve().parent.parent
KEPT_RUN = ROOT / "tests" / "stored_runs" / "run-format-1"
MIXED = 12


def _vector_case(
    values: Any, accepted: bool, k: int = 3, left_out: int = 0, **columns: Any
) -> Callable[[Path], str]:
    """Cluster vectors, of which `left_out` rows are no numbers."""

    def run(folder: Path) -> str:
        rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in values]
        pq.write_table(pa.table({"embedding": rows, **columns}), folder / "v.parquet")
        told = pipeline.cluster_vectors(
            folder / "v.parquet", ClusterOptions(k=k), folder / "out.parquet"
        )
        table = pq.read_table(folder / "out.parquet")
        clusters = np.asarray(table["cluster"])
        expected = len(values) - left_out
        if (
            len(clusters) != expected
            or sum(told["sizes"]) != expected
            or told["left_out"] != left_out
            or not np.isfinite(np.asarray(table["distance"])).all()
        ):
            return f"the result is not whole: {told['sizes']}"
        if k == 3 and len(values) == 30 and not left_out and sorted(told["sizes"]) != [10, 10, 10]:
            return f"sizes {told['sizes']}"
        return "" if accepted else "it was clustered"

    return run


def vectors(rng: random.Random) -> Iterator[Case]:
    """Yield parquet files of vectors for `cluster --embeddings`."""
    good = np.concatenate([np.random.default_rng(0).normal(c, 0.1, (10, 4)) for c in (-2, 0, 2)])

    yield Case("vectors", "good", _vector_case(good, True))
    yield Case("vectors", "good, moved far away", _vector_case(good + 100, True))
    for name, value in (
        ("NaN", np.nan),
        ("inf", np.inf),
        ("-inf", -np.inf),
        ("1e39", 1e39),
        ("1e300", 1e300),
        ("1e18", 1e18),
        ("-1e20", -1e20),
    ):
        for row in (0, 14, 29):
            broken = good.copy()
            broken[row, row % 4] = value
            yield Case("vectors", f"{name} in row {row}", _vector_case(broken, True, left_out=1))
    rows = good.tolist()
    odd: dict[str, Any] = {
        "ragged": [*rows[:-1], [1.0]],
        "empty": [[] for _ in rows],
        "text": [["a", "b"] for _ in rows],
        "lists of lists": [[[1.0]] for _ in rows],
        "true and false": [[True, False] for _ in rows],
        "none": [],
    }
    for name, value in odd.items():
        yield Case("vectors", name, _vector_case(value, False))
    for name, last in {"missing": None, "a number missing": [1.0, None, 2.0, 3.0]}.items():
        yield Case("vectors", name, _vector_case([*rows[:-1], last], True, left_out=1))
    yield Case("vectors", "ids twice", _vector_case(good, False, id=["a"] * 30))
    yield Case(
        "vectors", "an id missing", _vector_case(good, False, id=[None, *map(str, range(29))])
    )
    yield Case("vectors", "all the same", _vector_case(np.ones((30, 4)), False))
    yield Case("vectors", "one vector, k = 1", _vector_case(good[:1], True, k=1))
    yield Case("vectors", "k = n", _vector_case(good, True, k=30))
    for k in (31, 1000, 10**9, 2**40):
        yield Case("vectors", f"k = {k}", _vector_case(good, False, k=k))
    for k in (0, -1, -(10**9)):
        yield Case("vectors", f"k = {k}", _options_case(functools.partial(_resolved, k)))
    plain = io.BytesIO()
    pq.write_table(pa.table({"embedding": rows}), plain, write_page_checksum=True)
    for i in range(120):
        yield Case(
            "vectors",
            f"damaged {i}",
            _damaged_vectors(damaged(plain.getvalue(), rng, "cut" if i % 5 == 0 else "flip"), good),
        )


def _fit_options(values: dict[str, Any]) -> FitOptions:
    return FitOptions(**values)


def _opened(**values: Any) -> Any:
    return opening.open_images(DataOptions(**values))


def _resolved(k: int) -> ClusterOptions:
    return run_method("kmeans").resolve(ClusterOptions(k=k))


def _damaged_vectors(content: bytes, good: np.ndarray) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        (folder / "v.parquet").write_bytes(content)
        vectors = vector_files.read_vector_file(folder / "v.parquet").vectors
        return "" if np.array_equal(vectors, good.astype(np.float32)) else "other vectors"

    return run


def _options_case(make: Callable[[], Any]) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        make()
        return "it was accepted"

    return run


def options(rng: random.Random) -> Iterator[Case]:
    """Yield option values that nobody should give."""
    bad = (0, -1, float("nan"), -float("inf"))
    for name in ("epochs", "batch_size", "learning_rate", "validation", "patience", "seed"):
        for value in bad:
            if value != 0 or name not in ("patience", "seed"):
                yield Case(
                    "options",
                    f"{name} = {value}",
                    _options_case(functools.partial(_fit_options, {name: value})),
                )
    for label in ("../evil", "a/b", ".hidden", "a\nb", "a b", "<b>", "\0", "a\\b", "~", "*"):
        yield Case(
            "options",
            f"name {label!r}",
            _options_case(functools.partial(ClusterOptions, label=label)),
        )
    steps = [
        "pool",
        "pool0",
        "pool-1",
        "pca0",
        "pca-3",
        "umap0",
        "umap99999999999",
        "whiten-1",
        "l3",
        "",
        "+",
        "code+code",
        "pca" + "9" * 400,
        "../x",
        "\u0662",
        "pool2.5",
    ]
    for text in steps:
        yield Case("options", f"features {text[:30]!r}", _features_case(text))
    for _ in range(60):
        text = "+".join(
            rng.choices(
                ["code", "pool", "pool2", "whiten", "l2", "pca5", "umap2", "x", "", "pool0"],
                k=rng.randrange(1, 6),
            )
        )
        yield Case("options", f"features {text!r}", _features_case(text))
    names = (
        "nan",
        "../x",
        "cifar11",
        "x.npy",
        "x.npz",
        "x.parquet",
        "~nobody/x",
        "\udcff.npy",
        "-",
        "con",
        "a" * 5000,
        "/dev/null",
        "/dev/zero.npy",
        "",
    )
    for name in names:
        yield Case(
            "options", f"data {name[:20]!r}", _options_case(functools.partial(_opened, data=name))
        )
    for share in (-0.1, 1.0, 1.5, float("nan"), float("inf")):
        yield Case(
            "options",
            f"held out {share}",
            _options_case(functools.partial(_opened, data="digits", held_out=share)),
        )
    for name in ("stron", "../strong", ""):
        yield Case(
            "options",
            f"recipe {name!r}",
            _options_case(functools.partial(recipes.fit_settings, name)),
        )


def _features_case(text: str) -> Callable[[Path], str]:
    """Parse feature steps and use them: what is accepted gives finite vectors."""

    def run(folder: Path) -> str:
        matrix = np.random.default_rng(0).normal(size=(40, 4 * 4 * 2)).astype(np.float32)
        if "umap" in text:  # compiles for seconds; only its name is looked at
            FeatureSpec.parse(text)
            return ""
        spec = FeatureSpec.parse(text)
        found = fit_features(spec, [matrix], (4, 4, 2), 0).transform(matrix)
        return "" if len(found) == 40 and np.isfinite(found).all() else "the vectors are not finite"

    return run


def runs(rng: random.Random) -> Iterator[Case]:
    """Yield copies of a run with one file damaged, and manifests that name what is not theirs."""
    for path in sorted(KEPT_RUN.rglob("*")):
        if path.is_file() and path.suffix in (".npz", ".parquet", ".json", ".keras"):
            name = path.relative_to(KEPT_RUN).as_posix()
            content = path.read_bytes()
            for i in range(36):
                kind = "cut" if i % 4 == 0 else "flip"
                yield Case(
                    "run", f"{name} {kind} {i}", _run_case(name, damaged(content, rng, kind))
                )
            for other in (b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000):
                yield Case("run", f"{name} is {other[:4]!r}", _run_case(name, other))
    manifest = json.loads((KEPT_RUN / "run.json").read_text())
    for name, changed in _hostile_manifests(manifest).items():
        yield Case(
            "run",
            f"manifest: {name}",
            _run_case("run.json", json.dumps(changed).encode(), refused=name != "unknown entries"),
        )


def _run_case(name: str, content: bytes, refused: bool = False) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        shutil.copytree(KEPT_RUN, folder / "run")
        (folder / "run" / name).write_bytes(content)
        told = _read_everything(folder / "run", name)
        return "it was opened" if refused else told

    return run


def _read_everything(folder: Path, changed: str) -> str:
    """Read a run as its commands do, and compare numbers with those of the undamaged one."""
    run, kept = Run.open(folder), Run.open(KEPT_RUN)
    for clustering in run.clusterings():
        run_method(clustering.options.method)
    clustering = run.clustering()
    pipeline.open_run_images(run)
    model_files.describe(run)
    _ = clustering.result
    if changed.endswith(".keras"):
        _check_network(folder / changed)
        return ""
    if changed.endswith(".npz"):
        try:
            now, before = read_npz(folder / changed), read_npz(KEPT_RUN / changed)
        except ValueError as error:  # what its callers turn into one line
            raise RunError(str(error)) from error
        same = now.keys() == before.keys() and all(
            np.array_equal(now[key], before[key]) for key in now
        )
        return "" if same else "other numbers"
    if changed.endswith(".parquet"):
        wanted = tables.read(KEPT_RUN / changed).column_names
        return (
            ""
            if _as_read(folder / changed, wanted) == _as_read(KEPT_RUN / changed, wanted)
            else "other rows"
        )
    codes = [np.concatenate(list(embedding.Embeddings(one.path).parts())) for one in (run, kept)]
    return "" if np.array_equal(codes[0], codes[1]) else "other codes"


def _as_read(path: Path, columns: list[str]) -> dict[str, list]:
    """Return columns of a table as the package uses them: by name, ids and splits as text."""
    table = tables.read(path, columns)
    return {
        name: np.asarray(table[name].to_pylist(), dtype=str).tolist() for name in table.column_names
    }


def _hostile_manifests(good: dict[str, Any]) -> dict[str, Any]:
    stage = next(name for name in good["stages"] if name.startswith("cluster/"))
    entry = good["stages"][stage]

    def stages(**changed: Any) -> dict[str, Any]:
        return good | {
            "stages": {name.replace("__", "/"): value for name, value in changed.items()}
        }

    output = {"path": "x", "bytes": 1, "sha256": "0"}
    cases = {
        "stage above the folder": good | {"stages": {"cluster/../../evil": entry}},
        "absolute stage": good | {"stages": {"/tmp/evil": entry}},
        "stage with a zero byte": good | {"stages": {"cluster/\0": entry}},
        "output above the folder": stages(
            fit={**entry, "outputs": [output | {"path": "../../evil"}]}
        ),
        "absolute output": stages(fit={**entry, "outputs": [output | {"path": "/etc/passwd"}]}),
        "output without a path": stages(fit={**entry, "outputs": [{}]}),
        "outputs of numbers": stages(fit={**entry, "outputs": [1, 2]}),
        "outputs missing": stages(fit={"config_sha256": "0"}),
        "stages are a list": good | {"stages": []},
        "newer format": good | {"format": 99},
        "format is text": good | {"format": "1"},
        "format missing": {key: value for key, value in good.items() if key != "format"},
        "settings missing": {key: value for key, value in good.items() if key != "config"},
        "settings are a list": good | {"config": [1]},
        "unknown setting": good
        | {"config": {**good["config"], "data": {**good["config"]["data"], "evil": 1}}},
        "data elsewhere": good
        | {"config": {**good["config"], "data": {**good["config"]["data"], "data": "/etc"}}},
        "no clusters": good
        | {
            "stages": {
                name: value
                for name, value in good["stages"].items()
                if not name.startswith("cluster/")
            }
        },
        "unknown entries": good | {"more": {"deep": [1, 2]}},
    }
    options = entry["config"]["options"]
    for key, value in (
        ("method", "../evil"),
        ("k", -1),
        ("k", "x"),
        ("label", "../../evil"),
        ("evil", 1),
    ):
        changed = {**entry, "config": {**entry["config"], "options": {**options, key: value}}}
        cases[f"clustering with {key} = {value}"] = good | {
            "stages": {**good["stages"], stage: changed}
        }
    return cases


def networks(rng: random.Random) -> Iterator[Case]:
    """Yield saved networks that name code, or whose weights lie elsewhere; none may pass."""
    good = (KEPT_RUN / "encoder" / "encoder.keras").read_bytes()
    config = json.loads(_member(good, "config.json"))

    def case(changed: dict[str, bytes]) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            members = {
                name: _member(good, name)
                for name in ("config.json", "metadata.json", "model.weights.h5")
            } | changed
            with zipfile.ZipFile(folder / "x.keras", "w") as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
            _check_network(folder / "x.keras")
            return "" if not changed else "it passed"

        return run

    yield Case("network", "good", case({}))
    layers: list[dict[str, Any]] = [
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}},
        },
        {"module": "builtins", "class_name": "function", "config": "os.system"},
        {"module": "os", "class_name": "system", "config": {}},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch evil"}},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "x"}},
        {"module": "keras.src.utils.torch_utils", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/evil"}},
        {
            "module": "keras.layers",
            "class_name": "StringLookup",
            "config": {"vocabulary": "/etc/passwd"},
        },
        {
            "module": "keras.layers",
            "class_name": "TextVectorization",
            "config": {"vocabulary": "/etc/passwd"},
        },
        {"module": "latentlab.pipeline", "class_name": "sweep", "config": {}},
        {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
        {"module": None, "class_name": "evil", "registered_name": "evil>evil", "config": {}},
    ]
    for number, layer in enumerate(layers):
        broken = json.loads(json.dumps(config))
        broken["config"]["layers"].insert(number % 3, layer)
        yield Case(
            "network",
            f"names {layer['module']}.{layer['class_name']}",
            case({"config.json": json.dumps(broken).encode()}),
        )
        deep = json.loads(json.dumps(config))
        deep["config"]["layers"][-1]["config"]["kernel_initializer"] = layer
        yield Case(
            "network",
            f"initializer {layer['module']}.{layer['class_name']}",
            case({"config.json": json.dumps(deep).encode()}),
        )
    for name in ("../../evil", "/tmp/evil", "assets/evil.py", "evil.pkl"):
        yield Case("network", f"member {name}", case({name: b"x"}))
    for name, content in _hostile_weights().items():
        yield Case("network", f"weights: {name}", case({"model.weights.h5": content}))
    for content in (b"", b"{", b"[" * 100_000, b"null"):
        yield Case("network", f"config {content[:3]!r}", case({"config.json": content}))
    for i in range(60):
        yield Case(
            "network",
            f"weights damaged {i}",
            _weights__vector_case(good, damaged(_member(good, "model.weights.h5"), rng, "cut")),
        )


def _check_network(path: Path) -> None:
    try:
        keras_files.check(path)
    except ValueError as error:  # what its callers turn into one line
        raise RunError(str(error)) from error


def _weights__vector_case(good: bytes, weights: bytes) -> Callable[[Path], str]:
    """Hand cut weights to the check, which opens them as Keras would: refused, or nothing worse."""

    def run(folder: Path) -> str:
        with zipfile.ZipFile(folder / "x.keras", "w") as archive:
            for name in ("config.json", "metadata.json"):
                archive.writestr(name, _member(good, name))
            archive.writestr("model.weights.h5", weights)
        _check_network(folder / "x.keras")
        return "it passed"

    return run


def _hostile_weights() -> dict[str, bytes]:
    import h5py

    def made(fill: Callable[[Any], None]) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            fill(file)
        return buffer.getvalue()

    def external(file: Any) -> None:
        file.create_dataset("x", (10,), "u1", external=[("/etc/passwd", 0, 10)])

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((10,), "u1")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10,))
        file.create_virtual_dataset("x", layout)

    def circle(file: Any) -> None:
        file.create_group("a")["b"] = file

    return {
        "a link to a file": made(
            lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/"))
        ),
        "a soft link": made(lambda file: file.__setitem__("x", h5py.SoftLink("/y"))),
        "in another file": made(external),
        "virtual": made(virtual),
        "in a circle": made(circle),
        "2^40 numbers": made(
            lambda file: file.create_dataset("x", (1 << 40,), "f4", chunks=(1024,))
        ),
        "empty": b"",
    }


def _member(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def checkpoint_files(rng: random.Random) -> Iterator[Case]:
    """Yield damaged checkpoints."""
    buffer = io.BytesIO()
    arrays = {f"weight-{i:04d}": np.arange(20 + i, dtype=np.float32) for i in range(4)}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    for i in range(120):
        content = damaged(buffer.getvalue(), rng, "cut" if i % 5 == 0 else "flip")

        def run(folder: Path, content: bytes = content) -> str:
            (folder / "epoch-0001").mkdir()
            (folder / "epoch-0001" / "arrays.npz").write_bytes(content)
            (folder / "epoch-0001" / "state.json").write_text("{}")
            found = checkpoints.load(folder / "epoch-0001")[0]
            same = found.keys() == arrays.keys() and all(
                np.array_equal(found[key], arrays[key]) for key in arrays
            )
            return "" if same else "other numbers"

        yield Case("checkpoint", f"damaged {i}", run)


def splits(rng: random.Random) -> Iterator[Case]:
    """Yield folders with odd trees: one picture, splits with nothing in them, the same picture
    often, links in a circle.
    """
    good = encoded(pictures(1)[0], "PNG")

    def case(places: list[str], wanted: int | None, circle: bool = False) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            for place in places:
                if place.endswith("/"):
                    (folder / place).mkdir(parents=True, exist_ok=True)
                    continue
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(good)
            if circle:
                (folder / "again").symlink_to(folder, target_is_directory=True)
            images = opening.open_images(DataOptions(data=str(folder), size=8))
            return (
                ""
                if len(images) == wanted and len(set(images.ids)) == len(images)
                else f"{len(images)} images"
            )

        return run

    yield Case("folder", "one picture", case(["a.png"], 1))
    yield Case("folder", "the same picture often", case([f"{i}.png" for i in range(MIXED)], MIXED))
    yield Case("folder", "held-out pictures only", case(["test/a.png", "train/"], 1))
    yield Case("folder", "a circle of links", case(["a.png", "b/c.png"], 2, circle=True))
    yield Case("folder", "60 folders deep", case(["/".join("d" * 60) + "/a.png"], 1))
    yield Case("folder", "endings in capitals", case(["a.PNG", "b.Png"], 2))
    yield Case("folder", "a picture by another name", case(["a.txt"], 1))
    yield Case("folder", "nothing", case(["a/"], None))


ALL = (vectors, options, runs, networks, checkpoint_files, splits)
