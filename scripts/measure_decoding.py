"""Measure what decoding JPEG at a part of their size does to pixels and to purity.

usage: python scripts/measure_decoding.py FOLDER --size 32 --side 348 [--encoder FILE.onnx]

FOLDER holds photos in folders that are classes. Each is first saved at --side pixels; it is then
read whole and in parts at --size pixels, and clustered by k-means (ten restarts, three seeds) on
histograms of its colours, and on the vectors of an encoder, where one is given; an encoder of a
larger input gets the small pictures enlarged, so that all it sees is what the decoding left.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.cluster import KMeans

from latentlab.clustering.pixel_features import colour_histograms
from latentlab.data.pictures.decode import PictureForm, decode_all
from latentlab.data.pictures.resizing import resize, resize_all
from latentlab.encoders.pretrained.opening import open_pretrained

SEEDS = range(3)


def saved_at(path: Path, side: int) -> bytes:
    """Return a photo as a JPEG of `side` pixels, its middle."""
    with Image.open(path) as picture:
        pixels = resize(picture, side, "crop", 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def purity(vectors: np.ndarray, classes: np.ndarray) -> list[float]:
    """Return the purity of each seed's clusters, as many as there are classes."""
    values = []
    for seed in SEEDS:
        labels = KMeans(classes.max() + 1, n_init=10, random_state=seed).fit_predict(vectors)
        counts = np.zeros((classes.max() + 1, classes.max() + 1), int)
        np.add.at(counts, (labels, classes), 1)
        values.append(round(float(counts.max(axis=1).sum() / len(classes)), 4))
    return values


def main() -> None:
    """Print one JSON line for each way of decoding, and one of the pixels' difference."""
    parser = argparse.ArgumentParser(description="What decoding in parts does to scores.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--side", type=int, default=348)
    parser.add_argument("--encoder")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*/*.jpg"))
    classes = np.unique([path.parent.name for path in paths], return_inverse=True)[1]
    files = [saved_at(path, arguments.side) for path in paths]
    pixels = {}
    for name, drafts in (("whole", False), ("parts", True)):
        decoded = decode_all(files, PictureForm(size=arguments.size, drafts=drafts))
        pixels[name] = np.stack([each for each in decoded if not isinstance(each, str)])
        row = {"decoding": name, "colours": purity(colour_histograms(pixels[name]), classes)}
        if arguments.encoder:
            encoder = open_pretrained(arguments.encoder)
            inputs = resize_all(pixels[name], encoder.card.image_shape[0], "crop")
            vectors = np.concatenate(
                [encoder.encode(inputs[i : i + 32]) for i in range(0, len(inputs), 32)]
            )
            row["encoder"] = purity(
                vectors / np.linalg.norm(vectors, axis=1, keepdims=True), classes
            )
        print(json.dumps(row), flush=True)
    difference = np.abs(pixels["whole"].astype(int) - pixels["parts"])
    print(json.dumps({"mean difference": round(float(difference.mean()), 3)}))


if __name__ == "__main__":
    main()
