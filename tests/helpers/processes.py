"""Command lines and Python code in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.files import ROOT
from helpers.warm_process import run_warm


def words(line: str, *values: object) -> list[str]:
    """Return the words of a command line; each `{}` stands for the next of the values.

    Values may hold spaces: `words("report --run {}", path)`.
    """
    following = iter(values)
    return [str(next(following)) if word == "{}" else word for word in line.split()]


def latentlab_command(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    """Run the command line in a process of its own, as a user does."""
    return python("-m", "latentlab", *map(str, arguments), cwd=cwd, env=environment)


def warm_command(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    """Run the command line in a fork of a process that has imported the large packages.

    For what is not about the start of a process, nor about flags that are read there, such as
    --backend.
    """
    (result,) = run_warm([[*map(str, arguments)]], cwd, environment)
    return result


def latentlab_in_turn(*commands: tuple) -> list[subprocess.CompletedProcess]:
    """Run several command lines one after the other in one warm process.

    What each command writes to the descriptors 1 and 2 is kept apart, so that noise of native code
    is seen here too.
    """
    return run_warm([[*map(str, command)] for command in commands])


def python(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Run Python in a process of its own that finds this latentlab."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path} | (env or {})
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=300,
    )
