"""The server of `latentlab view` answers its own page only."""

import contextlib
import http.client
import io
import json
import shutil
import threading

import numpy as np
import pytest
from helpers.runs import small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import RunError
from latentlab.reporting.edits import Editor
from latentlab.reporting.viewer_server import Server
from latentlab.storage.run import Run


@pytest.mark.parametrize(
    ("error", "said"),
    [(BrokenPipeError(), ""), (KeyError("x"), "a request failed (KeyError: 'x')")],
)
def test_a_browser_that_goes_away_is_nobody_s_business(caplog, error, said):
    try:
        raise error
    except (OSError, KeyError):
        Server.handle_error(None, None, None)
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


@pytest.fixture(scope="module")
def server(run_with_map):
    """Serve the run with a map; tests must not edit by it."""
    with serving(pipeline.viewer(run_with_map, sample=100)) as server:
        yield server


@contextlib.contextmanager
def serving(server):
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

    `changes` are headers in place of the page's own; those that are None are left out.
    """
    own = f"127.0.0.1:{server.server_port}"
    headers = {"Host": own, "Cookie": f"{server.cookie}={server.token}"}
    if method == "POST":
        headers |= {"Origin": f"http://{own}", "Content-Type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    data = None if body is None else json.dumps(body).encode()
    for name, value in (
        headers | ({"Content-Length": str(len(data))} if data is not None else {})
    ).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_the_token_opens_the_page_and_gives_a_cookie(server):
    assert server.server_address[0] == "127.0.0.1"
    path = server.address.split(str(server.server_port))[1]
    status, headers, _ = ask(server, path, Cookie=None)
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]
    status, headers, body = ask(server, "/")
    assert status == 200
    assert b'id="map"' in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256-" in policy


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/", {"Cookie": None}),
        ("/?token=wrong", {"Cookie": None}),
        ("/", {"Cookie": "latentlab-0=x"}),
        ("/image/0", {"Cookie": None}),
        ("/state", {"Cookie": None}),
        ("/", {"Host": "evil.example"}),
        ("/image/0", {"Host": None}),
    ],
)
def test_strangers_are_refused(server, path, changes):
    status, _, body = ask(server, path, **changes)
    assert status == 403
    assert b"<html" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/../run.json",
        "/run.json",
        "/image/../../run.json",
        "/image/-1",
        "/image/999999",
        "/image/x",
        "/%2e%2e/run.json",
    ],
)
def test_nothing_but_page_and_images_is_served(server, path):
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "http://evil.example"},
        {"Origin": None},
        {"Content_Type": "text/plain"},
        {"Cookie": None},
    ],
)
def test_other_pages_cannot_edit(server, run_with_map, changes):
    status, _, _ = ask(server, "/edit", "POST", {"action": "drop", "clusters": [0]}, **changes)
    assert status == 403
    assert not Editor(run_with_map.clustering("kmeans-k4")).path.exists()


def test_images_are_those_of_the_run(server, run_with_map):
    status, headers, body = ask(server, "/image/7")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(body))),
        pipeline.open_run_images(run_with_map).read(np.array([7]))[0],
    )


def test_photos_are_served_in_the_size_of_their_files(tmp_path):
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(11):
        Image.fromarray(rng.integers(0, 255, (60, 90, 3), np.uint8)).save(
            tmp_path / "photos" / f"{i:02d}.png"
        )
    lying = Image.Exif()
    lying[0x0112] = 6
    Image.fromarray(rng.integers(0, 255, (900, 1200, 3), np.uint8)).save(
        tmp_path / "photos" / "11.jpg", exif=lying
    )
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "photos"), size=16), small_fit(epochs=1), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=2))
    with serving(pipeline.viewer(run)) as server:
        status, headers, body = ask(server, "/original/3")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(body))),
            np.asarray(Image.open(tmp_path / "photos" / "03.png")),
        )
        status, headers, body = ask(server, "/original/11")
        assert (status, headers["Content-Type"], Image.open(io.BytesIO(body)).size) == (
            200,
            "image/jpeg",
            (900, 1200),
        )
        assert ask(server, "/original/12")[0] == 404
        (tmp_path / "photos" / "03.png").unlink()
        status, _, body = ask(server, "/original/3")
        assert status == 404
        assert b"03.png cannot be read" in body


def test_images_without_files_are_served_as_the_run_has_them(server):
    assert ask(server, "/original/7")[2] == ask(server, "/image/7")[2]
    assert ask(server, "/original/7", Cookie=None)[0] == 403


def test_edits_are_saved_answered_and_undone(run_with_map, tmp_path):
    run = Run.open(shutil.copytree(run_with_map.path, tmp_path / "run"))
    editor = Editor(run.clustering("kmeans-k4"))
    ids = editor.state().ids[:5].tolist()
    with serving(pipeline.viewer(run, sample=100)) as server:
        for edit in (
            {"action": "name", "cluster": 1, "name": "<b>"},
            {"action": "mark", "images": ids, "mark": "odd"},
        ):
            status, _, body = ask(server, "/edit", "POST", edit)
            assert status == 200
        told = json.loads(body)
        assert told["groups"]["cluster"]["names"][1] == "<b>"
        assert told["groups"]["mark"]["names"] == ["odd"]
        assert (told["edits"], told["undone"], told["last"]) == (2, 0, "marked 5 images 'odd'")
        assert json.loads(ask(server, "/undo", "POST")[2])["undone"] == 1
        assert editor.state().marks == {}
        assert json.loads(ask(server, "/redo", "POST")[2])["edits"] == 2


def test_edits_that_cannot_be_are_answered_with_the_reason(run_with_map, tmp_path):
    run = Run.open(shutil.copytree(run_with_map.path, tmp_path / "run"))
    with serving(pipeline.viewer(run, sample=100)) as server:
        status, _, body = ask(server, "/edit", "POST", {"action": "merge", "clusters": [0, 99]})
        assert status == 400
        assert "from 0 to 3" in json.loads(body)["error"]
        status, _, body = ask(server, "/edit", "POST", [1])
        assert status == 400


def test_a_taken_port_is_told_of_in_one_line(server, run_with_map):
    with pytest.raises(RunError, match=f"port {server.server_port} of 127.0.0.1 cannot be used"):
        pipeline.viewer(run_with_map, sample=100, port=server.server_port)
