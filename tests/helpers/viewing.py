"""A viewer's server, asked as its page would ask."""

import contextlib
import http.client
import json
import threading


@contextlib.contextmanager
def serving(server):
    """Let a server answer until the block ends."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, path, method="GET", body=None, **changes):
    """Ask as the page would, and return status, headers and body.

    `path` is below the secret one, unless it begins with a slash. `changes` are headers in place of
    the page's own; those that are None are left out.
    """
    session = server.session
    headers = {"Host": session.host, "Cookie": session.cookie}
    if method == "POST":
        headers |= {"Origin": session.origin, "Content-Type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    address = path if path.startswith("/") else session.path + path
    connection.putrequest(method, address, skip_host=True, skip_accept_encoding=True)
    data = None if body is None else json.dumps(body).encode()
    for name, value in (
        headers | ({"Content-Length": str(len(data))} if data is not None else {})
    ).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def change(server, action, edit=None, made_on=None):
    """Change the clusters as the page would; return status and JSON."""
    if made_on is None:
        made_on = json.loads(ask(server, "state")[2])["version"]
    status, _, body = ask(server, action, "POST", {"made_on": made_on, "edit": edit})
    return status, json.loads(body)
