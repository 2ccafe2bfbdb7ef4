"""Exit codes of commands, with one line for each error.

Two are of processes of their own, the others of forks of a warm one.
"""

import os
import stat

import pytest
from helpers.command_line import FAST, error_line
from helpers.processes import latentlab_command, latentlab_in_turn, warm_command


def test_unknown_data_is_code_2(tmp_path):
    assert "unknown data 'cifar11'" in error_line(
        latentlab_command("fit", "--data", "cifar11", "--run", tmp_path / "r"), 2
    )
    assert not (tmp_path / "r").exists()


def test_empty_folder_is_code_3(tmp_path):
    (tmp_path / "photos").mkdir()
    assert "photos" in error_line(
        warm_command("fit", "--data", tmp_path / "photos", "--run", tmp_path / "r"), 3
    )


def test_unreadable_archive_is_code_3(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"not an archive")
    line = error_line(
        warm_command("fit", "--data", "cifar10", "--data-dir", tmp_path, "--run", tmp_path / "r"),
        3,
    )
    assert "cifar-10-binary.tar.gz" in line


def test_interrupted_download_is_code_3(tmp_path):
    """Without network and without data, the download fails in one line that says what to do."""
    home = {
        "HOME": str(tmp_path),
        "KERAS_HOME": str(tmp_path / "keras"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    proxy = {
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "no_proxy": "",
    }
    line = error_line(
        warm_command("fit", "--data", "cifar10", "--run", tmp_path / "r", **home, **proxy), 3
    )
    assert "--data-dir" in line


def test_k_larger_than_n_is_code_3(finished_run):
    assert "--k 500" in error_line(
        warm_command("cluster", "--run", finished_run.path, "--k", "500"), 3
    )


def test_missing_run_is_code_4(tmp_path):
    assert "latentlab fit --run" in error_line(
        latentlab_command("cluster", "--run", tmp_path / "none", "--k", "3"), 4
    )


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_read_only_disk_is_code_4(stripes_file, tmp_path):
    """Root passes permissions, so for root the kernel's /proc is the folder without writing."""
    if os.geteuid() == 0:
        folder = "/proc/latentlab-run"
    else:
        folder = tmp_path / "locked" / "run"
        folder.parent.mkdir()
        folder.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    line = error_line(warm_command("fit", "--data", stripes_file, "--run", folder, *FAST), 4)
    assert "cannot write" in line


BAD_OPTIONS = {
    ("--epochs", "0"): "--epochs 0: must be at least 1.",
    ("--learning-rate", "-1"): "--learning-rate -1.0: must be above 0.",
    ("--arch", "conv9"): "Did you mean 'conv8'",
    ("--set", "width"): "NAME=VALUE",
    ("--set", "depth=3"): "has no option depth",
    ("--size", "30"): "multiples of 4",
}


@pytest.fixture(scope="module")
def refused(stripes_file, tmp_path_factory):
    """Return what `fit` answered to each of the bad options."""
    folder = tmp_path_factory.mktemp("refused")
    commands = [
        ("fit", "--data", stripes_file, "--run", folder / str(i), *options)
        for i, options in enumerate(BAD_OPTIONS)
    ]
    return dict(zip(BAD_OPTIONS, latentlab_in_turn(*commands), strict=True))


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options_are_code_2(refused, options):
    assert BAD_OPTIONS[options] in error_line(refused[options], 2)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("cluster",), "Missing option '--k'. See: latentlab cluster --help"),
        (("fit", "--epochs", "two"), "'two' is not a valid integer"),
        (("fit", "--epoch", "2"), "Did you mean"),
        (("cluser", "--k", "2"), "No such command 'cluser'"),
    ],
)
def test_wrong_usage_is_code_2_in_one_line(command, text):
    result = warm_command(*command)
    assert text in error_line(result, 2)
    assert result.stderr.count("\n") == 1


def test_bad_features_and_methods_are_code_2(finished_run):
    assert "unknown step" in error_line(
        warm_command("cluster", "--run", finished_run.path, "--k", "3", "--features", "pol"), 2
    )
    assert "unknown name" in error_line(
        warm_command("cluster", "--run", finished_run.path, "--k", "3", "--method", "kmeens"),
        2,
    )
