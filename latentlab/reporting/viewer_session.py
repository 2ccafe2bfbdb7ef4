"""Who may use a viewer: the secrets of one server, and the check of every request.

A browser sends a cookie of 127.0.0.1 to every port, so the cookie alone opens nothing. It belongs
to a secret path, which no other port knows; the browser sends it below that path only, and it is
worth nothing without it. The token of the printed address is a third secret, which only leads to
these two. See docs/decisions/0084-viewer-sessions.md.
"""

import secrets
from http import HTTPStatus

from latentlab.reporting.viewer_http import JSON_TYPE, Answer, Refusal, Request, bad

HOST = "127.0.0.1"
SECRET_BYTES = 24
METHODS = ("GET", "POST")
OUR_FETCHES = ("same-origin", "none")  # a page of ours, or the user: address bar, bookmark
TOKEN_TARGET = "/?token="
WELCOME_POLICY = "default-src 'none'; img-src data:; frame-ancestors 'none'"
WELCOME = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>latentlab</title><link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url={path}"></head>
<body><p><a href="{path}">Open the viewer</a></p></body></html>
"""


class Session:
    """The secrets of one server.

    Parameters
    ----------
    port : int
        Port that it listens on.

    Attributes
    ----------
    token : str
        The secret in the address that is printed.
    path : str
        The secret path of the page, with a slash before and after.
    cookie : str
        Name and value of the cookie, as a request must have them.
    host : str
        The only Host that a request may name.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(SECRET_BYTES)
        self.path = f"/{secrets.token_urlsafe(SECRET_BYTES)}/"
        self.cookie = f"latentlab-{port}={secrets.token_urlsafe(SECRET_BYTES)}"
        # Another name could lead to another server: "localhost" is [::1] to many browsers.
        self.host = HOST if port == 80 else f"{HOST}:{port}"

    @property
    def origin(self) -> str:
        """The origin of the page."""
        return f"http://{self.host}"

    @property
    def address(self) -> str:
        """The address to open in a browser, with the token."""
        return f"{self.origin}{TOKEN_TARGET}{self.token}"

    def welcome(self, request: Request) -> Answer | None:
        """Answer the token with the cookie and a page that leads on; None without the token.

        A redirection would not do: where a link in another program led here, browsers would follow
        it without the new cookie.

        Parameters
        ----------
        request : Request
            A request that `check` let pass.

        Returns
        -------
        Answer or None
        """
        target = self._target(request)
        token = target.removeprefix(TOKEN_TARGET)
        if request.method != "GET" or token == target or not _is_equal(token, self.token):
            return None
        page = WELCOME.format(path=self.path).encode()
        headers = {
            "Set-Cookie": f"{self.cookie}; HttpOnly; SameSite=Strict; Path={self.path}",
            "Content-Security-Policy": WELCOME_POLICY,
        }
        return Answer(HTTPStatus.OK, page, "text/html; charset=utf-8", headers)

    def check(self, request: Request) -> None:
        """Raise Refusal if a request is not for this server, or came from another page.

        Parameters
        ----------
        request : Request
            Any request.

        Raises
        ------
        Refusal
            If its Host, address, Origin, type or method are wrong.
        """
        if request.headers["host"] != self.host:
            raise _forbidden(f"wrong Host header; the address begins with {self.origin}/")
        if request.headers.get("origin", self.origin) != self.origin:
            raise _forbidden("only the viewer's own page may ask")
        if request.method not in METHODS:
            allowed = {"Allow": ", ".join(METHODS)}
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and POST are answered", allowed)
        if request.method == "POST" and not self._is_from_script(request):
            raise _forbidden("only the viewer's own page may change clusters")
        self._target(request)

    def inner_path(self, request: Request) -> str:
        """Return what is asked for below the secret path, such as "image/7".

        Parameters
        ----------
        request : Request
            A request that `check` let pass.

        Returns
        -------
        str

        Raises
        ------
        Refusal
            If the request lacks the path or the cookie, or another page has led to it.
        """
        target = self._target(request)
        start, inner = target[: len(self.path)], target[len(self.path) :]
        # Both are compared in any case, so that the time does not say which was wrong.
        is_ours = _is_equal(start, self.path) & self._has_cookie(request)
        if not is_ours:
            raise _forbidden("open the address that latentlab view printed, with its token")
        if request.headers.get("sec-fetch-site", "none") not in OUR_FETCHES:
            raise _forbidden("another page has led here; open the address in a tab of its own")
        return inner

    def _target(self, request: Request) -> str:
        """Return path and query; an absolute address must be of this very server."""
        target = request.target
        if target.startswith(("http:", "https:")):
            target = target.removeprefix(self.origin)
            if target == request.target:
                raise _forbidden("the address is of another server")
        if not target.startswith("/") or target.startswith("//") or "#" in target:
            raise bad("the address is no path")
        return target

    def _is_from_script(self, request: Request) -> bool:
        """Return whether a POST can only come from a script of the page: no form can send it."""
        headers = request.headers
        return (
            headers.get("origin") == self.origin
            and headers.get("content-type") == JSON_TYPE
            and headers.get("sec-fetch-site", "same-origin") == "same-origin"
        )

    def _has_cookie(self, request: Request) -> bool:
        """Return whether any cookie is ours: other ports can set some of the same name."""
        cookies = request.headers.get("cookie", "").split(";")
        return any(_is_equal(cookie.strip(), self.cookie) for cookie in cookies)


def _is_equal(text: str, secret: str) -> bool:
    """Compare in a time that does not depend on where the texts differ."""
    return secrets.compare_digest(text.encode(), secret.encode())


def _forbidden(reason: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, reason)
