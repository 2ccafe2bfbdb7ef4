"""One connection to the viewer: whole requests, within limits of time and size."""

import socket
import threading
from http import HTTPStatus

import pytest

from latentlab.reporting import viewer_connection
from latentlab.reporting.viewer_connection import Connection, ConnectionEndedError
from latentlab.reporting.viewer_http import LARGEST_HEAD, Answer, Refusal

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def ends():
    """Return a connection of the viewer, and the browser's end of it."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(20)
    with ours, theirs:
        yield Connection(ours), theirs


@pytest.fixture
def impatient(monkeypatch):
    """Shorten the limits of time."""
    for name in ("IDLE_SECONDS", "HEAD_SECONDS", "BODY_SECONDS", "SEND_SECONDS"):
        monkeypatch.setattr(viewer_connection, name, 0.2)


def refused(read) -> int:
    with pytest.raises(Refusal) as refusal:
        read()
    return int(refusal.value.status)


def test_requests_that_come_at_once_are_read_one_after_the_other(ends):
    connection, browser = ends
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    browser.sendall(b"\r\n" + HEAD + post + b"12345" + HEAD)
    assert connection.receive()
    assert connection.take_head() == HEAD
    assert connection.take_head() == post
    assert connection.read_body(5) == b"12345"
    connection.wait_for_request()
    assert connection.take_head() == HEAD
    assert connection.take_head() is None


def test_a_request_in_pieces_is_read(ends):
    connection, browser = ends
    for i in range(len(HEAD)):
        assert connection.take_head() is None
        browser.sendall(HEAD[i : i + 1])
        assert connection.receive()
    assert connection.take_head() == HEAD


def test_nothing_is_waited_for(ends):
    connection, _ = ends
    assert connection.receive()
    assert connection.take_head() is None


def test_the_time_for_a_request_begins_with_its_first_byte_and_grows_no_more(ends):
    connection, browser = ends
    idle = connection.deadline
    browser.sendall(b"G")
    connection.receive()
    begun = connection.deadline
    assert begun < idle
    browser.sendall(b"E")
    connection.receive()
    assert connection.deadline == begun


def test_an_idle_connection_is_owed_no_word_and_one_that_stopped_is(ends):
    connection, browser = ends
    assert connection.why_unanswered(is_cut=False) is None
    browser.sendall(b"\r\n")
    connection.receive()
    assert connection.take_head() is None
    assert connection.why_unanswered(is_cut=False).status == 408
    assert connection.why_unanswered(is_cut=True).status == 400


def test_a_body_that_stops_is_answered(ends, impatient):
    connection, browser = ends
    browser.sendall(b"12345")
    assert refused(lambda: connection.read_body(100)) == 408


def test_one_byte_after_the_other_does_not_hold_a_body_open(ends, impatient):
    connection, browser = ends
    end = threading.Event()

    def trickle():
        while not end.wait(0.02):
            browser.sendall(b"a")

    thread = threading.Thread(target=trickle)
    thread.start()
    assert refused(lambda: connection.read_body(1_000_000)) == 408
    end.set()
    thread.join()


def test_a_body_that_is_cut_is_answered(ends):
    connection, browser = ends
    browser.sendall(b"12345")
    browser.shutdown(socket.SHUT_WR)
    assert refused(lambda: connection.read_body(6)) == 400


def test_the_end_of_a_connection_is_seen(ends):
    connection, browser = ends
    browser.close()
    assert not connection.receive()
    assert connection.why_unanswered(is_cut=True) is None


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\x00", 400),
        (b" GET / HTTP/1.1\r\n", 400),
        (b"\r\n\r\n\x00", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * LARGEST_HEAD, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * LARGEST_HEAD + b"\r\n\r\n", 431),
    ],
)
def test_what_cannot_become_a_request_is_refused_at_once(ends, sent, status):
    connection, browser = ends
    browser.sendall(sent)
    connection.receive()
    assert refused(connection.take_head) == status


def test_lines_that_end_in_line_feeds_only_are_a_whole_head(ends):
    connection, browser = ends
    browser.sendall(b"GET / HTTP/1.1\nHost: x\n\n")
    connection.receive()
    assert connection.take_head().endswith(b"\n\n")


def test_a_browser_that_takes_nothing_is_given_up(ends, impatient):
    connection, _ = ends
    with pytest.raises(ConnectionEndedError):
        connection.send(bytes(50_000_000))
    connection.wait_for_request()
    connection.send_at_once(Answer(HTTPStatus.OK))  # neither waits nor fails


def test_a_thread_that_waits_for_a_body_goes_on_when_the_connection_is_cut(ends):
    connection, _ = ends
    cutter = threading.Timer(0.1, connection.cut)
    cutter.start()
    assert refused(lambda: connection.read_body(5)) == 400
    cutter.join()


def test_what_comes_after_the_last_answer_is_thrown_away(ends):
    connection, browser = ends
    connection.finish()
    assert browser.recv(1) == b""
    browser.sendall(HEAD)
    assert connection.receive()
    assert connection.take_head() is None
