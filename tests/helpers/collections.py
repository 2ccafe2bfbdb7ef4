"""Small pictures, and the archives and tables that hold or name them."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.scoring.labels import read_labels


def pixels_of(number):
    """Return the pixels of a picture, which differ from those of all others."""
    return np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def picture(number, file_format="png"):
    """Return a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels_of(number)).save(buffer, format=file_format)
    return buffer.getvalue()


def stack(n_pages):
    """Return a TIFF of several pages."""
    buffer = io.BytesIO()
    pages = [Image.fromarray(pixels_of(number)) for number in range(n_pages)]
    pages[0].save(buffer, format="tiff", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def of_classes(template, per_class=3, classes=("cat", "dog")):
    """Return pictures by name; the template has {kind} and {number}."""
    names = [
        template.format(kind=kind, number=number) for kind in classes for number in range(per_class)
    ]
    return {name: picture(position) for position, name in enumerate(names)}


def write_zip(path, members, **settings):
    """Write a zip archive of contents by name."""
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path, members, mode="w"):
    """Write a tar archive of contents by name."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_files(folder, members):
    """Write contents by name into a folder."""
    for name, content in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def open_all(path, **options):
    """Return images and labels of some data."""
    data = DataOptions(data=str(path), **options)
    return opening.open_images(data), read_labels(data)


def classes_of(labels):
    """Return the class of each image by its id."""
    names = [labels.class_names[number] if number >= 0 else "" for number in labels.labels]
    return dict(zip(labels.ids.tolist(), names, strict=True))


def reasons(images):
    """Return how many entries were passed over, by reason."""
    return {entry.reason: entry.count for entry in images.intake.passed_over}
