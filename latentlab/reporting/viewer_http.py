"""Requests to the viewer and its answers as bytes: the part of HTTP/1.1 that its page needs.

The rules are strict. What is not plainly one request of a browser is refused with a status and a
reason, so that two programs can never read the same bytes as two different requests.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

LARGEST_HEAD = 65_536  # bytes; cookies of other local programs come with ours
LONGEST_TARGET = 2_048
MOST_HEADERS = 100
LARGEST_BODY = 64_000_000  # bytes; an edit may name a million images
JSON_TYPE = "application/json"
LONGEST_REASON = 500  # characters

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
NUMBER = re.compile(r"[0-9]{1,18}")
VERSIONS = ("1.0", "1.1")
LISTS = ("accept", "accept-encoding", "accept-language", "cookie")  # headers that may come twice

NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
COMMON_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": NO_CONTENT_POLICY,
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Answer:
    """An answer to a request.

    Attributes
    ----------
    status : http.HTTPStatus
        Its status.
    body : bytes
        Its contents.
    media_type : str
        What the body is, such as "image/png".
    headers : mapping of str to str
        Headers besides the common ones, or in place of them.
    """

    status: HTTPStatus
    body: bytes = b""
    media_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self, closes: bool, with_body: bool = True) -> bytes:
        """Return the answer as it is sent.

        Parameters
        ----------
        closes : bool
            The connection ends with this answer.
        with_body : bool
            False for an answer to HEAD.

        Returns
        -------
        bytes
        """
        headers = {
            "Content-Type": self.media_type,
            "Content-Length": str(len(self.body)),
            "Connection": "close" if closes else "keep-alive",
            **COMMON_HEADERS,
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + self.body if with_body else head


class Refusal(Exception):  # noqa: N818  # an answer, not a fault of ours
    """A request is not done.

    Parameters
    ----------
    status : http.HTTPStatus
        What the answer begins with.
    reason : str
        Why, in words that the page can show.
    headers : mapping of str to str or None
        Further headers of the answer.
    """

    def __init__(
        self, status: HTTPStatus, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = " ".join(reason.split())[:LONGEST_REASON]
        self.headers = headers or {}

    def answer(self) -> Answer:
        """Return the answer that says why."""
        body = json.dumps({"error": self.reason}).encode()
        return Answer(self.status, body, JSON_TYPE, self.headers)


@dataclass(frozen=True)
class Request:
    """The head of a request.

    Attributes
    ----------
    method : str
        Such as "GET".
    target : str
        What is asked for, as the request has it.
    version : str
        "1.0" or "1.1".
    headers : mapping of str to str
        Values by names in small letters.
    """

    method: str
    target: str
    version: str
    headers: Mapping[str, str]

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return int(self.headers.get("content-length", "0"))

    @property
    def is_last(self) -> bool:
        """Whether the browser wants the connection closed after the answer."""
        options = self.headers.get("connection", "").lower().split(",")
        return self.version == "1.0" or "close" in map(str.strip, options)


def bad(reason: str) -> Refusal:
    """Return the refusal of a request that breaks the rules of HTTP.

    Parameters
    ----------
    reason : str
        What is wrong with it.

    Returns
    -------
    Refusal
    """
    return Refusal(HTTPStatus.BAD_REQUEST, reason)


def parse_request(head: bytes) -> Request:
    r"""Return the request that a head describes.

    Parameters
    ----------
    head : bytes
        Everything up to the empty line, with it.

    Returns
    -------
    Request

    Raises
    ------
    Refusal
        If it is none that the viewer can answer.

    Examples
    --------
    >>> parse_request(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n").target
    '/'
    """
    if not head.endswith(b"\r\n\r\n"):
        raise bad("a line of the request does not end in CR LF")
    first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, version = _request_line(first)
    request = Request(method, target, version, _headers(rest))
    _check_body(request)
    return request


def _request_line(line: bytes) -> tuple[str, str, str]:
    """Return method, target and version."""
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise bad("the first line is no request of HTTP/1.1")
    method, target, version = (part.decode("ascii") for part in match.groups())
    if version not in VERSIONS:
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is spoken here")
    if len(target) > LONGEST_TARGET:
        raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long")
    return method, target, version


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Return the headers by names in small letters."""
    if len(lines) > MOST_HEADERS:
        raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "there are too many headers")
    headers: dict[str, str] = {}
    for line in lines:
        match = HEADER_LINE.fullmatch(line)
        if match is None:
            raise bad("a header has no name, or characters that no header may have")
        name, value = match[1].decode("ascii").lower(), match[2].decode("latin-1")
        if name in headers and name not in LISTS:
            raise bad(f"the header {name[:40]} comes twice")
        separator = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    return headers


def _check_body(request: Request) -> None:
    """Raise Refusal unless it is plain where the request ends."""
    headers = request.headers
    if "host" not in headers:
        raise bad("the request has no Host header")
    if "expect" in headers:
        raise Refusal(HTTPStatus.EXPECTATION_FAILED, "nothing can be expected here")
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers:
        if "content-length" in headers:
            raise bad("the request has two lengths")
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "a body needs a Content-Length")
    if not NUMBER.fullmatch(length):
        raise bad("Content-Length is no number of bytes")
    if int(length) > LARGEST_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")
    if int(length) and request.method != "POST":
        raise bad("only a POST may have a body")
