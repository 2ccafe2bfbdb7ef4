import http.server
import json
import shutil
import sys
import threading
import urllib.parse

import numpy as np
import pytest
from helpers import onnx_models

from latentlab.encoders.pretrained import hub
from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.hub import HubReference, open_hub
from latentlab.errors import ConfigError, DataError, MissingDependencyError

constants = pytest.importorskip("huggingface_hub.constants")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/small-vit"
REFERENCE = f"hf:{REPOSITORY}@{COMMIT}:onnx/model.onnx"
SIZE = onnx_models.SIZE
CARD = "---\nlicense: apache-2.0\ntags: [vision]\n---\nlicense: none of this\n"
CONFIG = {
    "do_rescale": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.2, 0.2],
    "size": {"height": SIZE, "width": SIZE},
}


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does, for one repository in a folder."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def log_message(self, *_):
        return

    def _answer(self, with_body):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.asked.append(path)
        status, code, content = self._found(path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hash(content) & 0xFFFFFFFF:08x}"')
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _found(self, path):
        folder = self.server.folder
        if path.startswith("/api/models/gated/"):
            return 403, "GatedRepo", b"{}"
        if path in (f"/api/models/{REPOSITORY}", f"/api/models/{REPOSITORY}/revision/{COMMIT}"):
            names = [f.relative_to(folder) for f in sorted(folder.rglob("*")) if f.is_file()]
            files = [{"rfilename": name.as_posix()} for name in names]
            info = {"id": REPOSITORY, "sha": COMMIT, "siblings": files}
            return 200, "", json.dumps(info).encode()
        if path.startswith(f"/api/models/{REPOSITORY}/revision/"):
            return 404, "RevisionNotFound", b"{}"
        path = path.replace("/resolve/main/", f"/resolve/{COMMIT}/")
        prefix = f"/{REPOSITORY}/resolve/{COMMIT}/"
        if path.startswith(prefix) and (folder / path.removeprefix(prefix)).is_file():
            return 200, "", (folder / path.removeprefix(prefix)).read_bytes()
        return 404, "RepoNotFound" if path.startswith("/api/") else "EntryNotFound", b"{}"


@pytest.fixture
def repository(tmp_path):
    """Return the folder of a repository as people publish them."""
    folder = tmp_path / "repository"
    (folder / "onnx").mkdir(parents=True)
    onnx_models.nchw_model(folder / "onnx" / "model.onnx")
    (folder / "preprocessor_config.json").write_text(json.dumps(CONFIG))
    (folder / "README.md").write_text(CARD)
    (folder / "pytorch_model.bin").write_bytes(b"not needed")
    return folder


@pytest.fixture
def server(repository, tmp_path, monkeypatch):
    """Let huggingface_hub speak to a server of this machine, with a cache of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    server.folder = repository
    server.asked = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()


def stop(server):
    server.shutdown()
    server.server_close()


def test_a_repository_opens_with_its_preprocessing_revision_and_licence(server):
    encoder = open_hub(REPOSITORY, EncoderSettings())
    card = encoder.card
    assert card.reference == REFERENCE
    assert (card.name, card.revision, card.licence) == ("small-vit", COMMIT, "apache-2.0")
    assert (card.kind, card.source) == ("onnx", f"hf:{REPOSITORY}")
    assert (card.preprocessing.mean, card.preprocessing.size) == ((0.5, 0.4, 0.3), SIZE)
    assert encoder.encode(np.zeros((2, SIZE, SIZE, 3), np.uint8)).shape == (2, card.feature_size)
    assert not any(path.endswith("pytorch_model.bin") for path in server.asked)


def test_what_was_fetched_opens_without_a_network(server):
    before = open_hub(REPOSITORY, EncoderSettings()).card
    stop(server)
    pinned = REFERENCE.removeprefix("hf:")
    for text in (
        REPOSITORY,
        pinned,
        f"{REPOSITORY}@{COMMIT}",
        f"{REPOSITORY}@{COMMIT}:onnx/model.onnx",
    ):
        assert open_hub(text, EncoderSettings()).card == before


def test_a_cache_that_was_filled_elsewhere_opens_offline(server, repository, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    home = tmp_path / "cache" / "models--somebody--small-vit"
    shutil.copytree(repository, home / "snapshots" / COMMIT)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    assert open_hub(REPOSITORY, EncoderSettings()).card.reference == REFERENCE
    assert server.asked == []


def test_without_network_and_cache_one_line(server):
    stop(server)
    with pytest.raises(DataError) as caught:
        open_hub(REPOSITORY, EncoderSettings())
    assert "is not in the hub's cache here, and the hub cannot be reached" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_connections_are_refused_the_cache_is_opened_and_the_hub_not_asked(
    server, monkeypatch
):
    before = open_hub(REPOSITORY, EncoderSettings()).card
    server.asked.clear()
    monkeypatch.setenv("LATENTLAB_OFFLINE", "1")
    assert open_hub(REPOSITORY, EncoderSettings()).card == before
    with pytest.raises(DataError, match="connections are refused"):
        open_hub("somebody/other", EncoderSettings())
    assert server.asked == []


def test_offline_without_cache_one_line(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="not in the hub's cache"):
        open_hub(REPOSITORY, EncoderSettings())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("somebody/else", "there is no such repository"),
        ("gated/model", "accepted its terms"),
        (f"{REPOSITORY}@v9", "there is no such revision"),
        (f"{REPOSITORY}:onnx/modle.onnx", "It has onnx/model.onnx"),
        (f"{REPOSITORY}:pytorch_model.bin", "has no such ONNX file"),
        ("no-owner", "is not of the form"),
        ("a/b/c", "is not of the form"),
        ("a/b@:x", "is not of the form"),
    ],
)
def test_what_the_hub_does_not_have_gets_one_line(server, text, reason):
    with pytest.raises(ConfigError) as caught:
        open_hub(text, EncoderSettings())
    assert reason in str(caught.value)
    assert text.partition(":")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["a.onnx"], "a.onnx"),
        (["onnx/model.onnx", "model.onnx", "a.onnx"], "model.onnx"),
        (["onnx/text_model.onnx", "onnx/vision_model.onnx"], "onnx/vision_model.onnx"),
    ],
)
def test_which_file_is_chosen(files, chosen):
    assert hub._chosen(HubReference(REPOSITORY), files) == chosen


@pytest.mark.parametrize(
    ("files", "reason"), [(["a.onnx", "b.onnx"], "It has a.onnx, b.onnx"), ([], "no ONNX file")]
)
def test_no_file_stands_out(files, reason):
    with pytest.raises(ConfigError, match=reason):
        hub._chosen(HubReference(REPOSITORY), files)


def test_external_data_are_fetched_too(server, repository):
    shutil.rmtree(repository / "onnx")
    onnx_models.external_model(repository / "model.onnx", "model.onnx_data")
    values = onnx_models.weights(6, 3, 4, 4)
    (repository / "model.onnx_data").write_bytes(values.tobytes())
    (repository / "model.onnx_data_1").write_bytes(b"other data")
    card = open_hub(REPOSITORY, EncoderSettings()).card
    assert len(card.files) == 2
    assert any(path.endswith("model.onnx_data") for path in server.asked)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'latentlab\[hub\]'"):
        open_hub(REPOSITORY, EncoderSettings())
