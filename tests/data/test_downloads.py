"""Downloads against a real local server: whole, interrupted, continued, wrong, missing."""

import hashlib
import http.server
import threading

import pytest

from latentlab.data.downloads import Patience, download
from latentlab.errors import DataError

CONTENT = bytes(range(256)) * 2000


CHECKSUM = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; /cut drops the connection half-way the first time, /plain ignores Range."""

    def do_GET(self):  # noqa: N802
        self.server.requests.append((self.path, self.headers.get("Range")))
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/busy" and len(self.server.requests) < 3:
            self.send_error(503)
            return
        start = 0
        if self.headers.get("Range") and self.path != "/plain":
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        body = CONTENT[start:] if self.path != "/wrong" else b"other"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.path in ("/cut", "/plain") and len(self.server.requests) == 1
        self.wfile.write(body[: len(body) // 2] if cut or self.path == "/always-cut" else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def test_download_arrives_whole_with_progress_and_is_not_repeated(server, tmp_path):
    told = []
    for _ in range(2):
        path = download(
            f"{server.url}/file",
            tmp_path / "new" / "file",
            CHECKSUM,
            progress=lambda done, total: told.append((done, total)),
        )
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(server.requests) == 1


def test_where_connections_are_refused_a_file_that_is_here_is_taken(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTLAB_OFFLINE", "1")
    with pytest.raises(DataError, match="connections are refused"):
        download(f"{server.url}/file", tmp_path / "new" / "file", CHECKSUM)
    assert server.requests == []
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_bytes(CONTENT)
    assert download(f"{server.url}/file", tmp_path / "file", CHECKSUM) == tmp_path / "file"


def test_interrupted_download_continues_by_range(server, tmp_path):
    download(f"{server.url}/cut", tmp_path / "file", CHECKSUM, patience=Patience(wait=0.01))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_download_goes_on_in_another_process_and_where_range_is_ignored(server, tmp_path):
    with pytest.raises(DataError, match="the connection ended after"):
        download(f"{server.url}/cut", tmp_path / "file", CHECKSUM, patience=Patience(tries=1))
    assert (tmp_path / "file.part").stat().st_size == len(CONTENT) // 2
    assert not (tmp_path / "file").exists()
    download(f"{server.url}/plain", tmp_path / "file", CHECKSUM, patience=Patience(tries=1))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_complete_part_is_only_verified(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert download(f"{server.url}/file", tmp_path / "file", CHECKSUM).read_bytes() == CONTENT


def test_busy_server_is_asked_again(server, tmp_path):
    download(f"{server.url}/busy", tmp_path / "file", CHECKSUM, patience=Patience(wait=0.01))
    assert len(server.requests) == 3


def test_wrong_content_is_deleted(server, tmp_path):
    with pytest.raises(DataError, match="it was deleted"):
        download(f"{server.url}/wrong", tmp_path / "file", CHECKSUM)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_asked_for_once(server, tmp_path):
    with pytest.raises(DataError, match=r"404.*`data_dir`"):
        download(f"{server.url}/missing", tmp_path / "file", CHECKSUM, patience=Patience(wait=0.01))
    assert len(server.requests) == 1


def test_no_server_and_endless_interruptions_give_up_with_one_line(server, tmp_path):
    with pytest.raises(DataError, match="cannot download http://127.0.0.1:9/x"):
        download("http://127.0.0.1:9/x", tmp_path / "file", CHECKSUM, patience=Patience(wait=0.01))
    with pytest.raises(DataError, match="the connection ended"):
        patience = Patience(wait=0.01)
        download(f"{server.url}/always-cut", tmp_path / "other", CHECKSUM, patience=patience)
    assert (tmp_path / "other.part").exists()


def test_unwritable_place_is_one_line(server):
    with pytest.raises(DataError, match="cannot write"):
        download(f"{server.url}/file", __import__("pathlib").Path("/proc/latentlab/file"), CHECKSUM)
