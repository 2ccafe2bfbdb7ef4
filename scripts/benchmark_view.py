#!/usr/bin/env python3
"""Make reports/view-speed: how `latentlab view` bears a million points, in headless Chromium.

usage: scripts/benchmark_view.py --work DIR [--points 1000000] [--out reports/view-speed]

Made-up images (8x8, thirty patterns with noise) are fitted, clustered and laid out in DIR. How fast
a map is drawn does not depend on how it was laid out, so it is that of the two leading principal
components, not UMAP's, which takes long.
"""

import argparse
import functools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_report  # first: it makes tests/helpers known
import numpy as np
from helpers import browsing

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.reporting import umap_map
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = Path(__file__).resolve().parent.parent / "reports" / "view-speed"
COMMAND = "scripts/benchmark_view.py --work DIR"
KINDS = 30
NEXT_FRAME = (
    "const told = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => told()));"
)
CHUNK = 100_000


def made_up(path: Path, count: int) -> None:
    """Write `count` images of `KINDS` patterns with noise."""
    rng = np.random.default_rng(0)
    patterns, kinds = rng.integers(0, 255, (KINDS, 8, 8, 3)), rng.integers(0, KINDS, count)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 8, 8, 3))
    for start in range(0, count, CHUNK):
        part = patterns[kinds[start : start + CHUNK]]
        images[start : start + CHUNK] = (part + rng.normal(0, 20, part.shape)).clip(0, 255)


def make_run(work: Path, count: int) -> Run:
    """Fit, cluster and lay out; what is done already is kept."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "images.npy").exists():
        made_up(work / "images.npy", count)
    run = pipeline.fit(
        DataOptions(data=str(work / "images.npy")),
        FitOptions(arch="mlp", epochs=1, batch_size=2000),
        work / "run",
    )
    pipeline.cluster(run, ClusterOptions(k=KINDS, restarts=1))
    umap_map.lay_out = lambda vectors, seed, epochs=None: vectors[
        :, :2
    ]  # they are principal components
    return pipeline.project(run, sample=count)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that something takes, and what it returns."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def do(page: browsing.Page, code: str) -> None:
    """Run JavaScript and wait until what it changed is on the screen."""
    page.run(code)
    page.driver.execute_async_script(NEXT_FRAME)


def look(run: Run, count: int, downloads: Path) -> dict[str, Any]:
    """Start the viewer and use it as a person does; return seconds and frames per second."""
    pipeline.viewer(run, sample=count)  # scores, which are kept, are not what is timed
    told: dict[str, Any] = {}
    told["start of the server"], server = timed(lambda: pipeline.viewer(run, sample=count))
    told["size of the page"] = len(server.viewer.html()) / 1e6
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver = browsing.start(downloads)
    try:
        driver.set_script_timeout(300)
        driver.set_page_load_timeout(300)
        page = browsing.Page(driver, server.address)
        told["opening"] = driver.execute_async_script(benchmark_report.FIRST_FRAME) / 1000
        told["renderer"] = page.run("return latentlab.renderer")
        told["frames a second while panning"] = benchmark_report.pan(page)
        driver.execute_async_script(NEXT_FRAME)
        actions = {
            "a cluster opened": "latentlab.openCluster(3)",
            "other colours": "const s = document.getElementById('colour-by'); s.value ="
            " 'split'; s.onchange()",
            "a third of the points selected": f"latentlab.openSelection(Array.from({{length:"
            f" {count // 3}}}, (_, i) => i))",
            "an id searched": "const s = document.getElementById('search'); s.value ="
            " 'train/00017'; s.oninput()",
        }
        for name, code in actions.items():
            told[name], _ = timed(functools.partial(do, page, code))
        edit = (
            f"latentlab.edit('edit', {{action: 'split', images:"
            f" latentlab.data.ids.slice(0, {count // 3})}}).then(arguments[0])"
        )
        told["a third of the points made a cluster"], saved = timed(
            lambda: driver.execute_async_script(edit)
        )
        told["undone"], undone = timed(
            lambda: driver.execute_async_script("latentlab.edit('undo').then(arguments[0])")
        )
        if not (saved and undone) or page.errors():
            raise SystemExit(f"the page complains: {page.errors()}")
    finally:
        driver.quit()
        server.shutdown()
    return told


def write(out: Path, count: int, told: dict[str, Any]) -> None:
    """Write results.json and README.md."""
    device = f"cpu-{os.cpu_count()}"
    shape = {
        "dataset": "made-up",
        "split": "all",
        "method": "view",
        "std": None,
        "low": None,
        "high": None,
        "seeds": 1,
        "chance": None,
    }
    numbers = {name: value for name, value in told.items() if isinstance(value, int | float)}
    rows = [
        {
            **shape,
            "metric": name,
            "mean": round(value, 3),
            "device": device,
            "command": COMMAND,
            "images": count,
        }
        for name, value in numbers.items()
    ]
    files.write_json(out / "results.json", rows)
    units = {"size of the page": "MB", "frames a second while panning": "1/s"}
    lines = [f"| {name} | {value:.1f} {units.get(name, 's')} |" for name, value in numbers.items()]
    text = [
        "# How `latentlab view` bears many points",
        "",
        f"{count:,} made-up images: `{COMMAND}`, whose docstring says what they and the map"
        f" are. {os.cpu_count()} CPU cores, no GPU;",
        f"Chromium without a window, drawing by {told['renderer']}.",
        "",
        "| what | measured |",
        "| --- | --- |",
        *lines,
        "",
        "While the map moves, 2,500 of the points are drawn; all of them again once it stands.",
        "",
    ]
    with files.atomic_path(out / "README.md") as path:
        path.write_text("\n".join(text), encoding="utf-8")


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=REPORT)
    arguments = parser.parse_args()
    run = make_run(arguments.work, arguments.points)
    write(arguments.out, arguments.points, look(run, arguments.points, arguments.work))


if __name__ == "__main__":
    main()
