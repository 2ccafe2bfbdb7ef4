"""Download a file: with progress, three tries, continuation and a checksum.

The bytes go to `<target>.part`, which an interruption leaves there. The next call continues it by
an HTTP Range request, or from the start if the server ignores Range. Only a file with the published
checksum is renamed to `target`, so a file of that name is whole.
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
from dataclasses import dataclass
from pathlib import Path

from latentlab import connections
from latentlab.errors import DataError

Progress = Callable[[int, int | None], None]  # bytes so far and, if they are known, in total

PIECE = 1 << 16  # bytes
PERMANENT = (400, 401, 403, 404, 410)  # HTTP answers that another try will not change
RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206
_NETWORK_ERRORS = (
    urllib.error.URLError,
    ConnectionError,
    TimeoutError,
    http.client.HTTPException,
)


@dataclass(frozen=True)
class Patience:
    """How long a download is tried.

    Attributes
    ----------
    tries : int
        Tries in total.
    wait : float
        Seconds before the second try, doubled for each further one.
    timeout : float
        Seconds without a byte that end a try.
    """

    tries: int = 3
    wait: float = 1.0
    timeout: float = 30.0


def download(
    url: str,
    target: Path,
    checksum: str,
    progress: Progress | None = None,
    patience: Patience = Patience(),  # noqa: B008  # it is frozen
) -> Path:
    """Download a file unless it is there.

    Parameters
    ----------
    url : str
        An http or https address.
    target : Path
        Path of the file; its folder is created.
    checksum : str
        "md5:<hexadecimal>" or "sha256:<hexadecimal>".
    progress : callable, optional
        progress(bytes so far, bytes in total or None). By default a bar if stderr is a terminal.
    patience : Patience
        How long to try.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    DataError
        If the file cannot be fetched or written, connections are refused, or its checksum is
        wrong; the part is then deleted.
    """
    if target.exists():
        return target
    connections.announce(
        f"download {url}", "Fetch the file yourself and pass its folder with `data_dir`."
    )
    part = target.with_name(target.name + ".part")
    display = _bar(target.name) if progress is None else contextlib.nullcontext(progress)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with display as report:
            _try_often(url, part, report, patience)
        _verify(url, part, checksum)
        os.replace(part, target)
    except OSError as error:
        raise DataError(
            f"cannot write {target}: {error.strerror or error}. Free the disk, or pass `data_dir`."
        ) from error
    return target


def _try_often(url: str, part: Path, report: Progress, patience: Patience) -> None:
    for attempt in range(1, patience.tries + 1):
        try:
            _transfer(url, part, report, patience.timeout)
            return
        except urllib.error.HTTPError as error:
            reason = f"the server answered {error.code} {error.reason}"
            is_final = error.code in PERMANENT
        except _NETWORK_ERRORS as error:
            reason = str(getattr(error, "reason", error) or type(error).__name__)
            is_final = False
        if is_final or attempt == patience.tries:
            raise DataError(
                f"cannot download {url}: {reason}. Check the network and repeat the command, "
                "or fetch the file yourself and pass its folder with `data_dir`."
            )
        time.sleep(patience.wait * 2 ** (attempt - 1))


def _transfer(url: str, part: Path, report: Progress, timeout: float) -> None:
    """Fetch the missing part of the file."""
    size = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "latentlab", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)
    if size:
        request.add_header("Range", f"bytes={size}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE:
            return  # nothing is missing; the checksum will tell whether the part is right
        raise
    with response:
        is_continued = _continues(response, size)
        if response.status == PARTIAL_CONTENT and not is_continued:
            part.unlink()
            raise ConnectionError("the server sent another part of the file than asked for")
        _copy(response, part, size if is_continued else 0, report)


def _continues(response: http.client.HTTPResponse, size: int) -> bool:
    """Return whether an answer begins where the part ends; some servers ignore Range."""
    content_range = response.headers["Content-Range"] or ""
    return response.status == PARTIAL_CONTENT and content_range.startswith(f"bytes {size}-")


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
    if total is not None and done < total:  # http.client does not report this
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _verify(url: str, part: Path, checksum: str) -> None:
    kind, _, expected = checksum.partition(":")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    actual = digest.hexdigest()
    if actual != expected:
        part.unlink()
        raise DataError(
            f"the download of {url} has {kind} {actual}, not {expected}: it was deleted. "
            "Repeat the command, or fetch the file yourself and pass its folder with `data_dir`."
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
