#!/usr/bin/env python3
"""Make reports/view-speed: how fast pages open, move and scroll in headless Chromium.

usage: scripts/benchmark_view.py --report RUN [--report RUN ...] --scroll RUN --work DIR
           [--points 1000000] [--out reports/view-speed]

--report  a run whose report is there: the file is opened, and its map dragged by the mouse
--scroll  a run: `latentlab view` shows it, and two clusters are scrolled from end to end, each in
          8 s: the largest, and that with about 6,000 images
--work    a folder for made-up images (8x8, thirty patterns with noise), which are fitted, clustered
          and viewed. How fast a map is drawn does not depend on how it was laid out, so it is that
          of two principal components, not UMAP's, which takes long.

Every number is the median of five fresh browsers. A page is open when its first frame with map and
grid was painted. A screen is empty while no cell of the grid in view has a picture on its canvas.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import benchmark_report  # first: it makes tests/helpers known
import numpy as np
from helpers import browsing
from helpers.viewing import serving

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.reporting import clustering_summary, umap_map
from latentlab.reporting.viewer import Viewer
from latentlab.reporting.viewer_server import Server
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = Path(__file__).resolve().parent.parent / "reports" / "view-speed"
COMMAND = "scripts/benchmark_view.py --report RUN --scroll RUN --work DIR"
OPENINGS = 5
KINDS = 30
CHUNK = 100_000
PATIENCE = 300  # seconds
SCROLL_SECONDS = 8
NEXT_FRAME = (
    "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));"
)
# Scrolls the grid from its first line to its last; returns for how long it was empty at most, and
# the frames a second. Each turn looks at what the last frame has painted, then scrolls on.
SCROLL = """const [seconds, done] = arguments, grid = document.querySelector('#grid .grid');
const begun = performance.now();
let since = null, longest = 0, frames = 0;
const isShown = cell => {
  const box = cell.getBoundingClientRect(), view = grid.getBoundingClientRect();
  if (box.bottom <= view.top || box.top >= view.bottom) return false;
  const canvas = cell.querySelector('canvas');
  if (!canvas) return false;
  const middle = [canvas.width / 2, canvas.height / 2];
  return canvas.getContext('2d').getImageData(...middle, 1, 1).data[3] > 0;
};
const look = () => {
  const now = performance.now(), isOver = (now - begun) / 1000 > seconds;
  if ([...grid.querySelectorAll('.cell')].some(isShown)) {
    if (since !== null) longest = Math.max(longest, now - since);
    since = null;
  } else since ??= now;
  frames++;
  if (isOver && since === null) return done([longest / 1000, frames * 1000 / (now - begun)]);
  grid.scrollTop = (now - begun) / 1000 / seconds * (grid.scrollHeight - grid.clientHeight);
  requestAnimationFrame(look);
};
look();"""
# Opens the cluster whose size is nearest to a number, and returns its size.
NEAREST_CLUSTER = """const {store, go} = latentlab, [wanted] = arguments;
const far = number => Math.abs(store.sizeOf(number) - wanted);
const {number} = store.clusters.reduce((a, b) => far(b.number) < far(a.number) ? b : a);
go.cluster(number);
return store.sizeOf(number);"""
SCROLLED = (6_000, 60_000)  # the second is the largest cluster
EMPTY = "longest empty screen of "
Numbers = dict[str, float]


# Browsers


@contextmanager
def opened(address: str, downloads: Path) -> Iterator[browsing.Page]:
    """Open a page in a fresh browser; end if its console complains."""
    driver = browsing.start(downloads)
    try:
        driver.set_script_timeout(PATIENCE)
        driver.set_page_load_timeout(PATIENCE)
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        page = browsing.Page(driver, address)
        driver.set_script_timeout(PATIENCE)
        yield page
        errors = page.errors()
        if errors:
            raise SystemExit(f"the console complains: {errors[0]}")
    finally:
        driver.quit()


def medians(measure: Callable[[], Numbers]) -> Numbers:
    """Return the median of each number over several browsers."""
    rounds = [measure() for _ in range(OPENINGS)]
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def opening_of(page: browsing.Page) -> Numbers:
    """Return the seconds from the navigation to the first frame that is whole."""
    seconds = page.driver.execute_async_script(benchmark_report.FIRST_FRAME) / 1000
    found = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    work = next(row["value"] for row in found if row["name"] == "TaskDuration")
    return {"opening": seconds, "opening, processor": work}


def do(page: browsing.Page, code: str) -> float:
    """Run JavaScript; return the seconds until what it changed is on the screen."""
    started = time.perf_counter()
    page.run(code)
    page.driver.execute_async_script(NEXT_FRAME)
    return time.perf_counter() - started


def served(run: Run, sample: int) -> AbstractContextManager[Server]:
    """Serve a run as `latentlab view` does."""
    return serving(pipeline.viewer(run, sample=sample))


# What is measured


def look_at_report(run: Run, downloads: Path) -> Numbers:
    """Open the file of a report and drag its map."""
    path = (run.path / "report" / "index.html").resolve()

    def measure() -> Numbers:
        with opened(path.as_uri(), downloads) as page:
            numbers = opening_of(page)
            return {**numbers, "frames a second while panning": benchmark_report.pan(page)}

    return {"size of the page": path.stat().st_size / 1e6, **medians(measure)}


def scroll(run: Run, downloads: Path) -> Numbers:
    """Scroll two clusters of a run in the viewer."""
    with served(run, pipeline.MAP_SAMPLE) as server:

        def measure() -> Numbers:
            with opened(server.address, downloads) as page:
                numbers = opening_of(page)
                for wanted in SCROLLED:
                    count = page.run(NEAREST_CLUSTER, wanted)
                    empty, frames = page.driver.execute_async_script(SCROLL, SCROLL_SECONDS)
                    numbers[f"{EMPTY}{count:,}"] = empty
                    numbers[f"frames a second, scrolling {count:,}"] = frames
                return numbers

        return medians(measure)


def unscored(run: Run) -> Server:
    """Return the server of a run without scores, which are kept and take no time later."""
    images = pipeline.open_run_images(run)
    return Server(Viewer(clustering_summary.read_summary(run.clustering(), images, None), {}))


def look_at_many(run: Run, downloads: Path) -> Numbers:
    """View very many points as a person does."""
    started = time.perf_counter()
    with serving(unscored(run)) as server:
        start = time.perf_counter() - started

        def measure() -> Numbers:
            with opened(server.address, downloads) as page:
                return {
                    **opening_of(page),
                    "frames a second while panning": benchmark_report.pan(page),
                    "a cluster opened": do(page, "latentlab.go.cluster(3)"),
                    "an id searched": do(page, "latentlab.store.set({query: '00017'})"),
                }

        return {"start of the server": start, **medians(measure)}


# Made-up images


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
    data = DataOptions(data=str(work / "images.npy"))
    run = pipeline.fit(data, FitOptions(arch="mlp", epochs=1, batch_size=2000), work / "run")
    pipeline.cluster(run, ClusterOptions(k=KINDS, restarts=1))
    umap_map.lay_out = lambda vectors, seed, epochs=None: vectors[:, :2]  # principal components
    return pipeline.project(run, sample=count)


# The report


def rows_of(title: str, numbers: Numbers) -> list[dict[str, Any]]:
    """Return the rows of results.json."""
    shape = {"dataset": title, "split": "all", "method": "view", "std": None, "low": None}
    more = {"high": None, "seeds": OPENINGS, "chance": None, "command": COMMAND}
    device = f"cpu-{os.cpu_count()}"
    return [
        {**shape, **more, "metric": name, "mean": round(value, 3), "device": device}
        for name, value in numbers.items()
    ]


def write(out: Path, measured: dict[str, Numbers], load: float) -> None:
    """Write results.json, which has every number, and README.md."""
    rows = [row for title, numbers in measured.items() for row in rows_of(title, numbers)]
    files.write_json(out / "results.json", rows)
    text = [
        "# How fast pages open, move and scroll",
        "",
        f"`{COMMAND}`, whose docstring says what each number is:",
        f"medians of {OPENINGS} fresh browsers. {os.cpu_count()} CPU cores, no GPU; Chromium has no"
        " window and no WebGL.",
        f"Others worked on the same cores: {load:.1f} programs were running or waiting on average,"
        " those of the measurement among them. Processor time is the page's own.",
        "",
        "| page | opens in | processor time | frames a second while panning |",
        "| --- | --- | --- | --- |",
        *(opening_line(title, numbers) for title, numbers in measured.items()),
        "",
        f"| scrolled in {SCROLL_SECONDS} s | longest empty screen | frames a second |",
        "| --- | --- | --- |",
        *(line for numbers in measured.values() for line in scroll_lines(numbers)),
    ]
    with files.atomic_path(out / "README.md") as path:
        path.write_text("\n".join([*text, ""]), encoding="utf-8")


def opening_line(title: str, numbers: Numbers) -> str:
    """Return the line of a page."""
    frames = numbers.get("frames a second while panning")
    shown = "" if frames is None else f"{frames:.0f}"
    if "start of the server" in numbers:
        title += f", {numbers['start of the server']:.1f} s after the server's start"
    work = numbers["opening, processor"]
    return f"| {title} | {numbers['opening']:.2f} s | {work:.2f} s | {shown} |"


def scroll_lines(numbers: Numbers) -> list[str]:
    """Return the lines of the clusters that were scrolled."""
    lines = []
    for name, empty in numbers.items():
        count = name.removeprefix(EMPTY)
        if count != name:
            frames = numbers[f"frames a second, scrolling {count}"]
            lines.append(f"| {count} images | {empty:.2f} s | {frames:.0f} |")
    return lines


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", type=Path, action="append", default=[])
    parser.add_argument("--scroll", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    measured: dict[str, Numbers] = {}
    loads = [os.getloadavg()[0]]
    for folder in options.report:
        run = Run.open(folder)
        title = f"Report of {sum(run.fact('images').values()):,} images, {run.data_name}"
        measured[title] = look_at_report(run, options.out)
        loads.append(os.getloadavg()[0])
    if options.scroll:
        run = Run.open(options.scroll)
        title = f"Viewer of {sum(run.fact('images').values()):,} images, {run.data_name}"
        measured[title] = scroll(run, options.out)
        loads.append(os.getloadavg()[0])
    if options.work:
        run = make_run(options.work, options.points)
        title = f"Viewer of {options.points:,} made-up images"
        measured[title] = look_at_many(run, options.out)
    loads.append(os.getloadavg()[0])
    write(options.out, measured, statistics.mean(loads))


if __name__ == "__main__":
    main()
