"""Requests to the viewer: the page, images, the state of the edits, and changes of them."""

import http.cookies
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from latentlab.errors import LatentlabError
from latentlab.progress import log
from latentlab.reporting.viewer import ViewState
from latentlab.reporting.viewer_pictures import Picture
from latentlab.storage.json_form import to_json

if TYPE_CHECKING:
    from latentlab.reporting.viewer_server import Server

LARGEST_REQUEST = 64_000_000  # bytes; an edit may name a million images
LONGEST_NUMBER = 11  # digits of an image's position
JSON_TYPE = "application/json"
COMMON_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RequestHandler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: "Server"
    server_version = "latentlab"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
        """Send the page, the state or an image."""
        address = urlsplit(self.path)
        tokens = parse_qs(address.query).get("token", [""])
        if not self._has_right_host():
            self._refuse(HTTPStatus.FORBIDDEN, "wrong Host header")
        elif address.path == "/" and self.server.is_token(tokens[0]):
            self._send_cookie()
        elif not self._has_cookie():
            reason = "open the address that latentlab view printed, with its token"
            self._refuse(HTTPStatus.FORBIDDEN, reason)
        else:
            self._send_content(address.path)

    def do_POST(self) -> None:  # noqa: N802
        """Change the clusters and send the new state."""
        if not self._has_right_host():
            self._refuse(HTTPStatus.FORBIDDEN, "wrong Host header")
        elif not self._is_from_own_page():
            reason = "only the viewer's own page may change clusters"
            self._refuse(HTTPStatus.FORBIDDEN, reason)
        elif self.path not in ("/edit", "/undo", "/redo"):
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        elif self._content_length() > LARGEST_REQUEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")
        else:
            body = self.rfile.read(self._content_length())
            self._send_state(lambda: self._change(body))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as in http.server
        """Log a request without the token.

        Parameters
        ----------
        format : str
            Message with % places.
        *args : object
            Values for the places.
        """
        log.debug("view: %s", (format % args).replace(self.server.token, "..."))

    # Who asks

    def _has_right_host(self) -> bool:
        """Return whether Host is this server: another name may point here (DNS rebinding)."""
        return self.headers.get("Host", "") in self.server.hosts

    def _has_cookie(self) -> bool:
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        name = self.server.cookie
        return name in cookies and self.server.is_token(cookies[name].value)

    def _is_from_own_page(self) -> bool:
        """Return whether a POST has the cookie, the right origin and JSON."""
        origin = self.headers.get("Origin", "")
        return (
            self._has_cookie()
            and origin.removeprefix("http://") in self.server.hosts
            and self.headers.get("Content-Type", "") == JSON_TYPE
        )

    def _content_length(self) -> int:
        """Return the bytes of the body; more than is allowed if the header is no number."""
        header = self.headers.get("Content-Length")
        if not header:
            return 0
        is_number = header.isascii() and header.isdigit()
        return int(header) if is_number else LARGEST_REQUEST + 1

    # Answers

    def _send_content(self, path: str) -> None:
        viewer = self.server.viewer
        if path == "/":
            policy = {"Content-Security-Policy": viewer.policy()}
            page = viewer.html().encode()
            self._answer(HTTPStatus.OK, page, "text/html; charset=utf-8", policy)
        elif path == "/state":
            self._send_state(viewer.state)
        elif path.startswith("/image/"):
            self._send_image(path.removeprefix("/image/"), viewer.image)
        elif path.startswith("/original/"):
            self._send_image(path.removeprefix("/original/"), viewer.original)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _send_cookie(self) -> None:
        """Answer the token with the cookie, and lead to the page."""
        name = self.server.cookie
        cookie = f"{name}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = {"Location": "/", "Set-Cookie": cookie}
        self._answer(HTTPStatus.SEE_OTHER, b"", "text/plain", headers)

    def _change(self, body: bytes) -> ViewState:
        return self.server.viewer.change(self.path, json.loads(body or b"{}"))

    def _send_state(self, read: Callable[[], ViewState]) -> None:
        try:
            body = json.dumps(to_json(read())).encode()
            self._answer(HTTPStatus.OK, body, JSON_TYPE)
        except (LatentlabError, ValueError, FileNotFoundError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, _single_line(error))

    def _send_image(self, number: str, read: Callable[[int], Picture | None]) -> None:
        picture = None
        try:
            if number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER:
                picture = read(int(number))
        except LatentlabError as error:
            self._refuse(HTTPStatus.NOT_FOUND, _single_line(error))
            return
        if picture is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such image")
            return
        headers = {"Cache-Control": "private, max-age=3600"}
        self._answer(HTTPStatus.OK, picture.content, picture.media_type, headers)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # the body of the request is not read
        body = json.dumps({"error": reason}).encode()
        self._answer(status, body, JSON_TYPE, {"Connection": "close"})

    def _answer(
        self, status: HTTPStatus, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        lengths = {"Content-Type": kind, "Content-Length": str(len(body))}
        self.send_response(status)
        for name, value in {**lengths, **COMMON_HEADERS, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _single_line(error: Exception) -> str:
    return " ".join(str(error).split())
