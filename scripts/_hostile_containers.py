"""Broken and hostile archives, lists and tables of pictures, for scripts/hostile_inputs.py."""

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from _hostile_files import Case, damaged, encoded, open_all, pictures

EACH = 6  # pictures
NAMES = [f"imgs/{'ab'[number % 2]}/{number}.png" for number in range(EACH)]


def zip_of(members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of contents by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(members: dict[str, bytes]) -> bytes:
    """Return a tar archive of contents by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def containers(rng: random.Random) -> Iterator[Case]:
    """Yield damaged and hostile archives, lists and tables."""
    members = dict(zip(NAMES, (encoded(one, "PNG") for one in pictures(EACH)), strict=True))
    for ending, content in _good(members).items():
        yield Case("container", f"{ending} as it is", _case(f"x.{ending}", content, members))
        for number in range(40):
            kind = "cut" if number % 4 == 0 else "flip"
            spoilt = damaged(content, rng, kind)
            yield Case(
                "container", f"{ending} {kind} {number}", _case(f"x.{ending}", spoilt, members)
            )
    for name, (file, content) in _hostile(members).items():
        yield Case("container", name, _case(file, content, members))


def _good(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return one of each kind by its ending."""
    rows = [{"file_name": name, "label": name[5]} for name in members]
    table = "\n".join(["path,label", *(f"{name},{name[5]}" for name in members)])
    beside = {name.replace(".png", ".cls"): b"1" for name in members}
    return {
        "zip": zip_of(members),
        "tar": tar_of(members | beside),
        "tar.gz": gzip.compress(tar_of(members), 1),
        "csv": table.encode(),
        "jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "json": json.dumps(rows).encode(),
        "txt": "\n".join(members).encode(),
    }


def _hostile(members: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """Return inputs that were made to do harm: file name and content by what they are."""
    outside = {"../../x.png": members[NAMES[0]], "/etc/x.png": members[NAMES[1]]}
    return {
        "names that lead out, zip": ("x.zip", zip_of(outside)),
        "names that lead out, tar": ("x.tar", tar_of(outside)),
        "a member of 3 GiB": ("x.zip", _announced(members)),
        "zeros, packed": ("x.tar.gz", gzip.compress(tar_of({"a.png": bytes(300 << 20)}), 1)),
        "30,000 members": ("x.zip", zip_of({f"{n}.txt": b"" for n in range(30_000)})),
        "a list of files of the system": ("x.txt", b"/etc/passwd\n/dev/zero\n/proc/self/mem\n"),
        "a table of files of the system": ("x.csv", b"path,label\n/etc/passwd,1\n../../x.png,2\n"),
        "names that are too long": ("x.txt", b"a/" * 4000 + b".png\n"),
        "a million columns": ("x.csv", b",".join(b"c" for _ in range(1_000_000)) + b"\n1\n"),
        "deep JSON": ("x.json", b"[" * 200_000),
        "a cell of 10 MB": ("x.csv", b'path\n"' + b"x" * (10 << 20) + b'"\n'),
        "nothing but quotes": ("x.csv", b'"' * 10_000),
        "a range of a billion": ("x.txt", b"{0..999999999}.png\n"),
    }


def _announced(members: dict[str, bytes]) -> bytes:
    """Return a zip whose directory announces 3 GiB for a small member."""
    content = zip_of(members, zipfile.ZIP_STORED)
    size = len(members[NAMES[0]]).to_bytes(4, "little")
    return content.replace(size + size, size + (3 << 30).to_bytes(4, "little"))


def _case(name: str, content: bytes, members: dict[str, bytes]) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        for path, picture in members.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(picture)
        (folder / name).write_bytes(content)
        images, pixels, _ = open_all(data=str(folder / name), size=8)
        known = pictures(EACH)
        wrong = [
            image_id
            for image_id, found in zip(images.ids.tolist(), pixels, strict=True)
            if not any(np.array_equal(found, one) for one in known)
        ]
        return f"other pixels in {wrong}" if wrong else ""

    return run


ALL = (containers,)
