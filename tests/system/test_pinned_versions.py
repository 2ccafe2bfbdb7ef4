"""Pins and their checksums agree; the audit fails where it could not look."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from helpers.files import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
LOCKS = ("package", "dev", "faults")


def lock_of(name: str) -> dict[str, tuple[Requirement, set[str]]]:
    """Return package -> pin and checksums of a file in requirements/."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    entries = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            words, *hashes = re.split(r"\s+(?=--hash)", line)
            pin = Requirement(words)
            assert all(HASH.fullmatch(entry.strip()) for entry in hashes), pin
            entries[canonicalize_name(pin.name)] = (pin, {entry.strip() for entry in hashes})
    return entries


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier) for pin in pins}


def test_every_pin_has_checksums_and_every_checksum_a_pin():
    locked = {}
    for name in LOCKS:
        for package, (pin, hashes) in lock_of(name).items():
            assert hashes, package
            assert locked.setdefault(package, (str(pin.specifier), hashes)) == (
                str(pin.specifier),
                hashes,
            )
    assert {package: version for package, (version, _) in locked.items()} == constraints()


@pytest.mark.parametrize(("name", "extra"), [("package", ""), ("dev", "dev"), ("faults", "faults")])
def test_the_pins_fit_the_ranges_of_the_package(name, extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = project["optional-dependencies"][extra] if extra else []
    pins = lock_of(name)
    for line in (*project["dependencies"], *more):
        wanted = Requirement(line)
        (version,) = pins[canonicalize_name(wanted.name)][0].specifier
        assert wanted.specifier.contains(version.version), line


def test_the_build_backend_is_among_the_checked_files():
    """The package itself is built without an index: its backend has to be there."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pins = lock_of("package")
    for wanted in map(Requirement, build):
        (version,) = pins[canonicalize_name(wanted.name)][0].specifier
        assert wanted.specifier.contains(version.version)


def test_the_list_of_licences_has_every_pin():
    """scripts/licences.py makes it, where all pins are installed."""
    rows = {}
    for line in (ROOT / "requirements" / "licences.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4:
            rows[cells[0]] = cells[1:]
    for name, version in constraints().items():
        assert rows[name][0] == version.removeprefix("==")
        assert rows[name][2] not in ("", "not installed here", "names none")


def answer(*names: str, fault: str = "") -> str:
    rows: list[dict[str, object]] = [
        {"name": name, "version": "1", "vulns": []} for name in (names or constraints())
    ]
    if fault:
        rows[0]["vulns"] = [{"id": fault, "fix_versions": ["2"]}]
    return json.dumps({"dependencies": rows})


def audit(folder, output: str | None) -> subprocess.CompletedProcess:
    """Run scripts/audit where pip-audit gives this output; None: it is not installed."""
    (folder / "python3").symlink_to(sys.executable)
    if output is not None:
        (folder / "answer").write_text(output)
        program = folder / "pip-audit"
        program.write_text(f'#!/bin/sh\ncat "{folder}/answer"\n')
        program.chmod(0o755)
    system = "/usr/bin:/bin"
    command = [str(ROOT / "scripts" / "audit")]
    environment = os.environ | {"PATH": f"{folder}:{system}"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (None, "pip-audit"),
        ("", "did not answer"),
        ("{}", "did not answer"),
        ('{"dependencies": []}', "not looked up: absl-py, "),
        (answer("absl-py"), "not looked up: accessible-pygments, "),
        (
            '{"dependencies": [{"name": "absl-py", "skip_reason": "not found"}]}',
            "not looked up: absl-py, ",
        ),
    ],
)
def test_the_audit_fails_where_it_could_not_look(tmp_path, output, reason):
    done = audit(tmp_path, output)
    assert done.returncode == 2, done.stdout
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_the_audit_passes_when_all_were_looked_up(tmp_path):
    done = audit(tmp_path, answer())
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("looked up, 0 vulnerabilities known\n")


def test_the_audit_names_what_is_known(tmp_path):
    done = audit(tmp_path, answer(fault="CVE-2026-1"))
    assert done.returncode == 1
    assert "absl-py 1: CVE-2026-1, fixed in 2" in done.stdout
