"""Requests to the viewer as bytes: what is plainly one request is read, all else refused."""

import json
from http import HTTPStatus

import pytest

from latentlab.reporting.viewer_http import LARGEST_BODY, Answer, Refusal, parse_request

HOST = b"Host: 127.0.0.1:8000\r\n"


def head(line: bytes = b"GET / HTTP/1.1", headers: bytes = b"") -> bytes:
    return line + b"\r\n" + HOST + headers + b"\r\n"


def test_a_request_of_a_browser_is_read():
    request = parse_request(
        head(b"POST /edit HTTP/1.1", b"Content-Length: 12\r\nCookie: a=1\r\nX-Empty:\r\n")
    )
    assert (request.method, request.target, request.length) == ("POST", "/edit", 12)
    assert request.headers["host"] == "127.0.0.1:8000"
    assert request.headers["x-empty"] == ""
    assert not request.is_last


def test_cookies_that_come_in_several_headers_are_one_list():
    request = parse_request(head(headers=b"Cookie: a=1\r\ncookie: b=2\r\n"))
    assert request.headers["cookie"] == "a=1; b=2"


@pytest.mark.parametrize(
    "asked", [head(b"GET / HTTP/1.0"), head(headers=b"Connection: x, Close\r\n")]
)
def test_the_browser_may_ask_for_the_end_of_the_connection(asked):
    assert parse_request(asked).is_last


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (head(b"GET /"), 400),
        (head(b"GET  / HTTP/1.1"), 400),
        (head(b"GET / HTTP/1.1 "), 400),
        (head(b"GET /\xe9 HTTP/1.1"), 400),
        (head(b"G\x00T / HTTP/1.1"), 400),
        (head(b"GET / HTTP/2.0"), 505),
        (head(b"GET /" + b"a" * 3000 + b" HTTP/1.1"), 414),
        (head(headers=b"no colon\r\n"), 400),
        (head(headers=b" folded: x\r\n"), 400),
        (head(headers=b"Name : x\r\n"), 400),
        (head(headers=b"A: x\ny\r\n"), 400),
        (head(headers=b"A: \x00\r\n"), 400),
        (head(headers=HOST), 400),
        (head(headers=b"Origin: a\r\norigin: a\r\n"), 400),
        (head(headers=b"".join(b"A%d: x\r\n" % i for i in range(101))), 431),
        (head(headers=b"Content-Length: 1\r\n"), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: -1\r\n"), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: 1, 1\r\n"), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: +1\r\n"), 400),
        (head(b"POST / HTTP/1.1", f"Content-Length: {LARGEST_BODY + 1}\r\n".encode()), 413),
        (head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n"), 501),
        (head(b"POST / HTTP/1.1", b"Transfer-Encoding: x\r\nContent-Length: 1\r\n"), 400),
        (head(headers=b"Expect: 100-continue\r\n"), 417),
    ],
)
def test_what_is_not_plainly_one_request_is_refused(asked, status):
    with pytest.raises(Refusal) as refused:
        parse_request(asked)
    assert refused.value.status == status
    said = refused.value.answer()
    assert json.loads(said.body)["error"]


def test_an_answer_says_its_length_and_whether_the_connection_ends():
    content = Answer(HTTPStatus.OK, b"abc", headers={"Cache-Control": "private"}).to_bytes(True)
    lines = content.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert {"Content-Length: 3", "Connection: close", "Cache-Control: private"} <= set(lines)
    assert "Cache-Control: no-store" not in lines
    assert lines[-1] == "abc"
    assert Answer(HTTPStatus.OK, b"abc").to_bytes(False, with_body=False).endswith(b"\r\n\r\n")


def test_a_reason_is_one_line_of_limited_length():
    reason = Refusal(HTTPStatus.BAD_REQUEST, "a\r\nb " + "c" * 10_000).reason
    assert reason.startswith("a b c")
    assert len(reason) == 500
