"""Fuzz every reader of files from outside, guided by the branches that an input reaches (atheris,
which is libFuzzer).

    python scripts/fuzz_readers.py --work DIR [--seconds 60] [--only npz]

A reader has to answer with its own error or a result; any other exception is a fault, and libFuzzer
keeps the input in DIR. Begins from one valid file of each kind. DIR/fuzz.jsonl gets one line for
each reader: inputs, branches reached, faults.
"""

import argparse
import contextlib
import gzip
import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["latentlab", "zipfile", "tarfile", "pickletools", "numpy.lib"]
):
    from latentlab.data.formats import archives, cifar_batches, idx_files, pickles
    from latentlab.data.pictures import decode
    from latentlab.errors import LatentlabError
    from latentlab.storage import keras_files, npz, vector_files
    from latentlab.storage.run import Run

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _hostile_files import cifar_batch, cifar_tar, encoded, pictures
from _hostile_runs import KEPT_RUN

SEED = 0


def _on_file(
    read: Callable[[Path], object], *allowed: type[BaseException]
) -> Callable[[bytes, Path], None]:
    def target(content: bytes, path: Path) -> None:
        path.write_bytes(content)
        with contextlib.suppress(*allowed):
            read(path)

    return target


def _picture(content: bytes, path: Path) -> None:
    found = decode.decode(content, decode.PictureForm(size=8, max_pixels=1 << 20))
    if not isinstance(found, str) and (found.shape != (8, 8, 3) or found.dtype != np.uint8):
        raise AssertionError(f"a picture of shape {found.shape}")


def _pickled(content: bytes, path: Path) -> None:
    with contextlib.suppress(LatentlabError):
        for value in pickles.load_dict(content, "x").values():
            module = type(value).__module__
            if module not in ("builtins", "numpy", "latentlab.data.formats.pickles"):
                raise AssertionError(f"a pickle made a {type(value)}")


def _manifest(content: bytes, path: Path) -> None:
    (path.parent / "run.json").write_bytes(content)
    with contextlib.suppress(LatentlabError):
        run = Run.open(path.parent)
        root = path.parent.resolve()
        for stage in run.stage_names():
            record = run.record(stage)
            for output in record.outputs if record else ():
                if not (root / output.path).resolve().is_relative_to(root):
                    raise AssertionError("an output outside the run")


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "npz": _on_file(lambda path: npz.read_npz(path, limit=1 << 20), ValueError, OSError),
    "idx": _on_file(lambda path: idx_files.read_idx(path, max_bytes=1 << 20), LatentlabError),
    "pickle": _pickled,
    "tar": _on_file(
        lambda path: list(archives.read_files(path, cifar_batches.LIMITS)), LatentlabError
    ),
    "picture": _picture,
    "parquet": _on_file(vector_files.read_vector_file, LatentlabError),
    "network": _on_file(keras_files.check, ValueError, OSError),
    "manifest": _manifest,
}


def seeds() -> dict[str, list[bytes]]:
    """Return valid files of each kind."""
    array, packed, vectors = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(array, images=pictures(1), labels=np.arange(3))
    np.savez_compressed(packed, images=pictures(1))
    pq.write_table(pa.table({"embedding": [[1.0, 2.0], [3.0, 4.0]], "id": ["a", "b"]}), vectors)
    idx = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 3, 3)) + bytes(18)
    return {
        "npz": [array.getvalue(), packed.getvalue()],
        "idx": [idx, gzip.compress(idx)],
        "pickle": [cifar_batch(1, protocol)[2] for protocol in (0, 2, 4)],
        "tar": [cifar_tar({"data_batch_1": b"x"}), gzip.compress(cifar_tar())],
        "picture": [
            encoded(pictures(1)[0], kind)
            for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
        ],
        "parquet": [vectors.getvalue()],
        "network": [(KEPT_RUN / "encoder" / "encoder.keras").read_bytes()],
        "manifest": [(KEPT_RUN / "run.json").read_bytes()],
    }


def fuzz(name: str, work: Path, seconds: int) -> dict[str, object]:
    """Fuzz one reader in a fork for some seconds and return what libFuzzer counted."""
    place = work / name
    for folder in ("corpus", "crashes", "file"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds()[name]):
        (place / "corpus" / f"seed-{number}").write_bytes(content)
    process = os.fork()
    if not process:
        os.dup2(os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        path = place / "file" / "x"
        flags = [
            f"-max_total_time={seconds}",
            "-timeout=10",
            "-rss_limit_mb=3000",
            f"-seed={SEED + 1}",
            "-print_final_stats=1",
            "-max_len=60000",
        ]
        atheris.Setup(
            [name, *flags, f"-artifact_prefix={place}/crashes/", str(place / "corpus")],
            lambda content: TARGETS[name](content, path),
        )
        atheris.Fuzz()
        os._exit(0)
    _, status = os.waitpid(process, 0)
    log = (place / "log").read_text(errors="replace")
    done = re.findall(r"stat::number_of_executed_units:\s*(\d+)", log) or re.findall(
        r"#(\d+)\s", log
    )
    reached = [int(number) for number in re.findall(r"cov: (\d+)", log)]
    kept = sorted(path.name for path in (place / "crashes").iterdir())
    return {
        "reader": name,
        "seconds": seconds,
        "inputs": int(done[-1]) if done else 0,
        "branches": max(reached, default=0),
        "branches_of_seeds": reached[0] if reached else 0,
        "faults": kept,
        "exit": os.waitstatus_to_exitcode(status),
        "error": "" if not kept and not status else log[-1500:],
    }


def main() -> None:
    """Fuzz the readers one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=60, help="For each reader.")
    parser.add_argument("--only", choices=[*TARGETS])
    chosen = parser.parse_args()
    work = chosen.work.resolve()
    faults = 0
    for name in [chosen.only] if chosen.only else TARGETS:
        row = fuzz(name, work, chosen.seconds)
        faults += len(row["faults"]) or bool(row["exit"])  # type: ignore[arg-type]
        with (work / "fuzz.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print({key: value for key, value in row.items() if value}, flush=True)
    sys.exit(min(faults, 1))


if __name__ == "__main__":
    main()
