"""Signals end a command in one line, and the run resumes."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.command_line import error_line
from helpers.files import ROOT
from helpers.processes import words
from helpers.runs import make_stripes


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_with_their_code_and_the_run_resumes(tmp_path, number, code):
    images = tmp_path / "images.npy"
    np.save(images, make_stripes(400)[0])
    line = (
        "{} -m latentlab fit --epochs 400 --batch-size 20 --patience 0"
        " --set width=4 --set code_channels=4 --data {} --run {}"
    )
    # A shell starts background jobs, this test's too, deaf to Ctrl-C.
    process = subprocess.Popen(
        words(line, sys.executable, images, tmp_path / "run"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("checkpoints/epoch-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "resumes" in stderr
    assert not list((tmp_path / "run").rglob(".tmp-*"))


def test_interrupt_is_how_a_viewer_ends_and_no_error(reported):
    process = subprocess.Popen(
        words("{} -m latentlab view {} --sample 100", sys.executable, reported.path),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "Ctrl-C ends it" in process.stdout.readline() + process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert "error" not in stderr


def run_of(body):
    """Run the command line with `body`, lines of Python, in the place of `latentlab runs`."""
    lines = [
        "import os, signal, sys, time",
        "from latentlab import backend, cli, progress\nfrom latentlab.storage import run",
        "def find_runs(folder):",
        *(f"    {line}" for line in body),
        "run.find_runs = find_runs",
        "sys.argv = ['latentlab', 'runs']",
        "cli.main()",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )


TERMINATED = "error: terminated. Repeating the same command resumes."


@pytest.mark.parametrize(("seconds", "reached"), [(0.2, "begun finished"), (30, "begun")])
def test_a_signal_lets_a_quick_unit_of_work_finish(seconds, reached):
    done = run_of(
        [
            "with progress.track('work', 3) as bar:",
            "    bar.update(1)",
            "    print('begun', flush=True)",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            f"    time.sleep({seconds})",
            "    print('finished', flush=True)",
            "    bar.update(2)",
            "    print('went on', flush=True)",
        ]
    )
    assert error_line(done, 143) == TERMINATED
    assert done.stdout.split() == reached.split()


def test_a_signal_is_told_while_stderr_is_hidden():
    done = run_of(
        [
            "with backend.native_stderr_hidden():",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            "    signal.pause()",
        ]
    )
    assert error_line(done, 143) == TERMINATED


def test_a_closed_stderr_is_no_error():
    command = [sys.executable, "-m", "latentlab", "sources"]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: os.close(2),
        timeout=60,
    )
    assert done.returncode == 0
    assert "cifar10" in done.stdout


@pytest.mark.parametrize(
    "instead",
    [
        "raise SystemError('bad argument to internal function') from None",
        "return []",
        "signal.pause()",
    ],
)
def test_a_signal_whose_exception_gets_lost_is_still_a_signal(instead):
    """C code may turn the handler's exception into a SystemError, and a callback may ignore it."""
    done = run_of(
        [
            "try:",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            "    signal.pause()",
            "except SystemExit:",
            f"    {instead}",
        ]
    )
    assert error_line(done, 143) == TERMINATED
    assert "bug" not in done.stderr
