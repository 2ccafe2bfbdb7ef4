"""A process that has imported the large packages, and runs each command in a fork of itself.

Python and TensorFlow take four seconds to start, and UMAP as many; a command of a test takes less.
A fork has them at once, and shares nothing else with the commands before it. TensorFlow itself
starts in the fork: it does not survive forking once it runs.

Run as a program it reads requests, a JSON object a line, and answers each with its results.
"""

import atexit
import functools
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, NoReturn

from helpers.files import ROOT

TIME_LIMIT = 400  # seconds that the commands of a request may take, on a crowded machine too
STARTED_WITH = frozenset(os.environ)
# TensorFlow reads these while it is imported, as latentlab sets them before.
FOR_TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}


def run_warm(
    commands: list[list[str]], cwd: Path | None = None, environment: dict[str, str] | None = None
) -> list[subprocess.CompletedProcess]:
    """Run command lines one after the other in one fork of the warm process.

    What each writes to the descriptors 1 and 2 is kept apart, so that noise of native code is seen
    here too.
    """
    answer = _ask(
        commands=commands, cwd=str(cwd or Path.cwd()), environment=os.environ | (environment or {})
    )
    assert answer["status"] == 0, answer
    return [
        subprocess.CompletedProcess(given, *result)
        for given, result in zip(commands, answer["results"], strict=True)
    ]


def run_killed(command: list[str], is_time: Callable[[], bool]) -> None:
    """Start a command line in a fork of the warm process, and kill it once it is time."""
    request = {"commands": [command], "cwd": str(Path.cwd()), "environment": dict(os.environ)}
    pid = _ask(**request, is_awaited=False)["pid"]
    deadline = time.monotonic() + TIME_LIMIT
    while not is_time() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    status = _ask(awaited=pid)["status"]
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def _ask(**request: object) -> dict:
    """Send a request to the warm process and return its answer."""
    server = _server()
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


@functools.cache
def _server() -> subprocess.Popen:
    """Start the warm process; it ends with this one, whose end closes its standard input."""
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | FOR_TENSORFLOW | {"PYTHONPATH": path},
    )
    atexit.register(server.communicate)
    return server


def serve() -> None:
    """Answer requests until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _import_large_packages()
    for line in sys.stdin:
        answers.write(json.dumps(_answer_to(json.loads(line))) + "\n")
        answers.flush()


def _answer_to(request: dict) -> dict:
    """Return what a request is answered: results, the process that runs, or how it ended."""
    if "awaited" in request:
        return {"status": os.waitpid(request["awaited"], 0)[1]}
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as results:
        child = os.fork()
        if not child:
            _answer(request, results.name)
        if not request.get("is_awaited", True):
            return {"pid": child}
        _, status = os.waitpid(child, 0)
        return {"status": status, "results": json.loads(results.read() or "[]")}


def _import_large_packages() -> None:
    """Import what takes time, but not the command line: its options follow from plugins."""
    from latentlab import backend, pipeline  # noqa: F401
    from latentlab.backend.umap_import import import_umap

    with backend.native_stderr_hidden():
        import keras  # noqa: F401
    import_umap()


def _answer(request: dict, results: str) -> NoReturn:
    """Run the commands in this process and end it."""
    from latentlab import backend

    signal.alarm(TIME_LIMIT)
    _take_surroundings(request["cwd"], request["environment"])
    with backend.native_stderr_hidden():
        backend.start()
    done = [_result_of(arguments) for arguments in request["commands"]]
    Path(results).write_text(json.dumps(done), encoding="utf-8")
    os._exit(0)


def _take_surroundings(cwd: str, environment: dict[str, str]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(cwd)
    for name in STARTED_WITH - environment.keys():
        os.environ.pop(name, None)
    os.environ.update(environment)


def _result_of(arguments: list[str]) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of one command line."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        shown = os.dup(1), os.dup(2)
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        code = _exit_code(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in zip((1, 2), shown, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return code, _text_of(output), _text_of(errors)


def _exit_code(arguments: list[str]) -> int:
    sys.argv = ["latentlab", *arguments]
    try:
        runpy.run_module("latentlab", run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    return 0


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    serve()
