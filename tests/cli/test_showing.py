"""Pages that commands open in the browser."""

import os
import shutil
import time

from helpers.processes import warm_command


def test_a_report_opens_in_the_browser(reported, tmp_path):
    run = shutil.copytree(reported.path, tmp_path / "run")
    opened = tmp_path / "opened"
    browser = tmp_path / "bin" / "xdg-open"
    browser.parent.mkdir()
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new\nmv {opened}.new {opened}\n')
    browser.chmod(0o755)
    path = f"{browser.parent}:{os.environ['PATH']}"
    result = warm_command("report", "--run", run, "--name", "kmeans-k4", "--open", PATH=path)
    assert result.returncode == 0, result.stderr
    page = run / "report" / "index.html"
    assert result.stdout.strip() == str(page)
    assert text_soon_in(opened) == str(page)


def text_soon_in(path):
    """Return the text of a file that another process is about to write."""
    patient_until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < patient_until:
        time.sleep(0.05)
    return path.read_text()
