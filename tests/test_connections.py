import socket
import subprocess
import sys

import pytest
from helpers.files import ROOT

from latentlab import connections
from latentlab.errors import DataError


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_the_variable_says_whether_downloads_are_refused(monkeypatch, value, expected):
    monkeypatch.setenv("LATENTLAB_OFFLINE", value)
    assert connections.is_offline() is expected


def test_a_download_is_announced(monkeypatch, caplog):
    monkeypatch.delenv("LATENTLAB_OFFLINE", raising=False)
    with caplog.at_level("INFO", logger="latentlab"):
        connections.announce("download https://example.org/digits.npz")
    assert "download https://example.org/digits.npz" in caplog.text


def test_offline_a_download_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setenv("LATENTLAB_OFFLINE", "1")
    with pytest.raises(DataError) as caught:
        connections.announce("download https://example.org/digits.npz", "Fetch it yourself.")
    assert str(caught.value) == (
        "cannot download https://example.org/digits.npz: connections are refused (`offline`). "
        "Fetch it yourself."
    )


OF_A_LIBRARY = """
import socket, sys, urllib.request
from latentlab import connections

connections.set_offline(True)
tries = {
    "connect": lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1]))),
    "name": lambda: socket.getaddrinfo("localhost", 80),
    "address": lambda: urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/"),
    "packet": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
}
for name, attempt in tries.items():
    try:
        attempt()
        print(name, "went through")
    except OSError as error:
        print(name, "refused")
ours, theirs = socket.socketpair()
ours.send(b"y")
print(theirs.recv(1))
connections.set_offline(False)
socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("allowed again")
"""


def test_offline_libraries_cannot_connect_either():
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [sys.executable, "-c", OF_A_LIBRARY, str(server.getsockname()[1])],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
        assert done.stdout.splitlines() == [
            "connect refused",
            "name refused",
            "address refused",
            "packet refused",
            "b'y'",
            "allowed again",
        ], done.stderr
        server.settimeout(5)
        server.accept()[0].close()  # the one that was allowed
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
