#!/usr/bin/env python3
"""Make reports/duplicates: changed copies of pictures are planted, and it is counted how many of
them are found, and how many of the pairs found are real.

usage: scripts/measure_duplicates.py [--data-dir FOLDER] [--photos FOLDER]... [--encoder FILE]
[--seeds 0,1,2] [--page]

CIFAR-10: 300 copies of each kind among the 10,000 held-out images. Photos: 100 copies of each kind
among the pictures of a folder, at their own size. Each is looked through by pixels alone and with
the nearest images by an encoder: cifar10-strong's on CIFAR-10, --encoder on photos.

Pairs that were not planted may be real all the same. They are drawn in a mosaic, numbered. Those
that the eye holds for different pictures stand in reports/duplicates/judged.json, by the ids of the
originals. --page writes the page anew after that.
"""

import argparse
import io
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _copies import OF_ANY_SIZE, OF_ONE_SIZE, Change
from _reports import fill
from PIL import Image, ImageDraw

from latentlab import backend
from latentlab.clustering import duplicates
from latentlab.clustering.duplicates import Pairs
from latentlab.config import DataOptions
from latentlab.data import images as image_sets
from latentlab.data import opening
from latentlab.data.images import ImageSet
from latentlab.data.pictures import thumbnails
from latentlab.data.pictures.resizing import to_square, upright
from latentlab.reporting.audit import nearest_images
from latentlab.storage import files

REPORT = Path(__file__).resolve().parent.parent / "reports" / "duplicates"
RESULTS = REPORT / "results.json"
JUDGED = REPORT / "judged.json"
COMMAND = "scripts/measure_duplicates.py"
CIFAR_COPIES = 300
PHOTO_COPIES = 100
QUALITY = 92  # of the JPEG files of copies of photos
SHOWN_SIDE = 64  # pixels of an image in a mosaic
PAIRS_IN_A_ROW = 10


@dataclass(frozen=True)
class Planted:
    """Pictures, with the copies behind them.

    Attributes
    ----------
    name : str
        Of the collection.
    pictures : list of PIL.Image.Image
        Originals, then copies.
    ids : list of str
        Of the originals.
    original : ndarray of shape (n,), int
        Number of the original of each picture; of originals their own.
    kind : ndarray of shape (n,), int
        Number of the kind of each copy; -1 for originals.
    kinds : list of str
        Their names.
    """

    name: str
    pictures: list[Image.Image]
    ids: list[str]
    original: np.ndarray
    kind: np.ndarray
    kinds: list[str]


def planted(
    name: str,
    originals: list[Image.Image],
    ids: list[str],
    changes: dict[str, Change],
    copies: int,
    seed: int,
) -> Planted:
    """Return pictures, and changed copies of some of them; of each kind other ones."""
    rng = np.random.default_rng([seed, 60])
    count = len(originals)
    whose, kind, pictures = [np.arange(count)], [np.full(count, -1)], list(originals)
    if count >= copies * len(changes):
        lots = rng.permutation(count)[: copies * len(changes)].reshape(len(changes), copies)
    else:
        lots = np.stack([rng.permutation(count)[:copies] for _ in changes])
    for number, (change, chosen) in enumerate(zip(changes.values(), lots, strict=True)):
        pictures += [change(originals[position], rng) for position in chosen]
        whose.append(chosen)
        kind.append(np.full(copies, number))
    return Planted(name, pictures, ids, np.concatenate(whose), np.concatenate(kind), list(changes))


# Collections


def cifar10(data_dir: str | None, seed: int) -> Planted:
    """Return the held-out images of CIFAR-10 with copies."""
    images = opening.open_images(DataOptions(data="cifar10", data_dir=data_dir))
    held_out = images.indices("test")
    originals = [Image.fromarray(pixels) for pixels in images.read(held_out)]
    ids = images.ids[held_out].tolist()
    return planted("CIFAR-10, held-out", originals, ids, OF_ONE_SIZE, CIFAR_COPIES, seed)


def photos(folder: Path, seed: int) -> Planted:
    """Return the pictures of a folder, at their own size, with copies."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    originals = [upright(Image.open(path), 3) for path in paths]
    ids = [path.relative_to(folder).as_posix() for path in paths]
    return planted(f"photos, {folder.name}", originals, ids, OF_ANY_SIZE, PHOTO_COPIES, seed)


def as_thumbnails(collection: Planted) -> ImageSet:
    """Return what the audit sees of photos: the thumbnails that a run stores, on squares."""
    squares = []
    for picture, kind in zip(collection.pictures, collection.kind, strict=True):
        copy = picture if kind < 0 else as_jpeg(picture)
        squares.append(thumbnails.on_square(thumbnails.encode(copy), thumbnails.SIDE))
    return as_set(collection.name, np.stack(squares))


def as_jpeg(picture: Image.Image) -> Image.Image:
    """Return a picture as it is saved and opened again."""
    file = io.BytesIO()
    picture.save(file, format="jpeg", quality=QUALITY)
    return Image.open(file).convert("RGB")


def as_pixels(collection: Planted) -> ImageSet:
    """Return pictures of one size as they are."""
    return as_set(collection.name, np.stack([np.asarray(one) for one in collection.pictures]))


def as_set(name: str, pixels: np.ndarray) -> ImageSet:
    """Return pixels as images of one split."""
    return image_sets.from_array(name, pixels, np.full(len(pixels), "train"))


# Neighbours by an encoder


def by_ready_made(images: ImageSet) -> np.ndarray:
    """Return the nearest images by cifar10-strong."""
    from latentlab.encoders import embedding, ready_made

    model, _ = ready_made.shipped().load("cifar10-strong")
    embedder = model.part("embedding")
    parts = [embedding.encode(embedder, images.read(rows)) for rows in images.shards(2048)]
    return nearest_images(np.concatenate(parts), 0)[:, : duplicates.NEAREST]


def by_pretrained(reference: str, collection: Planted) -> np.ndarray:
    """Return the nearest images by an encoder with weights from elsewhere."""
    from latentlab.encoders.pretrained.opening import open_pretrained

    encoder = open_pretrained(reference)
    side = encoder.card.preprocessing.size
    parts = []
    for start in range(0, len(collection.pictures), 64):
        pictures = collection.pictures[start : start + 64]
        squares = [np.asarray(to_square(picture, side, "crop")) for picture in pictures]
        parts.append(encoder.encode(np.stack(squares)))
    return nearest_images(np.concatenate(parts), 0)[:, : duplicates.NEAREST]


# Measures


def measured(collection: Planted, pairs: Pairs) -> dict[str, Any]:
    """Return recall by kind, and of the pairs found how many are of one family.

    Parameters
    ----------
    collection : Planted
        The pictures.
    pairs : Pairs
        What was found among them.

    Returns
    -------
    dict
        "others" has the ids of the originals of each pair of two families, which may be real.
    """
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    kinds = {}
    for number, kind in enumerate(collection.kinds):
        copies = np.flatnonzero(collection.kind == number)
        hits = [(int(collection.original[copy]), int(copy)) in found for copy in copies]
        touches = collection.kind[pairs.first] == number
        touches |= collection.kind[pairs.second] == number
        kinds[kind] = {"recall": float(np.mean(hits)), **families(collection, pairs, touches)}
    is_old = (collection.kind[pairs.first] < 0) & (collection.kind[pairs.second] < 0)
    return {
        "pictures": len(collection.pictures),
        "kinds": kinds,
        "all": families(collection, pairs, np.ones(len(is_old), bool)),
        "of_originals": families(collection, pairs, is_old),
    }


def families(collection: Planted, pairs: Pairs, chosen: np.ndarray) -> dict[str, Any]:
    """Return how many of the chosen pairs are of one family, and the ids of the others."""
    first = collection.original[pairs.first[chosen]]
    second = collection.original[pairs.second[chosen]]
    others = first != second
    names = zip(first[others], second[others], strict=True)
    return {
        "family": int((~others).sum()),
        "others": [list(pair_name(collection, *pair)) for pair in names],
    }


def precision(row: dict[str, Any], different: list[list[str]] | None) -> float:
    """Return the share of pairs that are real.

    Parameters
    ----------
    row : dict
        What `families` returned.
    different : list of [str, str], or None
        Ids of originals that look alike, but are different pictures; None: all originals are.
    """
    others = row["others"]
    real = [] if different is None else [pair for pair in others if pair not in different]
    count = row["family"] + len(others)
    return (row["family"] + len(real)) / count if count else 1.0


def pair_name(collection: Planted, first: int, second: int) -> tuple[str, str]:
    """Return the ids of two originals, in order."""
    low, high = sorted((collection.ids[first], collection.ids[second]))
    return low, high


def unplanted(collection: Planted, pairs: Pairs) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the ids of the originals of pairs that were not planted, and the number of the pair.

    The least alike first; each pair of originals once.
    """
    seen = set()
    for number in np.argsort(pairs.score, kind="stable"):
        first = collection.original[pairs.first[number]]
        second = collection.original[pairs.second[number]]
        name = pair_name(collection, first, second)
        if first != second and name not in seen:
            seen.add(name)
            yield name, int(number)


def mosaic(collection: Planted, pairs: Pairs, path: Path) -> list[list[str]]:
    """Draw the pairs that were not planted, numbered, and return the ids of their originals."""
    rows = list(unplanted(collection, pairs))
    if not rows:
        return []
    width, height = 2 * SHOWN_SIDE + 14, SHOWN_SIDE + 16
    lines = -(-len(rows) // PAIRS_IN_A_ROW)
    sheet = Image.new("RGB", (PAIRS_IN_A_ROW * width, lines * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (_, number) in enumerate(rows):
        line, column = divmod(place, PAIRS_IN_A_ROW)
        for side, position in enumerate((pairs.first[number], pairs.second[number])):
            picture = collection.pictures[position].resize((SHOWN_SIDE, SHOWN_SIDE))
            sheet.paste(picture, (column * width + side * (SHOWN_SIDE + 2), line * height))
        caption = f"{place}  {pairs.score[number]:.2f}"
        draw.text((column * width, line * height + SHOWN_SIDE + 1), caption, fill="black")
    with files.atomic_path(path) as target:
        # 128 colours are enough to judge by, and take a third of the room.
        sheet.quantize(128, dither=Image.Dither.NONE).save(target, format="png", optimize=True)
    return [list(name) for name, _ in rows]


def measure(
    collection: Planted,
    images: ImageSet,
    neighbors: np.ndarray | None,
    picture: str,
) -> dict[str, Any]:
    """Find duplicates, and return the measures."""
    started = time.monotonic()
    pairs = duplicates.find(images, neighbors)
    seconds = time.monotonic() - started
    shown = mosaic(collection, pairs, REPORT / f"{picture}.png") if picture else []
    row = measured(collection, pairs) | {"seconds": round(seconds, 1)}
    return row | ({"mosaic": shown} if picture else {})


# The report


def table(rows: list[dict[str, Any]], different: list[list[str]]) -> str:
    """Return recall and precision by kind over the seeds, of one collection and one way."""
    lines = [
        "| kind of copy | recall | precision | the same, planted pairs only |",
        "| --- | --- | --- | --- |",
    ]
    for kind in rows[0]["kinds"]:
        of_kind = [row["kinds"][kind] for row in rows]
        cells = [
            spread([one["recall"] for one in of_kind]),
            spread([precision(one, different) for one in of_kind]),
            spread([precision(one, None) for one in of_kind]),
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    originals = []
    for row in rows:
        others = row["of_originals"]["others"]
        real = [pair for pair in others if pair not in different]
        originals.append(f"{len(real)} of {len(others)}")
    seconds = statistics.mean(row["seconds"] for row in rows)
    lines += [
        "",
        f"{rows[0]['pictures']:,} pictures, {len(rows)} seeds, {seconds:.0f} seconds each."
        f" Precision of all pairs: {spread([precision(row['all'], different) for row in rows])}."
        f" Pairs of originals that are real to the eye: {', '.join(originals)}.",
    ]
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return the mean and the range."""
    mean = statistics.mean(values)
    if max(values) - min(values) < 0.0005:
        return f"{mean:.3f}"
    return f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"


def page(found: dict[str, Any]) -> dict[str, str]:
    """Return the tables of the page."""
    judged = files.read_json(JUDGED) if JUDGED.exists() else {}
    texts = []
    for name, ways in found["collections"].items():
        for way, rows in ways.items():
            texts.append(f"### {name}: {way}\n\n{table(rows, judged.get(name, []))}")
    return {"planted": "\n\n".join(texts)}


def main() -> None:
    """Plant, find, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="where CIFAR-10 lies; default: the Keras cache")
    parser.add_argument("--photos", type=Path, action="append", default=[], help="a folder")
    parser.add_argument("--encoder", help="for photos, as in `latentlab cluster`")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    arguments = parser.parse_args()
    REPORT.mkdir(parents=True, exist_ok=True)
    if not arguments.page:
        backend.start()
        record = Record({"command": COMMAND, "collections": {}})
        for seed in map(int, arguments.seeds.split(",")):
            measure_cifar10(record, arguments.data_dir, seed)
            for folder in arguments.photos:
                measure_photos(record, folder, arguments.encoder, seed)
    fill(REPORT / "README.md", page(files.read_json(RESULTS)))


@dataclass(frozen=True)
class Record:
    """The measures, which are written as they come.

    Attributes
    ----------
    found : dict
        What results.json holds.
    """

    found: dict[str, Any]

    def add(self, name: str, way: str, row: dict[str, Any]) -> None:
        """Note the measures of one seed."""
        ways = self.found["collections"].setdefault(name, {})
        ways.setdefault(way, []).append(row)
        files.write_json(RESULTS, self.found)
        print(name, way, {kind: one["recall"] for kind, one in row["kinds"].items()}, flush=True)


def measure_cifar10(record: Record, data_dir: str | None, seed: int) -> None:
    """Measure CIFAR-10 by pixels alone, and with an encoder."""
    collection = cifar10(data_dir, seed)
    images = as_pixels(collection)
    record.add(collection.name, "pixels alone", measure(collection, images, None, ""))
    nearest = by_ready_made(images)
    row = measure(collection, images, nearest, f"cifar10-seed{seed}")
    record.add(collection.name, "with cifar10-strong", row)


def measure_photos(record: Record, folder: Path, encoder: str | None, seed: int) -> None:
    """Measure a folder of photos by pixels alone, and with an encoder if one is given."""
    collection = photos(folder, seed)
    images = as_thumbnails(collection)
    row = measure(collection, images, None, f"{folder.name}-seed{seed}")
    record.add(collection.name, "pixels alone", row)
    if encoder:
        row = measure(collection, images, by_pretrained(encoder, collection), "")
        record.add(collection.name, f"with {Path(encoder).stem}", row)


if __name__ == "__main__":
    main()
