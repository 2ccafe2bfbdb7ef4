#!/usr/bin/env python3
r"""Make reports/gallery and docs/pictures: what reports, viewer and figures look like, from two
real runs.

usage: scripts/gallery.py --digits RUN --cifar RUN [--out reports/gallery]

The runs are those of these commands, with the clusters "dcec-from-n2d" and the ready-made
encoder's:
    latentlab fit --data digits --size 16 --arch dcec --epochs 20 --batch-size 50 --run DIGITS
    latentlab cluster --k 10 --run DIGITS
    latentlab cluster --k 10 --name dcec-from-n2d --method dcec --augment affine --set start=n2d
    --set warm_up=5 \
        --set interval=35 --set batch_size=128 --set max_steps=350 --run DIGITS
    latentlab cluster --encoder cifar10-strong --k 10 --method imc --run CIFAR
    latentlab report --run DIGITS; latentlab report --run CIFAR
"""

import argparse
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from helpers import browsing
from PIL import Image

from latentlab import pipeline
from latentlab.scoring.evaluate import align, read_labels
from latentlab.scoring.scores import read_scores
from latentlab.storage import files
from latentlab.storage.json_form import to_json
from latentlab.storage.run import Run

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "scripts/gallery.py --digits RUN --cifar RUN"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
LARGEST = 460_000  # bytes of a picture


def shoot(page: browsing.Page, target: Path, script: str = "") -> None:
    """Run a script in the page and keep what the window shows, as PNG of at most 256 colours where
    it is large.
    """
    page.run(script)
    page.driver.execute_async_script("setTimeout(arguments[0], 900)")
    target.parent.mkdir(parents=True, exist_ok=True)
    page.driver.save_screenshot(str(target))
    if target.stat().st_size > LARGEST:
        Image.open(target).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
            target, optimize=True
        )


def theme(name: str) -> str:
    """Return the script that chooses a look."""
    return (
        f"document.getElementById('theme').value = '{name}';"
        " document.getElementById('theme').onchange();"
    )


def colour(by: str) -> str:
    """Return the script that colours the map."""
    return (
        f"const choice = document.getElementById('colour-by'); choice.value = '{by}';"
        " choice.onchange();"
    )


def reports(driver: Any, digits: Path, cifar: Path, out: Path) -> None:
    """Shoot the two reports in several states."""
    page = browsing.Page(driver, address(digits))
    shoot(page, out / "report-digits-cluster.png", "latentlab.go.cluster(1)")
    shoot(
        page,
        out / "report-digits-dark.png",
        theme("dark") + colour("confidence") + "latentlab.go.overview();",
    )
    shoot(
        page,
        out / "report-digits-cards.png",
        theme("light") + colour("cluster") + "latentlab.go.overview();",
    )
    page = browsing.Page(driver, address(cifar))
    shoot(page, out / "report-cifar10.png", theme("light"))
    shoot(page, out / "report-cifar10-labels.png", colour("label") + "latentlab.go.cluster(0);")
    row = page.run("return latentlab.store.rowsOf('cluster', 3)[7]")
    page.run(colour("cluster") + "latentlab.go.overview();")
    page.hover(row)
    shoot(page, out / "report-cifar10-hover.png")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page = browsing.Page(driver, address(digits))
    shoot(page, out / "report-phone.png", "latentlab.go.cluster(3);")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def commonest(path: Path, cluster: int) -> int:
    """Return the commonest class of a cluster of the run's newest clusters."""
    run = Run.open(path)
    labels = read_labels(run)
    assert labels is not None
    assignments = run.clustering().assignments
    ids, clusters = assignments.ids, assignments.clusters
    return int(np.bincount(align(ids, labels)[clusters == cluster]).argmax())


def viewer(driver: Any, digits: Path, out: Path) -> None:
    """Shoot the viewer of a copy of the run after some edits."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(digits, Path(folder) / "digits")
        server = pipeline.viewer(Run.open(Path(folder) / "digits"))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page = browsing.Page(driver, server.address)
        page.driver.execute_async_script(
            """const [name, done] = arguments, {edit} = latentlab;
            edit("edit", {action: "name", cluster: 1, name})
                .then(() => edit("edit", {action: "merge", clusters: [0, 2]})).then(done);""",
            f"the digit {commonest(digits, 1)}",
        )
        shoot(page, out / "view.png", "latentlab.go.cluster(1)")
        server.shutdown()
        server.server_close()


def address(run: Path) -> str:
    """Return the address of a run's report."""
    return (run.resolve() / "report" / "index.html").as_uri()


def figures(digits: Path, cifar: Path, out: Path) -> None:
    """Draw the figures for papers; of the formats the gallery keeps PNG, of one figure PDF and SVG
    too.
    """
    for name, run in (("digits", digits), ("cifar10", cifar)):
        with tempfile.TemporaryDirectory() as folder:
            for path in pipeline.figures(Run.open(run), folder, formats=("png",)):
                target = out / f"{name}-{path.name}"
                with Image.open(path) as picture:
                    picture.convert("RGB").resize(
                        [length // 2 for length in picture.size], Image.Resampling.LANCZOS
                    ).save(target, optimize=True)
                if target.stat().st_size > LARGEST:
                    Image.open(target).quantize(256, dither=Image.Dither.NONE).save(
                        target, optimize=True
                    )


def comparison(driver: Any, digits: Path, out: Path) -> None:
    """Compare two clusterings of the digits and shoot the page."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.open(digits)
        pipeline.compare([(run, "kmeans-k10"), (run, "dcec-from-n2d")], folder)
        driver.get((Path(folder) / "index.html").as_uri())
        driver.save_screenshot(str(out / "compare.png"))


def scores(runs: list[Path]) -> list[dict[str, Any]]:
    """Return the held-out scores of the clusters that are shown, and of their baselines, so that no
    picture stands without its figure.
    """
    rows = []
    for path in runs:
        run = Run.open(path)
        found = to_json(read_scores(run.clustering()).rows)
        rows += [
            {**row, "seeds": 1, "device": run.fact("device"), "command": COMMAND}
            for row in found
            if row["split"] == "test"
        ]
    return rows


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--digits", type=Path, required=True)
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "gallery")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    driver = browsing.start(arguments.out, (1280, 900))
    try:
        reports(driver, arguments.digits, arguments.cifar, arguments.out)
        viewer(driver, arguments.digits, arguments.out)
        comparison(driver, arguments.digits, arguments.out)
    finally:
        driver.quit()
    figures(arguments.digits, arguments.cifar, arguments.out)
    files.write_json(arguments.out / "results.json", scores([arguments.digits, arguments.cifar]))
    pictures = ROOT / "docs" / "pictures"
    pictures.mkdir(exist_ok=True)
    shutil.copy(arguments.out / "report-digits-cluster.png", pictures / "report-desktop.png")


if __name__ == "__main__":
    main()
