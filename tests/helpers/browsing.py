"""A headless Chromium that reaches only files and this machine, and a page of ours in it."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-unsafe-swiftshader",
        "--disable-quic",
        "--no-first-run",
    ),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def start(downloads: Path, size: tuple[int, int] = (1280, 800)) -> Any:
    """Return a driver of Chromium.

    The test skips where there is none, and fails where CI promises one.
    """
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        message = (
            "there is no Chromium with its driver"
            " (Debian: apt-get install chromium chromium-driver)"
        )
        if os.environ.get("LATENTLAB_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    os.environ["SE_AVOID_STATS"] = "true"  # Selenium asks nobody anything
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


class Page:
    """One open page of a report or of the viewer."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        driver.get_log("browser"), driver.get_log("performance")
        driver.get(address)
        driver.set_script_timeout(60)
        # The address of the viewer leads on to the page.
        self.wait("document.readyState === 'complete' && Boolean(window.latentlab)")
        driver.execute_async_script(
            "window.latentlab.ready.then(arguments[0], error => arguments[0](String(error)))"
        )

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a piece of JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """Return the first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """Return the text of all elements of a CSS selector."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)",
            selector,
        )

    def wait(self, condition: str, *arguments: Any) -> Any:
        """Return what a JavaScript expression gives as soon as that is true."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, 20).until(
            lambda _: self.run(f"return {condition}", *arguments)
        )

    def pixel(self, row: int) -> tuple[int, int]:
        """Return where the point of an image is in the window."""
        self.run("document.getElementById('map').scrollIntoView({block: 'center'})")
        x, y = self.run("return latentlab.pixelOf(arguments[0])", row)
        return round(x), round(y)

    def mouse(self) -> Any:
        """Return new actions of a mouse that moves at once."""
        from selenium.webdriver import ActionChains

        return ActionChains(self.driver, duration=20)

    def hover(self, row: int) -> None:
        """Point at an image's point."""
        actions = self.mouse()
        x, y = self.pixel(row)
        for step in (6, 1, 0):
            actions.w3c_actions.pointer_action.move_to_location(x + step, y + step)
        actions.perform()

    def lasso(self, corners: list[tuple[int, int]]) -> None:
        """Drag around the corners, in pixels of the window."""
        actions = self.mouse()
        pointer = actions.w3c_actions.pointer_action
        pointer.move_to_location(*corners[0])
        pointer.pointer_down()
        for x, y in [*corners[1:], corners[0]]:
            pointer.move_to_location(x, y)
        pointer.pointer_up()
        actions.perform()

    def errors(self) -> list[str]:
        """Return what the console complains of."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE"
        ]

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for."""
        import json

        told = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        return [
            one["params"]["request"]["url"]
            for one in told
            if one["method"] == "Network.requestWillBeSent"
        ]
