"""What every command prints with --json, against the one schema that `latentlab schema` prints."""

import json

import pytest
from helpers.files import ROOT
from helpers.image_text import write_pair
from helpers.processes import latentlab_in_turn, words
from helpers.vectors import write_pictures

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("tokenizers")


SCHEMA = json.loads((ROOT / "latentlab" / "schemas" / "output.schema.json").read_text())


FIT = "--epochs 1 --batch-size 20 --set width=4 --set code_channels=4"


@pytest.fixture(scope="module")
def printed(stripes_file, tmp_path_factory):
    """Return command line -> finished process of commands that work on one run."""
    folder = tmp_path_factory.mktemp("json")
    run, other = folder / "runs" / "a", folder / "runs" / "b"
    write_pictures(folder / "photos", list("abab"))
    commands = [
        words("fit --data {} --run {} " + FIT, stripes_file, run),
        words("fit --data {} --run {} --seed 1 " + FIT, stripes_file, other),
        words(
            "sweep --data {} --run {} --learning-rate 0.01,0.001 " + FIT,
            stripes_file,
            folder / "sweep",
        ),
        words("embed --run {}", run),
        words("cluster --run {} --k 4 --restarts 1", run),
        words("cluster --run {} --k 4 --restarts 1 --seeds 2", run),
        words("cluster --run {} --method hdbscan --features pca3", run),
        words("cluster --run {} --k auto --restarts 1", run),
        words("cluster --run {} --k 5 --restarts 1 --tree", other),
        words("cut --run {} --k 2", other),
        words(
            "cluster --k 3 --embeddings {} --out {}",
            run / "embeddings" / "part-00000.parquet",
            folder / "clusters.parquet",
        ),
        words(
            "predict --run {} --name kmeans-k4 --data {} --out {}",
            run,
            stripes_file,
            folder / "predictions.parquet",
        ),
        words("evaluate --run {} --name kmeans-k4-seeds2", run),
        words("evaluate --run {} --name hdbscan-pca3", run),
        words("probe --run {}", run),
        words("audit --run {} --name kmeans-k4", run),
        words("choose-k --run {} --ks 2:4 --restarts 1", run),
        words("choose-encoder --data {} --k 3 --sample 30", stripes_file),
        words("score-by-k --run {} --ks 2:4 --restarts 1", run),
        words("compare {} {} --out {}", f"{run}:kmeans-k4", other, folder / "comparison"),
        words("verify {} --name hdbscan-pca3", run),
        words("report --run {} --name kmeans-k4-seeds2", run),
        words("export --run {} --name kmeans-k4-seeds2 --out {}", run, folder / "clusters.csv"),
        words("figures --run {} --name kmeans-k4-seeds2 --format svg", run),
        words("trust --run {} --name kmeans-k4", run),
        words("suggest --run {} --name kmeans-k4", run),
        words(
            "embed --encoder {} --data {} --run {}",
            write_pair(folder / "clip"),
            folder / "photos",
            folder / "photos-run",
        ),
        words("search red --run {}", folder / "photos-run"),
        words("update --run {}", run),
        words(
            "import --embeddings {} --run {}",
            run / "embeddings" / "part-00000.parquet",
            folder / "imported",
        ),
        words("runs {}", folder / "runs"),
        words("sources"),
        words("encoders"),
        words("methods"),
        words("evaluate --run {}", folder / "nowhere"),
        words("cluster --run {} --k 4 --method hdbscan", run),
    ]
    results = latentlab_in_turn(*[[*command, "--json"] for command in commands])
    return [(command[0], result) for command, result in zip(commands, results, strict=True)]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    (shown,) = latentlab_in_turn(("schema",))
    assert json.loads(shown.stdout) == SCHEMA


def test_every_command_prints_what_the_schema_says(printed):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for command, result in printed:
        value = json.loads(result.stdout)  # one object, and nothing else
        assert not [error.message for error in validator.iter_errors(value)], (command, value)
        assert value["command"] == command


def test_every_command_that_has_json_was_asked(printed):
    assert {command for command, _ in printed} == set(SCHEMA["properties"]["command"]["enum"])


def test_results_and_errors_do_not_mix(printed):
    for command, result in printed[:-2]:
        assert result.returncode == 0, (command, result.stderr)
        assert "result" in json.loads(result.stdout)
    missing, refused = (json.loads(result.stdout)["error"] for _, result in printed[-2:])
    assert missing["exit_code"] == 4
    assert "no latentlab run" in missing["message"]
    assert refused["exit_code"] == 2
    assert "leave --k out" in refused["message"]


def test_results_hold_what_was_asked(printed):
    results = [json.loads(result.stdout).get("result") for _, result in printed]
    united = results[5]
    assert united["seeds"] == [0, 1]
    assert united["name"] == "kmeans-k4-seeds2"
    found = results[6]
    assert found["k"] == len(found["sizes"]["train"])
    by_command = {command: json.loads(result.stdout).get("result") for command, result in printed}
    by_k = by_command["score-by-k"]["rows"]
    assert {row["k"] for row in by_k} == {2, 3, 4}
    assert all(row["chance"] is None or row["chance"] < 1 for row in by_k)
    assert by_command["compare"]["others"][0]["scores"][0]["metric"] == "purity"
    assert by_command["verify"]["reproduces"] is True
    assert by_command["trust"]["verdict"]["reasons"]


def test_a_schema_that_would_accept_anything_fails():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    envelope = {"format": 1, "latentlab": "0", "command": "verify"}
    assert not validator.is_valid(envelope)
    assert not validator.is_valid(envelope | {"result": {"checks": []}})
    assert not validator.is_valid(
        envelope | {"result": {"reproduces": "yes", "checks": [], "versions": []}}
    )
    assert validator.is_valid(
        envelope | {"result": {"reproduces": True, "checks": [], "versions": []}}
    )
