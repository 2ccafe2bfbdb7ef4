"""Write edited clusters for other programs: CSV, parquet with images, class folders, COCO-style JSON, TensorBoard's projector.

Every form holds the clusters after the edits of `latentlab view`; images of dropped clusters are left out.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.data.images import as_picture
from latentlab.errors import ConfigError, RunError
from latentlab.progress import track
from latentlab.reporting import projection, thumbnails
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.edits import Edited
from latentlab.storage.files import atomic_folder, atomic_path

FORMATS = ("csv", "parquet", "folders", "coco", "projector")
SHARD = 2048
SPRITE = 8192  # pixels a side that a browser's texture may have
PROJECTED = 50_000  # vectors that TensorBoard's projector still turns smoothly


def table(summary: ClusteringSummary, edited: Edited) -> tuple[pa.Table, np.ndarray]:
    """Return one row an image that is kept, and the positions of these images.

    Columns: id, split, cluster (int32), cluster_name, distance, margin (to the assigned centers, before edits); confidence,
    agreement, mark and label where there are any; projection_x and projection_y, null for images that are not on the map.
    """
    kept = np.flatnonzero(edited.clusters >= 0)
    columns: dict[str, Any] = {
        "id": summary.images.ids[kept].tolist(),
        "split": summary.images.splits[kept].tolist(),
        "cluster": edited.clusters[kept].astype(np.int32),
        "cluster_name": [edited.name(cluster) for cluster in edited.clusters[kept].tolist()],
        "distance": summary.distance[kept],
        "margin": summary.margin[kept],
    }
    for name in ("confidence", "agreement"):
        values = getattr(summary, name)
        if values is not None:
            columns[name] = values[kept].astype(np.float32)
    if edited.marks:
        columns["mark"] = [edited.marks.get(image_id) for image_id in columns["id"]]
    if summary.classes is not None:
        names = (*summary.class_names, None)
        columns["label"] = pa.array(
            [names[number] for number in summary.classes[kept].tolist()], pa.string()
        )
    if (summary.run.path / "projection" / "umap.parquet").exists():
        xy, chosen = summary.read_map()
        full = np.full((len(summary.images), 2), np.nan, np.float32)
        full[chosen] = xy
        columns |= {
            f"projection_{axis}": pa.array(full[kept, i], pa.float32(), from_pandas=True)
            for i, axis in enumerate("xy")
        }
    return pa.table(columns), kept


def write(
    summary: ClusteringSummary, edited: Edited, kind: str, target: Path, link: bool = False
) -> Path:
    """Write the clusters in one of `FORMATS` to `target`, a file for csv and parquet, else a folder; return `target`.

    Parameters
    ----------
    link : bool
        folders: link to the picture files of an image folder instead of copying them.

    Raises
    ------
    ConfigError
        If the format is unknown, or the images have no files to link to.
    RunError
        If `target` is a folder that holds other things, or cannot be written.
    """
    if kind not in FORMATS:
        raise ConfigError(f"unknown format {kind!r}: known are {', '.join(FORMATS)}.")
    if (
        kind in ("folders", "coco", "projector")
        and target.exists()
        and (not target.is_dir() or any(target.iterdir()))
    ):
        raise RunError(f"{target} exists and is not empty. Choose another --out.")
    rows, kept = table(summary, edited)
    if not len(kept):
        raise ConfigError(
            "every cluster is dropped, so there is nothing to export. Undo it in latentlab view."
        )
    if kind == "csv":
        _write_csv(rows, target)
    elif kind == "parquet":
        _write_parquet(summary, rows, kept, target)
    else:
        with atomic_folder(target) as folder:
            if kind == "folders":
                _write_folders(summary, rows, kept, folder, link)
            elif kind == "coco":
                _write_coco(summary, rows, kept, folder)
            else:
                _write_projector(summary, rows, kept, folder)
    return target


def _write_csv(rows: pa.Table, target: Path) -> None:
    from pyarrow import csv

    with atomic_path(target) as path:
        csv.write_csv(rows, path)


# Parquet


def _write_parquet(
    summary: ClusteringSummary, rows: pa.Table, kept: np.ndarray, target: Path
) -> None:
    """Write the rows with an image column {bytes, path}, as Hugging Face datasets and Embedding Atlas read it, part by part."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = rows.schema.append(pa.field("image", kind)).with_metadata(_features(rows.schema))
    with atomic_path(target) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start, part in _shards(summary, kept):
            ids = rows["id"].slice(start, len(part)).to_pylist()
            images = pa.array(
                [
                    {"bytes": _png(image), "path": f"{image_id}.png"}
                    for image, image_id in zip(part, ids, strict=True)
                ],
                kind,
            )
            writer.write_table(
                rows.slice(start, len(part)).append_column("image", images).cast(schema)
            )


def _features(schema: pa.Schema) -> dict[str, str]:
    """Return the metadata by which Hugging Face datasets knows the image column."""
    kinds = {
        field.name: {
            "dtype": "float32" if pa.types.is_floating(field.type) else str(field.type),
            "_type": "Value",
        }
        for field in schema
    }
    return {
        "huggingface": json.dumps({"info": {"features": {**kinds, "image": {"_type": "Image"}}}})
    }


def _shards(summary: ClusteringSummary, kept: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, images) of the kept images, part by part."""
    with track("export", len(kept)) as bar:
        for start in range(0, len(kept), SHARD):
            yield start, summary.images.read(kept[start : start + SHARD])
            bar.update(start + SHARD)


def _png(image: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    as_picture(image).save(buffer, format="png")
    return buffer.getvalue()


# Folders


def _write_folders(
    summary: ClusteringSummary, rows: pa.Table, kept: np.ndarray, folder: Path, link: bool
) -> None:
    """Write folder/<cluster>/<picture>: the picture files themselves where the data is an image folder, else PNGs."""
    source = _picture_files(summary)
    if link and source is None:
        raise ConfigError(
            "--link needs images that are files of a folder; these have none. Leave it out, and PNGs are written."
        )
    clusters = rows["cluster"].to_pylist()
    places = [folder / name for name in folder_names(clusters, rows["cluster_name"].to_pylist())]
    names = file_names(rows["id"].to_pylist(), "" if source is not None else ".png")
    for place in set(places):
        place.mkdir()
    if source is None:
        for start, part in _shards(summary, kept):
            for i, image in enumerate(part, start):
                as_picture(image).save(places[i] / names[i])
        return
    for place, name, index in zip(places, names, kept.tolist(), strict=True):
        original = source(index).resolve()
        if link:
            os.symlink(original, place / name)
        else:
            shutil.copyfile(original, place / name)


def _picture_files(summary: ClusteringSummary) -> Callable[[int], Any] | None:
    """Return what tells the path of an image's picture; None where the data is no folder of pictures."""
    source = summary.images.source
    return source if source is not None and isinstance(source(0), Path) else None


def folder_names(clusters: list[int], names: list[str]) -> list[str]:
    """Return the name of each image's folder: the cluster's number, and its own name, if any, as far as every system takes it."""
    return [
        f"{cluster:03d}" if name == f"cluster {cluster}" else f"{cluster:03d} {_safe(name)}".strip()
        for cluster, name in zip(clusters, names, strict=True)
    ]


def file_names(ids: list[str], ending: str) -> list[str]:
    """Return different names of files for the ids, which may hold slashes and what a file system refuses.

    Parameters
    ----------
    ending : str
        Of all names, such as ".png"; "" keeps the ids' own.
    """
    seen: dict[str, int] = {}
    names = []
    for image_id in ids:
        flat = Path(_safe(image_id.replace("/", "_"), 150) or "image")
        stem, suffix = (flat.name, ending) if ending else (flat.stem, flat.suffix)
        number = seen.get((stem + suffix).lower(), 0)
        seen[(stem + suffix).lower()] = number + 1
        names.append(f"{stem}~{number}{suffix}" if number else stem + suffix)
    return names


def _safe(text: str, longest: int = 60) -> str:
    """Return text with only letters, digits, space and ._- left, and no dot or space at its ends."""
    kept = re.sub(r"[^\w .-]", "_", text).strip(". ")
    return kept if len(kept) <= longest else kept[-longest:].strip(". ")


# COCO


def _write_coco(summary: ClusteringSummary, rows: pa.Table, kept: np.ndarray, folder: Path) -> None:
    """Write annotations.json in the form of COCO's object detection, one box the size of the image; images/ has the images as PNG."""
    (folder / "images").mkdir()
    names = file_names(rows["id"].to_pylist(), ".png")
    height, width, _ = summary.images.image_shape
    for start, part in _shards(summary, kept):
        for i, image in enumerate(part, start):
            as_picture(image).save(folder / "images" / names[i])
    clusters, ids = rows["cluster"].to_pylist(), rows["id"].to_pylist()
    named = sorted(set(zip(clusters, rows["cluster_name"].to_pylist(), strict=True)))
    content = {
        "info": {
            "description": f"clusters {summary.name} of {summary.images.name}",
            "version": "1.0",
        },
        "licenses": [],
        "images": [
            {
                "id": i + 1,
                "file_name": name,
                "width": width,
                "height": height,
                "latentlab_id": image_id,
            }
            for i, (name, image_id) in enumerate(zip(names, ids, strict=True))
        ],
        "annotations": [
            {
                "id": i + 1,
                "image_id": i + 1,
                "category_id": cluster + 1,
                "bbox": [0, 0, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
            for i, cluster in enumerate(clusters)
        ],
        "categories": [
            {"id": cluster + 1, "name": name, "supercategory": "cluster"} for cluster, name in named
        ],
    }
    (folder / "annotations.json").write_text(
        json.dumps(content, ensure_ascii=False), encoding="utf-8"
    )


# TensorBoard


def _write_projector(
    summary: ClusteringSummary, rows: pa.Table, kept: np.ndarray, folder: Path
) -> None:
    """Write what `tensorboard --logdir FOLDER` shows in its projector: vectors, their table and a sprite of their images."""
    count = min(len(kept), PROJECTED)
    shown = np.sort(np.random.default_rng([0, 33]).choice(len(kept), count, replace=False))
    vectors = projection.vectors_at(summary.run, kept[shown])
    vectors.astype("<f4").tofile(folder / "tensors.bytes")
    metadata = rows.select(
        [name for name in rows.column_names if not name.startswith("projection_")]
    ).take(shown)
    lines = ["\t".join(metadata.column_names)]
    lines += ["\t".join(_cell(value) for value in row.values()) for row in metadata.to_pylist()]
    (folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = math.ceil(math.sqrt(count))
    side = int(min(32, SPRITE // columns))
    as_picture(thumbnails.sheet(summary.images.read(kept[shown]), side, columns)).save(
        folder / "sprite.png"
    )
    config = (
        f'tensor_name: "{projection.mapped(summary.run)}"',
        'tensor_path: "tensors.bytes"',
        *(f"tensor_shape: {length}" for length in vectors.shape),
        'metadata_path: "metadata.tsv"',
        f'sprite {{ image_path: "sprite.png" single_image_dim: {side} single_image_dim: {side} }}',
    )
    text = "embeddings {\n" + "".join(f"  {line}\n" for line in config) + "}\n"
    (folder / "projector_config.pbtxt").write_text(text, encoding="utf-8")


def _cell(value: Any) -> str:
    return " ".join(str("" if value is None else value).split()) or "-"
