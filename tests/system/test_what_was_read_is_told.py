"""The intake account reaches people: on stderr, in --json, in the run and in later commands."""

import json

import pyarrow.parquet as pq
import pytest
from helpers.command_line import FAST
from helpers.pictures import pictures
from helpers.processes import latentlab_in_turn, python
from PIL import Image

BROKEN = 10
WHOLE = 40


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return a folder of 40 pictures and 10 empty files with a picture's name."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    for number, pixels in enumerate(pictures(WHOLE)):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    for number in range(BROKEN):
        (folder / f"broken{number}.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def done(photos, tmp_path_factory):
    """Return what commands on these pictures printed, by their names."""
    folder = tmp_path_factory.mktemp("told")
    run = folder / "run"
    commands = {
        "fit": ("fit", "--data", photos, "--run", run, "--json", *FAST),
        "fit again": ("fit", "--data", photos, "--run", run, "--json", *FAST),
        "cluster": ("cluster", "--k", "2", "--run", run, "--json"),
        "runs": ("runs", folder),
        "predict": ("predict", "--data", photos, "--run", run, "--out", folder / "p.parquet")
        + ("--json",),
        "sweep": ("sweep", "--data", photos, "--run", folder / "sweep", *FAST)
        + ("--learning-rate", "0.01,0.001"),
        "import": ("import", "--embeddings", run / "embeddings" / "part-00000.parquet")
        + ("--data", photos, "--run", folder / "imported", "--json"),
    }
    results = latentlab_in_turn(*commands.values())
    return folder, dict(zip(commands, results, strict=True))


def told(result):
    assert result.returncode == 0, result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("intake: ")]


@pytest.mark.parametrize("command", ["fit", "fit again", "cluster", "predict", "sweep"])
def test_a_loud_account_stands_once_in_every_command(done, command):
    (line,) = told(done[1][command])
    assert line.startswith("intake: 10 of what may be 50 images are left out, such as broken0.png")
    assert "40 images used" in line


def test_commands_without_data_say_nothing(done):
    assert told(done[1]["runs"]) == []


@pytest.mark.parametrize("command", ["fit", "cluster", "predict"])
def test_json_has_the_numbers(done, command):
    intake = json.loads(done[1][command].stdout)["result"]["intake"]
    assert (intake["used"], intake["missed"]) == (WHOLE, BROKEN)
    assert intake["is_loud"]
    assert intake["is_complete"]


def test_the_run_and_the_predictions_keep_the_account(done):
    folder, results = done
    recorded = json.loads((folder / "run" / "run.json").read_text())["intake"]
    assert recorded == json.loads(results["fit"].stdout)["result"]["intake"]
    metadata = pq.read_schema(folder / "p.parquet").metadata[b"latentlab.intake"]
    assert json.loads(metadata)["used"] == WHOLE


def test_an_import_tells_of_its_pictures_once(done):
    (line,) = told(done[1]["import"])
    intake = json.loads(done[1]["import"].stdout)["result"]["intake"]
    assert f"{WHOLE} images used" in line
    assert intake["used"] == WHOLE
    assert intake["is_complete"]


WATCHED = """
import pathlib, sys

log = pathlib.Path(sys.argv[1])
sys.stderr = log.open("w", buffering=1)

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            print("at tensorflow:", log.read_text().splitlines())
            raise SystemExit(0)

sys.meta_path.insert(0, Watch())
from latentlab.data import opening

real = opening.source_of

def source_of(options):
    print("at the data:", log.read_text().splitlines())
    opening.source_of = real
    return real(options)

opening.source_of = source_of
from latentlab.cli import main

sys.argv = ["latentlab", *sys.argv[2:]]
main()
"""


def test_a_log_file_has_a_line_before_each_long_step(photos, tmp_path):
    command = ("cluster", "--encoder", "cifar10-strong", "--data", ".", "--k", "2", "--json")
    run = ("--run", tmp_path / "run")
    arguments = map(str, (tmp_path / "log.txt", *command, *run))
    result = python("-c", WATCHED, *arguments, cwd=photos)
    at_data, at_tensorflow, *_ = result.stdout.splitlines()
    assert at_data == "at the data: ['read photos ...']"
    assert at_tensorflow.startswith("at tensorflow: ['read photos ...', 'intake: 10 of")
    assert at_tensorflow.endswith("'starting tensorflow ...']")
