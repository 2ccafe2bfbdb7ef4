"""The hostile and broken inputs of scripts/hostile_inputs.py: each makes its files, hands them to a
reader, and judges the result.

A case returns "" where what was accepted is right, and what is wrong with it otherwise; refusing is
raising LatentlabError.
"""

import functools
import gzip
import io
import json
import os
import pickle
import pickletools
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _memory_of_case
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.scoring.labels import read_labels

STEMS = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
EACH = 3  # images of a batch of the small CIFAR-10
SIDE = 8


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes
    ----------
    family, name : str
    run : callable
        run(empty folder) -> "" or what is wrong.
    """

    family: str
    name: str
    run: Callable[[Path], str]


def open_all(**options: Any) -> tuple[Any, np.ndarray, Any]:
    """Return image set, pixels and labels, as a fit and an evaluation read them."""
    chosen = DataOptions(**options)
    images = opening.open_images(chosen)
    pixels = images.read(np.arange(len(images)))
    return images, pixels, read_labels(chosen)


def damaged(content: bytes, rng: random.Random, kind: str) -> bytes:
    """Return content with one bit flipped, or cut off at a random place."""
    if kind == "cut":
        return content[: rng.randrange(len(content))]
    place = rng.randrange(len(content))
    return (
        content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]
    )


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Return smooth random pictures, uint8 (count, 8, 8, 3)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str, **how: Any) -> bytes:
    """Return a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **how)
    return buffer.getvalue()


# Archives and pickles of CIFAR-10


def cifar_batch(number: int, protocol: int = 2) -> tuple[np.ndarray, list[int], bytes]:
    """Return pixels (n, 3072), labels and the pickle of one batch."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (EACH, 3072), dtype=np.uint8)
    labels = rng.integers(0, 10, EACH).tolist()
    return (
        pixels,
        labels,
        pickle.dumps(
            {b"data": pixels, b"labels": labels, b"filenames": [b"a.png"] * EACH}, protocol
        ),
    )


def cifar_tar(
    changed: dict[str, bytes] | None = None, more: list[tuple[tarfile.TarInfo, bytes]] | None = None
) -> bytes:
    """Return a tar archive of six pickled batches, some of them changed, with more members before
    them.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in more or []:
            archive.addfile(info, io.BytesIO(content))
        for number, stem in enumerate(STEMS):
            content = (changed or {}).get(stem, cifar_batch(number)[2])
            info = tarfile.TarInfo(f"cifar-10-batches-py/{stem}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _judge_cifar(folder: Path, exact: bool) -> str:
    images, pixels, labels = open_all(data="cifar10", data_dir=str(folder))
    wanted = np.concatenate(
        [cifar_batch(i)[0].reshape(EACH, 3, 32, 32).transpose(0, 2, 3, 1) for i in range(6)]
    )
    classes = [label for i in range(6) for label in cifar_batch(i)[1]]
    if pixels.shape != wanted.shape or len(labels.labels) != len(classes):
        return f"{pixels.shape} pixels and {len(labels.labels)} labels"
    off = int((pixels != wanted).sum()) + int((labels.labels != np.array(classes)).sum())
    return "" if off <= (0 if exact else 1) else f"{off} values differ"


def archives(rng: random.Random) -> Iterator[Case]:
    """Yield damaged and hostile archives."""
    plain = cifar_tar()
    packed = gzip.compress(plain, 1)

    def case(content: bytes, exact: bool) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            (folder / "cifar-10-python.tar.gz").write_bytes(content)
            _memory_of_case.begin()
            return _judge_cifar(folder, exact)

        return run

    for i in range(330):
        kind = "cut" if i % 5 == 0 else "flip"
        if i % 2:
            yield Case("archive", f"gzip {kind} {i}", case(damaged(packed, rng, kind), exact=True))
        else:
            yield Case("archive", f"tar {kind} {i}", case(damaged(plain, rng, kind), exact=False))
    for name, members in _hostile_members().items():
        content = cifar_tar(more=members)
        yield Case("archive", name, case(gzip.compress(content, 1), exact=True))
    yield Case(
        "archive", "gzip of nothing but zeros", case(gzip.compress(bytes(700 << 20), 1), exact=True)
    )
    yield Case(
        "archive", "20,001 empty members", case(gzip.compress(_many_members(20_001), 1), exact=True)
    )
    yield Case("archive", "pax header of 600 MiB", case(_pax_bomb(), exact=True))
    for content in (
        b"",
        b"\x1f\x8b",
        b"BZh9" + bytes(100),
        b"\xfd7zXZ\x00" + bytes(50),
        b"PK\x03\x04" + bytes(60),
        os.urandom(2000),
    ):
        yield Case("archive", f"starts with {content[:4]!r}", case(content, exact=True))


def _member(name: str, content: bytes = b"x", **settings: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in settings.items():
        setattr(info, key, value)
    return info, content


def _hostile_members() -> dict[str, list[tuple[tarfile.TarInfo, bytes]]]:
    slips = (
        "../../evil",
        "/tmp/evil",
        "..\\..\\evil",
        "a/../../../evil",
        "./../evil",
        "~/.bashrc",
        "cifar-10-batches-py/../../evil",
    )
    cases = {f"slip {name}": [_member(name)] for name in slips}
    for kind, label in ((tarfile.SYMTYPE, "symlink"), (tarfile.LNKTYPE, "hard link")):
        for target in (
            "/etc/passwd",
            "../../../etc/passwd",
            "data_batch_1",
            "cifar-10-batches-py/data_batch_2",
        ):
            cases[f"{label} to {target}"] = [
                _member("cifar-10-batches-py/data_batch_1", b"", type=kind, linkname=target)
            ]
    for kind, label in (
        (tarfile.FIFOTYPE, "fifo"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.DIRTYPE, "folder"),
    ):
        cases[label] = [_member("cifar-10-batches-py/data_batch_1", b"", type=kind)]
    cases["foreign member of 65 MiB"] = [_member("other", bytes(65 << 20))]
    cases["name of 5,000 letters"] = [_member("x" * 5000)]
    cases["odd name"] = [_member("\u202e\n<script>/data_batch_9")]
    return cases


def _many_members(count: int) -> bytes:
    one = tarfile.TarInfo("x").tobuf()
    return one * count


def _pax_bomb() -> bytes:
    size = 600 << 20
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, size
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(600):
            file.write(bytes(1 << 20))
    return packed.getvalue()


class _Evil:
    """Pickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def pickles(rng: random.Random) -> Iterator[Case]:
    """Yield pickles with code, bombs, and damaged ones, in the place of one batch."""

    def case(content: bytes) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            for number, stem in enumerate(STEMS):
                (folder / stem).write_bytes(
                    content if stem == "data_batch_3" else cifar_batch(number)[2]
                )
            return _judge_cifar(folder, exact=False)

        return run

    marker = "echo latentlab-was-here > evil"
    calls = [
        (os.system, marker),
        (eval, "open('evil','w')"),
        (exec, "open('evil','w')"),
        (open, "evil", "w"),
        (os.mkdir, "evil"),
        (getattr, "evil", "system"),
    ]
    for protocol in range(6):
        for number, call in enumerate(calls):
            yield Case(
                "pickle",
                f"code {number}, protocol {protocol}",
                case(pickle.dumps({b"data": _Evil(*call)}, protocol)),
            )
        for number, value in enumerate(
            (
                [1],
                "text",
                7,
                {b"data": 3},
                {b"data": np.zeros(3)},
                {b"data": np.array([object()])},
                {1: {2: 3}},
                None,
            )
        ):
            yield Case(
                "pickle",
                f"value {number}, protocol {protocol}",
                case(pickle.dumps(value, protocol)),
            )
    bombs = {
        "memo of 2^31": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "bytes of 2^62": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
        "frame of 2^62": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
        "nested 100,000 deep": b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
        "global": b"cos\nsystem\n(S'echo evil > evil'\ntR.",
        "instance": b"(S'echo evil > evil'\nios\nsystem\n.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"Pevil\n.",
        "integer of 5,000 digits": b"I" + b"9" * 5000 + b"\n.",
        "empty": b"",
    }
    for name, content in bombs.items():
        yield Case("pickle", name, case(content))
    good = cifar_batch(2)[2]
    for i in range(180):
        kind = "cut" if i % 6 == 0 else "flip"
        # flips in the 9,216 pixels are no news: most go into the rest
        head = rng.randrange(150) if rng.random() < 0.8 else len(good) - 1 - rng.randrange(120)
        flipped = good[:head] + bytes([good[head] ^ (1 << rng.randrange(8))]) + good[head + 1 :]
        yield Case(
            "pickle", f"{kind} {i}", case(damaged(good, rng, kind) if kind == "cut" else flipped)
        )
    codes = [op.code.encode("latin1") for op in pickletools.opcodes]
    for i in range(120):
        yield Case(
            "pickle", f"random instructions {i}", case(b"".join(rng.choices(codes, k=40)) + b".")
        )


# Picture folders


FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "webp": "WEBP",
    "ppm": "PPM",
    "jp2": "JPEG2000",
    "avif": "AVIF",
}


def folders(rng: random.Random) -> Iterator[Case]:
    """Yield folders with one good picture and one that is broken, odd or hostile."""
    good = pictures(2)

    def case(
        name: str | bytes,
        content: bytes | Callable[[Path], None],
        check: Callable[[np.ndarray], str] | None = None,
        count: int = 2,
    ) -> Callable[[Path], str]:
        """Read a folder of a good picture and another, of which `count` images come in all."""

        def run(folder: Path) -> str:
            (folder / "good.png").write_bytes(encoded(good[0], "PNG"))
            place = Path(
                os.fsdecode(
                    os.fsencode(folder)
                    + b"/"
                    + (name if isinstance(name, bytes) else name.encode())
                )
            )
            content(place) if callable(content) else place.write_bytes(content)
            images, pixels, labels = open_all(data=str(folder), size=SIDE, held_out=0.0)
            if len(images) + len(images.unreadable) != count or labels is not None:
                return f"{len(images)} images and {len(images.unreadable)} unreadable"
            "".join([*images.ids, *(bad.path + bad.reason for bad in images.unreadable)]).encode()
            at = images.ids.tolist().index("good.png")
            if not np.array_equal(pixels[at], good[0]):
                return "the good picture has changed"
            return check(pixels[1 - at]) if check and len(images) == 2 else ""

        return run

    def equal(wanted: np.ndarray, off: int = 0) -> Callable[[np.ndarray], str]:
        return lambda found: (
            "" if np.abs(found.astype(int) - wanted).max() <= off else "its pixels differ"
        )

    for ending, kind in FORMATS.items():
        content = encoded(good[1], kind)
        exact = equal(good[1]) if kind == "PNG" else None
        for i in range(45):
            how = "cut" if i % 4 == 0 else "flip"
            yield Case(
                "picture",
                f"{kind} {how} {i}",
                case(f"bad.{ending}", damaged(content, rng, how), exact),
            )
        yield Case("picture", f"{kind} empty", case(f"bad.{ending}", b""))
        yield Case(
            "picture",
            f"{kind} whole",
            case(
                f"bad.{ending}",
                content,
                equal(good[1]) if kind in ("PNG", "BMP", "TIFF", "PPM") else None,
            ),
        )
    for i in range(30):
        yield Case(
            "picture",
            f"random bytes {i}",
            case(f"bad.{rng.choice(list(FORMATS))}", rng.randbytes(rng.randrange(1, 3000))),
        )
    yield from _odd_modes(case, equal)
    yield from _hostile_pictures(case)
    yield from _odd_names(case)


def _odd_modes(case: Callable, equal: Callable) -> Iterator[Case]:
    grey = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
    rgb = lambda values: np.repeat(values[..., None], 3, axis=2)  # noqa: E731
    # Numbers beyond eight bits get one range for the whole set (docs/decisions/0076-one-scale.md).
    spread = equal(rgb(np.rint(grey * 255 / grey.max())), 2)
    for name, factor in (("16-bit", 1000), ("12-bit", 60)):
        content = encoded(grey * factor, "PNG")
        yield Case("picture", name, case("bad.png", content, spread))
    floats = (grey / grey.max()).astype(np.float32)
    yield Case(
        "picture",
        "floats in [0, 1]",
        case("bad.tiff", encoded(floats, "TIFF"), equal(rgb(np.rint(floats * 255)))),
    )
    refused = lambda found: "it was read"  # noqa: E731
    odd_floats = {"NaN": np.nan, "inf": np.inf, "negative": -1.0, "1e30": 1e30}
    for name, value in odd_floats.items():
        check = None if np.isfinite(value) else refused
        broken = floats.copy()
        broken[0, 0] = value
        content = encoded(broken, "TIFF")
        yield Case("picture", f"floats with {name}", case("bad.tiff", content, check))
    integers = equal(rgb(np.rint(255 - grey * 255 / grey.max())), 2)
    content = encoded(-grey.astype(np.int32), "TIFF")
    yield Case("picture", "negative integers", case("bad.tiff", content, integers))
    colour = Image.fromarray(pictures(1, 5)[0])
    for mode, kind in (
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("P", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("1", "PNG"),
        ("YCbCr", "JPEG"),
        ("LAB", "TIFF"),
    ):
        buffer = io.BytesIO()
        colour.convert("L" if mode == "LA" else "RGB").convert(mode).save(
            buffer, kind
        ) if mode != "LAB" else Image.new("LAB", (8, 8)).save(buffer, kind)
        yield Case("picture", f"{mode} {kind}", case("bad.png", buffer.getvalue()))
    for frames, kind in ((30, "GIF"), (10, "WEBP"), (10, "PNG"), (3, "TIFF")):
        first, *rest = [Image.fromarray(picture) for picture in pictures(frames, 6)]
        buffer = io.BytesIO()
        first.save(buffer, kind, save_all=True, append_images=rest)
        content = buffer.getvalue()
        # Each frame is an image.
        yield Case("picture", f"animated {kind}", case("bad.png", content, count=1 + frames))
    upright = pictures(1, 7)[0]
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
    }
    turned |= {
        6: np.rot90(upright, -1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, 1),
    }
    for orientation, wanted in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield Case(
            "picture",
            f"EXIF orientation {orientation}",
            case("bad.png", encoded(upright, "PNG", exif=exif), equal(wanted)),
        )
    for orientation in (0, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield Case(
            "picture",
            f"EXIF orientation {orientation}",
            case("bad.png", encoded(upright, "PNG", exif=exif), equal(upright)),
        )


def _hostile_pictures(case: Callable) -> Iterator[Case]:
    for width, height in ((1, 1), (1, 5000), (5000, 1), (3000, 2)):
        yield Case(
            "picture",
            f"{width} x {height}",
            case("bad.png", encoded(np.zeros((height, width, 3), np.uint8), "PNG")),
        )
    yield Case(
        "picture",
        "bomb of 400 megapixels",
        case("bad.png", _blank_png(20_000, 20_000), lambda found: "it was read"),
    )
    yield Case(
        "picture",
        "bomb of 2^62 pixels",
        case(
            "bad.png", _blank_png((1 << 31) - 1, (1 << 31) - 1, rows=1), lambda found: "it was read"
        ),
    )
    yield Case("picture", "80 megapixels", case("bad.png", _blank_png(8_950, 8_950)))
    texts = {
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(evil) (w)"
        b" file\nshowpage\n",
        "PDF": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "HTML": b"<html><script>alert(1)</script></html>",
        "shell": b"#!/bin/sh\ntouch evil\n",
        "pickle": pickle.dumps(_Evil(os.mkdir, "evil")),
    }
    for name, content in texts.items():
        for ending in ("png", "jpg", "tiff"):
            yield Case(
                "picture",
                f"{name} as {ending}",
                case(f"bad.{ending}", content, lambda found: "it was read"),
            )
    specials: dict[str, Callable[[Path], Any]] = {
        "dangling link": lambda place: place.symlink_to("nowhere"),
        "link to itself": lambda place: place.symlink_to(place.name),
        "link to an endless device": lambda place: place.symlink_to("/dev/zero"),
        "link to a text file": lambda place: place.symlink_to("/etc/hostname"),
    }
    yield Case("picture", "fifo", case("bad.png", os.mkfifo, lambda found: "it was read"))
    # The account counts links that are not followed; none becomes an image.
    for name, make in specials.items():
        yield Case("picture", name, case("bad.png", make, count=1))


def _blank_png(width: int, height: int, rows: int | None = None) -> bytes:
    """Return a grey PNG of zeros, row by row, so that making it takes no memory."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    packer = zlib.compressobj(1)
    line = bytes(min(width, 20_000) + 1)
    packed = b"".join(packer.compress(line) for _ in range(rows or height)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def _odd_names(case: Callable) -> Iterator[Case]:
    texts = [
        "a\nb",
        "<script>alert(1)<",
        "&amp;\"'",
        "-rf",
        "--run=x",
        "a b  c",
        "\u202etxt",
        "\u0000".replace("\u0000", "nul"),
        "日本語",
        "é",
        "e\u0301",
        "😀" * 20,
    ]
    texts += [
        "%s%n",
        "$(touch evil)",
        "`touch evil`",
        "a;b|c",
        "*?[x]",
        "\\..\\evil",
        "con",
        "x" * 240,
        "\t",
        "\x01\x02",
        "\ufeff",
        "{{7*7}}",
        "'; DROP TABLE",
    ]
    good = encoded(pictures(1, 9)[0], "PNG")
    for text in texts:
        yield Case("name", repr(text), case(f"{text}.png", good))
    for raw in (
        b"\xff\xfe.png",
        b"caf\xe9.png",
        b"\x80\x81\n.png",
        b"\xed\xa0\x80.png",
        b"a\xffb\xfec.png",
    ):
        yield Case("name", repr(raw), case(raw, good))


# NumPy, idx and parquet files


ARRAY_LABELS = np.arange(10) % 3


def _array_case(
    pixels: np.ndarray,
    ending: str,
    content: bytes,
    off: int | None = 0,
    classes: np.ndarray | None = ARRAY_LABELS,
) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        (folder / f"x.{ending}").write_bytes(content)
        _, found, known = open_all(data=str(folder / f"x.{ending}"), held_out=0.0)
        if off is None:
            return "it was read"
        if found.shape != pixels.shape:
            return f"{found.shape}, other values differ"
        differing = int((found != pixels).sum())
        if differing > off:
            return f"{found.shape}, {differing} values differ"
        if known is not None and classes is not None and not np.array_equal(known.labels, classes):
            return "other labels"
        return ""

    return run


def _read_case(ending: str, content: bytes, images: int) -> Callable[[Path], str]:
    """Return a case that is read, with so many images and without labels."""

    def run(folder: Path) -> str:
        (folder / f"x.{ending}").write_bytes(content)
        _, pixels, classes = open_all(data=str(folder / f"x.{ending}"), held_out=0.0)
        if classes is not None:
            return "it has labels"
        if len(pixels) != images or pixels.dtype != np.uint8:
            return f"{len(pixels)} images of {pixels.dtype}"
        return ""

    return run


def arrays(rng: random.Random) -> Iterator[Case]:
    """Yield .npy and .npz files."""
    pixels, labels = pictures(10), ARRAY_LABELS

    case = functools.partial(_array_case, pixels)
    plain, packed = _saved(pixels), _zipped(images=pixels, labels=labels)
    small = _zipped(compressed=True, images=pixels, labels=labels)
    for i in range(360):
        kind = "cut" if i % 6 == 0 else "flip"
        ending, content = [("npy", plain), ("npz", packed), ("npz", small)][i % 3]
        if (
            ending == "npy" and kind == "flip" and i % 2
        ):  # the 1,920 pixels have no checksum: most flips go into the header
            place = rng.randrange(128)
            broken = (
                content[:place]
                + bytes([content[place] ^ (1 << rng.randrange(8))])
                + content[place + 1 :]
            )
        else:
            broken = damaged(content, rng, kind)
        yield Case(
            "array", f"{ending} {kind} {i}", case(ending, broken, off=1 if ending == "npy" else 0)
        )
    for name, value in _scaled_arrays(pixels).items():
        readable = 10 if np.isfinite(value).all() else 9
        saved, zipped = _saved(value), _zipped(images=value)
        yield Case("array", name, _read_case("npy", saved, readable))
        yield Case("array", f"{name}, zipped", _read_case("npz", zipped, readable))
    # What is no list of classes gives no labels, and the account says why.
    for name, values in (("one-hot", np.eye(10)), ("complex", labels * 1j)):
        content = _zipped(images=pixels, labels=values)
        yield Case("array", f"{name} labels", _read_case("npz", content, 10))
    for name, value in _odd_arrays(pixels).items():
        yield Case("array", name, case("npy", _saved(value), off=None))
        yield Case("array", f"{name}, zipped", case("npz", _zipped(images=value), off=None))
    wrong: dict[str, Any] = {
        "longer": np.arange(11),
        "shorter": np.arange(9),
        "empty": np.arange(0),
        "mixed": None,
    }
    for name, value in wrong.items():
        if value is not None:
            yield Case(
                "array",
                f"labels {name}",
                case("npz", _zipped(images=pixels, labels=value), off=None),
            )
            parts: dict[str, Any] = {
                "x_train": pixels[:6],
                "x_test": pixels[6:],
                "y_train": np.arange(6),
                "y_test": np.arange(4),
            }
            yield Case(
                "array",
                f"training labels {name}",
                case("npz", _zipped(**parts | {"y_train": value}), off=None),
            )
            yield Case(
                "array",
                f"test labels {name}",
                case("npz", _zipped(**parts | {"y_test": value}), off=None),
            )
    halves = labels.astype(float)
    halves[3] = np.nan
    unknown = labels.copy()
    unknown[3] = -1
    yield Case(
        "array",
        "labels with NaN",
        case("npz", _zipped(images=pixels, labels=halves), classes=unknown),
    )
    yield Case(
        "array",
        "code in an object array",
        case("npz", _zipped_objects(np.array([_Evil(os.mkdir, "evil")], dtype=object)), off=None),
    )
    yield Case("array", "bomb of 3 GiB", case("npz", _zip_bomb(3 << 30), off=None))
    yield Case(
        "array",
        "header of 2^60 pixels",
        case("npy", _saved(pixels).replace(b"(10, 8, 8, 3), }", b"(2**60,), }    "), off=None),
    )
    for shape in (
        b"(-1, 8, 8, 3), }",
        b"(99, 8, 8, 3), }",
        b"(5, 8, 8, 3), } ",
        b"(10,8,8,True),} ",
        b"(10, 8, 8, 3.), ",
    ):
        broken = _saved(pixels).replace(b"(10, 8, 8, 3), }", shape)
        yield Case("array", f"shape {shape!r}", case("npy", broken, off=None))
        yield Case(
            "array",
            f"shape {shape!r}, zipped",
            case("npz", _zip_of({"images.npy": broken}), off=None),
        )


def _scaled_arrays(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return arrays that hold one odd number; an image with one that is not finite is left out."""
    floats = pixels / 255.0
    cases = {
        f"{name} in {kind}": np.where(
            np.arange(pixels.size).reshape(pixels.shape) == 7, value, floats
        ).astype(kind)
        for name, value in (
            ("NaN", np.nan),
            ("inf", np.inf),
            ("-inf", -np.inf),
            ("-0.5", -0.5),
            ("300", 300.0),
        )
        for kind in ("float64", "float32", "float16")
    }
    cases["dtype bool"] = pixels > 127
    return cases


def _odd_arrays(pixels: np.ndarray) -> dict[str, np.ndarray]:
    shapes = (
        (),
        (0,),
        (10,),
        (10, 8),
        (0, 8, 8, 3),
        (10, 0, 8, 3),
        (10, 8, 8, 2),
        (10, 8, 8, 3, 1),
        (10, 8, 8, 0),
    )
    cases = {f"shape {shape}": np.zeros(shape, np.uint8) for shape in shapes}
    cases |= {
        f"dtype {kind}": np.zeros(pixels.shape, kind)
        for kind in ("complex64", "U3", "S3", "datetime64[s]", "V4")
    }
    cases["records"] = np.zeros(10, dtype=[("a", "u1"), ("b", "f4")])
    return cases


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _zipped(compressed: bool = False, **named: Any) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **named)
    return buffer.getvalue()


def _zipped_objects(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=array)
    return buffer.getvalue()


def _zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _zip_bomb(size: int) -> bytes:
    """Return an .npz whose one array has `size` zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (size // 192, 8, 8, 3)}
    )
    buffer, piece = io.BytesIO(), bytes(1 << 24)
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for start in range(0, size // 192 * 192, len(piece)):
            file.write(piece[: min(len(piece), size // 192 * 192 - start)])
    return buffer.getvalue()


def idx_files(rng: random.Random) -> Iterator[Case]:
    """Yield MNIST's files, damaged."""
    pixels, labels = pictures(12)[..., 0], (np.arange(12) % 10).astype(np.uint8)
    parts = {"train": slice(0, 8), "t10k": slice(8, 12)}

    def case(name: str, content: bytes, off: int) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            for split, part in parts.items():
                (folder / f"{split}-images-idx3-ubyte").write_bytes(_idx(pixels[part]))
                (folder / f"{split}-labels-idx1-ubyte").write_bytes(_idx(labels[part]))
            (folder / name).write_bytes(content)
            _, found, known = open_all(data="mnist", data_dir=str(folder))
            if found.shape != (12, 8, 8, 1) or len(known.labels) != 12:
                return f"{found.shape}"
            differ = int((found[..., 0] != pixels).sum()) + int((known.labels != labels).sum())
            return "" if differ <= off else f"{differ} values differ"

        return run

    for i in range(90):
        kind, (name, content) = (
            "cut" if i % 5 == 0 else "flip",
            [
                ("train-images-idx3-ubyte", _idx(pixels[:8])),
                ("t10k-labels-idx1-ubyte", _idx(labels[8:])),
            ][i % 2],
        )
        packed = i % 3 == 0
        broken = damaged(gzip.compress(content) if packed else content, rng, kind)
        yield Case(
            "idx",
            f"{name} {kind} {i}{' gzip' if packed else ''}",
            case(name, broken, 0 if packed else 1),
        )
    for axes in (0, 1, 3, 4, 255):
        header = struct.pack(">HBB", 0, 8, axes) + struct.pack(f">{axes}I", *[0xFFFFFFFF] * axes)
        yield Case("idx", f"{axes} axes of 2^32", case("train-images-idx3-ubyte", header, 0))
    bomb = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 3_000_000, 32, 32) + bytes(64 << 20), 1)
    yield Case("idx", "gzip bomb", case("train-images-idx3-ubyte", bomb, 0))


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _parquet_case(
    pixels: np.ndarray,
    content: bytes | pa.Table,
    exact: bool = True,
    unreadable: int = 0,
) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        path = folder / "x.parquet"
        path.write_bytes(content) if isinstance(content, bytes) else pq.write_table(content, path)
        _memory_of_case.begin()
        images, found, known = open_all(data=str(path), size=SIDE, held_out=0.0)
        if not exact:
            return "it was read"
        if len(images) + len(images.unreadable) != len(pixels):
            return f"{len(images)} images, {len(images.unreadable)} unreadable"
        if known is not None and len(known.labels) != len(pixels):
            return f"{len(known.labels)} labels"
        rows = [int(name.removeprefix("row-")) for name in images.ids]
        return (
            ""
            if np.array_equal(found, pixels[rows]) and len(images.unreadable) >= unreadable
            else "its pixels differ"
        )

    return run


def parquets(rng: random.Random) -> Iterator[Case]:
    """Yield parquet files of pictures."""
    pixels, count = pictures(12), 12

    case = functools.partial(_parquet_case, pixels)
    column = [{"bytes": encoded(one, "PNG"), "path": f"{i}.png"} for i, one in enumerate(pixels)]
    table = pa.table({"image": column, "label": pa.array(np.arange(count) % 3)})
    for i in range(300):
        buffer = io.BytesIO()
        how = {
            "compression": rng.choice(["zstd", "snappy", "none"]),
            "write_page_checksum": bool(i % 2),
            "row_group_size": rng.choice([3, 100]),
        }
        pq.write_table(table, buffer, **how)
        kind = "cut" if i % 6 == 0 else "flip"
        content = buffer.getvalue()
        if kind == "flip" and i % 3 == 0:  # the footer, which has no checksum
            place = len(content) - 1 - rng.randrange(800)
            content = (
                content[:place]
                + bytes([content[place] ^ (1 << rng.randrange(8))])
                + content[place + 1 :]
            )
        else:
            content = damaged(content, rng, kind)
        yield Case("parquet", f"{kind} {i}", case(content))
    for name, changed, unreadable in _odd_columns(column):
        yield Case("parquet", name, case(pa.table(changed), unreadable=unreadable))
    bad_labels: dict[str, Any] = {
        "lists": [[i] for i in range(12)],
        "mixed": None,
        "bytes": [b"a"] * 12,
        "structs": [{"a": 1}] * 12,
        "times": pa.array([0] * 12, pa.timestamp("s")),
    }
    for name, values in bad_labels.items():
        if values is not None:
            yield Case(
                "parquet",
                f"labels of {name}",
                case(pa.table({"image": column, "label": values})),  # read without labels
            )
    declared = {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["a", "b"]}}}})}
    yield Case(
        "parquet",
        "labels beyond the declared names",
        case(table.replace_schema_metadata(declared), exact=False),
    )
    for name, metadata in (
        ("no JSON", b"{"),
        ("a list", b"[]"),
        ("names are a number", b'{"info": {"features": {"label": {"names": 3}}}}'),
    ):
        yield Case(
            "parquet",
            f"metadata: {name}",
            case(table.replace_schema_metadata({b"huggingface": metadata})),
        )
    bomb = pa.table(
        {
            "image": pa.DictionaryArray.from_arrays(
                pa.array([0] * 2000, pa.int32()), pa.array([bytes(60 << 20)], pa.binary())
            )
        }
    )
    yield Case("parquet", "a dictionary that unpacks to 120 GB", case(bomb, exact=False))
    for content in (b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\xff\xff\xff\x7fPAR1", os.urandom(500)):
        yield Case("parquet", f"{content[:12]!r}", case(content, exact=False))


def _odd_columns(column: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], int]]:
    yield "a picture missing", {"image": [*column[:5], None, *column[6:]]}, 1
    yield "bytes missing", {"image": [*column[:5], {"bytes": None, "path": "x"}, *column[6:]]}, 1
    yield (
        "no picture",
        {"image": [*column[:5], {"bytes": b"\x00" * 30, "path": "x"}, *column[6:]]},
        1,
    )
    yield "plain bytes", {"image": [one["bytes"] for one in column]}, 0
    yield "odd names", {"<b>\n": [one["bytes"] for one in column], "label": ["<script>"] * 12}, 0
    yield "labels with NaN", {"image": column, "label": [float("nan"), *range(11)]}, 0
    yield "labels of true and false", {"image": column, "label": [True, False] * 6}, 0
    yield "labels missing", {"image": column, "label": pa.array([None] * 12, pa.int64())}, 0


ALL: tuple[Callable[[random.Random], Iterator[Case]], ...] = (
    archives,
    pickles,
    folders,
    arrays,
    idx_files,
    parquets,
)
