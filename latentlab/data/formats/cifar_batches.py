"""The six batches of CIFAR-10, as a folder or an archive, in the binary or the Python version.

A record of the binary version is a label byte and 3,072 bytes of red, green and blue planes, row by
row. Archives are read in memory. Pickles pass an unpickler that builds nothing but dictionaries and
byte arrays. A batch may hold any whole number of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.data.formats.archives import read_files
from latentlab.data.formats.pickles import load_dict
from latentlab.data.splits import TEST, TRAIN
from latentlab.errors import DataError

STEMS = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
PIXELS = 3 * 32 * 32  # bytes of one image
RECORD = 1 + PIXELS  # bytes of one image in the binary version
N_CLASSES = 10
META = ("batches.meta.txt", "batches.meta")
LIMITS = {
    **{f"{stem}.bin": 10_000 * RECORD for stem in STEMS},
    # The published pickles have 31.04 MB. Python 3's own of protocol 2 write bytes as text, in
    # which those above 127 take two: 44.7 MB, and twice the pixels at most.
    **dict.fromkeys(STEMS, 64 << 20),
    **dict.fromkeys(META, 1 << 16),
}


@dataclass(frozen=True)
class CifarFile:
    """A file of the data set, unparsed.

    Attributes
    ----------
    where : str
        Path and name, for messages.
    name : str
        Name without folders.
    content : bytes
        All of it.
    """

    where: str
    name: str
    content: bytes

    @property
    def split(self) -> str:
        """The split to which a batch belongs."""
        return TEST if self.name.startswith("test") else TRAIN


@dataclass(frozen=True)
class CifarFiles:
    """The files of the data set.

    Attributes
    ----------
    batches : tuple of CifarFile
        The batches in the order of `STEMS`.
    meta : CifarFile or None
        The file with the class names; None if there is none.
    """

    batches: tuple[CifarFile, ...]
    meta: CifarFile | None


def read_cifar_files(path: Path) -> CifarFiles:
    """Read all files of the data set into memory.

    Parameters
    ----------
    path : Path
        A folder or an archive.

    Returns
    -------
    CifarFiles
        The files, in the order in which the images count.

    Raises
    ------
    DataError
        If the archive is damaged, a batch is missing, or the file of class names is damaged.
    """
    batches: dict[str, CifarFile] = {}
    meta = None
    for name, content in read_files(path, LIMITS):
        file = CifarFile(f"{path}: {name}", name, content)
        if name in META:
            meta = file
            class_names(file)  # refuses a damaged one
        else:
            batches.setdefault(name.removesuffix(".bin"), file)
    missing = [stem for stem in STEMS if stem not in batches]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}. "
            f"Unpack or fetch it again; all of {', '.join(STEMS)} are needed."
        )
    return CifarFiles(tuple(batches[stem] for stem in STEMS), meta)


def batch_pixels(file: CifarFile) -> np.ndarray:
    """Return the images of a batch.

    Parameters
    ----------
    file : CifarFile
        One of the batches.

    Returns
    -------
    ndarray of shape (n, 32, 32, 3), uint8
        The images.

    Raises
    ------
    DataError
        If the batch is damaged or hostile.
    """
    planes = _parse(file).planes.reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def batch_labels(file: CifarFile) -> np.ndarray:
    """Return the class numbers of a batch, for `latentlab.scoring.labels` only.

    Parameters
    ----------
    file : CifarFile
        One of the batches.

    Returns
    -------
    ndarray of shape (n,), uint8
        Numbers from 0 to 9.

    Raises
    ------
    DataError
        If the batch is damaged or hostile.
    """
    return _parse(file).label_bytes


def class_names(file: CifarFile) -> tuple[str, ...]:
    """Return the class names that a file lists, for `latentlab.scoring.labels` only.

    Parameters
    ----------
    file : CifarFile
        batches.meta.txt or batches.meta.

    Returns
    -------
    tuple of str
        Ten names.

    Raises
    ------
    DataError
        If it lists another number of names.
    """
    if file.name.endswith(".txt"):
        words: object = file.content.split()
    else:
        words = load_dict(file.content, file.where).get("label_names")
    if not isinstance(words, list) or len(words) != N_CLASSES:
        raise DataError(f"{file.where} does not list 10 class names. Fetch it again.")
    return tuple(_text(word) for word in words)


@dataclass(frozen=True)
class _Batch:
    planes: np.ndarray  # (n, 3072) uint8
    label_bytes: np.ndarray  # (n,) uint8


def _parse(file: CifarFile) -> _Batch:
    """Return the contents of a batch; a label above 9 shows that it is another data set."""
    batch = _parse_binary(file) if file.name.endswith(".bin") else _parse_python(file)
    highest = batch.label_bytes.max()
    if highest >= N_CLASSES:
        raise DataError(
            f"{file.where} has the label {highest}; CIFAR-10 has 0 to 9. "
            "Is this another data set? Fetch it again."
        )
    return batch


def _parse_binary(file: CifarFile) -> _Batch:
    size = len(file.content)
    if not size or size % RECORD:
        raise DataError(
            f"{file.where} has {size} bytes, not a whole number of {RECORD}-byte images. "
            "Fetch it again."
        )
    records = np.frombuffer(file.content, dtype=np.uint8).reshape(-1, RECORD)
    return _Batch(planes=records[:, 1:], label_bytes=records[:, 0])


def _parse_python(file: CifarFile) -> _Batch:
    batch = load_dict(file.content, file.where)
    planes = batch.get("data")
    labels = batch.get("labels")
    if not isinstance(planes, np.ndarray) or not isinstance(labels, list):
        raise DataError(
            f"{file.where} has no array 'data' and list 'labels'. Is this CIFAR-10? Fetch it again."
        )
    if planes.shape != (len(labels), PIXELS) or not labels:
        raise DataError(
            f"{file.where} has images of shape {planes.shape} and {len(labels)} labels, "
            "not (n, 3072) and n. Fetch it again."
        )
    if not all(isinstance(label, int) and 0 <= label < 256 for label in labels):
        raise DataError(
            f"{file.where} has labels that are not whole numbers from 0 to 9. Fetch it again."
        )
    return _Batch(planes=planes, label_bytes=np.array(labels, dtype=np.uint8))


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def batch_splits(files: CifarFiles, counts: Sequence[int]) -> np.ndarray:
    """Return the split of each image.

    Parameters
    ----------
    files : CifarFiles
        The batches.
    counts : sequence of int
        Number of images in each batch.

    Returns
    -------
    ndarray of shape (n,), str
        "train" or "test".
    """
    return np.repeat([file.split for file in files.batches], counts)
