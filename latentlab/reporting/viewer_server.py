"""The server of `latentlab view`, which answers this machine's own browser only.

It listens on 127.0.0.1 and asks for a token, then for a cookie. How it keeps others out is
explained in docs/decisions/0066-viewer-security.md.
"""

import secrets
import sys
from http.server import ThreadingHTTPServer
from typing import Any

from latentlab.errors import RunError
from latentlab.progress import log
from latentlab.reporting.viewer import Viewer
from latentlab.reporting.viewer_requests import RequestHandler

HOST = "127.0.0.1"
TOKEN_BYTES = 24


class Server(ThreadingHTTPServer):
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
    token : str
        The secret in the address and in the cookie.
    cookie : str
        Name of the cookie.
    hosts : set of str
        Hosts that a request may name.

    Raises
    ------
    RunError
        If the port is taken.
    """

    daemon_threads = True

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        self.viewer = viewer
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        try:
            super().__init__((HOST, port), RequestHandler)
        except OSError as error:
            raise RunError(
                f"port {port} of {HOST} cannot be used ({error.strerror}).",
                hint="Choose another `port`, or leave it out.",
            ) from error
        self.hosts = {f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"}
        self.cookie = f"latentlab-{self.server_port}"

    @property
    def address(self) -> str:
        """The address to open in a browser, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token, in a time that does not depend on the text.

        Parameters
        ----------
        text : str
            The contents of a request.

        Returns
        -------
        bool
        """
        return secrets.compare_digest(text.encode(), self.token.encode())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore dropped connections; log any other error in one line.

        Parameters
        ----------
        request : socket.socket
            The connection.
        client_address : tuple
            Address of the browser.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            problem = " ".join(str(error).split())
            log.warning("view: a request failed (%s: %s)", type(error).__name__, problem)
