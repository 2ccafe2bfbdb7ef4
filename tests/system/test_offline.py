"""--offline: every download is refused in one line, and nothing connects.

All downloads go through the proxy that the environment names; here it is a socket that counts.
"""

import socket
import threading

import pytest
from helpers.command_line import error_line
from helpers.processes import latentlab_in_turn

DOWNLOADS = {
    "mnist": "fit --data mnist",
    "fashion": "fit --data fashion",
    "cifar10": "fit --data cifar10",
    "hub": "cluster --data digits --k 3 --encoder hf:somebody/small-vit",
    "keras": "cluster --data digits --k 3 --encoder keras:MobileNet",
}


class Proxy:
    """Closes what connects to it, and counts."""

    def __init__(self):
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """Return a proxy for all connections; no cache holds anything."""
    proxy = Proxy()
    address = f"http://127.0.0.1:{proxy.socket.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    for name in ("HOME", "KERAS_HOME", "XDG_CACHE_HOME", "LATENTLAB_CACHE", "HF_HOME"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("LATENTLAB_OFFLINE", raising=False)
    yield proxy
    proxy.socket.close()


def lines(*flags, names, folder):
    return [(*flags, *DOWNLOADS[name].split(), "--run", folder / name) for name in names]


def test_every_download_is_refused_in_one_line_and_nothing_connects(proxy, tmp_path):
    done = latentlab_in_turn(*lines("--offline", names=DOWNLOADS, folder=tmp_path / "runs"))
    for result in done:
        assert "connections are refused (--offline)" in error_line(result, 3)
        assert len([line for line in result.stderr.splitlines() if "refused" in line]) == 1
    assert proxy.connections == 0


def test_the_variable_does_the_same(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTLAB_OFFLINE", "1")
    (done,) = latentlab_in_turn(*lines(names=["mnist"], folder=tmp_path / "runs"))
    assert "connections are refused" in error_line(done, 3)
    assert proxy.connections == 0


def test_without_it_the_same_command_says_that_it_connects_and_does(proxy, tmp_path):
    """The tests above can fail: this proxy does see what connects."""
    (done,) = latentlab_in_turn(*lines(names=["hub"], folder=tmp_path / "runs"))
    assert "connecting: ask the hub for hf:somebody/small-vit" in done.stderr
    error_line(done, 3)
    assert proxy.connections > 0
