#!/usr/bin/env python3
"""Make reports/report-speed: how long the report of a run takes to make and to open, and how
smoothly its map moves.

usage: scripts/benchmark_report.py --run RUN [--out reports/report-speed]

RUN is a run whose newest clusters are evaluated, such as that of
    latentlab fit --data cifar10 --epochs 1 --set width=8 --set code_channels=4 --run RUN
    latentlab cluster --k 10 --restarts 2 --run RUN; latentlab evaluate --run RUN
UMAP and page are made anew, then opened in headless Chromium. Opening is timed from the navigation
to the first frame after the map, its colours, the legend and the clusters are there; moving by real
mouse events, counted are the frames that the map drew.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from helpers import browsing

from latentlab import pipeline
from latentlab.reporting import clustering_summary, report
from latentlab.scoring.evaluate import read_labels
from latentlab.storage import files
from latentlab.storage.run import Run

REPORT = Path(__file__).resolve().parent.parent / "reports" / "report-speed"
COMMAND = "scripts/benchmark_report.py --run RUN"
OPENINGS = 5
MOVES = 120
LIMITS = {
    "report without UMAP": 60,
    "UMAP": 180,
    "opening": 2,
    "frames a second while panning": 30,
    "size of the file": 15,
}


def build(run: Run) -> dict[str, float]:
    """Make the map and the page anew; return seconds and the size of the file in megabytes."""
    name = run.clustering().name
    pipeline.evaluate(run, name)
    run.forget("project")
    clock = Clock()
    pipeline.project(run)
    umap = clock.read()
    pipeline.decode(run, name)
    clock = Clock()
    found = clustering_summary.read_summary(
        run.clustering(name), pipeline.open_run_images(run), read_labels(run)
    )
    page = report.write_report(found)[0]
    wall, processor = clock.read()
    seconds = {
        "UMAP": umap[0],
        "UMAP, processor": umap[1],
        "report without UMAP": wall,
        "report without UMAP, processor": processor,
    }
    return {**seconds, "size of the file": page.stat().st_size / 1e6}


class Clock:
    """Seconds that passed, and seconds of them that the processor worked for this process: less
    where others work too.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return both."""
        return time.perf_counter() - self.started[0], time.process_time() - self.started[1]


def look(address: str, downloads: Path) -> dict[str, Any]:
    """Open the page several times and drag its map; return medians."""
    openings, work, rates = [], [], []
    for _ in range(OPENINGS):
        driver = browsing.start(downloads)
        try:
            driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
            page = browsing.Page(driver, address)
            openings.append(page.driver.execute_async_script(FIRST_FRAME) / 1000)
            work.append(
                next(
                    row["value"]
                    for row in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
                    if row["name"] == "TaskDuration"
                )
            )
            rates.append(pan(page))
            errors = page.errors()
            if errors:
                raise SystemExit(f"the console complains: {errors[0]}")
        finally:
            driver.quit()
    return {
        "opening": statistics.median(openings),
        "opening, processor": statistics.median(work),
        "frames a second while panning": statistics.median(rates),
        "all openings": openings,
        "all rates": rates,
    }


# The page is ready before the script can ask; the time is that of the mark that the page itself
# sets in its first frame.
FIRST_FRAME = """const told = arguments[0];
const wait = () => {
  const [mark] = performance.getEntriesByName("latentlab-shown");
  mark ? told(mark.startTime) : setTimeout(wait, 20);
};
wait();"""


def pan(page: browsing.Page) -> float:
    """Drag the map to and fro by the mouse; return painted frames a second."""
    page.pixel(0)
    box = page.run(
        "const b = document.getElementById('map').getBoundingClientRect(); return [b.left,"
        " b.top, b.width, b.height]"
    )
    x, y = box[0] + box[2] * 0.3, box[1] + box[3] * 0.3
    before = page.run("return latentlab.map.frames")
    send = lambda kind, x: page.driver.execute_cdp_cmd(  # noqa: E731
        "Input.dispatchMouseEvent",
        {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1},
    )
    send("mousePressed", x)
    started = time.perf_counter()
    for step in range(MOVES):
        send("mouseMoved", x + 4 * (step if step < MOVES / 2 else MOVES - step))
    seconds = time.perf_counter() - started
    send("mouseReleased", x)
    return (page.run("return latentlab.map.frames") - before) / seconds


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument(
        "--keep",
        action="store_true",
        help="measure the page that is there; the times of making it stay as they were measured",
    )
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    told = before(arguments.out / "results.json") if arguments.keep else build(run)
    page = (run.path / "report" / "index.html").resolve()
    told |= {"size of the file": page.stat().st_size / 1e6, **look(page.as_uri(), arguments.out)}
    write(arguments.out, run, told)


def before(path: Path) -> dict[str, Any]:
    """Return what was measured before."""
    return {row["metric"]: row["mean"] for row in json.loads(path.read_text())}


def write(out: Path, run: Run, told: dict[str, Any]) -> None:
    """Write results.json and README.md."""
    device = f"cpu-{os.cpu_count()}"
    images = sum(run.fact("images").values())
    shape = {
        "dataset": run.data_name,
        "split": "all",
        "method": "report",
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
            "images": images,
        }
        for name, value in numbers.items()
    ]
    files.write_json(out / "results.json", rows)
    units = {"size of the file": "MB", "frames a second while panning": "1/s"}
    lines = ["| what | measured | wanted |", "| --- | --- | --- |"]
    for name, value in numbers.items():
        wanted = (
            f"{'above' if 'frames' in name else 'below'} {LIMITS[name]}" if name in LIMITS else ""
        )
        lines.append(f"| {name} | {value:.1f} {units.get(name, 's')} | {wanted} |")
    text = [
        "# How fast the report is",
        "",
        f"The report of {images:,} images of {run.data_name}: `{COMMAND}`, whose"
        " docstring says how RUN is made.",
        f"{os.cpu_count()} CPU cores, no GPU; Chromium without a window.",
        f"Opening and panning are medians of {OPENINGS} fresh browsers:"
        f" {', '.join(f'{t:.2f} s' for t in told['all openings'])};",
        f"{', '.join(f'{r:.0f}' for r in told['all rates'])} frames a second, while the mouse"
        " drags the map.",
        'Rows with "processor" are the seconds that it worked for this; the others are what a'
        " clock showed, also while other programs ran.",
        "",
        *lines,
        "",
    ]
    with files.atomic_path(out / "README.md") as path:
        path.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
