"""Where hardly anything can be written to: containers, file servers, users without a home.

The whole file system is read-only but for the run, for real: in a mount namespace of its own.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from helpers.command_line import error_line
from helpers.files import ROOT
from helpers.processes import words
from helpers.vectors import make_vectors, write_pictures, write_vectors

from latentlab.private_folders import lasting_cache

LOCK = """
set -e
mount --make-rprivate /
mount --bind "$RUNS" "$RUNS"
for place in $WRITABLE; do mount --bind "$place" "$place"; done
for place in / /tmp /var/tmp /dev/shm /run; do
    if mountpoint -q "$place"; then mount -o remount,bind,ro "$place"; fi
done
if touch "$DATA/written" 2> /dev/null; then echo "not locked" >&2; exit 99; fi
cd "$DATA"
exec "$@"
"""


def locked(place, *command, temporary=""):
    """Run a command where only the runs can be written to, and the folder `temporary`, if any.

    What numba has compiled comes from this user's cache then: to compile UMAP anew takes a minute.
    """
    enter = ["unshare", "--mount"]
    if os.geteuid() != 0:
        enter += ["--user", "--map-root-user"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": "/nonexistent",
        "RUNS": str(place / "runs"),
        "DATA": str(place / "data"),
        "WRITABLE": "",
        "OMP_NUM_THREADS": "1",
    }
    if temporary:
        environment |= {"TMPDIR": temporary, "WRITABLE": temporary}
        compiled = lasting_cache("numba")
        if compiled is not None:
            environment["NUMBA_CACHE_DIR"] = str(compiled)
            environment["WRITABLE"] += f" {compiled}"
    return subprocess.run(
        [*enter, "sh", "-c", LOCK, "sh", *map(str, command)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


def can_lock(place):
    if shutil.which("unshare") is None or not hasattr(os, "geteuid"):
        return False
    return locked(place, "true").returncode == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with data that can be read only, and runs that can be written to."""
    folder = tmp_path_factory.mktemp("locked")
    for name in ("data", "runs", "temporary"):
        (folder / name).mkdir()
    if not can_lock(folder):
        pytest.skip("no mount namespaces here")
    return folder


# Runs command lines in one process. What they show is kept in memory: there may be no other place.
DRIVER = """
import json, os, sys
from latentlab.cli import main

for arguments in json.loads(sys.argv[1]):
    shown = {number: os.memfd_create("shown") for number in (1, 2)}
    before = {number: os.dup(number) for number in shown}
    for number, descriptor in shown.items():
        os.dup2(descriptor, number)
    sys.argv, code = ["latentlab", *arguments], None
    try:
        main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush(), sys.stderr.flush()
    texts = []
    for number, descriptor in before.items():
        os.dup2(descriptor, number)
        texts.append(os.pread(shown[number], 1 << 20, 0).decode())
    print(json.dumps([code or 0, *texts]), flush=True)
"""


def in_turn(place, *lines, temporary=""):
    """Return the results of several command lines in one process."""
    commands = json.dumps([words(line, *values) for line, *values in lines])
    done = locked(place, sys.executable, "-c", DRIVER, commands, temporary=temporary)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [subprocess.CompletedProcess(line, *row) for line, row in zip(lines, rows, strict=True)]


def test_the_main_path_works_where_only_the_run_and_temporary_files_are_written(place):
    """Importing, clustering, scoring and the report with its map; then the report without."""
    vectors, groups = make_vectors(24)
    photos = place / "data" / "photos"
    paths = write_pictures(photos, groups)
    file = write_vectors(place / "data" / "vectors.parquet", vectors, id=paths)
    run = place / "runs" / "one"
    results = in_turn(
        place,
        ("import --embeddings {} --data {} --run {}", file, photos, run),
        ("cluster --run {} --k 4", run),
        ("evaluate --run {}", run),
        ("report --run {}", run),
        temporary=str(place / "temporary"),
    )
    for result in results:
        assert result.returncode == 0, result.stderr
        assert "bug" not in result.stderr
    assert (run / "report" / "index.html").exists()
    assert list((place / "temporary").iterdir()) == []


def test_without_any_temporary_file_one_line_says_so(place):
    """Keras imports matplotlib, which does not start without a folder that can be written to."""
    vectors, _ = make_vectors(24, seed=1)
    file = write_vectors(place / "data" / "others.parquet", vectors, id=[*map(str, range(24))])
    (result,) = in_turn(place, ("import --embeddings {} --run {}", file, place / "runs" / "two"))
    assert "TMPDIR" in error_line(result, 4)
    assert "bug" not in result.stderr
