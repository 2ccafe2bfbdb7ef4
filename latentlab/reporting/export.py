"""Edited clusters for other programs: CSV, parquet with images, class folders, COCO, TensorBoard.

Every form holds the clusters of the summary: after the edits of `latentlab view`, or as computed if
that was asked for. The column clustering, and the description of COCO, say which. Images of dropped
clusters are left out.
"""

import hashlib
import io
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.folder_walk import OUTPUT_FILE
from latentlab.data.originals import Page
from latentlab.data.pictures.resizing import as_picture
from latentlab.errors import ConfigError, LatentlabError, RunError
from latentlab.plain_text import printable_lines
from latentlab.progress import log, track
from latentlab.reporting import thumbnails, umap_map
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.edits import TAG_SEPARATOR
from latentlab.reporting.privacy import Privacy, public_ids
from latentlab.storage import guard, text_tables
from latentlab.storage.files import atomic_folder, atomic_path

FILE_FORMATS = ("csv", "parquet")
FOLDER_FORMATS = ("folders", "coco", "projector")
PICTURE_FORMATS = ("folders", "coco")
FORMATS = (*FILE_FORMATS, *FOLDER_FORMATS)
SHARD = 2048  # images in memory at a time
MOST_PIXELS = 8192  # a side of a picture that browsers still take as a texture
MOST_VECTORS = 50_000  # that TensorBoard's projector still turns smoothly
LONGEST_FOLDER = 60  # bytes of a cluster's name in the name of its folder
LONGEST_FILE = 150  # bytes of an image's id in the name of its file
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # of Windows
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Selection:
    """The images of an export: all but those of dropped clusters.

    Attributes
    ----------
    summary : ClusteringSummary
        The clustering.
    positions : ndarray of shape (n,), int
        Positions of the images in the run.
    rows : pyarrow.Table
        One row per image, see `select`.
    """

    summary: ClusteringSummary
    positions: np.ndarray
    rows: pa.Table

    @property
    def ids(self) -> list[str]:
        """Ids of the images."""
        return self.rows["id"].to_pylist()

    @property
    def clusters(self) -> list[int]:
        """Cluster of each image."""
        return self.rows["cluster"].to_pylist()

    @property
    def cluster_names(self) -> list[str]:
        """Name of each image's cluster."""
        return self.rows["cluster_name"].to_pylist()

    def image_parts(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, uint8 images) part by part."""
        with track("export", len(self.positions)) as bar:
            for start in range(0, len(self.positions), SHARD):
                positions = self.positions[start : start + SHARD]
                yield start, self.summary.images.read(positions)
                bar.update(start + len(positions))


def select(summary: ClusteringSummary) -> Selection:
    """Return the images outside dropped clusters, with a table about them.

    Its columns are id, split, cluster (int32), cluster_name, clustering (its name, and whether it
    is edited), distance and margin (to the assigned centers, before edits). If there are any:
    cluster_status, confidence, agreement, mark, tags, label, projection_x and projection_y. The
    last two are null for images that are not on the map.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    Selection
    """
    positions = np.flatnonzero(summary.clusters >= 0)
    clusters = summary.clusters[positions]
    numbers = clusters.tolist()
    ids = summary.images.ids[positions].tolist()
    columns: dict[str, object] = {
        "id": _public_ids_at(summary, positions),
        "split": summary.images.splits[positions].tolist(),
        "cluster": clusters.astype(np.int32),
        "cluster_name": list(map(summary.cluster_name, numbers)),
        "clustering": [_state(summary)] * len(positions),
        "distance": summary.distance[positions],
        "margin": summary.margin[positions],
    }
    if summary.confidence is not None:
        columns["confidence"] = summary.confidence[positions].astype(np.float32)
    if summary.agreement is not None:
        columns["agreement"] = summary.agreement[positions].astype(np.float32)
    if any(summary.status):
        columns["cluster_status"] = [summary.status[number] or None for number in numbers]
    if summary.marks:
        columns["mark"] = [summary.marks.get(image_id) for image_id in ids]
    if summary.tags:
        joined = [TAG_SEPARATOR.join(summary.tags.get(image_id, ())) or None for image_id in ids]
        columns["tags"] = pa.array(joined, pa.string())
    if summary.classes is not None:
        columns["label"] = _labels(summary.classes[positions], summary.class_names)
    if guard.is_there(summary.map_path):
        columns |= _map_columns(summary, positions)
    return Selection(summary, positions, pa.table(columns))


def _state(summary: ClusteringSummary) -> str:
    """Return the name of the clustering and whether edits are applied."""
    return f"{summary.name}, {summary.edit_note}"


def _public_ids_at(summary: ClusteringSummary, positions: np.ndarray) -> list[str]:
    """Return ids of images without the folders of absolute paths."""
    ids = public_ids(summary.images.ids.tolist())
    return [ids[position] for position in positions.tolist()]


def export_clusters(
    summary: ClusteringSummary, file_format: str, out: Path, link: bool = False
) -> Path:
    """Write clusters for another program.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, edited or as computed.
    file_format : {"csv", "parquet", "folders", "coco", "projector"}
        What to write.
    out : pathlib.Path
        The file for csv and parquet, else the folder.
    link : bool
        folders: link to the picture files of an image folder instead of copying them.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    ConfigError
        If the format is unknown, every cluster is dropped, or there are no files to link to.
    RunError
        If `out` is a folder that holds other things, or cannot be written.
    """
    if file_format not in FORMATS:
        raise ConfigError(f"unknown format {file_format!r}: known are {', '.join(FORMATS)}.")
    if file_format in PICTURE_FORMATS and not summary.has_pictures:
        raise ConfigError(
            f"{file_format} needs images, and the run was made of vectors alone.",
            hint=f"Choose one of {', '.join(sorted(set(FORMATS) - set(PICTURE_FORMATS)))}.",
        )
    selection = select(summary)
    if not len(selection.positions):
        raise ConfigError(
            "every cluster is dropped, so there is nothing to export.",
            hint="Undo it in latentlab view.",
        )
    if file_format in FILE_FORMATS:
        with atomic_path(out) as path:
            _write_file(selection, file_format, path)
    else:
        _export_folder(selection, file_format, out, link)
    return out


def _export_folder(selection: Selection, file_format: str, out: Path, link: bool) -> None:
    """Write a folder, unless it is there from an export of the same clusters in the same form."""
    mark = f"{file_format} link={link} {_digest(selection.rows)}"
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if _mark_of(out) == f"{mark} {_count_files(out)}":
            log.info("export: done already in %s", out)
            return
        raise RunError(f"{out} exists and is not empty.", hint="Choose another `out`.")
    with atomic_folder(out) as folder:
        _write_folder(selection, file_format, folder, link)
        # Below a folder of pictures a folder with this file is passed over.
        (folder / OUTPUT_FILE).write_text(f"{mark} {_count_files(folder)}\n")


def _digest(rows: pa.Table) -> str:
    """Return the SHA-256 of a table's names, types and values."""
    digest = hashlib.sha256(str(rows.schema.remove_metadata()).encode())
    for name in rows.column_names:
        digest.update(json.dumps(rows[name].to_pylist()).encode())
    return digest.hexdigest()


def _mark_of(folder: Path) -> str:
    """Return what an export has written into its folder of what it holds; "" if it is none."""
    try:
        return (folder / OUTPUT_FILE).read_text(errors="replace").strip()
    except OSError:
        return ""


def _count_files(folder: Path) -> int:
    """Return the number of files and links below a folder, without the mark of an export."""
    return sum(not path.is_dir() and path.name != OUTPUT_FILE for path in folder.rglob("*"))


def _write_file(selection: Selection, file_format: str, path: Path) -> None:
    if file_format == "csv":
        _write_csv(selection, path)
    elif not _can_read_pictures(selection):
        pq.write_table(selection.rows, path, compression="zstd")
    else:
        _write_parquet(selection, path)


def _can_read_pictures(selection: Selection) -> bool:
    """Return whether there are pictures, at their place; says so if they are gone."""
    if not selection.summary.has_pictures:
        return False
    try:
        selection.summary.images.read(selection.positions[:1])
    except LatentlabError as error:
        log.warning("export: the table is written without images, since %s", error)
        return False
    return True


def _write_folder(selection: Selection, file_format: str, folder: Path, link: bool) -> None:
    if file_format == "folders":
        _write_folders(selection, folder, link)
    elif file_format == "coco":
        _write_coco(selection, folder)
    else:
        _write_projector(selection, folder)


def _labels(classes: np.ndarray, class_names: Sequence[str]) -> pa.Array:
    """Return the name of each class, null for -1."""
    names = (*class_names, None)
    return pa.array([names[number] for number in classes.tolist()], pa.string())


def _map_columns(summary: ClusteringSummary, positions: np.ndarray) -> dict[str, pa.Array]:
    """Return the coordinates of images, null for images that are not on the map."""
    xy, on_map = summary.read_map()
    full = np.full((len(summary.images), 2), np.nan, np.float32)
    full[on_map] = xy
    return {
        "projection_x": pa.array(full[positions, 0], pa.float32(), from_pandas=True),
        "projection_y": pa.array(full[positions, 1], pa.float32(), from_pandas=True),
    }


# CSV and parquet


def _write_csv(selection: Selection, path: Path) -> None:
    from pyarrow import csv

    rows = selection.rows
    for number, column in enumerate(rows.schema):
        if pa.types.is_string(column.type):
            texts = pa.array(text_tables.no_formulas(rows[column.name].to_pylist()), pa.string())
            rows = rows.set_column(number, column.name, texts)
    csv.write_csv(rows, path)


def _write_parquet(selection: Selection, path: Path) -> None:
    """Write the rows with a column of images, as Hugging Face datasets and Embedding Atlas do."""
    rows = selection.rows
    metadata = _hugging_face_metadata(rows.schema)
    schema = rows.schema.append(pa.field("image", IMAGE_TYPE)).with_metadata(metadata)
    ids = selection.ids
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start, images in selection.image_parts():
            part = rows.slice(start, len(images))
            column = _image_column(images, ids[start : start + len(images)])
            writer.write_table(part.append_column("image", column).cast(schema))


def _image_column(images: np.ndarray, ids: Sequence[str]) -> pa.Array:
    """Return images as PNG, each with the name of a file."""
    values = []
    for image, image_id in zip(images, ids, strict=True):
        values.append({"bytes": _png(image), "path": f"{image_id}.png"})
    return pa.array(values, IMAGE_TYPE)


def _hugging_face_metadata(schema: pa.Schema) -> dict[str, str]:
    """Return the metadata by which Hugging Face datasets knows the column of images."""
    features = {}
    for column in schema:
        dtype = "float32" if pa.types.is_floating(column.type) else str(column.type)
        features[column.name] = {"dtype": dtype, "_type": "Value"}
    features["image"] = {"_type": "Image"}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    as_picture(image).save(buffer, format="png")
    return buffer.getvalue()


# Folders


def _write_folders(selection: Selection, folder: Path, link: bool) -> None:
    """Write FOLDER/CLUSTER/PICTURE: the files of an image folder, PNGs of other images."""
    path_of = _picture_files(selection.summary)
    if link and path_of is None:
        raise ConfigError(
            "needs images that are files of a folder; these have none",
            field="link",
            hint="Leave it out, and PNGs are written.",
        )
    folders = folder_names(selection.clusters, selection.cluster_names)
    ids = selection.ids if path_of is None else _names_of_copies(selection, path_of)
    files = file_names(ids, ending=".png" if path_of is None else "")
    targets = [folder / name / file for name, file in zip(folders, files, strict=True)]
    for name in set(folders):
        (folder / name).mkdir()
    if path_of is None:
        _write_pngs(selection, targets)
    else:
        _copy_pictures(selection, path_of, targets, link)


def _write_pngs(selection: Selection, targets: Sequence[Path]) -> None:
    for start, images in selection.image_parts():
        for row, image in enumerate(images, start):
            as_picture(image).save(targets[row])


def _names_of_copies(selection: Selection, path_of: Callable[[int], Path | Page]) -> list[str]:
    """Return the ids; those of pages with the ending of the PNG that each becomes."""
    originals = map(path_of, selection.positions.tolist())
    return [
        f"{image_id}.png" if isinstance(original, Page) else image_id
        for image_id, original in zip(selection.ids, originals, strict=True)
    ]


def _copy_pictures(
    selection: Selection,
    path_of: Callable[[int], Path | Page],
    targets: Sequence[Path],
    link: bool,
) -> None:
    for position, target in zip(selection.positions.tolist(), targets, strict=True):
        original = path_of(position)
        if isinstance(original, Page):
            _write_page(selection.summary, position, target)
        elif link:
            os.symlink(original.resolve(), target)
        else:
            shutil.copyfile(original.resolve(), target)


def _write_page(summary: ClusteringSummary, position: int, target: Path) -> None:
    """Write a page of a file, or a frame of an animation, as a PNG of its own."""
    data = summary.run.config.data or DataOptions()
    picture = opening.open_picture(summary.images, position, data)
    if picture is not None:
        picture.save(target)


def _picture_files(summary: ClusteringSummary) -> Callable[[int], Any] | None:
    """Return a function from positions to picture files; None if the images are no such files."""
    source = summary.images.source
    if source is None:
        return None
    try:
        is_file = isinstance(source(0), Path | Page)
    except LatentlabError as error:
        log.info(
            "export: the originals cannot be opened, so small pictures are written (%s)", error
        )
        return None
    return source if is_file else None


def folder_names(clusters: Sequence[int], names: Sequence[str]) -> list[str]:
    """Return the name of each image's folder: number and name of its cluster.

    Characters that not every system takes are replaced.

    Parameters
    ----------
    clusters : sequence of int
        Cluster of each image.
    names : sequence of str
        Name of each image's cluster; "cluster N" if it was given none.

    Returns
    -------
    list of str

    Examples
    --------
    >>> folder_names([3, 4], ["cluster 3", "cats/dogs"])
    ['003', '004 cats_dogs']
    """
    folders = []
    for cluster, name in zip(clusters, names, strict=True):
        suffix = "" if name == f"cluster {cluster}" else _safe(name, LONGEST_FOLDER)
        folders.append(f"{cluster:03d} {suffix}".strip())
    return folders


def file_names(ids: Sequence[str], ending: str) -> list[str]:
    """Return different names of files for image ids, which may hold any characters.

    Parameters
    ----------
    ids : sequence of str
        Image ids.
    ending : str
        Ending of all names, such as ".png"; "" keeps those of the ids.

    Returns
    -------
    list of str
        They differ in more than upper and lower case.

    Examples
    --------
    >>> file_names(["a/b.jpg", "a_b.jpg", "c"], "")
    ['a_b.jpg', 'a_b~1.jpg', 'c']
    """
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    names = []
    for image_id in ids:
        flat = Path(_safe(image_id.replace("/", "_"), LONGEST_FILE) or "image")
        stem = flat.name if ending else flat.stem
        suffix = ending or flat.suffix
        name = stem + suffix
        while name.lower() in taken:
            numbers[stem] = numbers.get(stem, 0) + 1
            name = f"{stem}~{numbers[stem]}{suffix}"
        taken.add(name.lower())
        names.append(name)
    return names


def _safe(text: str, longest: int) -> str:
    """Return text of letters, digits, space and ._- only, without dot or space at its ends.

    Letters that no file name may have under this locale become "_". Names that are options of
    programs ("-rf") or devices of Windows ("CON") begin with "_".
    """
    encoding = sys.getfilesystemencoding()
    named = re.sub(r"[^\w .-]", "_", text).encode(encoding, "replace").decode(encoding)
    safe = named.replace("?", "_").strip(". ")
    # A system counts bytes: the end of the name is what tells files apart.
    while len(safe.encode(errors="replace")) > longest:
        safe = safe[1:]
    safe = safe.strip(". ")
    return f"_{safe}" if safe.startswith("-") or _DEVICE.match(safe) else safe


# COCO


def _write_coco(selection: Selection, folder: Path) -> None:
    """Write annotations.json of COCO's object detection, and the images as PNG.

    Each image has one box of its own size.
    """
    (folder / "images").mkdir()
    names = file_names(selection.ids, ".png")
    _write_pngs(selection, [folder / "images" / name for name in names])
    summary = selection.summary
    data_name = Privacy.of(summary.run).public(summary.images.name)
    title = f"clusters {_state(summary)}, of {data_name}"
    content = {
        "info": {"description": title, "version": "1.0"},
        "licenses": [],
        "images": _coco_images(selection, names),
        "annotations": _coco_annotations(selection),
        "categories": _coco_categories(selection),
    }
    text = json.dumps(content, ensure_ascii=False)
    (folder / "annotations.json").write_text(text, encoding="utf-8")


def _coco_images(selection: Selection, names: Sequence[str]) -> list[dict[str, object]]:
    height, width, _ = selection.summary.images.image_shape
    images: list[dict[str, object]] = []
    for number, (name, image_id) in enumerate(zip(names, selection.ids, strict=True), 1):
        image = {"id": number, "file_name": name, "width": width, "height": height}
        images.append(image | {"latentlab_id": image_id})
    return images


def _coco_annotations(selection: Selection) -> list[dict[str, object]]:
    height, width, _ = selection.summary.images.image_shape
    annotations: list[dict[str, object]] = []
    for number, cluster in enumerate(selection.clusters, 1):
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": cluster + 1,
                "bbox": [0, 0, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
        )
    return annotations


def _coco_categories(selection: Selection) -> list[dict[str, object]]:
    named = set(zip(selection.clusters, selection.cluster_names, strict=True))
    categories: list[dict[str, object]] = []
    for cluster, name in sorted(named):
        category = {"id": cluster + 1, "name": name, "supercategory": "cluster"}
        status = selection.summary.status[cluster]
        categories.append(category | ({"status": status} if status else {}))
    return categories


# TensorBoard


def _write_projector(selection: Selection, folder: Path) -> None:
    """Write what `tensorboard --logdir FOLDER` shows: vectors, their table and small images."""
    run = selection.summary.run
    # The projector is slow with more vectors: a sample is shown.
    total = len(selection.positions)
    count = min(total, MOST_VECTORS)
    rows = np.sort(np.random.default_rng([0, 33]).choice(total, count, replace=False))
    positions = selection.positions[rows]

    vectors = umap_map.mapped_vectors(run, positions)
    vectors.astype("<f4").tofile(folder / "tensors.bytes")
    _write_metadata(selection.rows.take(rows), folder / "metadata.tsv")
    columns = math.ceil(math.sqrt(count))
    side = 0
    if selection.summary.has_pictures:
        side = int(min(32, MOST_PIXELS // columns))
        sprite = thumbnails.sprite_sheet(selection.summary.images.read(positions), side, columns)
        as_picture(sprite).save(folder / "sprite.png")
    config = _projector_config(str(umap_map.mapped_features(run)), vectors.shape, side)
    (folder / "projector_config.pbtxt").write_text(config, encoding="utf-8")


def _write_metadata(rows: pa.Table, path: Path) -> None:
    """Write a table without the coordinates as tab-separated text."""
    names = [name for name in rows.column_names if not name.startswith("projection_")]
    lines = ["\t".join(names)]
    for row in rows.select(names).to_pylist():
        lines.append("\t".join(map(_cell, row.values())))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _projector_config(tensor_name: str, shape: Sequence[int], side: int) -> str:
    """Return the projector's configuration as a protocol buffer in text form."""
    image = f'"sprite.png" single_image_dim: {side} single_image_dim: {side}'
    sprite = (f"sprite {{ image_path: {image} }}",) if side else ()
    lines = (
        f'tensor_name: "{tensor_name}"',
        'tensor_path: "tensors.bytes"',
        *(f"tensor_shape: {length}" for length in shape),
        'metadata_path: "metadata.tsv"',
        *sprite,
    )
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _cell(value: object) -> str:
    """Return a value as one line without tabs; "-" for none."""
    line = " ".join(printable_lines(str("" if value is None else value)).split())
    return text_tables.no_formula(line) if line not in ("", "-") else "-"
