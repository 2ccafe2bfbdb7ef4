"""List the licences of what is pinned and of what is shipped with the package.

    python scripts/licences.py           write requirements/licences.md

Run it where the pinned versions are installed: scripts/lock names what is pinned, and the packages
themselves say under which licence they stand. What is not installed, or in another version, is
listed as such, and the exit code is 1.
"""

import re
import sys
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "requirements" / "licences.md"
LOCKS = {"package": "latentlab", "dev": "tests and extras", "faults": "scripts/audit and the like"}
PIN = re.compile(r"([\w.-]+)==([^\s;]+)")
UNKNOWN = "not installed here"
SAYS_NOTHING = ("OSI Approved", "Other/Proprietary License")  # Poetry writes the second of MPL
LONGEST = 60  # characters; a longer text is the licence itself, not its name
SHIPPED = """
| shipped | licence |
| --- | --- |
| all code, templates and scripts of this repository | MIT, LICENSE |
| `latentlab/weights/`, encoders trained here | MIT; trained on CIFAR-10, which states none |

No other program or font is part of the package; what pip installs beside it is listed below.
"""


@dataclass(frozen=True)
class Pinned:
    """A pinned package.

    Attributes
    ----------
    name, version : str
        As pinned.
    needed_by : str
        What needs it first: the package itself, its tests, or tools.
    licence : str
        As the package names it.
    """

    name: str
    version: str
    needed_by: str
    licence: str


def pinned_packages() -> list[Pinned]:
    """Return all pinned packages by name."""
    packages: dict[str, Pinned] = {}
    for lock, needed_by in LOCKS.items():
        for line in (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines():
            match = PIN.match(line)
            if match and match[1] not in packages:
                name, version = match.groups()
                packages[name] = Pinned(name, version, needed_by, licence_of(name, version))
    return [packages[name] for name in sorted(packages)]


def licence_of(name: str, version: str) -> str:
    """Return the licence that an installed package names."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return UNKNOWN
    if package.version != version:
        return UNKNOWN
    fields: Message = package.metadata  # type: ignore[assignment]
    named = fields.get("License-Expression") or _by_classifier(fields) or _by_field(fields)
    return named or _first_line(package.files or [])


def _by_classifier(fields: Message) -> str:
    """Return the licences among the classifiers, which are more exact than the free text."""
    classifiers = fields.get_all("Classifier") or []
    licences = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License")]
    return ", ".join(name for name in licences if name not in SAYS_NOTHING)


def _by_field(fields: Message) -> str:
    text = str(fields.get("License") or "").strip()
    is_name = text and len(text) <= LONGEST and text != "UNKNOWN"
    return text if is_name else ""


def _first_line(files: list) -> str:
    """Return the first line, but for the copyright, of the licence that comes with a package."""
    for path in files:
        if path.name.lower().startswith(("license", "licence", "copying")):
            lines = (
                line.strip(" #=*") for line in path.locate().read_text(errors="replace").split("\n")
            )
            return next(line for line in lines if line and not line.startswith("Copyright"))
    return "names none"


def page(packages: list[Pinned]) -> str:
    """Return the list in Markdown."""
    lines = ["# Licences", "", "Made by `python scripts/licences.py`.", SHIPPED]
    lines += ["| package | version | needed by | licence |", "| --- | --- | --- | --- |"]
    for pin in packages:
        lines.append(f"| {pin.name} | {pin.version} | {pin.needed_by} | {pin.licence} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the list and say what is missing."""
    packages = pinned_packages()
    missing = [pin.name for pin in packages if pin.licence == UNKNOWN]
    OUT.write_text(page(packages))
    print(f"{OUT.relative_to(ROOT)}: {len(packages)} packages")
    if missing:
        print(f"not installed here in the pinned version: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
