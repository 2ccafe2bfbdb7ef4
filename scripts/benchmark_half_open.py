#!/usr/bin/env python3
"""How the viewer bears many half-open connections: what others wait, when idle ones are dropped.

    python scripts/benchmark_half_open.py --work DIR [--connections 1000] [--out FILE]

A viewer of a small run is started in a process of its own. Connections are opened to it, each of
which sends nothing, a part of a request, or a byte every two seconds. Meanwhile a browser asks,
over new connections and over one that is kept; then the viewer has to drop every half-open one.
Exit code 1 where an answer or the dropping takes too long.
"""

import argparse
import contextlib
import dataclasses
import http.client
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUESTS = 200
ANSWER_LIMIT = 0.1  # seconds
DROP_LIMIT = 30.0
KINDS = {
    "nothing": b"",
    "part": b"GET / HTTP/1.1\r\nHost: 127.0.0.1",
    "trickle": b"G",
    "longer part": b"POST /edit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n",
}


@dataclass(frozen=True)
class Door:
    """Where the viewer listens, and what opens it."""

    port: int
    path: str
    cookie: str


@contextlib.contextmanager
def viewing(work: Path) -> Iterator[tuple[Door, int]]:
    """Serve a small run in a process of its own; give its door and process id."""
    command = [sys.executable, str(HERE / "_viewed_run.py"), str(work / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address, path, cookie = process.stdout.readline().split()
        yield Door(int(address.split(":")[2].split("/")[0]), path, cookie), process.pid
    finally:
        process.kill()
        process.wait()


def ask(door: Door, connection: http.client.HTTPConnection, path: str) -> float:
    """Return the seconds until an answer is there."""
    began = time.perf_counter()
    connection.request("GET", door.path + path, headers={"Cookie": door.cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}")
    return time.perf_counter() - began


def connect(door: Door) -> http.client.HTTPConnection:
    """Return a connection of a browser."""
    return http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)


def wait_times(door: Door) -> list[float]:
    """Return the seconds that requests take, over new connections and a kept one."""
    times = []
    with contextlib.closing(connect(door)) as kept:
        for number in range(REQUESTS):
            path = ("state", "image/1")[number % 2]
            times.append(ask(door, kept, path))
            with contextlib.closing(connect(door)) as fresh:
                times.append(ask(door, fresh, path))
    return times


class HalfOpen:
    """Connections that never send a whole request; a thread notes when each is dropped."""

    def __init__(self, door: Door, count: int) -> None:
        self.opened: dict[socket.socket, float] = {}
        self.lives: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._trickling: list[socket.socket] = []
        for number in range(count):
            kind = list(KINDS)[number % len(KINDS)]
            browser = socket.create_connection(("127.0.0.1", door.port), timeout=10)
            with contextlib.suppress(OSError):
                browser.sendall(KINDS[kind])
            self.opened[browser] = time.perf_counter()
            self._selector.register(browser, selectors.EVENT_READ)
            if kind == "trickle":
                self._trickling.append(browser)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until all are dropped, or for some seconds."""
        self._thread.join(seconds)

    def _watch(self) -> None:
        next_byte = time.perf_counter() + 2
        while self.opened:
            for key, _ in self._selector.select(timeout=0.2):
                if isinstance(key.fileobj, socket.socket):
                    self._look(key.fileobj)
            if time.perf_counter() > next_byte:
                next_byte += 2
                for browser in self._trickling:
                    with contextlib.suppress(OSError):
                        browser.send(b"a")

    def _look(self, browser: socket.socket) -> None:
        """Read what came; note the end."""
        try:
            is_over = not browser.recv(65536)
        except OSError:
            is_over = True
        if is_over:
            self.lives.append(time.perf_counter() - self.opened.pop(browser))
            self._selector.unregister(browser)
            browser.close()


def status(pid: int, name: str) -> str:
    """Return a line of /proc/PID/status; "" where there is none."""
    path = Path(f"/proc/{pid}/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith(name)), "")


@dataclass(frozen=True)
class Figures:
    """What was measured; times in seconds.

    Attributes
    ----------
    connections, cores, requests : int
        Half-open connections, cores of the machine, requests beside them.
    load : float
        Load of the machine.
    median_before, longest_before : float
        Time of an answer without half-open connections.
    median, longest : float
        Time of an answer beside them; the first is asked for while they arrive.
    left : int
        Half-open connections that were still open after the requests.
    threads, memory_before, memory : str
        Threads of the viewer, and its memory without and beside them.
    never_dropped : int
        Half-open connections that outlived all patience.
    longest_life : float
        Time until the last was dropped.
    """

    connections: int
    cores: int
    load: float
    requests: int
    median_before: float
    longest_before: float
    median: float
    longest: float
    left: int
    threads: str
    memory_before: str
    memory: str
    never_dropped: int
    longest_life: float

    @property
    def are_as_promised(self) -> bool:
        """Whether others were answered, and the idle dropped, in time."""
        is_dropped = self.never_dropped == 0 and self.longest_life <= DROP_LIMIT
        return is_dropped and self.longest <= ANSWER_LIMIT


def measure(work: Path, count: int) -> Figures:
    """Return what was measured."""
    with viewing(work) as (door, pid):
        before = wait_times(door)
        memory_before = status(pid, "VmRSS")
        half_open = HalfOpen(door, count)
        during = wait_times(door)
        left, threads, memory = len(half_open.opened), status(pid, "Threads"), status(pid, "VmRSS")
        half_open.wait(DROP_LIMIT + 10)
        with contextlib.closing(connect(door)) as afterwards:
            ask(door, afterwards, "state")
    return Figures(
        connections=count,
        cores=os.cpu_count() or 0,
        load=round(os.getloadavg()[0], 1),
        requests=len(during),
        median_before=round(statistics.median(before), 4),
        longest_before=round(max(before), 4),
        median=round(statistics.median(during), 4),
        longest=round(max(during), 4),
        left=left,
        threads=threads,
        memory_before=memory_before,
        memory=memory,
        never_dropped=len(half_open.opened),
        longest_life=round(max(half_open.lives, default=0), 1),
    )


def main() -> None:
    """Measure, print, and say whether the limits were kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="JSON file for the figures.")
    chosen = parser.parse_args()
    figures = measure(chosen.work, chosen.connections)
    values = dataclasses.asdict(figures)
    for name, value in values.items():
        print(f"{name.replace('_', ' '):<16} {value}")
    if chosen.out:
        chosen.out.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if figures.are_as_promised else 1)


if __name__ == "__main__":
    main()
