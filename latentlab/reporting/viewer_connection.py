"""One connection to the viewer: whole requests out of it, within limits of time and size.

The server's loop asks it what has come, without ever waiting. Only once a request has shown the
secrets does a thread wait for its body, and for the browser to take the answer.
"""

import contextlib
import re
import socket
import time
from http import HTTPStatus

from latentlab.reporting.viewer_http import LARGEST_HEAD, Answer, Refusal, bad

# A connection that is idle for 15 s and then stalls in a request is dropped after 25 s.
IDLE_SECONDS = 15.0
HEAD_SECONDS = 10.0
BODY_SECONDS = 60.0
SEND_SECONDS = 30.0  # for each piece of an answer
CLOSING_SECONDS = 2.0
PIECE = 262_144  # bytes
HEAD_END = re.compile(rb"\r?\n\r?\n")
MAY_BEGIN = re.compile(rb"[A-Za-z!#$%&'*+.^_`|~0-9-]")  # the first character of a method


class ConnectionEndedError(Exception):
    """The browser closed the connection or does not take what is sent; nobody is there."""


class Connection:
    """A connection of the viewer.

    Parameters
    ----------
    accepted : socket.socket
        The connection as the server accepted it.

    Attributes
    ----------
    is_known : bool
        A request with the secrets came over it.
    is_closing : bool
        The last answer was sent; what still comes is thrown away.
    deadline : float
        When it has waited long enough, by the monotonic clock.
    """

    def __init__(self, accepted: socket.socket) -> None:
        self.is_known = False
        self.is_closing = False
        self._socket = accepted
        with contextlib.suppress(OSError):  # else the end of a long answer may wait for a receipt
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self.wait_for_request()

    def fileno(self) -> int:
        """Return the number of the socket; -1 once it is closed."""
        return self._socket.fileno()

    def wait_for_request(self) -> None:
        """Begin to wait for the next request, without blocking."""
        self._socket.setblocking(False)
        self._searched = 0
        self._began = False
        self.deadline = time.monotonic() + IDLE_SECONDS
        self._note_beginning()

    def receive(self) -> bool:
        """Take what has come; return False at the end of the connection."""
        try:
            received = self._socket.recv(PIECE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not self.is_closing:
            self._buffer += received
            self._note_beginning()
        return bool(received)

    def take_head(self) -> bytes | None:
        """Return the head of the next request, with the empty line that ends it.

        Returns
        -------
        bytes or None
            None if more has to come.

        Raises
        ------
        Refusal
            If it is too long, or plainly no request.
        """
        self._skip_empty_lines()
        if self._buffer and not MAY_BEGIN.match(self._buffer):
            raise bad("this is no request of HTTP; the viewer speaks http, not https")
        end = HEAD_END.search(self._buffer, self._searched)
        if (end.end() if end else len(self._buffer)) > LARGEST_HEAD:
            raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long")
        self._searched = max(0, len(self._buffer) - 4)
        return None if end is None else self._take(end.end())

    def why_unanswered(self, is_cut: bool) -> Refusal | None:
        """Return the refusal of a request that never became whole; None if none had begun.

        Parameters
        ----------
        is_cut : bool
            The connection has ended; else the time is over.

        Returns
        -------
        Refusal or None
        """
        if not self._began:
            return None
        return _cut() if is_cut else _slow()

    def read_body(self, length: int) -> bytes:
        """Return the body of a request, and wait for it.

        Parameters
        ----------
        length : int
            Its bytes.

        Returns
        -------
        bytes

        Raises
        ------
        ConnectionEndedError
            If the connection breaks.
        Refusal
            If it is too slow or cut.
        """
        deadline = time.monotonic() + BODY_SECONDS
        while len(self._buffer) < length:
            self._buffer += self._wait_for_more(deadline)
        return self._take(length)

    def send(self, content: bytes) -> None:
        """Send bytes, and wait until the browser takes them.

        Parameters
        ----------
        content : bytes
            An answer.

        Raises
        ------
        ConnectionEndedError
            If the browser is gone, or takes a piece of it in longer than 30 seconds.
        """
        view = memoryview(content)
        try:
            self._socket.settimeout(SEND_SECONDS)
            for start in range(0, len(view), PIECE):
                self._socket.sendall(view[start : start + PIECE])
        except OSError as error:
            raise ConnectionEndedError from error

    def send_at_once(self, answer: Answer, with_body: bool = True) -> None:
        """Send a short last answer without waiting; who takes nothing gets nothing.

        Parameters
        ----------
        answer : Answer
            The answer.
        with_body : bool
            False for an answer to HEAD.
        """
        with contextlib.suppress(OSError):
            self._socket.send(answer.to_bytes(closes=True, with_body=with_body))

    def finish(self) -> None:
        """Say that nothing more comes, and wait for the browser to say the same.

        Closing while the browser still sends would reset the connection, and could take the last
        answer away from it.
        """
        self.is_closing = True
        self.deadline = time.monotonic() + CLOSING_SECONDS
        with contextlib.suppress(OSError):
            self._socket.setblocking(False)
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def cut(self) -> None:
        """End the connection, so that a thread that waits for it goes on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _note_beginning(self) -> None:
        """Set the time by which a request that has begun must be whole."""
        if self._buffer and not self._began:
            self._began = True
            self.deadline = time.monotonic() + HEAD_SECONDS

    def _skip_empty_lines(self) -> None:
        """Pass over empty lines before a request, as RFC 9112 asks."""
        if self._buffer[:1] in (b"\r", b"\n"):
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))]
            self._searched = 0

    def _take(self, length: int) -> bytes:
        """Take bytes out of what has come."""
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._searched = 0
        return taken

    def _wait_for_more(self, deadline: float) -> bytes:
        """Wait for some bytes."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise _slow()
        try:
            self._socket.settimeout(left)
            received = self._socket.recv(PIECE)
        except TimeoutError as error:
            raise _slow() from error
        except OSError as error:
            raise ConnectionEndedError from error
        if not received:
            raise _cut()
        return received


def _slow() -> Refusal:
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request takes too long")


def _cut() -> Refusal:
    return bad("the request ends in the middle")
