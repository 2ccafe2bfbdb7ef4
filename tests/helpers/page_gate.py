"""A gate that looks: what a reader of a page, a figure or a terminal would trip over."""

import base64
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.browsing import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pypdf import PdfReader

PROBE = Path(__file__).with_name("page_gate.js")
PHONE = (390, 844)
PAPER = (718, 1000)  # pixels of A4 within its margins
SLACK = 1.0  # pixels of a figure that rounding explains
OVERLAP = 0.05  # of the smaller text of a figure
NUMBER = re.compile(r"\d+(?:[.,]\d+)*%?")


# Pages


def faults(page: Page, on_paper: bool = False) -> list[str]:
    """Return what is cut, covered, off the page, empty or faint, and the console's errors."""
    settle(page)
    seen = page.run(PROBE.read_text(encoding="utf-8"), {"print": on_paper})
    return [f"{kind}: {text!r} in {where}" for kind, text, where in seen] + page.errors()


def settle(page: Page) -> None:
    """Wait until the pictures in sight are drawn."""
    page.driver.execute_async_script(
        """const done = arguments[0];
        const twice = then => requestAnimationFrame(() => requestAnimationFrame(then));
        const waits = () => [...document.images].some(one => !one.complete);
        const rest = () => setTimeout(() => twice(done), 60);
        let turns = 0;
        const look = () => waits() && turns++ < 200 ? setTimeout(look, 10) : twice(rest);
        look();"""
    )


def violations(page: Page) -> list[str]:
    """Return what axe complains of: rule, and where."""
    if not page.run("return Boolean(window.axe)"):
        page.run(axe_source() + ";window.axe = axe")
    return page.driver.execute_async_script(
        """const done = arguments[0];
        axe.run(document, {resultTypes: ["violations"]}).then(
            found => done(found.violations.flatMap(rule => rule.nodes.map(
                node => [rule.id, node.target.join(" "), node.failureSummary].join(": ")))),
            error => done([String(error)]));"""
    )


def axe_source() -> str:
    """Return axe-core: that of `LATENTLAB_AXE`, or that of an installed package."""
    path = os.environ.get("LATENTLAB_AXE")
    if path:
        return Path(path).read_text(encoding="utf-8")
    files = metadata.files("selenium-axe-python") or []
    found = next(file for file in files if file.name == "axe.min.js")
    return found.read_text(encoding="utf-8")


def use(page: Page, scheme: str = "light", medium: str = "") -> None:
    """Show a page light or dark, on a screen or as it is printed."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": medium, "features": features}
    )


def resize(page: Page, width: int, height: int, mobile: bool = False) -> None:
    """Give the window a size in CSS pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def lay_on_paper(page: Page) -> None:
    """Show the page as it is printed, as one sheet as long as it needs."""
    use(page, medium="print")
    page.run("dispatchEvent(new Event('beforeprint'))")
    resize(page, *PAPER)
    resize(page, PAPER[0], page.run("return document.documentElement.scrollHeight"))


def printed(page: Page) -> "PdfReader":
    """Return the page as Chromium prints it on A4."""
    from pypdf import PdfReader

    options = {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
    answer = page.driver.execute_cdp_cmd("Page.printToPDF", options)
    return PdfReader(io.BytesIO(base64.b64decode(answer["data"])))


def keep_screenshot(page: Page, folder: Path, name: str) -> None:
    """Keep a picture of the window, for people who look."""
    page.driver.save_screenshot(str(folder / f"{name}.png"))


# Figures


def figure_faults(figure: "Figure") -> list[str]:
    """Return the texts of a figure that lie off it or over each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    boxes = list(_text_boxes(figure, canvas.get_renderer()))
    found = []
    for text, box in boxes:
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK:
            found.append(f"off the figure: {text.get_text()!r}")
    for place, (text, box) in enumerate(boxes):
        for other, other_box in boxes[place + 1 :]:
            is_halo = text.get_text() == other.get_text() and box.bounds == other_box.bounds
            if not is_halo and _lie_over_each_other(*_turned(text, box, other, other_box)):
                found.append(f"overlap: {text.get_text()!r} | {other.get_text()!r}")
    return found


def _turned(text: Any, box: Any, other: Any, other_box: Any) -> tuple[Any, Any]:
    """Return the boxes of two texts, turned so that equally slanted ones lie level."""
    angle = text.get_rotation()
    if angle % 90 == 0 or angle != other.get_rotation() or not box.overlaps(other_box):
        return box, other_box
    return _level(text, box, angle), _level(other, other_box, angle)


def _level(text: Any, box: Any, angle: float) -> Any:
    from matplotlib.transforms import Affine2D, Bbox

    text.set_rotation(0)
    flat = text.get_window_extent()
    text.set_rotation(angle)
    x, y = Affine2D().rotate_deg(-angle).transform([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    return Bbox.from_bounds(x - flat.width / 2, y - flat.height / 2, flat.width, flat.height)


def _text_boxes(figure: "Figure", renderer: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the texts that are drawn, with their extents in pixels."""
    from matplotlib.text import Text

    hidden = set(_undrawn_ticks(figure))
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and text not in hidden:
            yield text, text.get_window_extent(renderer)


def _undrawn_ticks(figure: "Figure") -> Iterator[Any]:
    """Yield the labels of ticks that lie outside what an axis shows."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            drawn = axis._update_ticks() if axes.axison else []
            for tick in {*axis.get_major_ticks(), *axis.get_minor_ticks()} - set(drawn):
                yield from (tick.label1, tick.label2)


def _lie_over_each_other(box: Any, other: Any) -> bool:
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    if width <= SLACK or height <= SLACK:
        return False
    smaller = min(box.width * box.height, other.width * other.height)
    return width * height > OVERLAP * smaller


# Texts in a terminal


def line_faults(text: str, wide: str, columns: int = 80) -> list[str]:
    """Return the lines that are too long, and the numbers that are broken.

    `wide` is the same text in a terminal with room for every line.
    """
    found = [f"{len(line)} columns: {line!r}" for line in text.splitlines() if len(line) > columns]
    missing = Counter(NUMBER.findall(wide)) - Counter(NUMBER.findall(text))
    return found + [f"broken number: {number}" for number in missing]
