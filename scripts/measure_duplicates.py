#!/usr/bin/env python3
"""Make reports/duplicates: changed copies of pictures are planted, and it is counted how many of
them are found, and how many of the pairs found are real.

usage: scripts/measure_duplicates.py [--data-dir FOLDER] [--photos FOLDER]... [--encoder FILE]
[--seeds 0,1,2]

CIFAR-10: 300 copies of each kind among the 10,000 held-out images. Photos: 100 copies of each kind
among the pictures of a folder, at their own size. Each is looked through by pixels alone and with
the nearest images by an encoder: cifar10-strong's on CIFAR-10, --encoder on photos.

Pairs that were not planted may be real all the same. They are drawn in a mosaic, numbered. Those
that the eye holds for different pictures stand in reports/duplicates/judged.json, by the ids of the
originals; a pair that was never looked at counts as wrong.
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
from latentlab.data import opening, thumbnails
from latentlab.data.images import ImageSet
from latentlab.data.resizing import to_square, upright
from latentlab.reporting.audit import nearest_images
from latentlab.storage import files

REPORT = Path(__file__).resolve().parent.parent / "reports" / "duplicates"
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


def measured(collection: Planted, pairs: Pairs, different: set[tuple[str, str]]) -> dict[str, Any]:
    """Return recall and precision by kind, and what was found besides.

    Parameters
    ----------
    collection : Planted
        The pictures.
    pairs : Pairs
        What was found among them.
    different : set of (str, str)
        Ids of originals that look alike, but are different pictures.
    """
    first, second = collection.original[pairs.first], collection.original[pairs.second]
    is_family = first == second
    names = [pair_name(collection, *pair) for pair in zip(first, second, strict=True)]
    is_real = is_family | np.array([name not in different for name in names], bool)
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    kinds = {}
    for number, kind in enumerate(collection.kinds):
        copies = np.flatnonzero(collection.kind == number)
        hits = [(int(collection.original[copy]), int(copy)) in found for copy in copies]
        touches = (collection.kind[pairs.first] == number) | (
            collection.kind[pairs.second] == number
        )
        kinds[kind] = {
            "recall": float(np.mean(hits)),
            "precision": float(is_real[touches].mean()) if touches.any() else 1.0,
            "precision_planted_only": float(is_family[touches].mean()) if touches.any() else 1.0,
        }
    is_old = (collection.kind[pairs.first] < 0) & (collection.kind[pairs.second] < 0)
    return {
        "pictures": len(collection.pictures),
        "kinds": kinds,
        "pairs": len(pairs.first),
        "precision": float(is_real.mean()) if len(is_real) else 1.0,
        "pairs_of_originals": int(is_old.sum()),
        "pairs_of_originals_that_are_real": int(is_real[is_old].sum()),
    }


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
        sheet.save(target, format="png")
    return [list(name) for name, _ in rows]


def measure(
    collection: Planted,
    images: ImageSet,
    neighbors: np.ndarray | None,
    judged: dict[str, Any],
    picture: str,
) -> dict[str, Any]:
    """Find duplicates, and return the measures."""
    started = time.monotonic()
    pairs = duplicates.find(images, neighbors)
    seconds = time.monotonic() - started
    shown = mosaic(collection, pairs, REPORT / f"{picture}.png") if picture else []
    different = {(one, other) for one, other in judged.get(collection.name, [])}
    row = measured(collection, pairs, different) | {"seconds": round(seconds, 1)}
    return row | ({"mosaic": shown} if picture else {})


# The report


def table(rows: list[dict[str, Any]]) -> str:
    """Return recall and precision by kind over the seeds, of one collection and one way."""
    lines = [
        "| kind of copy | recall | precision | the same, planted pairs only |",
        "| --- | --- | --- | --- |",
    ]
    for kind in rows[0]["kinds"]:
        cells = []
        for key in ("recall", "precision", "precision_planted_only"):
            cells.append(spread([row["kinds"][kind][key] for row in rows]))
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    real = ", ".join(
        f"{row['pairs_of_originals_that_are_real']} of {row['pairs_of_originals']}" for row in rows
    )
    seconds = statistics.mean(row["seconds"] for row in rows)
    lines += [
        "",
        f"{rows[0]['pictures']:,} pictures, {len(rows)} seeds, {seconds:.0f} seconds each."
        f" Precision of all pairs: {spread([row['precision'] for row in rows])}. Pairs of originals"
        f" that are real to the eye: {real}.",
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
    texts = []
    for name, ways in found["collections"].items():
        for way, rows in ways.items():
            texts.append(f"### {name}: {way}\n\n{table(rows)}")
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
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    REPORT.mkdir(parents=True, exist_ok=True)
    backend.start()
    judgements = REPORT / "judged.json"
    judged = files.read_json(judgements) if judgements.exists() else {}
    collections: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for seed in seeds:
        collection = cifar10(arguments.data_dir, seed)
        images = as_pixels(collection)
        ways = collections.setdefault(collection.name, {})
        add(ways, "pixels alone", measure(collection, images, None, judged, ""))
        nearest = by_ready_made(images)
        picture = f"cifar10-seed{seed}"
        add(ways, "with cifar10-strong", measure(collection, images, nearest, judged, picture))
        for folder in arguments.photos:
            collection = photos(folder, seed)
            images = as_thumbnails(collection)
            ways = collections.setdefault(collection.name, {})
            picture = f"{folder.name}-seed{seed}"
            add(ways, "pixels alone", measure(collection, images, None, judged, picture))
            if arguments.encoder:
                nearest = by_pretrained(arguments.encoder, collection)
                row = measure(collection, images, nearest, judged, "")
                add(ways, f"with {Path(arguments.encoder).stem}", row)
    found = {"command": COMMAND, "seeds": seeds, "collections": collections}
    files.write_json(REPORT / "results.json", found)
    if (REPORT / "README.md").exists():
        fill(REPORT / "README.md", page(found))
    print(page(found)["planted"])


def add(ways: dict[str, list[dict[str, Any]]], way: str, row: dict[str, Any]) -> None:
    """Note the measures of one seed, and show them."""
    ways.setdefault(way, []).append(row)
    print(way, {kind: (one["recall"], one["precision"]) for kind, one in row["kinds"].items()})


if __name__ == "__main__":
    main()
