"""What scripts/audit does: a version that was not looked up counts as a failure."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = "pip-audit --no-deps --disable-pip --format json --progress-spinner off --requirement"
PIN = re.compile(r"([\w.-]+)==([^\s;]+)")
KNOWN, NOT_LOOKED_UP = 1, 2  # exit codes


@dataclass(frozen=True)
class Answer:
    """What the service of vulnerabilities said.

    Attributes
    ----------
    looked_up : set of str
        Names of packages, as `plain` spells them.
    vulnerabilities : list of str
        A line for each.
    """

    looked_up: set[str]
    vulnerabilities: list[str]


def plain(name: str) -> str:
    """Return a package's name as all spell it alike."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(path: Path) -> dict[str, str]:
    """Return name -> version of a file of pins."""
    matches = (PIN.match(line) for line in path.read_text().splitlines())
    return {plain(match[1]): match[2] for match in matches if match}


def ask(path: Path, arguments: list[str]) -> Answer:
    """Ask the service.

    Raises
    ------
    OSError
        If pip-audit cannot be started.
    ValueError, KeyError
        If it gave no answer.
    """
    command = [*COMMAND.split(), str(path), *arguments]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    rows = json.loads(output)["dependencies"]
    answered = [row for row in rows if "vulns" in row]
    lines = []
    for row in answered:
        for known in row["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version"
            lines.append(f"{row['name']} {row['version']}: {known['id']}, fixed in {fixed}")
    return Answer({plain(row["name"]) for row in answered}, lines)


def main(path: Path, arguments: list[str]) -> int:
    """Print what is known of the pins and return the exit code."""
    pins = pins_of(path)
    try:
        answer = ask(path, arguments)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(
            f"not audited, pip-audit did not answer: {type(error).__name__}: {error} "
            "(pip install 'latentlab[faults]'; is there a network?)",
            file=sys.stderr,
        )
        return NOT_LOOKED_UP
    missing = sorted(set(pins) - answer.looked_up)
    for line in answer.vulnerabilities:
        print(line)
    if missing:
        print(f"not looked up: {', '.join(missing)}", file=sys.stderr)
    print(
        f"{len(pins)} pinned packages, {len(pins) - len(missing)} looked up, "
        f"{len(answer.vulnerabilities)} vulnerabilities known"
    )
    if answer.vulnerabilities:
        return KNOWN
    return NOT_LOOKED_UP if missing or not pins else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
