#!/usr/bin/env python3
"""Make reports/photos: every encoder at hand and every head on folders of pictures, in one table.

usage: scripts/bench_folders.py [FOLDER...] [--photos FOLDER] [--data-dir FOLDER]
                                [--encoders FILE...] [--slow STEPS] [--page] [--seeds 0,1,2]
                                [--work FOLDER] [--out FOLDER] [--minutes N] [--machine TEXT]

A folder's classes are its sub-folders, and k is their number. Without FOLDER it takes the folders
in --photos, and makes four: 2,000 test pictures of CIFAR-10, 1,000 of MNIST, 1,000 digits
of scikit-learn, and noise. Encoders are the shipped ones, the extra `photos` if it is installed,
and --encoders, ONNX or Keras files. Alternatives need no network: histograms of colours and of
edges, pixels.

Clusters see no label. They are fitted on 80% of the pictures, and all are scored. It resumes: a row
of table.csv is not made again. --slow adds the recipes adapt and strong, at 32, 64 and 96 pixels,
each trained for STEPS steps on the first folder.
"""

import argparse
import contextlib
import itertools
import logging
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _folder_measures import agreement_between, measures_of
from _folder_page import CHOICES, HITS, MEAN_RANK, write_page
from _folder_table import Row, Table
from _folders_of_pictures import make_folders
from _reports import REPORTS, Clock

from latentlab import backend, pipeline, recipes
from latentlab.clustering import baselines, pixel_features
from latentlab.clustering.encoder_criteria import CRITERIA
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.encoders.embedding import Embeddings
from latentlab.errors import LatentlabError
from latentlab.features.spec import CODE
from latentlab.pipeline.encoder_choice import choose_encoder, names_at_hand
from latentlab.pipeline.run_data import open_small_images
from latentlab.scoring.labels import read_labels
from latentlab.storage.files import read_json, write_json
from latentlab.storage.run import Run

REPORT = REPORTS / "photos"
DEFAULT = "default"
UMAP_KMEANS = "UMAP + k-means"
HEADS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "k-means": {"features": "embedding+l2"},
    UMAP_KMEANS: {"features": "embedding+l2+umap10"},
    "HDBSCAN": {"method": "hdbscan"},
    "SCAN": {"method": "scan"},
    "TEMI": {"method": "temi"},
}
QUICK = (DEFAULT, "k-means", UMAP_KMEANS)
ALTERNATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "colour histogram": pixel_features.colour_histograms,
    "edge histogram": pixel_features.edge_histograms,
    "pixels": baselines.flat,
}
SLOW = (("adapt", 32), ("adapt", 64), ("adapt", 96), ("strong", 64), ("strong", 96))


@dataclass(frozen=True)
class Folder:
    """One folder of pictures.

    Attributes
    ----------
    path : pathlib.Path
        Its sub-folders are the classes.
    class_of : dict
        Id of a picture -> its class.
    """

    path: Path
    class_of: dict[str, str]

    @classmethod
    def of(cls, path: Path) -> "Folder":
        """Return a folder with its classes."""
        labels = read_labels(DataOptions(data=str(path)))
        if labels is None:
            raise SystemExit(f"{path}: its pictures are not in sub-folders, one for each class.")
        names = np.asarray(labels.class_names)[labels.labels].tolist()
        return cls(path, dict(zip(labels.ids.tolist(), names, strict=True)))

    @property
    def k(self) -> int:
        """Number of classes."""
        return len(set(self.class_of.values()))

    def classes(self, ids: np.ndarray) -> np.ndarray:
        """Return the classes of pictures by their ids."""
        return np.array([self.class_of[name] for name in ids.tolist()])


@dataclass(frozen=True)
class Bench:
    """What all parts of the bench share.

    Attributes
    ----------
    table : Table
        The rows so far.
    seeds : list of int
    work : pathlib.Path
        Folder of the runs.
    clock : Clock
        Says whether a new step may start.
    """

    table: Table
    seeds: list[int]
    work: Path
    clock: Clock

    def run_folder(self, folder: Folder, reference: str) -> Path:
        """Return where the run of an encoder on a folder lies."""
        return self.work / folder.path.name / _name_of(reference)

    def encoder(self, folder: Folder, reference: str, heads: list[str]) -> None:
        """Cluster a folder by every head on an encoder."""
        name = _name_of(reference)
        missing = [
            head for head in heads if not self.table.has(folder.path.name, name, head, self.seeds)
        ]
        if not missing or not self.clock.may_start():
            return
        data = DataOptions(data=str(folder.path))
        run = pipeline.use_encoder(data, reference, self.run_folder(folder, reference))
        for head in missing:
            if self.clock.may_start():
                self.head(folder, run, name, head, HEADS[head])

    def head(
        self, folder: Folder, run: Run, encoder: str, head: str, values: dict[str, Any]
    ) -> None:
        """Cluster a run with every seed, and keep the rows."""
        logging.info("%s: %s, %s", folder.path.name, encoder, head)
        made = []
        for seed in self.seeds:
            k = None if values.get("method") == "hdbscan" else folder.k
            wanted = ClusterOptions(**{"k": k, "seed": seed, **values})
            start = time.monotonic()
            clustering = pipeline.cluster(run, wanted)
            seconds = time.monotonic() - start
            assigned = clustering.assignments
            features = str(pipeline.resolve(run, wanted).features)
            made.append((seed, assigned.ids, assigned.clusters, features, seconds))
        column = "embedding" if "embedding" in made[0][3] else "code"
        vectors = np.concatenate(list(Embeddings(run.path).parts(column=column)))
        self._keep(folder, encoder, head, vectors, made)

    def alternatives(self, folder: Folder, run: Run) -> None:
        """Cluster a folder by k-means on what takes no network."""
        images = open_small_images(run)
        for name, embed in ALTERNATIVES.items():
            if self.table.has(folder.path.name, name, "k-means", self.seeds):
                continue
            logging.info("%s: %s", folder.path.name, name)
            made = []
            for seed in self.seeds:
                start = time.monotonic()
                options = ClusterOptions(k=folder.k, seed=seed)
                clusters = baselines.cluster_images(images, embed, CODE, options)
                made.append((seed, images.ids, clusters, "", time.monotonic() - start))
            vectors = embed(images.read(np.arange(len(images))))
            self._keep(folder, name, "k-means", vectors, made)

    def slow(self, folder: Folder, recipe: str, size: int, steps: int) -> None:
        """Fit a recipe at a size, on one seed, and cluster by it."""
        name = f"{recipe} at {size} pixels, {steps} steps"
        if self.table.has(folder.path.name, name, "recipe", [0]) or not self.clock.may_start():
            return
        settings = {**recipes.fit_settings(recipe), "epochs": 1}
        fit = FitOptions(**settings, least_steps=steps)
        data = DataOptions(data=str(folder.path), size=size)
        run = pipeline.fit(data, fit, self.work / folder.path.name / f"{recipe}-{size}-{steps}")
        values = recipes.cluster_settings(recipe)
        one = Bench(self.table, [0], self.work, self.clock)
        one.head(folder, run, name, "recipe", values)

    def _keep(
        self, folder: Folder, encoder: str, head: str, vectors: np.ndarray, made: list[tuple]
    ) -> None:
        agreement = agreement_between([clusters for _, _, clusters, _, _ in made])
        rows = []
        for seed, ids, clusters, features, seconds in made:
            measures = measures_of(clusters, folder.classes(ids), vectors)
            rows.append(
                Row(
                    folder=folder.path.name,
                    encoder=encoder,
                    head=head,
                    features=features,
                    images=len(ids),
                    classes=folder.k,
                    clusters=len(np.unique(clusters)),
                    seed=seed,
                    purity=round(measures.purity, 4),
                    agreement=round(agreement, 4),
                    silhouette=round(measures.silhouette, 4),
                    neighbours=round(measures.neighbours, 4),
                    seconds=round(seconds, 1),
                )
            )
        self.table.add(rows)


def work_through(bench: Bench, folders: list[Folder], arguments: argparse.Namespace) -> None:
    """Do what is missing, what is quick first."""
    references = _references(arguments)
    for reference in references:
        for folder in folders:
            with _reported(folder, reference):
                bench.encoder(folder, reference, list(QUICK))
            if reference == references[0]:
                with _reported(folder, "alternatives"):
                    # The first run holds small pictures of the folder.
                    bench.alternatives(folder, Run.open(bench.run_folder(folder, reference)))
    choose(bench, folders, arguments)
    for head in HEADS:
        for reference, folder in itertools.product(references, folders):
            with _reported(folder, reference):
                bench.encoder(folder, reference, [head])
    for recipe, size in SLOW if arguments.slow else ():
        with _reported(folders[0], recipe):
            bench.slow(folders[0], recipe, size, arguments.slow)


def _references(arguments: argparse.Namespace) -> list[str]:
    """Return what opens the encoders, the last of each name: a file may be that of an extra."""
    by_name: dict[str, str] = {}
    for reference in (*arguments.encoders, *reversed(names_at_hand())):
        by_name[_name_of(reference)] = reference
    return list(by_name.values())


def _name_of(reference: str) -> str:
    """Return an encoder's name for tables."""
    return Path(reference).stem


def choose(bench: Bench, folders: list[Folder], arguments: argparse.Namespace) -> None:
    """Keep what choose-encoder says of each folder in choose-encoder.json."""
    path = arguments.out / CHOICES
    said = read_json(path) if path.exists() else {}
    for folder in folders:
        if folder.path.name in said or not bench.clock.may_start():
            continue
        with _reported(folder, "choose-encoder"):
            data = DataOptions(data=str(folder.path))
            choice = choose_encoder(data, _references(arguments))
            said[folder.path.name] = {
                _name_of(each.encoder): {
                    **{name: round(each.values.value(name), 4) for name in CRITERIA},
                    MEAN_RANK: round(each.mean_rank, 4),
                }
                for each in choice.encoders
            }
            write_json(path, said)


@contextlib.contextmanager
def _reported(folder: Folder, what: str) -> Iterator[None]:
    """Log an error that a user would see, and go on."""
    try:
        yield
    except LatentlabError as error:
        logging.error("%s, %s: %s", folder.path.name, what, error)


def main() -> None:
    """Run what is missing and write the report."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("latentlab").setLevel(logging.WARNING)
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = Table(arguments.out / "table.csv")
    if not arguments.page:
        backend.start()
        paths = arguments.folders or _own_folders(arguments)
        folders = [Folder.of(path) for path in paths]
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        bench = Bench(table, seeds, arguments.work, Clock(arguments.minutes))
        work_through(bench, folders, arguments)
    hits_file = HITS if arguments.out == REPORT else arguments.out / HITS.name
    write_page(arguments.out, table, hits_file, arguments.machine or platform.processor())
    print(arguments.out / "README.md")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    parser.add_argument("--data-dir", help="where CIFAR-10 and MNIST lie")
    parser.add_argument("--encoders", nargs="*", default=[], help="ONNX and Keras files")
    parser.add_argument(
        "--slow", type=int, metavar="STEPS", help="the recipes adapt and strong too, so many steps"
    )
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--work", type=Path, default=Path("runs/photos"))
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--machine", default="", help="in words, for the page")
    return parser.parse_args()


def _own_folders(arguments: argparse.Namespace) -> list[Path]:
    photos = []
    if arguments.photos is not None:
        photos = sorted(path for path in arguments.photos.iterdir() if path.is_dir())
    return [*photos, *make_folders(arguments.work / "folders", arguments.data_dir)]


if __name__ == "__main__":
    main()
