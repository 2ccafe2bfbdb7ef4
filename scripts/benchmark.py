"""Measure latentlab against what people would use instead, in turns, in CPU-seconds.

usage: scripts/benchmark [--rows decode,kmeans,train,dec,encode,limit] [--small]
                         [--machine WORDS] [--out FOLDER]

Each row runs ours and its peer A B A B and writes the ratio of CPU-seconds to results.json: above
1, latentlab is faster. Rows that are there stay until they are measured again, so that a long
benchmark can be made in parts. A peer that is not installed is named, and its row left out.
"""

import argparse
import functools
import importlib.util
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import benchmark_kmeans
import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from latentlab.clustering import sampled_kmeans
from latentlab.data.pictures.decode import PictureForm, decode_all

REPORT = Path(__file__).resolve().parent.parent / "reports" / "performance"
SIDE = 348  # pixels of the photos that are decoded
SIZES = (32, 96, 224)
THREADS = 2
NEEDED = {"train": "torch", "dec": "clustpy", "encode": "tf2onnx"}  # by the peers of these rows


@dataclass(frozen=True)
class Row:
    """One comparison; items a CPU-second, and the ratio with the range of its pairs."""

    row: str
    metric: str
    peer: str
    ours: float
    of_peer: float
    ratio_to_peer: float
    low: float
    high: float
    rounds: int
    machine: str = ""


Work = Callable[[], object]


def compared(row: str, peer: str, items: int, ours: Work, theirs: Work, rounds: int) -> Row:
    """Run two in turns, after one unmeasured round, and return what they did a CPU-second.

    Parameters
    ----------
    row, peer : str
        Names.
    items : int
        What one call works off.
    ours, theirs : callable
        The work.
    rounds : int
        Pairs.
    """
    ours()
    theirs()
    pairs = [(_cpu_seconds(ours), _cpu_seconds(theirs)) for _ in range(rounds)]
    ratios = [peer_took / took for took, peer_took in pairs]
    return Row(
        row=row,
        metric="items a CPU-second",
        peer=peer,
        ours=round(items / statistics.median(took for took, _ in pairs), 1),
        of_peer=round(items / statistics.median(took for _, took in pairs), 1),
        ratio_to_peer=round(statistics.median(ratios), 2),
        low=round(min(ratios), 2),
        high=round(max(ratios), 2),
        rounds=rounds,
    )


def _cpu_seconds(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def decode_rows(small: bool) -> Iterator[Row]:
    """Yield decoding of photos to each size against loops of Pillow in two threads."""
    count, rounds = (20, 1) if small else (300, 5)
    files = [_photo(number) for number in range(count)]
    for size in SIZES[:1] if small else SIZES:
        form = PictureForm(size=size, drafts=True)
        for margin, words in ((2, "twice the size"), (1, "the size")):
            yield compared(
                f"decode {SIDE} to {size}",
                f"Pillow, draft to {words}, bicubic",
                count,
                functools.partial(_decoded, files, form),
                functools.partial(_pillow, files, size, margin),
                rounds,
            )


def _decoded(files: list[bytes], form: PictureForm) -> list[object]:
    return list(decode_all(files, form))


def _photo(number: int) -> bytes:
    """Return a JPEG that is smooth with some noise, as large as a photo of this side is."""
    generator = np.random.default_rng(number)
    coarse = Image.fromarray(generator.integers(0, 256, (24, 24, 3), np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    noisy = np.clip(smooth + generator.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=88)
    return file.getvalue()


def _pillow(files: list[bytes], size: int, margin: int) -> list[np.ndarray]:
    def pixels(content: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(content)) as picture:
            picture.draft("RGB", (margin * size, margin * size))
            square = picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
            return np.asarray(square)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(pixels, files))


def kmeans_rows(small: bool) -> Iterator[Row]:
    """Yield k-means on a mixture of 50 classes against scikit-learn's ten restarts."""
    shapes = [(500, 16, 5)] if small else [(50_000, 128, 10), (50_000, 128, 100)]
    shapes += [] if small else [(50_000, 1024, 10)]
    sampled_kmeans.THREADS = 1
    for n, d, k in shapes:
        generator = np.random.default_rng(0)
        centers = generator.normal(size=(50, d))
        vectors = (centers[generator.integers(0, 50, n)] + generator.normal(size=(n, d))) / 2
        with threadpool_limits(1):
            measured = benchmark_kmeans.measure(vectors.astype(np.float32), k, 0, 1)
        ratio = measured.ratio_to_peer
        yield Row(
            row=f"k-means {n} x {d}, k={k}",
            metric="vectors a CPU-second",
            peer=f"{measured.peer}, one restart times ten",
            ours=round(n / max(measured.seconds, 0.01)),
            of_peer=round(n / max(measured.peer_seconds, 0.01)),
            ratio_to_peer=ratio,
            low=ratio,
            high=ratio,
            rounds=1,
        )


def limit_rows(small: bool) -> Iterator[Row]:
    """Yield the machine's limit: products of float32 matrices in NumPy, one thread, in GFLOP."""
    side = 256 if small else 2048
    matrix = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    with threadpool_limits(1):
        seconds = min(_cpu_seconds(lambda: matrix @ matrix) for _ in range(5))
    speed = round(2e-9 * side**3 / max(seconds, 1e-6), 1)
    yield Row("matrix product", "GFLOP a CPU-second", "itself", speed, speed, 1.0, 1.0, 1.0, 5)


ROWS = {"decode": decode_rows, "kmeans": kmeans_rows, "limit": limit_rows}


def table(rows: list[dict[str, object]]) -> str:
    """Return the page of the rows."""
    head = (
        "# Speed against what people would use instead\n\n"
        "**Command**: `scripts/benchmark`. Ours and the peer run in turns in one process; figures"
        " are per CPU-second, the ratio is the median of the pairs\n(range in brackets), above 1"
        " where latentlab is faster. Photos and vectors are made up, from a fixed seed."
        " Of k-means one seed ran, with one\nrestart of scikit-learn times ten;"
        " inertia was not compared here"
        " (see reports/kmeans).\n\n"
        "| row | peer | ours | peer's | ratio | rounds | machine |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
    )
    lines = [
        f"| {row['row']} ({row['metric']}) | {row['peer']} | {row['ours']:,} | {row['of_peer']:,}"
        f" | {row['ratio_to_peer']} ({row['low']} to {row['high']}) | {row['rounds']}"
        f" | {row['machine']} |\n"
        for row in rows
    ]
    return head + "".join(lines)


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    """Add rows to results.json, in place of older ones of the same name and peer, and the page."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_name = {(row["row"], row["peer"]): row for row in [*before, *rows]}
    ordered = list(by_name.values())
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(table(ordered), encoding="utf-8")


def main() -> None:
    """Measure the rows that are asked for, and write each as soon as it is there."""
    parser = argparse.ArgumentParser(description="Speed against what people would use instead.")
    parser.add_argument("--rows", default=",".join([*ROWS, *NEEDED]))
    parser.add_argument("--small", action="store_true", help="a few items, to try the script")
    parser.add_argument("--machine", default="", help="in words, for the page")
    parser.add_argument("--out", type=Path, default=REPORT)
    arguments = parser.parse_args()
    for name in arguments.rows.split(","):
        if name in NEEDED:
            is_there = importlib.util.find_spec(NEEDED[name]) is not None
            why = "is not compared by this script yet" if is_there else "is not installed"
            print(f"{name}: left out, since {NEEDED[name]} {why}")
            continue
        for row in ROWS[name](arguments.small):
            values = asdict(row) | {"machine": arguments.machine}
            print(json.dumps(values), flush=True)
            write(arguments.out, [values])


if __name__ == "__main__":
    main()
