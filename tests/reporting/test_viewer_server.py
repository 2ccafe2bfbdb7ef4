"""The server of `latentlab view` answers its own page only."""

import contextlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
from helpers.runs import small_fit
from helpers.viewing import ask, change, serving
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import RunError
from latentlab.reporting import viewer, viewer_connection
from latentlab.reporting.edits import Editor
from latentlab.reporting.viewer_server import MOST_CONNECTIONS
from latentlab.storage.run import Run


@pytest.fixture(scope="module")
def server(run_with_map):
    """Serve the run with a map; tests must not edit by it."""
    with serving(pipeline.viewer(run_with_map, sample=100)) as server:
        yield server


def raw(server, sent: bytes) -> bytes:
    """Send bytes, and return all that is answered until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as browser:
        browser.sendall(sent)
        pieces = []
        while piece := browser.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_the_token_gives_a_cookie_and_leads_to_the_page(server):
    assert server.server_address[0] == "127.0.0.1"
    path = server.address.split(str(server.server_port))[1]
    status, headers, body = ask(server, path, Cookie=None, Sec_Fetch_Site="cross-site")
    assert status == 200
    secret_path = re.search(r'content="0; url=([^"]+)"', body.decode())[1]
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert attributes == ["HttpOnly", "SameSite=Strict", f"Path={secret_path}"]
    assert server.session.token not in cookie + secret_path
    status, headers, body = ask(server, secret_path, Cookie=cookie)
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
        ("", {"Cookie": None}),
        ("/", {}),
        ("/?token=wrong", {"Cookie": None}),
        ("", {"Cookie": "latentlab-0=x"}),
        ("image/0", {"Cookie": None}),
        ("state", {"Cookie": None}),
        ("/state", {}),
        ("", {"Host": "evil.example"}),
        ("", {"Host": "localhost"}),
        ("", {"Origin": "http://127.0.0.1:1"}),
        ("image/0", {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_strangers_are_refused(server, path, changes):
    status, headers, body = ask(server, path, **changes)
    assert status == 403
    assert b"<html" not in body
    assert "Set-Cookie" not in headers


def test_a_request_without_host_is_malformed(server):
    assert ask(server, "image/0", Host=None)[0] == 400


def test_a_server_at_another_port_gets_no_secret_that_opens_this_one(server):
    """What a browser sends to every port of 127.0.0.1 is a cookie without a path, at the most."""
    cookie = server.session.cookie
    for path in ("/", "/state", "/image/0", "/edit"):
        assert ask(server, path, Cookie=cookie)[0] == 403
    page = f"http://127.0.0.1:{server.server_port + 1}"
    edit = {"action": "drop", "clusters": [0]}
    assert ask(server, "edit", "POST", {"edit": edit, "made_on": ""}, Origin=page)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "../run.json",
        "run.json",
        "image/../../run.json",
        "image/-1",
        "image/999999",
        "image/x",
        "image/0/1",
        "image/",
        "image",
        "state/",
        "state?",
        "edit/1",
        "%2e%2e/run.json",
        "thumb/7/1",
        "thumb/99999?side=96",
        "image/7?side=96",
        "neighbours/99999",
        "neighbours/7?side=96",
        "points/xy",
        "points/",
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
    made_on = json.loads(ask(server, "state")[2])["version"]
    wanted = {"made_on": made_on, "edit": {"action": "drop", "clusters": [0]}}
    status, _, _ = ask(server, "edit", "POST", wanted, **changes)
    assert status == 403
    assert not Editor(run_with_map.clustering("kmeans-k4")).path.exists()


def test_images_are_those_of_the_run(server, run_with_map):
    status, headers, body = ask(server, "image/7")
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
        status, headers, body = ask(server, "original/3")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(body))),
            np.asarray(Image.open(tmp_path / "photos" / "03.png")),
        )
        status, headers, body = ask(server, "original/11")
        assert (status, headers["Content-Type"], Image.open(io.BytesIO(body)).size) == (
            200,
            "image/jpeg",
            (900, 1200),
        )
        assert ask(server, "original/12")[0] == 404
        (tmp_path / "photos" / "03.png").unlink()
        status, _, body = ask(server, "original/3")
        assert status == 404
        assert b"03.png cannot be read" in body


def test_images_without_files_are_served_as_the_run_has_them(server):
    assert ask(server, "original/7")[2] == ask(server, "image/7")[2]
    assert ask(server, "original/7", Cookie=None)[0] == 403


def test_edits_are_saved_answered_and_undone(run_with_map, tmp_path):
    run = Run.open(shutil.copytree(run_with_map.path, tmp_path / "run"))
    editor = Editor(run.clustering("kmeans-k4"))
    ids = editor.state().ids[:5].tolist()
    with serving(pipeline.viewer(run, sample=100)) as server:
        for edit in (
            {"action": "name", "cluster": 1, "name": "<b>"},
            {"action": "mark", "images": ids, "mark": "odd"},
        ):
            status, told = change(server, "edit", edit)
            assert status == 200
        assert told["groups"]["cluster"]["names"][1] == "<b>"
        assert told["groups"]["mark"]["names"] == ["odd"]
        assert (told["edits"], told["undone"], told["last"]) == (2, 0, "marked 5 images 'odd'")
        assert change(server, "undo")[1]["undone"] == 1
        assert editor.state().marks == {}
        assert change(server, "redo")[1]["edits"] == 2


NAME = {"action": "name", "cluster": 1, "name": "cats"}


@pytest.fixture
def own_run(run_with_map, tmp_path):
    """Return a copy of the run with a map, which the test may edit."""
    return Run.open(shutil.copytree(run_with_map.path, tmp_path / "run"))


@pytest.fixture
def own_server(own_run):
    with serving(pipeline.viewer(own_run, sample=100)) as server:
        yield server


def test_edits_that_cannot_be_are_answered_with_the_reason(own_server):
    status, told = change(own_server, "edit", {"action": "merge", "clusters": [0, 99]})
    assert status == 400
    assert "from 0 to 3" in told["error"]
    assert change(own_server, "edit", [1])[0] == 400
    assert change(own_server, "edit")[0] == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 5000, b"null"])
def test_a_change_that_is_none_is_answered(server, body):
    session = server.session
    head = (
        f"POST {session.path}edit HTTP/1.1\r\nHost: {session.host}\r\nOrigin: {session.origin}\r\n"
        f"Cookie: {session.cookie}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    assert raw(server, head.encode() + body).startswith(b"HTTP/1.1 400 ")


def test_an_edit_of_a_second_tab_that_has_not_seen_the_first_is_refused(own_server, own_run):
    seen = json.loads(ask(own_server, "state")[2])["version"]
    status, told = change(own_server, "edit", NAME, seen)
    assert status == 200
    for action, edit in (("edit", {"action": "drop", "clusters": [1]}), ("undo", None)):
        status, refused = change(own_server, action, edit, seen)
        assert status == 409
        assert "changed elsewhere" in refused["error"]
    log = Editor(own_run.clustering("kmeans-k4")).read()
    assert [stamped.edit.name for stamped in log.edits] == ["cats"]
    assert change(own_server, "undo", made_on=told["version"])[0] == 200


def test_of_many_edits_at_once_one_is_done_and_none_half(own_server, own_run):
    seen = json.loads(ask(own_server, "state")[2])["version"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: change(own_server, "edit", NAME, seen)[0], range(8)))
    assert sorted(answers) == [200] + [409] * 7
    assert len(Editor(own_run.clustering("kmeans-k4")).read().edits) == 1


def test_a_second_viewer_sees_the_edits_of_the_first_and_loses_none(own_server, own_run):
    with serving(pipeline.viewer(Run.open(own_run.path), sample=100)) as second:
        seen = json.loads(ask(second, "state")[2])["version"]
        assert change(own_server, "edit", NAME, seen)[0] == 200
        assert change(second, "edit", {"action": "drop", "clusters": [1]}, seen)[0] == 409
        assert json.loads(ask(second, "state")[2])["groups"]["cluster"]["names"][1] == "cats"
        assert change(second, "edit", {"action": "drop", "clusters": [2]})[0] == 200
    assert len(Editor(own_run.clustering("kmeans-k4")).read().edits) == 2


def test_a_run_that_another_process_holds_is_told_of(own_server, own_run, monkeypatch):
    monkeypatch.setattr(viewer, "PATIENCE", 0.1)
    with own_run.lock():
        status, told = change(own_server, "edit", NAME)
    assert status == 400
    assert "in use by another process" in told["error"]
    assert change(own_server, "edit", NAME)[0] == 200


def test_a_viewer_waits_for_another_one_that_writes_an_edit(own_server, own_run):
    with ThreadPoolExecutor(1) as pool:
        with own_run.lock():
            answer = pool.submit(change, own_server, "edit", NAME)
            time.sleep(0.3)
            assert not answer.done()
        assert answer.result()[0] == 200


@pytest.fixture
def viewed_process(own_run, tmp_path, monkeypatch):
    """Start the command line's viewer; return its process, and what a browser then knows."""
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\ncat "$1" > {tmp_path}/page\necho "$@" > {tmp_path}/command\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", str(opener.parent), prepend=os.pathsep)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "latentlab", "view", str(own_run.path), "--sample", "100"]
    with subprocess.Popen([*command, "--open"], stdout=subprocess.PIPE, text=True) as process:
        address = urlsplit(process.stdout.readline().strip())
        gone = types.SimpleNamespace(
            server_port=address.port,
            session=types.SimpleNamespace(host=address.netloc, cookie="", path="/"),
        )
        gone.session.origin = f"http://{address.netloc}"
        _, headers, body = ask(gone, f"/?{address.query}")
        gone.session.cookie = headers["Set-Cookie"].split(";")[0]
        gone.session.path = re.search(r"url=([^\"]+)", body.decode())[1]
        yield process, gone, address.geturl()
        process.kill()


def test_a_viewer_that_is_killed_amid_edits_has_kept_every_one_it_answered(
    viewed_process, own_run, tmp_path
):
    """The kill falls anywhere: the edits go on as fast as they can until the viewer is gone."""
    process, gone, address = viewed_process
    threading.Timer(0.7, process.kill).start()
    answered = 0
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            edit = {"action": "name", "cluster": 0, "name": f"name {answered}"}
            assert change(gone, "edit", edit)[0] == 200
            answered += 1
    process.wait()
    assert answered > 0
    names = [stamped.edit.name for stamped in Editor(own_run.clustering("kmeans-k4")).read().edits]
    assert names[:answered] == [f"name {i}" for i in range(answered)]
    assert len(names) in (answered, answered + 1)
    with serving(pipeline.viewer(Run.open(own_run.path), sample=100)) as server:
        assert change(server, "edit", NAME)[1]["edits"] == len(names) + 1
    # The browser got a file, not the address, which every user could have read.
    until = time.monotonic() + 20
    while not (tmp_path / "command").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert "token" not in (tmp_path / "command").read_text()
    assert address in (tmp_path / "page").read_text()


def test_malformed_requests_are_answered_and_the_next_connection_too(server):
    requests = {
        b"\x16\x03\x01\x02\x00": b"400",
        b"GET /\r\n\r\n": b"400",
        b"GET / HTTP/1.1\n\n": b"400",
        b"GET / HTTP/1.1\r\n\r\n": b"400",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": b"505",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": b"400",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000 + b"\r\n\r\n": b"431",
    }
    for sent, status in requests.items():
        assert raw(server, sent).startswith(b"HTTP/1.1 " + status)
    assert ask(server, "state")[0] == 200


def test_a_get_with_a_body_cannot_smuggle_another_request(server):
    session = server.session
    inner = f"GET {session.path}state HTTP/1.1\r\nHost: {session.host}\r\n\r\n".encode()
    head = (
        f"GET {session.path}state HTTP/1.1\r\nHost: {session.host}\r\nCookie: {session.cookie}\r\n"
    )
    for lengths in (f"Content-Length: {len(inner)}\r\n", "Transfer-Encoding: chunked\r\n"):
        answer = raw(server, head.encode() + lengths.encode() + b"\r\n" + inner)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer[9:12] in (b"400", b"501")


def test_requests_that_come_at_once_are_answered_in_order(server):
    session = server.session
    asked = [f"{session.path}{path}" for path in ("image/0", "nothing")]
    heads = [
        f"GET {target} HTTP/1.1\r\nHost: {session.host}\r\nCookie: {session.cookie}\r\n\r\n"
        for target in asked
    ]
    answer = raw(server, "".join(heads).encode())
    assert [answer.split(b"HTTP/1.1 ")[i][:3] for i in (1, 2)] == [b"200", b"404"]


def test_a_head_request_gets_no_body(server):
    session = server.session
    sent = f"HEAD {session.path} HTTP/1.1\r\nHost: {session.host}\r\n\r\n"
    answer = raw(server, sent.encode())
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")


def test_what_strangers_send_is_not_read(server):
    """The answer comes before the body, of which nothing is kept."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as browser:
        head = f"POST /edit HTTP/1.1\r\nHost: {server.session.host}\r\nContent-Length: 64000000\r\n"
        browser.sendall(head.encode() + b"\r\n")
        assert browser.recv(100).startswith(b"HTTP/1.1 403 ")


def test_the_answer_arrives_though_a_stranger_still_sends(server):
    body = bytes(20_000_000)
    head = (
        f"POST /edit HTTP/1.1\r\nHost: {server.session.host}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    assert raw(server, head.encode() + body).startswith(b"HTTP/1.1 403 ")


def test_many_half_open_connections_keep_nobody_out(server):
    began = b"GET / HTTP/1.1\r\nHost: "
    address = ("127.0.0.1", server.server_port)
    with contextlib.ExitStack() as stack:
        for number in range(MOST_CONNECTIONS + 60):
            browser = stack.enter_context(socket.create_connection(address, timeout=10))
            browser.sendall(began[: number % len(began)])
        assert ask(server, "state")[0] == 200
        assert server.connections <= MOST_CONNECTIONS


def test_the_log_holds_no_secret(server, caplog):
    caplog.set_level("DEBUG", logger="latentlab")
    session = server.session
    ask(server, server.address.split(str(server.server_port))[1])
    ask(server, "state")
    assert "view: GET was answered with 200" in caplog.text
    ask(server, session.path, Cookie=None)
    assert "refused with 403" in caplog.text
    for secret in (session.token, session.path, session.cookie):
        assert secret not in caplog.text


def test_a_connection_that_shows_the_secrets_outlives_those_that_do_not(server):
    """A browser's own connection stays, however many others are opened beside it."""
    session = server.session
    address = ("127.0.0.1", server.server_port)
    asked = f"GET {session.path}state HTTP/1.1\r\nHost: {session.host}\r\nCookie: {session.cookie}"
    with contextlib.ExitStack() as stack:
        known = stack.enter_context(socket.create_connection(address, timeout=10))
        for _ in range(2):
            known.sendall(asked.encode() + b"\r\n\r\n")
            assert known.recv(65536).startswith(b"HTTP/1.1 200 ")
            for _ in range(MOST_CONNECTIONS):
                stack.enter_context(socket.create_connection(address, timeout=10))


def test_idle_connections_are_dropped_and_slow_ones_told(server, monkeypatch):
    monkeypatch.setattr(viewer_connection, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(viewer_connection, "HEAD_SECONDS", 0.3)
    assert raw(server, b"") == b""
    assert raw(server, b"GET / HT").startswith(b"HTTP/1.1 408 ")


def test_a_connection_may_also_come_from_within(server):
    ours, browser = socket.socketpair()
    with browser:
        server.take(ours)
        browser.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        browser.settimeout(10)
        assert browser.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_an_edit_at_work_is_finished_before_the_viewer_ends(own_run, monkeypatch):
    begun = threading.Event()
    editor_add = Editor.add

    def slow_add(*arguments):
        begun.set()
        time.sleep(0.3)
        editor_add(*arguments)

    monkeypatch.setattr(Editor, "add", slow_add)
    with ThreadPoolExecutor(1) as pool, serving(pipeline.viewer(own_run, sample=100)) as server:
        answer = pool.submit(change, server, "edit", NAME)
        assert begun.wait(10)
        server.shutdown()
        server.server_close()
        assert len(Editor(own_run.clustering("kmeans-k4")).read().edits) == 1
        with pytest.raises((OSError, http.client.HTTPException)):
            answer.result()


def test_a_fault_of_the_viewer_is_answered(server, caplog, monkeypatch):
    def fail(position):
        raise KeyError(position)

    monkeypatch.setattr(server.viewer.pictures, "image", fail)
    status, _, body = ask(server, "image/3")
    assert status == 500
    assert "terminal" in json.loads(body)["error"]
    assert "a request failed (KeyError: 3)" in caplog.text


def test_a_taken_port_is_told_of_in_one_line(server, run_with_map):
    with pytest.raises(RunError, match=f"port {server.server_port} of 127.0.0.1 cannot be used"):
        pipeline.viewer(run_with_map, sample=100, port=server.server_port)
