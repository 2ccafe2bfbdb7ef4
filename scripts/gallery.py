#!/usr/bin/env python3
r"""Make reports/gallery, docs/pictures and docs/example: what reports, viewer, comparison, widget
and figures look like, from three real runs, and a report to open without installing anything.

usage: scripts/gallery.py --digits RUN --photos RUN --cifar RUN [--out reports/gallery]

DIGITS is the run that scripts/quickstart makes; the others are those of these commands, of which
PHOTOS is any folder of photos:
    latentlab cluster --data PHOTOS --k 3 --run PHOTO_RUN
    latentlab cluster --encoder cifar10-strong --k 10 --recipe strong --run CIFAR
    latentlab report --run PHOTO_RUN; latentlab report --run CIFAR
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
from helpers import browsing, widget_page
from PIL import Image

from latentlab import RunView, pipeline
from latentlab.scoring.evaluate import align, read_labels
from latentlab.scoring.scores import read_scores
from latentlab.storage import files
from latentlab.storage.json_form import to_json
from latentlab.storage.run import Run

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "scripts/gallery.py --digits RUN --photos RUN --cifar RUN"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
LARGEST = 460_000  # bytes of a picture
LARGEST_EXAMPLE = 2_000_000  # bytes of the report in docs/example
WEBP_QUALITY = 84  # of screens with photos


def shoot(page: browsing.Page, target: Path, script: str = "") -> None:
    """Run a script in the page and keep what the window shows: as WebP, or as PNG of at most 256
    colours where it is large.
    """
    page.run(script)
    page.driver.execute_async_script("setTimeout(arguments[0], 1200)")
    target.parent.mkdir(parents=True, exist_ok=True)
    shot = target.with_suffix(".png")
    page.driver.save_screenshot(str(shot))
    if target.suffix == ".webp":
        Image.open(shot).convert("RGB").save(target, quality=WEBP_QUALITY, method=6)
        shot.unlink()
    elif shot.stat().st_size > LARGEST:
        small = Image.open(shot).convert("RGB")
        small.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(shot, optimize=True)


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


def photo_report(driver: Any, photos: Path, out: Path) -> None:
    """Shoot the report on photos: as it opens, a cluster, a picture in full, and those like it."""
    page = browsing.Page(driver, address(photos))
    shoot(page, out / "photos-first-screen.webp", theme("light"))
    zoom = "latentlab.map.showRows(latentlab.store.rowsOf('cluster', 1));"
    shoot(page, out / "photos-cluster.webp", f"latentlab.go.cluster(1); {zoom}")
    shoot(page, out / "photos-picture.webp", "latentlab.go.image(latentlab.store.rows[4])")
    alike = "latentlab.go.alike(latentlab.store.rows[4]);"
    shoot(page, out / "photos-like-this-dark.webp", f"{alike} {theme('dark')}")
    page.run(theme("auto"))


def digit_report(driver: Any, digits: Path, out: Path) -> None:
    """Shoot the report on digits: a cluster, order by confidence, and a phone."""
    page = browsing.Page(driver, address(digits))
    shoot(page, out / "report-digits-cluster.png", theme("light") + "latentlab.go.cluster(1)")
    least_sure = (
        "const order = document.getElementById('sort'); order.value = 'confidence';"
        " order.onchange();"
    )
    all_of_them = f"latentlab.go.scope({{kind: 'all'}}); {least_sure}"
    shoot(page, out / "report-digits-least-sure.png", all_of_them + colour("confidence"))
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page = browsing.Page(driver, address(digits))
    shoot(page, out / "report-phone.png", "latentlab.go.cluster(3);")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def cifar_report(driver: Any, cifar: Path, out: Path) -> None:
    """Shoot the report on 60,000 images: as it opens, and coloured by label."""
    page = browsing.Page(driver, address(cifar))
    shoot(page, out / "report-cifar10.webp", theme("light"))
    shoot(page, out / "report-cifar10-labels.webp", colour("label") + "latentlab.go.cluster(0);")


def widget(driver: Any, photos: Path, out: Path) -> None:
    """Shoot the widget of a notebook with the images of two clusters' border."""
    with tempfile.TemporaryDirectory() as folder:
        shown = RunView(photos).widget(height=560)
        with widget_page.served(shown, Path(folder)) as where:
            page = browsing.Page(driver, where)
            page.run("ends[1](); ends[2]();")
            least = "latentlab.store.groups.margin ?? latentlab.store.groups.confidence"
            page.run(
                f"""const {{latentlab}} = views[0], {{values}} = {least};
                const rows = [...values.keys()].sort((a, b) => values[a] - values[b]);
                models[0].fromPython("_rows", rows.slice(0, 24).sort((a, b) => a - b));"""
            )
            shoot(page, out / "widget.webp")


def example(digits: Path) -> None:
    """Keep the report on digits, to be opened without installing anything."""
    target = ROOT / "docs" / "example" / "digits-report.html"
    target.parent.mkdir(exist_ok=True)
    shutil.copy(digits / "report" / "index.html", target)
    assert target.stat().st_size < LARGEST_EXAMPLE


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
        page = browsing.Page(driver, (Path(folder) / "index.html").as_uri())
        shoot(page, out / "compare.png")


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
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "gallery")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    driver = browsing.start(arguments.out, (1400, 940))
    try:
        photo_report(driver, arguments.photos, arguments.out)
        digit_report(driver, arguments.digits, arguments.out)
        cifar_report(driver, arguments.cifar, arguments.out)
        widget(driver, arguments.photos, arguments.out)
        viewer(driver, arguments.digits, arguments.out)
        comparison(driver, arguments.digits, arguments.out)
    finally:
        driver.quit()
    figures(arguments.digits, arguments.cifar, arguments.out)
    files.write_json(arguments.out / "results.json", scores([arguments.digits, arguments.cifar]))
    example(arguments.digits)
    pictures = ROOT / "docs" / "pictures"
    pictures.mkdir(exist_ok=True)
    shutil.copy(arguments.out / "report-digits-cluster.png", pictures / "report-desktop.png")


if __name__ == "__main__":
    main()
