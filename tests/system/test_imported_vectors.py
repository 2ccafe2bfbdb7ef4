"""A vector file of another program goes through every command, as a user types them."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.command_line import error_line
from helpers.processes import latentlab_in_turn, words
from helpers.vectors import make_vectors, write_pictures, write_vectors

COUNT = 200
NAME = "kmeans-k4-embedding+l2"


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return command -> its finished process, on 200 pictures and 203 vectors."""
    folder = tmp_path_factory.mktemp("imported")
    vectors, groups = make_vectors(COUNT)
    paths = write_pictures(folder / "photos", groups)
    paths += ["nowhere/a.png", "nowhere/b.png", "nowhere/c.png"]
    file = folder / "vectors.parquet"
    write_vectors(file, np.concatenate([vectors, vectors[:3]]), path=paths)
    other = write_vectors(folder / "other.parquet", vectors)
    run = folder / "runs" / "mine"
    features = "--features embedding+l2 --restarts 1"
    commands = [
        words("import --embeddings {} --data {} --run {}", file, folder / "photos", run),
        words("choose-k --run {} --ks 3:5 " + features, run),
        words("cluster --run {} --k 3 " + features, run),
        words("cluster --run {} --k 4 " + features, run),
        words("evaluate --run {}", run),
        words("audit --run {}", run),
        words("compare {} {} --out {}", f"{run}:{NAME}", f"{run}:kmeans-k3-embedding+l2", folder),
        words("predict --run {} --embeddings {} --out {}", run, file, folder / "new.parquet"),
        words("report --run {} --sample 100", run),
        words("export --run {} --format parquet --out {}", run, folder / "clusters.parquet"),
        words("verify {}", run),
        words("runs {}", folder / "runs"),
        words("import --embeddings {} --data {} --run {}", file, folder / "photos", run),
        words("import --embeddings {} --run {}", other, run),
        words("import --embeddings {} --resize pad", other),
        words("import --embeddings {}", folder / "absent.csv"),
        words("import --embeddings {} --column no", other),
        words("cluster --run {} --k 4 --method dec", run),
        words("predict --run {} --data {}", run, folder / "photos"),
    ]
    results = latentlab_in_turn(*([*command, "--json"] for command in commands))
    return folder, list(zip(commands, results, strict=True))


def result_of(printed, place):
    _, results = printed
    command, result = results[place]
    assert result.returncode == 0, (command, result.stderr)
    return json.loads(result.stdout)["result"]


def test_rows_that_match_no_image_are_counted(printed):
    report = result_of(printed, 0)
    assert (report["rows"], report["vectors"], report["rows_without_image"]) == (203, 200, 3)
    assert report["examples"]["rows_without_image"][0] == "nowhere/a.png"
    assert report["matched_by"] == "same id"
    assert "3 vectors match no image and are left out: nowhere/a.png" in printed[1][0][1].stderr


def test_every_command_takes_the_run(printed):
    folder, _ = printed
    results = [result_of(printed, place) for place in range(1, 12)]
    assert results[0]["k"] in (3, 4)
    assert results[2]["name"] == NAME
    purity = [row for row in results[3]["rows"] if row["metric"] == "purity"]
    assert purity[0]["value"] > 0.9
    assert any(row["method"] == "colours+kmeans" for row in purity)
    assert pq.read_metadata(folder / "new.parquet").num_rows == 203
    assert (folder / "runs" / "mine" / "report" / "index.html").exists()
    assert "image" in pq.read_schema(folder / "clusters.parquet").names
    assert results[9]["reproduces"] is True
    assert results[10][0]["arch"] == "vectors"


def test_a_repeated_import_says_the_same(printed):
    assert result_of(printed, 12) == result_of(printed, 0)


@pytest.mark.parametrize(
    ("place", "code", "reason"),
    [
        (13, 4, "holds a run with other settings"),
        (14, 2, "--resize belongs to --data"),
        (15, 3, "absent.csv does not exist. Check the path given to --embeddings."),
        (16, 2, "--column no: .* has no such column; it has embedding"),
        (17, 2, "vectors from a file cannot be trained"),
        (18, 2, "give --embeddings, not images"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(printed, place, code, reason):
    _, results = printed
    line = error_line(results[place][1], code)
    assert re.search(reason, line)
