"""The command line as a user meets it: processes, exit codes, one line an error."""

import importlib.metadata
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time

import click
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, latentlab, latentlab_in_turn, make_stripes

from latentlab import config, plugins
from latentlab.cli import cli
from latentlab.cli.errors import Translator
from latentlab.cli.settings import parse_settings, route_settings
from latentlab.errors import ConfigError, RunError

FAST = ("--epochs", "1", "--batch-size", "20", "--set", "width=4")


def error_line(result, code):
    """Check that a command failed with one clear line and the documented code, and return the line."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert "Traceback" not in result.stderr
    assert lines[-1].lower().startswith("error: ")
    return lines[-1]


def test_help_answers_within_its_budget_and_imports_nothing_heavy():
    code = (
        "import sys, resource, runpy\n"
        "sys.argv = ['latentlab', '--help']\n"
        "try:\n    runpy.run_module('latentlab', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'jax', 'torch', 'numpy', 'pandas', 'sklearn', 'umap', 'matplotlib', 'pyarrow', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0, result.stderr
    assert "latentlab cluster --k 10" in result.stdout
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0
    )  # 0.3 is the promise; machines are noisy


def test_the_main_job_by_commands(stripes_file, tmp_path):
    run = tmp_path / "run"
    fitted = latentlab("fit", "--data", stripes_file, "--run", run, *FAST, "--json")
    assert fitted.returncode == 0, fitted.stderr
    assert json.loads(fitted.stdout)["result"]["epochs"] == 1
    assert "loss on one image before training" in fitted.stderr
    clustered, scored, reported, listed = latentlab_in_turn(
        ("cluster", "--run", run, "--k", "4"),
        ("evaluate", "--run", run),
        ("report", "--run", run),
        ("runs", tmp_path),
    )
    assert "sizes" in clustered.stdout, clustered.stderr
    assert "pixels+kmeans" in scored.stdout, scored.stderr
    assert reported.returncode == 0, reported.stderr
    assert reported.stdout.strip().endswith("index.html")
    assert "cluster/kmeans-k4" in listed.stdout


def test_unknown_data_is_code_2(tmp_path):
    assert "unknown data 'cifar11'" in error_line(
        latentlab("fit", "--data", "cifar11", "--run", tmp_path / "r"), 2
    )
    assert not (tmp_path / "r").exists()


def test_empty_folder_is_code_3(tmp_path):
    (tmp_path / "photos").mkdir()
    assert "photos" in error_line(
        latentlab("fit", "--data", tmp_path / "photos", "--run", tmp_path / "r"), 3
    )


def test_unreadable_archive_is_code_3(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"not an archive")
    line = error_line(
        latentlab("fit", "--data", "cifar10", "--data-dir", tmp_path, "--run", tmp_path / "r"), 3
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
        latentlab("fit", "--data", "cifar10", "--run", tmp_path / "r", **home, **proxy), 3
    )
    assert "--data-dir" in line


def test_k_larger_than_n_is_code_3(finished_run):
    assert "--k 500" in error_line(
        latentlab("cluster", "--run", finished_run.path, "--k", "500"), 3
    )


def test_missing_run_is_code_4(tmp_path):
    assert "latentlab fit --run" in error_line(
        latentlab("cluster", "--run", tmp_path / "none", "--k", "3"), 4
    )


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_read_only_disk_is_code_4(stripes_file, tmp_path):
    """root passes permissions, so a folder that no one can write to is found where the kernel offers one."""
    if os.geteuid() == 0:
        folder = "/proc/latentlab-run"
    else:
        folder = tmp_path / "locked" / "run"
        folder.parent.mkdir()
        folder.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    line = error_line(latentlab("fit", "--data", stripes_file, "--run", folder, *FAST), 4)
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
    result = latentlab(*command)
    assert text in error_line(result, 2)
    assert result.stderr.count("\n") == 1


def test_bad_features_and_methods_are_code_2(finished_run):
    assert "unknown step" in error_line(
        latentlab("cluster", "--run", finished_run.path, "--k", "3", "--features", "pol"), 2
    )
    assert "unknown name" in error_line(
        latentlab("cluster", "--run", finished_run.path, "--k", "3", "--method", "kmeens"), 2
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_with_their_code_and_the_run_resumes(tmp_path, number, code):
    images = tmp_path / "images.npy"
    np.save(images, make_stripes(400)[0])
    command = [
        sys.executable,
        "-m",
        "latentlab",
        "fit",
        "--data",
        str(images),
        "--run",
        str(tmp_path / "run"),
        "--epochs",
        "400",
        "--batch-size",
        "20",
        "--patience",
        "0",
    ]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            number, signal.SIG_DFL
        ),  # a shell starts background jobs, this test's too, deaf to Ctrl-C
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("checkpoints/epoch-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "resumes" in stderr
    assert not list((tmp_path / "run").rglob(".tmp-*"))


def test_sweep_draws_one_figure(stripes_file, tmp_path):
    result = latentlab(
        "sweep",
        "--data",
        stripes_file,
        "--learning-rate",
        "0.01,0.001",
        "--run",
        tmp_path / "sweep",
        *FAST,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "sweep" / "learning-rates.png").read_bytes().startswith(b"\x89PNG")
    assert "numbers separated by commas" in error_line(
        latentlab("sweep", "--learning-rate", "a,b", "--run", tmp_path / "s"), 2
    )


def run_of(body):
    """Run the command line with `body`, lines of Python, in the place of `latentlab runs`."""
    lines = [
        "import os, signal, sys, time",
        "from latentlab import backend, cli, progress\nfrom latentlab.storage import run",
        "def find_runs(folder):",
        *(f"    {line}" for line in body),
        "run.find_runs = find_runs",
        "sys.argv = ['latentlab', 'runs']",
        "cli.main()",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )


TERMINATED = "error: terminated. Repeating the same command resumes."


@pytest.mark.parametrize(("seconds", "reached"), [(0.2, "begun finished"), (30, "begun")])
def test_a_signal_lets_a_quick_unit_of_work_finish(seconds, reached):
    done = run_of(
        [
            "with progress.track('work', 3) as bar:",
            "    bar.update(1)",
            "    print('begun', flush=True)",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            f"    time.sleep({seconds})",
            "    print('finished', flush=True)",
            "    bar.update(2)",
            "    print('went on', flush=True)",
        ]
    )
    assert error_line(done, 143) == TERMINATED
    assert done.stdout.split() == reached.split()


def test_a_signal_is_told_while_stderr_is_hidden():
    done = run_of(
        [
            "with backend.native_stderr_hidden():",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            "    signal.pause()",
        ]
    )
    assert error_line(done, 143) == TERMINATED


def test_a_closed_stderr_is_no_error():
    command = [sys.executable, "-m", "latentlab", "sources"]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: os.close(2),
        timeout=60,
    )
    assert done.returncode == 0
    assert "cifar10" in done.stdout


@pytest.mark.parametrize(
    "instead",
    [
        "raise SystemError('bad argument to internal function') from None",
        "return []",
        "signal.pause()",
    ],
)
def test_a_signal_whose_exception_gets_lost_is_still_a_signal(instead):
    """Of seventy signals one ended in a SystemError that C code had made of the handler's exception, one was ignored by a callback of JAX."""
    done = run_of(
        [
            "try:",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            "    signal.pause()",
            "except SystemExit:",
            f"    {instead}",
        ]
    )
    assert error_line(done, 143) == TERMINATED
    assert "bug" not in done.stderr


def test_help_of_cluster_names_every_method():
    shown = " ".join(CliRunner().invoke(cli, ["cluster", "--help"]).output.split())
    names = [name for kind in ("clustering", "refinement") for name in plugins.names(kind)]
    assert [name for name in names if name not in shown] == []


def test_help_of_fit_names_every_objective():
    shown = " ".join(CliRunner().invoke(cli, ["fit", "--help"]).output.split())
    assert [name for name in plugins.names("objectives") if name not in shown] == []


def test_every_plugin_says_in_a_line_what_it_is(monkeypatch):
    for kind in plugins.KINDS:
        for name in plugins.names(kind):
            assert 20 < len(plugins.summary(kind, name)) < 140, (kind, name)
    foreign = [importlib.metadata.EntryPoint("theirs", "nowhere.at_all", "latentlab.encoders")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: foreign)
    assert plugins.summary("encoders", "theirs") == ""


TRANSLATIONS = {
    "`k`": "--k",
    "`k=5000`": "--k 5000",
    "`features='pol'`": "--features 'pol'",
    "`label=a b`": "--name a b",
    "`run`": "--run",
    "`run_path`": "--run",
    "`batch_size=0`": "--batch-size 0",
    "`recipe=strong`": "--recipe strong",
    "`settings.gamma=0.1`": "--set gamma=0.1",
    "`settings`": "--set",
    "`objective_options.teacher`": "--set teacher",
    "`source_options.count=3`": "--set count=3",
    "`overwrite=True`": "--overwrite",
    "`resume=False`": "--no-resume",
    "`switches`": "--switches",
    "`backend`": "--backend",
    "`file_format`": "--format",
    "`fit(run='runs/x', overwrite=True)`": "latentlab fit --run runs/x --overwrite",
    "`cluster(run='my runs/x', k=10)`": "latentlab cluster --run 'my runs/x' --k 10",
    "`choose_k(run='x')`": "latentlab choose-k --run x",
    "`verify(run='x')`": "latentlab verify x",
    "`read_labels`": "read_labels",
    "`gather(x=1)`": "gather(x=1)",
    "`fit(run=path)`": "fit(run=path)",
    "`two words`": "two words",
    "not quoted: k=3": "not quoted: k=3",
}


@pytest.mark.parametrize("text", TRANSLATIONS)
def test_names_and_calls_in_backticks_become_flags_and_commands(text):
    assert Translator(cli).text(text) == TRANSLATIONS[text]


def test_errors_are_translated_with_their_field_and_hint():
    translated = Translator(cli).error_text
    error = ConfigError(
        "is more than the 9 images", field="k", value=10, hint="Choose a smaller `k`."
    )
    assert translated(error) == "--k 10 is more than the 9 images. Choose a smaller --k."
    assert translated(ConfigError("is missing", field="k")) == "--k is missing."
    odd = ConfigError(": no", field="label", value="a`k`b")
    assert translated(odd) == "--name a`k`b: no."
    nested = ConfigError(": must be above 0", field="gamma", value=-1).within("settings")
    assert translated(nested) == "--set gamma=-1: must be above 0."
    missing = RunError("no run here.", hint="Make one with: `fit(run='x')`")
    assert translated(missing) == "no run here. Make one with: latentlab fit --run x"


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("fit", config.DataOptions),
        ("fit", config.FitOptions),
        ("predict", config.DataOptions),
        ("cluster", config.ClusterOptions),
    ],
)
def test_every_default_of_an_option_is_that_of_its_dataclass(command, kind):
    # Left out, these mean something that the dataclass does not know.
    others = {"k", "features", "least_steps", "settings"}
    options = {option.name: option for option in cli.commands[command].params}
    names = [name for name in vars(kind()) if name in options and name not in others]
    assert len(names) > 5
    for name in names:
        assert options[name].default == getattr(kind(), name), name


def test_no_two_options_of_a_command_have_one_flag():
    for name, command in cli.commands.items():
        flags = [
            flag
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for flag in parameter.opts
        ]
        assert len(flags) == len(set(flags)), name


class _Depth:
    """A stand-in for a plugin with one option."""

    def __init__(self, argument, kind):
        self.argument = argument
        self.Options = kind


def test_settings_go_to_the_plugin_that_has_the_option():
    import dataclasses

    deep = dataclasses.make_dataclass("Deep", [("depth", int, 1)])
    both = dataclasses.make_dataclass("Both", [("depth", int, 1), ("width", int, 1)])
    owners = {"arch_options": _Depth("`arch=a`", deep), "objective_options": _Depth("`o`", both)}
    routed = route_settings({"width": 3, "arch_options.depth": 2}, owners)
    assert routed == {"arch_options": {"depth": 2}, "objective_options": {"width": 3}}
    with pytest.raises(ConfigError, match=r"`arch=a` and `o` have an option depth each\. Write"):
        route_settings({"depth": 3}, owners)
    with pytest.raises(ConfigError, match=r"has no option height \(it has depth\), nor has `o`"):
        route_settings({"height": 3}, owners)


def test_values_of_set_are_json_or_text():
    parsed = parse_settings(["a=1", "b=true", "c=n2d", "d=x=y", "a=2"])
    assert parsed == {"a": 2, "b": True, "c": "n2d", "d": "x=y"}
    for text in ("a", "=3"):
        with pytest.raises(ConfigError, match="must be NAME=VALUE"):
            parse_settings([text])
