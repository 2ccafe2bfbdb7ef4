"""The server of `latentlab view`, which answers this machine's own browser only.

It listens on 127.0.0.1. One loop reads the heads of all requests, refuses strangers and drops who
waits too long, so that any number of half-open connections costs it next to nothing. A few threads
answer those requests that have shown the secrets. How it keeps others out is explained in
docs/decisions/0066-viewer-security.md and docs/decisions/0084-viewer-sessions.md.
"""

import collections
import contextlib
import os
import selectors
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from latentlab.errors import RunError
from latentlab.progress import log
from latentlab.reporting import viewer_requests
from latentlab.reporting.viewer import Viewer
from latentlab.reporting.viewer_connection import Connection, ConnectionEndedError
from latentlab.reporting.viewer_http import Refusal, Request, parse_request
from latentlab.reporting.viewer_session import HOST, Session

QUEUE = 1024  # connections that the system holds until the loop takes them
MOST_CONNECTIONS = 256  # a browser opens six
THREADS = 16
AT_ONCE = 64  # connections that are taken before others are looked at
TICK = 0.25  # seconds between two looks at the clock


@dataclass(frozen=True)
class _Answered:
    """What a thread gives back to the loop.

    Attributes
    ----------
    connection : Connection
    is_last : bool
        Nothing more is answered over it.
    """

    connection: Connection
    is_last: bool


class Server:
    """The server of one viewer.

    Parameters
    ----------
    viewer : Viewer
        What is shown.
    port : int
        Port to listen on; 0 takes a free one.

    Attributes
    ----------
    viewer : Viewer
        What is shown.
    session : Session
        The secrets of this server.
    server_address : tuple of str and int
        Where it listens.

    Raises
    ------
    RunError
        If the port is taken.
    """

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        self.viewer = viewer
        self._listener = _listen(port)
        self.server_address: tuple[str, int] = self._listener.getsockname()
        self.session = Session(self.server_port)
        # Both are in the order in which they began to wait.
        self._strangers: dict[Connection, None] = {}
        self._known: dict[Connection, None] = {}
        self._at_work: set[Connection] = set()
        self._answered: collections.deque[_Answered] = collections.deque()
        self._arrived: collections.deque[socket.socket] = collections.deque()
        self._threads = ThreadPoolExecutor(THREADS, "view")
        self._selector = selectors.DefaultSelector()
        self._bell, self._button = socket.socketpair()  # a thread wakes the loop
        for end in (self._bell, self._button):
            end.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._stops = threading.Event()
        self._has_stopped = threading.Event()
        self._has_stopped.set()

    @property
    def server_port(self) -> int:
        """The port that it listens on."""
        return self.server_address[1]

    @property
    def address(self) -> str:
        """The address to open in a browser, with the token."""
        return self.session.address

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._strangers) + len(self._known) + len(self._at_work)

    # Starting and ending

    def serve_forever(self) -> None:
        """Answer until `shutdown` is called, or Ctrl-C is pressed."""
        self._has_stopped.clear()
        try:
            while not self._stops.is_set():
                self._turn()
        finally:
            self._has_stopped.set()

    def shutdown(self) -> None:
        """End `serve_forever` of another thread, and wait for its end."""
        self._stops.set()
        self._wake()
        self._has_stopped.wait()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.server_close()

    def server_close(self) -> None:
        """Give the port back and end every connection; an edit at work is finished first."""
        self._listener.close()
        for connection in (*self._strangers, *self._known):
            self._drop(connection)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._at_work:
            connection.cut()
        self._threads.shutdown(wait=True)
        for connection in self._at_work:
            connection.close()
        self._selector.close()
        self._bell.close()
        self._button.close()

    def take(self, accepted: socket.socket) -> None:
        """Answer a connection that did not come through the port; any thread may call this.

        Parameters
        ----------
        accepted : socket.socket
            The connection, which the server will close.
        """
        self._arrived.append(accepted)
        self._wake()

    # The loop

    def _turn(self) -> None:
        """Do what there is to do now, or wait a moment for something."""
        for key, _ in self._selector.select(TICK):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._bell:
                self._listen_to_threads()
            elif isinstance(key.fileobj, Connection) and key.fileobj.fileno() >= 0:
                self._attend(key.fileobj)
        self._drop_late()

    def _accept(self) -> None:
        """Take new connections."""
        for _ in range(AT_ONCE):
            try:
                accepted, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                self._make_room()  # the system has no more file numbers
                return
            self._admit(accepted)

    def _admit(self, accepted: socket.socket) -> None:
        """Look at a new connection; where there are too many, another one goes for it."""
        if self.connections >= MOST_CONNECTIONS and not self._make_room():
            accepted.close()
            return
        self._wait_for(Connection(accepted))

    def _wait_for(self, connection: Connection) -> None:
        """Look at a connection from now on."""
        group = self._known if connection.is_known else self._strangers
        group[connection] = None
        self._selector.register(connection, selectors.EVENT_READ)

    def _make_room(self) -> bool:
        """Drop the connection that is missed least; return whether there was one."""
        # Whoever opens hundreds of connections and says nothing drops only those.
        for group in (self._strangers, self._known):
            for connection in group:
                self._drop(connection)
                return True
        return False

    def _drop(self, connection: Connection) -> None:
        """End a connection at once."""
        self._let_go(connection)
        connection.close()

    def _let_go(self, connection: Connection) -> None:
        """Look at a connection no more."""
        self._strangers.pop(connection, None)
        self._known.pop(connection, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)

    def _attend(self, connection: Connection) -> None:
        """Take what has come over a connection."""
        is_open = connection.receive()
        if connection.is_closing:
            if not is_open:
                self._drop(connection)
            return
        self._answer_next(connection, is_open)

    def _answer_next(self, connection: Connection, is_open: bool = True) -> None:
        """Answer the next request, if it is whole."""
        request = None
        try:
            head = connection.take_head()
            if head is None:
                if not is_open:
                    self._give_up(connection, is_cut=True)
                return
            request = parse_request(head)
            self._hand_over(connection, request)
        except Refusal as refusal:
            # What follows may be the rest of a request that was not understood.
            self._refuse(connection, refusal, request)
        except Exception as error:
            log.warning("view: a request failed (%s: %s)", type(error).__name__, error)
            self._drop(connection)

    def _hand_over(self, connection: Connection, request: Request) -> None:
        """Let a thread answer a request that shows the secrets; answer the token here."""
        self.session.check(request)
        welcome = self.session.welcome(request)
        if welcome is not None:
            connection.send_at_once(welcome)
            self._finish(connection)
            return
        path = self.session.inner_path(request)
        self._let_go(connection)
        connection.is_known = True
        self._at_work.add(connection)
        self._threads.submit(self._work, connection, request, path)

    def _refuse(
        self, connection: Connection, refusal: Refusal, request: Request | None = None
    ) -> None:
        """Answer with a reason, as the last of a connection."""
        log.debug("view: a request was refused with %d", refusal.status)
        has_body = request is None or request.method != "HEAD"
        connection.send_at_once(refusal.answer(), has_body)
        self._finish(connection)

    def _finish(self, connection: Connection) -> None:
        """Wait a moment for the browser to end a connection."""
        self._let_go(connection)
        connection.finish()
        connection.is_known = False  # such a one may go first
        self._wait_for(connection)

    def _drop_late(self) -> None:
        """Drop the connections that have waited long enough."""
        now = time.monotonic()
        late = [
            connection
            for connection in (*self._strangers, *self._known)
            if connection.deadline < now
        ]
        for connection in late:
            self._give_up(connection, is_cut=False)

    def _give_up(self, connection: Connection, is_cut: bool) -> None:
        """End a connection over which no whole request came; say so if one had begun."""
        refusal = None if connection.is_closing else connection.why_unanswered(is_cut)
        if refusal is None:
            self._drop(connection)
        else:
            self._refuse(connection, refusal)

    def _listen_to_threads(self) -> None:
        """Take the connections that other threads hand over."""
        self._bell.recv(4096)
        while self._arrived:
            self._admit(self._arrived.popleft())
        while self._answered:
            self._take_back(self._answered.popleft())

    def _take_back(self, answered: _Answered) -> None:
        """Look at a connection again whose request a thread has answered."""
        connection = answered.connection
        self._at_work.discard(connection)
        if answered.is_last:
            self._finish(connection)
            return
        connection.wait_for_request()
        self._wait_for(connection)
        self._answer_next(connection)  # it may have come with the last one

    # The threads

    def _work(self, connection: Connection, request: Request, path: str) -> None:
        """Answer one request that has shown the secrets."""
        is_last = True
        try:
            is_last = self._answer(connection, request, path)
        except ConnectionEndedError:
            pass  # nobody is left to answer
        except Exception as error:
            log.warning("view: a request failed (%s: %s)", type(error).__name__, error)
        finally:
            self._answered.append(_Answered(connection, is_last))
            self._wake()

    def _answer(self, connection: Connection, request: Request, path: str) -> bool:
        """Send an answer; return whether it is the last one."""
        is_last = request.is_last
        try:
            body = connection.read_body(request.length)
            answer = viewer_requests.answer(self.viewer, request.method, path, body)
        except Refusal as refusal:
            answer, is_last = refusal.answer(), True
        # Neither the address nor the headers are logged: they hold the secrets.
        log.debug("view: %s was answered with %d", request.method, answer.status)
        connection.send(answer.to_bytes(is_last))
        return is_last

    def _wake(self) -> None:
        """Wake the loop."""
        with contextlib.suppress(OSError):
            self._button.send(b"!")


def _listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine."""
    listener = socket.socket()
    try:
        if sys.platform == "win32":
            # There, SO_REUSEADDR would let another program take the port over while it is in use.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        elif os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(QUEUE)
    except OSError as error:
        listener.close()
        raise RunError(
            f"port {port} of {HOST} cannot be used ({error.strerror}).",
            hint="Choose another `port`, or leave it out.",
        ) from error
    listener.setblocking(False)
    return listener
