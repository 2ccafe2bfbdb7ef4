"""`latentlab view`: the page of a report from a server of this machine's own, with full-size images and clusters that can be edited.

The server listens on 127.0.0.1 only and answers whoever has the token of its address: it asks for the token once and then
for a cookie that other sites cannot send. It refuses foreign Host headers (DNS rebinding) and foreign origins, sends a content
security policy, and has five things to give: the page, images of the run, the pictures that they were made of, the state of the edits,
and changes of them.
"""

import dataclasses
import http.cookies
import io
import json
import secrets
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from latentlab.config import DataOptions, recorded
from latentlab.data import opening
from latentlab.data.images import as_picture
from latentlab.errors import LatentlabError, RunError
from latentlab.progress import log
from latentlab.reporting import edits, html, plots
from latentlab.reporting.clustering_summary import ClusteringSummary

if TYPE_CHECKING:
    import PIL.Image

HOST = "127.0.0.1"
LARGEST_PNG = 1_000_000  # pixels
LARGEST_REQUEST = 64_000_000  # bytes; an edit may name a million images


class Viewer:
    """What the server tells of one clustering.

    Parameters
    ----------
    summary : ClusteringSummary
    figures : dict
        Figures of the page, name -> matplotlib Figure.
    """

    def __init__(self, summary: ClusteringSummary, figures: dict[str, Any]) -> None:
        self.summary = summary
        self.editor = edits.Editor(summary.run, summary.name)
        self.editor.state()  # damaged edits are told of before the server starts
        self.xy, self.chosen = summary.read_map()
        self._data = recorded(DataOptions, summary.run.manifest["config"]["data"], summary.run.path)
        self._read_lock = threading.Lock()  # sources need not be safe for threads
        self._code = html.scripts("report.js", "view.js")
        self._figures = {name: plots.svg_uri(figure) for name, figure in figures.items()}

    def html(self) -> str:
        """Return the page."""
        data = {
            "mode": "view",
            **html.map_data(self.summary, self.xy, self.chosen),
            "position": html.packed(self.chosen.astype(np.int32)),
            "clusters": html.clusters(self.summary, _addresses),
        }
        note = (
            "one image opens in the size that its file has"
            if self.summary.images.source
            else "images are shown in the size that the run has"
        )
        return html.fill(self.summary, data, self._figures, [], note, self._code, policy="")

    def policy(self) -> str:
        """Return the content security policy of the page."""
        rules = (
            "default-src 'none'",
            f"script-src {html.script_hashes(self._code)}",
            "style-src 'unsafe-inline'",
            "img-src 'self' data: blob:",
        )
        return "; ".join(
            (
                *rules,
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )

    def image(self, position: int) -> tuple[bytes, str] | None:
        """Return an image of the run and its media type; None where there is none at this position."""
        if not 0 <= position < len(self.summary.images):
            return None
        with self._read_lock:
            pixels = self.summary.images.read(np.array([position]))[0]
        return _encoded(as_picture(pixels))

    def original(self, position: int) -> tuple[bytes, str] | None:
        """Return the picture that an image was made of, in its full size, and its media type; the image itself where there is no such file.

        It is decoded and encoded anew, so that the browser gets none of a file's own bytes.

        Raises
        ------
        DataError
            If the file is gone or damaged.
        """
        images = self.summary.images
        if not 0 <= position < len(images):
            return None
        with self._read_lock:
            picture = opening.open_picture(images, position, self._data)
            if picture is None:
                picture = as_picture(images.read(np.array([position]))[0])
        return _encoded(picture)

    def state(self) -> dict[str, Any]:
        """Return what the page shows of the edited clusters."""
        edited, kept = self.editor.state(), self.editor.read()
        summary = edited_summary(self.summary, edited)
        names = [edited.name(cluster) for cluster in range(summary.k)]
        groups = {"cluster": html.cluster_group(summary.clusters[self.chosen], names)}
        if edited.marks:
            groups["mark"] = html.mark_group(summary.images.ids[self.chosen], edited.marks)
        last = edits.describe(kept["edits"][-1]) if kept["edits"] else ""
        return {
            "groups": groups,
            "clusters": html.clusters(summary, _addresses),
            "edits": len(kept["edits"]),
            "undone": len(kept["undone"]),
            "last": last,
        }

    def change(self, path: str, body: Any) -> dict[str, Any]:
        """Do what a POST asks for and return the new state."""
        if path == "/edit":
            self.editor.add(body)
        elif path == "/undo":
            self.editor.undo()
        else:
            self.editor.redo()
        return self.state()


def edited_summary(summary: ClusteringSummary, edited: edits.Edited) -> ClusteringSummary:
    """Return the summary with the clusters as they were edited; what refinement moved is told of unedited ones only."""
    same = len(edited.names) == summary.k and bool((edited.clusters == summary.clusters).all())
    return (
        summary
        if same
        else dataclasses.replace(summary, clusters=edited.clusters, k=len(edited.names), start=None)
    )


def _encoded(picture: "PIL.Image.Image") -> tuple[bytes, str]:
    """Return a picture as PNG, a large one as JPEG, which takes a tenth of the time and bytes, and the media type."""
    buffer = io.BytesIO()
    large = picture.width * picture.height > LARGEST_PNG
    picture.save(buffer, format="jpeg", quality=95) if large else picture.save(buffer, format="png")
    return buffer.getvalue(), "image/jpeg" if large else "image/png"


def _addresses(positions: np.ndarray) -> list[str]:
    return [f"/image/{position}" for position in positions.tolist()]


class Server(ThreadingHTTPServer):
    """The server of one viewer; `address` is what the browser opens.

    Raises
    ------
    RunError
        If the port is taken.
    """

    daemon_threads = True

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        self.viewer, self.token = viewer, secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise RunError(
                f"port {port} of {HOST} cannot be used ({error.strerror}). Choose another --port, or leave it out."
            ) from error
        self.hosts = {f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"}
        self.cookie = f"latentlab-{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away, and one line of anything else."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            log.warning(
                "view: a request failed (%s: %s)",
                type(error).__name__,
                " ".join(str(error).split()),
            )

    @property
    def address(self) -> str:
        """The address with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "latentlab"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
        address, viewer = urlsplit(self.path), self.server.viewer
        if not self._is_ours():
            return
        if address.path == "/" and self._same(parse_qs(address.query).get("token", [""])[0]):
            cookie = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            self._answer(
                HTTPStatus.SEE_OTHER, b"", "text/plain", {"Location": "/", "Set-Cookie": cookie}
            )
        elif not self._may_enter():
            self._refuse(
                HTTPStatus.FORBIDDEN, "open the address that latentlab view printed, with its token"
            )
        elif address.path == "/":
            self._answer(
                HTTPStatus.OK,
                viewer.html().encode(),
                "text/html; charset=utf-8",
                {"Content-Security-Policy": viewer.policy()},
            )
        elif address.path == "/state":
            self._tell(viewer.state)
        elif address.path.startswith("/image/"):
            self._send_image(address.path.removeprefix("/image/"), viewer.image)
        elif address.path.startswith("/original/"):
            self._send_image(address.path.removeprefix("/original/"), viewer.original)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:  # noqa: N802
        if not self._is_ours():
            return
        origin, kind = self.headers.get("Origin", ""), self.headers.get("Content-Type", "")
        length = (
            int(self.headers.get("Content-Length") or 0)
            if (self.headers.get("Content-Length") or "0").isdigit()
            else LARGEST_REQUEST + 1
        )
        if (
            not self._may_enter()
            or origin.removeprefix("http://") not in self.server.hosts
            or kind != "application/json"
        ):
            self._refuse(HTTPStatus.FORBIDDEN, "only the viewer's own page may change clusters")
        elif self.path not in ("/edit", "/undo", "/redo"):
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        elif length > LARGEST_REQUEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")
        else:
            body = self.rfile.read(length)
            self._tell(lambda: self.server.viewer.change(self.path, json.loads(body or b"{}")))

    def _is_ours(self) -> bool:
        """Refuse requests whose Host is another name: a page elsewhere that let its name point here."""
        if self.headers.get("Host", "") in self.server.hosts:
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "wrong Host header")
        return False

    def _may_enter(self) -> bool:
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        return self.server.cookie in cookies and self._same(cookies[self.server.cookie].value)

    def _same(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.server.token.encode())

    def _tell(self, ask: Any) -> None:
        try:
            self._answer(HTTPStatus.OK, json.dumps(ask()).encode(), "application/json", {})
        except (LatentlabError, ValueError, FileNotFoundError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, " ".join(str(error).split()))

    def _send_image(self, text: str, read: Callable[[int], tuple[bytes, str] | None]) -> None:
        try:
            picture = (
                read(int(text)) if text.isascii() and text.isdigit() and len(text) < 12 else None
            )
        except LatentlabError as error:
            self._refuse(HTTPStatus.NOT_FOUND, " ".join(str(error).split()))
            return
        if picture is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such image")
        else:
            self._answer(
                HTTPStatus.OK, picture[0], picture[1], {"Cache-Control": "private, max-age=3600"}
            )

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what it may have sent is not read
        self._answer(
            status, json.dumps({"error": why}).encode(), "application/json", {"Connection": "close"}
        )

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, headers: dict[str, str]) -> None:
        common = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        self.send_response(status)
        for name, value in (common | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text: str, *values: Any) -> None:
        log.debug("view: %s", (text % values).replace(self.server.token, "..."))
