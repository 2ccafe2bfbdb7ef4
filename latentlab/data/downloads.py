"""Download one file: with progress, three tries, continuation of an interrupted transfer, and a checksum.

The bytes go to `<target>.part`. An interruption of any kind leaves it there and the next call continues it by an
HTTP Range request (from the start where the server ignores Range). Only a file with the published checksum is
renamed to `target`, so whatever has that name is whole.
"""

import contextlib
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from latentlab.errors import DataError

Progress = Callable[
    [int, int | None], None
]  # called with the bytes there are and, where known, the bytes in total
PIECE = 1 << 16  # bytes
PERMANENT = (400, 401, 403, 404, 410)  # HTTP answers that another try will not change


def download(
    url: str,
    target: Path,
    checksum: str,
    progress: Progress | None = None,
    tries: int = 3,
    wait: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download `url` to `target` unless it is there, and return `target`.

    Parameters
    ----------
    url : str
        An http or https address.
    target : Path
        Where the file shall be; its folder is created.
    checksum : str
        "md5:<hexadecimal>" or "sha256:<hexadecimal>".
    progress : callable, optional
        Default: a bar on stderr where that is a terminal, else nothing.
    tries, wait, timeout : int, float, float
        Tries in total; seconds before the second, doubled for each further; seconds without a byte that end a try.

    Raises
    ------
    DataError
        If the file cannot be fetched or written, or its checksum is wrong (the part is then deleted).
    """
    if target.exists():
        return target
    part = target.with_name(target.name + ".part")
    shown = _bar(target.name) if progress is None else contextlib.nullcontext(progress)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with shown as report:
            _try_often(url, part, report, tries, wait, timeout)
        _verify(url, part, checksum)
        os.replace(part, target)
    except OSError as error:
        raise DataError(
            f"cannot write {target}: {error.strerror or error}. Free the disk, or pass --data-dir."
        ) from error
    return target


def _try_often(
    url: str, part: Path, report: Progress, tries: int, wait: float, timeout: float
) -> None:
    for attempt in range(1, tries + 1):
        try:
            _transfer(url, part, report, timeout)
            return
        except urllib.error.HTTPError as error:
            reason, final = (
                f"the server answered {error.code} {error.reason}",
                error.code in PERMANENT,
            )
        except (
            urllib.error.URLError,
            ConnectionError,
            TimeoutError,
            http.client.HTTPException,
        ) as error:
            reason, final = str(getattr(error, "reason", error) or type(error).__name__), False
        if final or attempt == tries:
            advice = "Check the network and repeat the command, or fetch the file yourself and pass its folder with --data-dir."
            raise DataError(f"cannot download {url}: {reason}. {advice}")
        time.sleep(wait * 2 ** (attempt - 1))


def _transfer(url: str, part: Path, report: Progress, timeout: float) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(
        url, headers={"User-Agent": "latentlab", "Accept-Encoding": "identity"}
    )
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if (
            error.code == 416
        ):  # nothing follows what there is: the checksum tells whether it is whole
            return
        raise
    with response:
        # A server that ignores Range, or answers another one, sends 200 or another start: begin anew then.
        continued = response.status == 206 and (response.headers["Content-Range"] or "").startswith(
            f"bytes {have}-"
        )
        if response.status == 206 and not continued:
            part.unlink()
            raise ConnectionError("the server sent another part of the file than asked for")
        _copy(response, part, have if continued else 0, report)


def _copy(response: http.client.HTTPResponse, part: Path, done: int, report: Progress) -> None:
    length = response.headers["Content-Length"]
    total = done + int(length) if length else None
    with part.open("ab" if done else "wb") as file:
        while piece := response.read(PIECE):
            file.write(piece)
            done += len(piece)
            report(done, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done < total:  # a short read is no error of http.client
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _verify(url: str, part: Path, checksum: str) -> None:
    kind, _, expected = checksum.partition(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()
    if found != expected:
        part.unlink()
        raise DataError(
            f"the download of {url} has {kind} {found}, not {expected}: it was deleted."
            " Repeat the command, or fetch the file yourself and pass its folder with --data-dir."
        )


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
