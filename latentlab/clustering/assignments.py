"""Clusters of a run as files: fit the features and the clusterer on the training split, assign every image, read back."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab import plugins
from latentlab.clustering import consensus
from latentlab.clustering.base import Assigned, Clusterer, Vectors
from latentlab.config import ClusterOptions, NoOptions, as_dict, plugin_options, recorded
from latentlab.data.images import TEST, TRAIN, ImageSet
from latentlab.encoders import embedding, model_files
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.features import feature_steps
from latentlab.storage import tables
from latentlab.storage.files import atomic_path, clear_folder, read_json, remove_folder, write_json
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run
from latentlab.training import prototypes

EDITS = "edits.json"  # changes made by hand, see latentlab.reporting.edits
METHODS = ("clustering", "refinement")


def is_deep(method: str) -> bool:
    """Return whether a method trains the encoder too."""
    return plugins.load_any(METHODS, method)[0] == "refinement"


def finds_k(method: str) -> bool:
    """Return whether a method finds the number of clusters by itself."""
    return getattr(plugins.load_any(METHODS, method)[1], "FINDS_K", False)


def resolve(options: ClusterOptions, augment: str = "none", above: str = "") -> ClusterOptions:
    """Return the options with the method's own feature steps, and the fit's `augment`, in the place of "auto".

    Parameters
    ----------
    above : str
        The steps to what is clustered where the encoder goes on above its code, such as "embedding+l2" or "embedding+project+l2": the
        method's own steps start from there.

    Raises
    ------
    ConfigError
        If the method or a feature step is unknown, a step that the method needs is missing, the method has no options to
        --set, or k is given to a method that finds it or missing for another.
    """
    _, method = plugins.load_any(METHODS, options.method)
    if finds_k(options.method):
        if options.k:
            raise ConfigError(
                f"--method {options.method} finds the number of clusters by itself: leave --k out."
            )
    elif not options.k:
        raise ConfigError(
            f"--method {options.method} needs --k, a number of clusters of at least 1, or --k auto."
        )
    plugin_options(
        getattr(method, "Options", NoOptions), options.settings, f"--method {options.method}"
    )
    steps = _own_steps(method, options.k, above) if options.features == "auto" else options.features
    required, named = (
        getattr(method, "REQUIRED_STEP", None),
        [name for name, _ in feature_steps.parse(steps)],
    )
    if required and required not in named:
        own = _own_steps(method, options.k, above)
        raise ConfigError(
            f"--method {options.method} needs the feature step {required}, as in --features {own}: {steps} has none."
        )
    changed = (
        options.augment
        if options.augment != "auto"
        else augment
        if is_deep(options.method)
        else "none"
    )
    return dataclasses.replace(options, features=steps, augment=changed)


def _own_steps(method: Any, k: int, above: str) -> str:
    steps = getattr(method, "FEATURES", "").format(k=k)
    if not above or steps == "code":
        return steps or "code"
    if not steps or feature_steps.column(steps) in feature_steps.ABOVE:
        return above
    return f"{above}+{steps.removeprefix('pool+')}".removesuffix("+l2")


def check_method(run: Run, options: ClusterOptions) -> None:
    """Raise ConfigError where the features, the method, or what a deep one starts from, need what the encoder or its fit does not give."""
    column = feature_steps.column(options.features)
    if column not in model_files.columns(run):
        raise embedding.missing(column)
    if feature_steps.averages(options.features) and is_deep(options.method):
        own = options.features.replace(column, "embedding", 1)
        raise ConfigError(
            f"--method {options.method} trains the network, which sees one image at a time: choose --features {own}."
        )
    if feature_steps.projects(options.features):
        prototypes.check(run, prototypes.HEAD)
    first = str(options.settings.get("start", "")) if is_deep(options.method) else options.method
    if first in plugins.names("clustering") and getattr(
        plugins.load("clustering", first), "NEEDS_PROTOTYPES", False
    ):
        prototypes.check(run)


def check(run: Run, options: ClusterOptions) -> None:
    """Raise DataError where there are fewer training images than clusters, before anything of an older clustering is removed."""
    n_train = int((embedding.read_index(run.path / "embeddings")[1] == TRAIN).sum())
    if n_train < options.k:
        raise DataError(
            f"--k {options.k} is more than the {n_train} training images. Choose a smaller --k."
        )


def start_over(run: Run, name: str) -> None:
    """Remove the files of a clustering whose stage begins anew, and what was made of it; changes by hand stay in their file."""
    run.forget(*(f"{stage}/{name}" for stage in ("evaluate", "decode", "audit", "report")))
    clear_folder(run.path / "clusters" / name, keep=EDITS)
    remove_folder(run.path / "audit" / name)


def make(run: Run, options: ClusterOptions, vector_shape: tuple[int, ...]) -> list[Path]:
    """Cluster the run's codes and write assignments.parquet, model.npz and result.json; return their paths."""
    parts = run.path / "embeddings"
    vectors = functools.partial(
        embedding.read_parts, parts, column=feature_steps.column(options.features)
    )
    ids, splits = embedding.read_index(parts)
    fitted, training = training_vectors(run, options, vector_shape)
    clusterer: Clusterer = plugins.load("clustering", options.method).fit(training, options)
    assigned = [clusterer.assign(fitted.transform(part)) for part in vectors()]
    table = (
        _as_table(assigned)
        .add_column(0, "id", [ids.tolist()])
        .add_column(1, "split", [splits.tolist()])
    )
    cluster = np.asarray(table["cluster"])
    folder = run.path / "clusters" / options.name
    sizes = _sizes(cluster, splits, options.k or int(cluster.max()) + 1)
    arrays: dict[str, Any] = {**clusterer.to_arrays(), **fitted.to_arrays()}
    with atomic_path(folder / "model.npz") as path, path.open("wb") as file:
        np.savez(file, **arrays)
    write_json(folder / "result.json", {**as_dict(options), **clusterer.facts, "sizes": sizes})
    return [
        tables.write(folder / "assignments.parquet", table),
        folder / "model.npz",
        folder / "result.json",
    ]


def _sizes(cluster: np.ndarray, splits: np.ndarray, k: int) -> dict[str, list[int]]:
    return {
        split: np.bincount(cluster[splits == split], minlength=k).tolist()
        for split in (TRAIN, TEST)
    }


def make_of_vectors(path: Path, options: ClusterOptions, target: Path) -> dict[str, Any]:
    """Cluster the vectors of a parquet file and write where they belong; return the method's facts and the sizes.

    Parameters
    ----------
    path : pathlib.Path
        Its column "embedding", else its first column of vectors, is clustered; its column "id", where there is one, is kept.

    Raises
    ------
    DataError
        If there is no such column, or its vectors differ in length or are not finite.
    ConfigError
        If the method trains a network too.
    """
    if is_deep(options.method):
        raise ConfigError(
            f"--method {options.method} trains the network that made the vectors, which --embeddings lacks: use kmeans, gmm, n2d, scan or temi."
        )
    if feature_steps.averages(options.features):
        raise ConfigError(
            "--features averaged needs images, and --embeddings has vectors alone: leave averaged out."
        )
    ids, matrix = tables.read_vectors(path)
    if len(matrix) < options.k:
        raise DataError(
            f"--k {options.k} is more than the {len(matrix)} vectors of {path}. Choose a smaller --k."
        )
    fitted = feature_steps.fit(options.features, [matrix], (matrix.shape[1],), options.seed)
    found = fitted.transform(matrix)
    clusterer: Clusterer = plugins.load("clustering", options.method).fit(
        Vectors.of(found), options
    )
    assigned = clusterer.assign(found)
    tables.write(target, _as_table([assigned]).add_column(0, "id", [ids]))
    return {
        **as_dict(options),
        **clusterer.facts,
        "sizes": np.bincount(assigned.cluster, minlength=options.k).tolist(),
        "out": str(target),
    }


def training_vectors(
    run: Run, options: ClusterOptions, vector_shape: tuple[int, ...]
) -> tuple[feature_steps.Features, Vectors]:
    """Return the feature steps, fitted on the training split, and that split's vectors: what is clustered."""
    parts = run.path / "embeddings"
    vectors = functools.partial(
        embedding.read_parts, parts, TRAIN, feature_steps.column(options.features)
    )
    n_train = int((embedding.read_index(parts)[1] == TRAIN).sum())
    fitted = feature_steps.fit(
        options.features, vectors(), vector_shape, options.seed, head=prototypes.head(run)
    )
    width = fitted.transform(next(part for part in vectors() if len(part))[:1]).shape[1]
    shares = prototypes.training_shares(run, feature_steps.column(options.features))
    return fitted, Vectors(
        n_train, width, lambda: (fitted.transform(part) for part in vectors() if len(part)), shares
    )


def all_vectors(
    run: Run, options: ClusterOptions, vector_shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, splits and the features, float32 (n, d), of all images; the steps are fitted on the training split."""
    ids, splits = embedding.read_index(run.path / "embeddings")
    fitted, _ = training_vectors(run, options, vector_shape)
    parts = embedding.read_parts(
        run.path / "embeddings", column=feature_steps.column(options.features)
    )
    return ids, splits, np.concatenate([fitted.transform(part) for part in parts])


def by_k(
    run: Run, options: ClusterOptions, ks: list[int], vector_shape: tuple[int, ...]
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return k -> (ids, splits, clusters) of k-means on the run's codes for every k; the feature steps are fitted once."""
    parts = run.path / "embeddings"
    ids, splits = embedding.read_index(parts)
    fitted, training = training_vectors(run, options, vector_shape)
    column = feature_steps.column(options.features)
    found = {}
    for k in ks:
        clusterer = plugins.load("clustering", "kmeans").fit(
            training, dataclasses.replace(options, k=k)
        )
        found[k] = (
            ids,
            splits,
            np.concatenate(
                [
                    clusterer.assign(fitted.transform(part)).cluster
                    for part in embedding.read_parts(parts, column=column)
                ]
            ),
        )
    return found


def _as_table(assigned: list[Assigned]) -> pa.Table:
    """Return cluster, distance, margin and, where there are, noise and the soft assignment as columns."""
    named = (
        "cluster",
        "distance",
        "margin",
        *(("noise",) if assigned[0].noise is not None else ()),
    )
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in assigned]) for name in named
    }
    if assigned[0].soft is not None:
        columns["soft"] = tables.vectors(
            np.concatenate([part.soft for part in assigned if part.soft is not None])
        )
    return pa.table(columns)


def assign(
    run: Run, name: str, batches: Iterable[tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Yield (indices, where they belong) for (indices, codes) batches of new images."""
    fitted, clusterer = _load(run, name)
    for indices, codes in batches:
        yield indices, clusterer.assign(fitted.transform(codes))


def write_predictions(
    images: ImageSet, assigned: Iterable[tuple[np.ndarray, Assigned]], target: Path
) -> Path:
    """Write id, cluster, distance, margin and, where there is one, the soft assignment to a parquet file."""
    rows = [
        _as_table([part]).add_column(0, "id", [images.ids[indices].tolist()])
        for indices, part in assigned
    ]
    return tables.write(target, pa.concat_tables(rows))


def names(run: Run) -> list[str]:
    """Return the names of the run's finished clusterings, the newest last."""
    return [
        stage.removeprefix("cluster/")
        for stage in run.stages_in_order()
        if stage.startswith("cluster/")
    ]


def choose(run: Run, name: str | None) -> str:
    """Return `name`, or the newest clustering's name where it is None.

    Raises
    ------
    RunError
        If there is none of that name.
    """
    known = names(run)
    if not known:
        raise RunError(
            f"{run.path} has no clusters. Make them with: latentlab cluster --run {run.path} --k 10"
        )
    if name is not None and name not in known:
        raise RunError(f"{run.path} has no clusters {name!r}: it has {', '.join(known)}.")
    return name or known[-1]


def options_of(run: Run, name: str) -> ClusterOptions:
    """Return the options that a clustering was made with; where the method found k by itself, with that k."""
    config = run.manifest["stages"][f"cluster/{name}"].get("config")
    options = recorded(
        ClusterOptions, config.get("options") if isinstance(config, dict) else None, run.path
    )
    return options if options.k else dataclasses.replace(options, k=read_result(run, name)["k"])


def members_of(run: Run, name: str) -> list[tuple[Run, str]]:
    """Return (run, name) of the clusterings that a consensus was made of; none for any other clustering.

    Raises
    ------
    RunError
        If one of them was made again since: its clusters have other numbers.
    """
    config = run.manifest["stages"][f"cluster/{name}"]["config"]
    members = [
        (run if place == "." else Run.open(run.path / place), own)
        for place, own in config.get("members", [])
    ]
    if [_outputs(*member) for member in members] != config.get("of", []):
        raise RunError(
            f"a clustering that {name} unites was made again or is gone, so the two no longer fit. Repeat: latentlab cluster --seeds"
        )
    return members


def _outputs(run: Run, name: str) -> Any:
    """Return what the run records of a clustering's files."""
    return run.manifest["stages"].get(f"cluster/{name}", {}).get("outputs")


def write_consensus(
    run: Run, name: str, members: list[tuple[Run, str]], options: ClusterOptions, seeds: list[int]
) -> list[Path]:
    """Unite clusterings of the same images and write assignments.parquet, with a column "agreement", and result.json; return their paths."""
    folder = run.path / "clusters" / name
    read_of = [
        tables.read(member.path / "clusters" / own / "assignments.parquet")
        for member, own in members
    ]
    ids, splits = (
        np.asarray(read_of[0][column].to_pylist(), dtype=str) for column in ("id", "split")
    )
    assigned = [
        Assigned(*(np.asarray(table[column]) for column in ("cluster", "distance", "margin")))
        for table in read_of
    ]
    found = consensus.unite([one.cluster for one in assigned], splits == TRAIN, options.k)
    whole = consensus.as_assigned(assigned, found.cluster, found.shares, found.maps)
    table = (
        _as_table([whole])
        .add_column(0, "id", [ids.tolist()])
        .add_column(1, "split", [splits.tolist()])
    )
    sizes = _sizes(found.cluster, splits, options.k)
    told = {
        "seeds": seeds,
        "ari_between_seeds": consensus.facts(found.ari),
        "agreement": float(found.agreement.mean()),
    }
    result = {**as_dict(options), "algorithm": f"consensus of {len(seeds)} seeds", **told}
    write_json(
        folder / "result.json",
        {**result, "reference": found.reference, "maps": found.maps.tolist(), "sizes": sizes},
    )
    return [
        tables.write(
            folder / "assignments.parquet", table.append_column("agreement", [found.agreement])
        ),
        folder / "result.json",
    ]


def read(run: Run, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, splits and clusters of a clustering, arrays of shape (n,)."""
    return tables.read_assignment(run.path / "clusters" / name / "assignments.parquet")


def read_result(run: Run, name: str) -> dict[str, Any]:
    """Return result.json of a clustering."""
    return read_json(run.path / "clusters" / name / "result.json")


def _load(run: Run, name: str) -> tuple[feature_steps.Features, Clusterer]:
    path = run.path / "clusters" / name / "model.npz"
    try:
        arrays = read_npz(path)
        return feature_steps.Features.from_arrays(arrays), plugins.load(
            "clustering", options_of(run, name).method
        ).load(arrays)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path} is missing or damaged ({error}). Cluster again.") from error
