"""Hostile and broken requests to the viewer, for scripts/hostile_inputs.py.

Each goes to the real server of a real viewer, over a pair of sockets instead of a port. Right is
one answer with a status that the case names, no secret in a refusal, and unchanged edits. Limits of
time are a fifth of a second here.
"""

import functools
import json
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from _hostile_files import Case
from _viewed_run import serve_small_run

from latentlab.errors import RunError
from latentlab.reporting import viewer_connection
from latentlab.reporting.viewer_server import Server

PATIENCE = 5.0  # seconds that an answer may take
LIMITS = ("IDLE_SECONDS", "HEAD_SECONDS", "BODY_SECONDS", "SEND_SECONDS", "CLOSING_SECONDS")
SMUGGLED = "GET {path}state HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"
FLIPS = 40
STATUS_LINE = re.compile(rb"HTTP/1\.1 [0-9]{3} ")
ANY_REFUSAL = (400, 403, 404, 405, 408, 413, 414, 417, 431, 501, 505)


@dataclass(frozen=True)
class Asked:
    """A request and what has to be answered.

    Attributes
    ----------
    name : str
    sent : bytes
        {path}, {token}, {host}, {origin}, {cookie} and {version} stand for those of the server.
    statuses : tuple of int
        Of one answer, one of these.
    cuts : bool
        The browser stops sending after it.
    """

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    cuts: bool = False


def requests(rng: random.Random) -> Iterator[Case]:
    """Yield requests that break the rules of HTTP, come from strangers, or ask for what is not."""
    makers = (_lines, _headers, _hosts, _origins, _targets, _methods, _bodies, _secrets, _changes)
    for make in makers:
        for asked in make():
            yield Case("request", asked.name, functools.partial(_judge, asked))
    for asked in _flipped(rng):
        yield Case("request", asked.name, functools.partial(_judge, asked))


# Asking


@functools.cache
def _server(folder: Path) -> Server:
    """Return the viewer of this process; one is made for all its requests."""
    for name in LIMITS:
        setattr(viewer_connection, name, 0.2)
    server = serve_small_run(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _judge(asked: Asked, folder: Path) -> str:
    server = _server(folder.parent / "viewed")
    state = server.viewer.state()
    answers = _answers(server, _filled(server, asked.sent, state.version), asked.cuts)
    wrong = _wrong(server, asked, answers)
    if wrong or server.viewer.state() != state:
        return wrong or "the edits have changed"
    status = _status(answers)
    if status >= 400:
        raise RunError(f"{status}: {answers.partition(b'error')[2][:200].decode()}")
    return ""


def _filled(server: Server, sent: bytes, version: str) -> bytes:
    session = server.session
    for name in ("path", "token", "host", "origin", "cookie"):
        sent = sent.replace(b"{%s}" % name.encode(), getattr(session, name).encode())
    return sent.replace(b"{version}", version.encode())


def _answers(server: Server, sent: bytes, cuts: bool) -> bytes:
    """Return all that the server sends until it ends the connection."""
    ours, browser = socket.socketpair()
    writer = threading.Thread(target=_send, args=(browser, sent, cuts))
    writer.start()
    server.take(ours)
    browser.settimeout(PATIENCE)
    pieces = []
    with browser:
        while piece := browser.recv(65536):
            pieces.append(piece)
    writer.join()
    return b"".join(pieces)


def _send(browser: socket.socket, sent: bytes, cuts: bool) -> None:
    try:
        browser.sendall(sent)
        if cuts:
            browser.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the viewer has answered and gone


def _wrong(server: Server, asked: Asked, answers: bytes) -> str:
    """Return what is wrong with the answers."""
    if not answers:
        return "no answer"
    if _status(answers) not in asked.statuses:
        return f"{answers[:40]!r} instead of {asked.statuses}"
    if len(STATUS_LINE.findall(answers)) > 1:
        return "more than one answer"
    session = server.session
    secrets = (session.path, session.token, session.cookie)
    if _status(answers) >= 400 and any(secret.encode() in answers for secret in secrets):
        return "a secret was told"
    return ""


def _status(answers: bytes) -> int:
    return int(answers[9:12])


# Requests


def _head(
    first: str = "GET {path}state HTTP/1.1",
    *headers: str,
    host: str = "Host: {host}",
    cookie: str = "Cookie: {cookie}",
) -> bytes:
    """Return the head of a request that is right but for what is given."""
    lines = [line for line in (first, host, cookie, *headers) if line]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _post(body: str | bytes, *headers: str, length: str = "", path: str = "edit") -> bytes:
    """Return a change as the page sends it, but for what is given."""
    content = body.encode() if isinstance(body, str) else body
    usual = ("Origin: {origin}", "Content-Type: application/json")
    names = [header.split(":")[0] for header in headers]
    kept = [header for header in usual if header.split(":")[0] not in names]
    size = length or f"Content-Length: {len(content)}"
    head = _head(f"POST {{path}}{path} HTTP/1.1", *kept, *filter(str.strip, headers), size)
    return head + content


def _lines() -> Iterator[Asked]:
    bad = {
        "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "zeros": bytes(1000),
        "HTTP/0.9": b"GET /\r\n\r\n",
        "two spaces": _head("GET  {path} HTTP/1.1"),
        "a space at the end": _head("GET {path} HTTP/1.1 "),
        "a tab": _head("GET\t{path} HTTP/1.1"),
        "a space first": _head(" GET {path} HTTP/1.1"),
        "no version": _head("GET {path}"),
        "a version of three parts": _head("GET {path} HTTP/1.1.1"),
        "a version in small letters": _head("GET {path} http/1.1"),
        "a letter in the version": _head("GET {path} HTTP/1.x"),
        "a zero byte": _head("GET {path}\x00 HTTP/1.1"),
        "a letter beyond ASCII": _head("GET {path}\xe9 HTTP/1.1"),
        "a carriage return alone": _head("GET {path} HTTP/1.1\rHost: x"),
        "line feeds alone": _head().replace(b"\r\n", b"\n"),
        "one line feed alone": _head().replace(b"\r\n", b"\n", 1),
        "brackets as a method": _head("(GET) {path} HTTP/1.1"),
        "a long method": _head("G" * 500 + " {path} HTTP/1.1"),
    }
    for name, sent in bad.items():
        yield Asked(f"line: {name}", sent, (400,))
    yield Asked("line: HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505,))
    yield Asked("line: HTTP/9.9", _head("GET {path} HTTP/9.9"), (505,))
    yield Asked("line: a long address", _head(f"GET /{'a' * 5000} HTTP/1.1"), (414,))
    yield Asked("line: an endless line", b"GET /" + b"a" * 200_000, (431,))
    yield Asked("line: nothing but line feeds", b"\n\n", (408,))
    yield Asked("line: it stops", _head()[:30], (408,))
    yield Asked("line: it is cut", _head()[:30], (400,), cuts=True)
    yield Asked("line: empty lines first", b"\r\n\r\n" + _head(), (200,))
    yield Asked("line: HTTP/1.0", _head("GET {path}state HTTP/1.0"), (200,))


def _headers() -> Iterator[Asked]:
    bad = {
        "without colon": "Accept",
        "without name": ": x",
        "with a space before the colon": "Accept : x",
        "folded": " Accept: x",
        "folded by a tab": "\tx",
        "with a zero byte": "Accept: \x00",
        "with a bell": "Accept: \x07",
        "with an escape": "Accept: \x1b[2J",
        "with a carriage return": "Accept: a\rb",
        "with a line feed": "Accept: a\nb: c",
        "with a name beyond ASCII": "Acc\xe9pt: x",
        "with brackets in its name": "Acc(e)pt: x",
        "twice: Host": "Host: {host}",
        "twice: Content-Length": "Content-Length: 0\r\nContent-Length: 0",
        "twice: Origin": "Origin: {origin}\r\nOrigin: {origin}",
        "twice: Sec-Fetch-Site": "Sec-Fetch-Site: none\r\nsec-fetch-site: none",
    }
    for name, header in bad.items():
        yield Asked(f"header {name}", _head("GET {path}state HTTP/1.1", header), (400,))
    many = [f"A{i}: x" for i in range(200)]
    yield Asked("headers: 200", _head("GET {path}state HTTP/1.1", *many), (431,))
    long = "A: " + "a" * 100_000
    yield Asked("header: 100,000 letters", _head("GET {path}state HTTP/1.1", long), (431,))
    yield Asked("header: Expect", _head("GET {path}state HTTP/1.1", "Expect: 100-continue"), (417,))
    yield Asked("header: an upgrade", _head("GET {path}state HTTP/1.1", "Upgrade: h2c"), (200,))


def _hosts() -> Iterator[Asked]:
    yield Asked("host: none", _head(host=""), (400,))
    names = (
        *("evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", "{host}.", "{host}0"),
        *("{host}@evil.example", "evil.example@{host}", "{host},evil.example", "{host} evil"),
        *("[::1]", "0.0.0.0", "http://{host}", "", "2130706433", "127.1"),
    )
    for name in names:
        yield Asked(f"host: {name!r}", _head(host=f"Host: {name}"), (403,))


def _origins() -> Iterator[Asked]:
    origins = (
        *("null", "", "{host}", "https://{host}", "{origin}/", "{origin}0", "{origin}, {origin}"),
        *("http://127.0.0.1", "http://localhost", "http://evil.example", "HTTP://{host}"),
        *("http://{host}@evil.example", "{origin}.evil.example", "file://", "{origin} {origin}"),
    )
    change = json.dumps({"made_on": "{version}", "edit": {"action": "drop", "clusters": [0]}})
    for origin in origins:
        header = f"Origin: {origin}"
        yield Asked(f"origin of a change: {origin!r}", _post(change, header), (403,))
        sent = _head("GET {path}state HTTP/1.1", header)
        yield Asked(f"origin of a look: {origin!r}", sent, (403,))
    yield Asked("origin of a change: none", _post(change).replace(b"Origin", b"X"), (403,))
    for site in ("same-site", "cross-site", "none", "", "same-origin, same-origin"):
        yield Asked(f"site of a change: {site!r}", _post(change, f"Sec-Fetch-Site: {site}"), (403,))
    kinds = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text")
    for kind in kinds:
        yield Asked(f"type of a change: {kind!r}", _post(change, f"Content-Type: {kind}"), (403,))


def _targets() -> Iterator[Asked]:
    inner = (
        *(
            "../run.json",
            "%2e%2e/run.json",
            "image/../run.json",
            "run.json",
            "image/-1",
            "image/+1",
        ),
        *("image/1e1", "image/0x1", "image/99999999999", "image/" + "9" * 30, "image/1/", "image/"),
        *(
            "original/1?x=1",
            "state?",
            "state/",
            "State",
            "edits.json",
            "image/%30",
            "image\\0",
            ".",
        ),
        *("image/0;x", "image//0", "/state", "//evil.example/", "__proto__", "image/1,2", "token"),
    )
    for target in inner:
        sent = _head(f"GET {{path}}{target} HTTP/1.1")
        yield Asked(f"target: {target[:40]}", sent, (404,))
    outer = {
        "http://evil.example{path}state": 403,
        "https://{host}{path}state": 403,
        "http://{host}@evil.example{path}state": 400,
        "http://{host}0{path}state": 400,
        "//{host}{path}state": 400,
        "{host}{path}state": 400,
        "*": 400,
        "{path}state#x": 400,
        "ftp://{host}{path}state": 400,
        "file:///etc/passwd": 400,
        "/{path}state": 400,
        "/x{path}state": 403,
        "/..{path}state": 403,
        "/%2e{path}state": 403,
        "HTTP://{host}{path}state": 400,
        "{origin}{path}state": 200,
    }
    for target, status in outer.items():
        yield Asked(f"target: {target}", _head(f"GET {target} HTTP/1.1"), (status,))


def _methods() -> Iterator[Asked]:
    methods = (
        "HEAD",
        "OPTIONS",
        "TRACE",
        "PUT",
        "DELETE",
        "PATCH",
        "CONNECT",
        "get",
        "BREW",
        "M-X",
    )
    for method in methods:
        yield Asked(f"method {method}", _head(f"{method} {{path}}state HTTP/1.1"), (405,))
    yield Asked("method OPTIONS of all", _head("OPTIONS * HTTP/1.1"), (405,))
    for path in ("edit", "undo", "redo"):
        yield Asked(f"GET {path}", _head(f"GET {{path}}{path} HTTP/1.1"), (405,))
    for path in ("", "state", "image/0"):
        yield Asked(f"POST {path}", _post("{}", path=path), (405,))


def _bodies() -> Iterator[Asked]:
    rest = SMUGGLED.encode()
    chunked = b"0\r\n\r\n" + rest
    by_get = {
        "a length": ("Content-Length: 40", rest, 400),
        "a length and chunks": ("Content-Length: 5\r\nTransfer-Encoding: chunked", chunked, 400),
        "chunks": ("Transfer-Encoding: chunked", chunked, 501),
        "unknown coding": ("Transfer-Encoding: xchunked", chunked, 501),
        "coding identity": ("Transfer-Encoding: identity", rest, 501),
        "hidden coding": ("Transfer-Encoding:\tchunked", chunked, 501),
        "two codings": ("Transfer-Encoding: a\r\nTransfer-Encoding: chunked", chunked, 400),
    }
    for name, (header, body, status) in by_get.items():
        sent = _head("GET {path}state HTTP/1.1", header) + body
        yield Asked(f"body of a GET: {name}", sent, (status,))
    for length in (
        "-1",
        "+5",
        "5 5",
        "0x5",
        "5.0",
        "5,5",
        "",
        "٥".encode().decode("latin-1"),
        "9" * 19,
    ):
        sent = _post("{}", length=f"Content-Length: {length}") + rest
        yield Asked(f"length {length!r}", sent, (400,))
    for length in ("64000001", "9" * 18):
        yield Asked(f"length {length}", _post("{}", length=f"Content-Length: {length}"), (413,))
    yield Asked("body that stops", _post("{}", length="Content-Length: 50"), (408,))
    yield Asked("body that is cut", _post("{}", length="Content-Length: 50"), (400,), cuts=True)
    stranger = _post("{}" * 1_000_000).replace(b"Cookie", b"X-Cookie")
    yield Asked("2 MB of a stranger", stranger, (403,))


def _secrets() -> Iterator[Asked]:
    for target in ("/", "/state", "/image/0", "/edit", "/?token=", "/?token=x", "/?Token={token}"):
        yield Asked(f"cookie without path: {target}", _head(f"GET {target} HTTP/1.1"), (403,))
    cookies = (
        *("", "Cookie: x", "Cookie: {cookie}x", "Cookie: latentlab={token}", "Cookie: ={cookie}"),
        *("Cookie: x={cookie}", "X-Cookie: {cookie}", "Authorization: token {token}"),
        *("Cookie: {cookie},{cookie}", "Cookie: " + "a=b; " * 5000),
    )
    for cookie in cookies:
        yield Asked(f"path without cookie: {cookie[:40]!r}", _head(cookie=cookie), (403,))
    tokens = ("/?token={token}x", "/?token={token}&a=b", "/?a=b&token={token}", "//?token={token}")
    for target in tokens:
        sent = _head(f"GET {target} HTTP/1.1", cookie="")
        yield Asked(f"token: {target}", sent, (400, 403))
    for target in ("{path}", "{path}state", "/{token}/", "/{token}/state"):
        sent = _head(f"GET {target}?token={{token}} HTTP/1.1", cookie="")
        yield Asked(f"token at {target}", sent, (403,))


def _changes() -> Iterator[Asked]:
    bodies: dict[str, str | bytes] = {
        "nothing": "",
        "half an object": "{",
        "a list": "[]",
        "null": "null",
        "a number of 5,000 digits": "1" * 5000,
        "no UTF-8": b"\xff\xfe",
        "UTF-16": '{"made_on": "{version}"}'.encode("utf-16"),
        "100,000 brackets": "[" * 100_000,
        "100,000 nested objects": '{"made_on":' * 100_000,
        "no state": '{"edit": {"action": "drop", "clusters": [0]}}',
        "a number as state": '{"made_on": 0, "edit": {"action": "drop", "clusters": [0]}}',
    }
    for name, body in bodies.items():
        yield Asked(f"change: {name}", _post(body), (400,))
    stale = {"made_on": "0123456789abcdef", "edit": {"action": "drop", "clusters": [0]}}
    yield Asked("change: on another state", _post(json.dumps(stale)), (409,))
    edits: tuple[object, ...] = (
        *(None, [], 1, "drop", {}, {"action": None}, {"action": ["drop"]}, {"action": "__init__"}),
        *(
            {"action": "drop"},
            {"action": "drop", "clusters": [99]},
            {"action": "drop", "clusters": 0},
        ),
        {"action": "drop", "clusters": [True]},
        {"action": "drop", "clusters": [0.0]},
        {"action": "drop", "clusters": [float("nan")]},
        {"action": "drop", "clusters": [[0]]},
        {"action": "drop", "clusters": [0], "more": 1},
        {"action": "merge", "clusters": [0, 0]},
        {"action": "merge", "clusters": list(range(50_000))},
        {"action": "name", "cluster": 0, "name": "a\nb"},
        {"action": "name", "cluster": 0, "name": "a" * 81},
        {"action": "name", "cluster": 0, "name": "\u202egnp"},
        {"action": "name", "cluster": 0, "name": "\ud800"},
        {"action": "name", "cluster": -1, "name": "a"},
        {"action": "name", "cluster": 10**30, "name": "a"},
        {"action": "move", "images": ["../../x"], "cluster": 0},
        {"action": "split", "images": []},
        {"action": "split", "images": [None]},
        {"action": "mark", "images": ["\x00"], "mark": "x"},
    )
    for number, edit in enumerate(edits):
        body = json.dumps({"made_on": "{version}", "edit": edit})
        yield Asked(f"edit {number}: {json.dumps(edit)[:40]}", _post(body), (400,))


def _flipped(rng: random.Random) -> Iterator[Asked]:
    """Yield sound requests with one bit flipped, or cut off: they are answered one way or other."""
    sound = _head("GET {path}image/1 HTTP/1.1", "Connection: close", "Accept: image/*")
    for number in range(FLIPS):
        place, bit = rng.randrange(len(sound) - 4), rng.randrange(8)
        flipped = bytearray(sound)
        flipped[place] ^= 1 << bit
        statuses = (200, *ANY_REFUSAL)
        yield Asked(f"bit {bit} of byte {place} flipped, {number}", bytes(flipped), statuses)
    for number in range(FLIPS // 2):
        place = rng.randrange(1, len(sound) - 4)
        yield Asked(f"cut at {place}, {number}", sound[:place], (400,), cuts=True)


ALL: tuple[Callable[[random.Random], Iterator[Case]], ...] = (requests,)
