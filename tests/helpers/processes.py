"""Command lines and Python code in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.files import ROOT


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


SEVERAL = """
import json, os, sys, tempfile
from latentlab.cli import main

for arguments in json.loads(sys.argv[1]):
    kept = {number: os.dup(number) for number in (1, 2)}
    files = {number: tempfile.TemporaryFile("w+") for number in kept}
    for number, file in files.items():
        os.dup2(file.fileno(), number)
    sys.argv, code = ["latentlab", *arguments], None
    try:
        main()
    except SystemExit as error:
        code = error.code
    sys.stdout.flush(), sys.stderr.flush()
    for number, descriptor in kept.items():
        os.dup2(descriptor, number)
        files[number].seek(0)
    print(json.dumps([code, files[1].read(), files[2].read()]), flush=True)
"""


def latentlab_in_turn(*commands: tuple) -> list[subprocess.CompletedProcess]:
    """Run several command lines one after the other in one process.

    The process imports the heavy packages only once. What each command writes to the descriptors
    1 and 2 is kept apart, so that noise of native code is seen here too.
    """
    arguments = [[str(argument) for argument in command] for command in commands]
    done = python("-c", SEVERAL, json.dumps(arguments))
    assert done.returncode == 0, done.stderr
    results = map(json.loads, done.stdout.splitlines())
    return [
        subprocess.CompletedProcess(given, *result)
        for given, result in zip(arguments, results, strict=True)
    ]


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
