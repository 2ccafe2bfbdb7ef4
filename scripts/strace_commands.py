"""Watch every command from outside: what does it connect to?

    python scripts/strace_commands.py --work DIR [--seconds S] [--only plain | offline]
    python scripts/strace_commands.py --work DIR --out reports/reliability/connections.md

Each command runs under strace, with all processes and threads that it starts, on sixty small
pictures; then once more with --offline in another folder. Every call that connects or sends to an
address is counted. The last three commands download: their proxy is a closed port of this machine,
so that nothing leaves it, and they show that strace sees what connects. A repeated call goes on;
--seconds ends it between two commands. Exit code 1: something connected that should not have.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from latentlab.cli import cli

ROOT = Path(__file__).resolve().parent.parent
CALLS = "connect,sendto,sendmsg,sendmmsg,bind,listen"
STRACE = f"strace -f --seccomp-bpf -qq -s 64 -e trace={CALLS} -o"
LONGEST = 900  # seconds of a command
REFUSED = 3  # exit code of a download that does not come about
CLOSED_PORT = "http://127.0.0.1:9"
FIT = "--size 16 --batch-size 20 --set width=4 --set code_channels=4"
# Every command, in an order in which each finds what it needs. {} is the folder of this pass.
COMMANDS = f"""
fit --data {{}}/photos {FIT} --epochs 2 --run {{}}/run
sweep --data {{}}/photos {FIT} --epochs 1 --learning-rate 0.01,0.001 --run {{}}/sweep
embed --run {{}}/run
import --embeddings {{}}/vectors.npy --run {{}}/imported
cluster --run {{}}/run --k 4
cluster --run {{}}/run --k 4 --method dcec --set max_steps=6 --set interval=3 --name deep
cluster --run {{}}/imported --k 4
cluster --run {{}}/run --k 4 --tree
cut --run {{}}/run --k 2 --name kmeans-k4
predict --run {{}}/run --data {{}}/photos --out {{}}/predictions.parquet
choose-k --run {{}}/run --ks 2:5
choose-encoder --data {{}}/photos --k 4
evaluate --run {{}}/run
trust --run {{}}/run
score-by-k --run {{}}/run
probe --run {{}}/run
audit --run {{}}/run
report --run {{}}/run
figures --run {{}}/run --format png
view {{}}/run
suggest --run {{}}/run
search one --run {{}}/imported --words {{}}/text_model.onnx
export --run {{}}/run --format csv --out {{}}/clusters.csv
export --run {{}}/run --format folders --out {{}}/folders
export --run {{}}/run --format projector --out {{}}/projector
compare {{}}/run {{}}/run:deep --out {{}}/comparison
verify {{}}/run
update --run {{}}/run
runs {{}}
sources
encoders
methods
plugins list
cache
schema
"""
DOWNLOADS = f"""
fit --data mnist {FIT} --run {{}}/mnist
cluster --data {{}}/photos --k 4 --encoder hf:somebody/small-vit --run {{}}/hub
cluster --data {{}}/photos --k 4 --encoder keras:MobileNet --run {{}}/keras
"""
ABOUT = """# What every command connects to

    {command}

{commands} commands under strace, with all processes and threads that they start. Counted is every
call of {calls} with an address. No cache held anything, and the proxy of the commands that download
was a closed port of this machine: their connections show that strace sees what connects.

**{bad} commands connected where they should not, or did not come to their work.**
"""
HEADS = (
    "command",
    "--offline",
    "exit code",
    "to other machines",
    "to this machine",
    "listens at",
    "says that it connects",
)
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
FAMILY = re.compile(r"sa_family=AF_(\w+)")
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
CALL = re.compile(r"\d+ +(\w+)\((\d+)")
LOCAL_NAME = re.compile(r'sun_path=(@?"[^"]*")')


@dataclass(frozen=True)
class Watched:
    """What a command did.

    Attributes
    ----------
    offline : bool
        Whether it ran with --offline.
    line : str
        The command.
    downloads : bool
        Whether it is one that downloads.
    exit_code : int
        Its exit code.
    announced : bool
        Whether it said that it connects.
    outside, loopback, netlink : int
        Calls that connect or send to another machine, to this one, and to the kernel.
    local : list of str
        Sockets of this machine without an address that it connected to.
    listens : list of str
        Addresses that it listens at.
    """

    offline: bool
    line: str
    downloads: bool
    exit_code: int
    announced: bool
    outside: int
    loopback: int
    netlink: int
    local: list[str]
    listens: list[str]

    @property
    def is_as_promised(self) -> bool:
        """Return whether it did its work and connected only where SECURITY.md says so."""
        if self.exit_code != (REFUSED if self.downloads else 0):
            return False  # it did not come to its work, so that nothing was seen
        if self.downloads and not self.offline:
            return self.announced
        return self.outside == self.loopback == 0 and set(self.listens) <= {"127.0.0.1"}


def lines_of(text: str) -> list[str]:
    """Return the command lines of a list, refusing one that lacks a command."""
    return [line for line in text.splitlines() if line]


def refuse_gaps() -> None:
    """End with a line if a command of latentlab is not in the list."""
    covered = {line.split()[0] for line in lines_of(COMMANDS)}
    missing = set(cli.commands) - covered
    if missing:
        sys.exit(f"not in the list of scripts/strace_commands.py: {', '.join(sorted(missing))}")


def make_inputs(folder: Path) -> None:
    """Write sixty small pictures of digits in a folder for each class, and vectors."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    if (folder / "vectors.npy").exists():
        return
    digits = load_digits(n_class=4)
    for number, (pixels, label) in enumerate(
        zip(digits.images[:60], digits.target[:60], strict=True)
    ):
        place = folder / "photos" / f"class-{label}"
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((16, 16))
        image.save(place / f"{number:03}.png")
    write_text_encoder(folder, digits.data.shape[1])
    np.save(folder / "vectors.npy", digits.data[:60].astype(np.float32))


def write_text_encoder(folder: Path, size: int) -> None:
    """Write a network and a tokenizer that know two words, with vectors of `size` numbers."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    table = np.random.default_rng(0).normal(size=(3, size)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
            helper.make_node("ReduceMax", ["tokens"], ["text_embeds"], axes=[1], keepdims=0),
        ],
        "text",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "t"])],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["n", size])],
        [numpy_helper.from_array(table, "table")],
    )
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "text_model.onnx")
    model = {"type": "WordLevel", "vocab": {"?": 0, "one": 1, "two": 2}, "unk_token": "?"}
    tokenizer = {"version": "1.0", "added_tokens": [], "model": model}
    tokenizer["pre_tokenizer"] = {"type": "Whitespace"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """Return an environment with empty caches and a proxy that nobody answers."""
    places = {
        name: str(folder / name.lower())
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "KERAS_HOME", "HF_HOME")
    }
    for place in places.values():
        Path(place).mkdir(exist_ok=True)
    proxies = dict.fromkeys(PROXIES, CLOSED_PORT)
    path = {"PYTHONPATH": str(ROOT)}
    return os.environ | places | proxies | path | {"no_proxy": "", "LATENTLAB_OFFLINE": ""}


def watch(line: str, folder: Path, offline: bool, downloads: bool) -> Watched:
    """Run one command under strace."""
    words = [word.replace("{}", str(folder)) for word in line.split()]
    flags = ["--offline"] if offline else []
    trace = folder / "trace"
    command = [*STRACE.split(), str(trace), sys.executable, "-m", "latentlab", *flags, *words]
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=said,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
        if words[0] == "view":
            look_at_page(process, said)
        code = process.wait(LONGEST)
        said.seek(0)
        announced = "connecting: " in said.read()
    counts, local, listens = read_trace(trace)
    return Watched(
        offline,
        line,
        downloads,
        code,
        announced,
        counts["outside"],
        counts["loopback"],
        counts["netlink"],
        sorted(local),
        sorted(listens),
    )


def look_at_page(process: subprocess.Popen, said: IO[str]) -> None:
    """Ask the viewer for its page, as a browser does, and end it as Ctrl-C does."""
    until = time.monotonic() + LONGEST
    address = None
    while address is None and process.poll() is None and time.monotonic() < until:
        time.sleep(0.5)
        address = re.search(r"http://127\.0\.0\.1:\S+", Path(said.name).read_text())
    if address is not None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(address[0], timeout=60) as answer:
            answer.read()
    os.killpg(process.pid, signal.SIGINT)


def read_trace(path: Path) -> tuple[Counter[str], set[str], set[str]]:
    """Return numbers of calls by where they lead, local sockets, and addresses of listeners."""
    counts: Counter[str] = Counter()
    local, listens = set(), set()
    bound: dict[str, str] = {}  # by the number of the socket; urllib3 binds one to try IPv6 out
    for line in path.read_text(errors="replace").splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        name, number = call.groups()
        family = FAMILY.search(line)
        if name == "listen":
            listens.add(bound.get(number, "unknown"))
        elif name == "bind":
            bound[number] = _address(line)
        elif family is not None and family[1] == "UNIX":
            path_of_socket = LOCAL_NAME.search(line)
            local.add(path_of_socket[1] if path_of_socket else "without a name")
        elif family is not None:
            counts[_place(family[1], line)] += 1
    return counts, local, listens


def _address(line: str) -> str:
    """Return the address in a call; that of a socket without one is its path."""
    match = ADDRESS.search(line) or LOCAL_NAME.search(line)
    return next(filter(None, match.groups()), "unknown") if match else "unknown"


def _place(family: str, line: str) -> str:
    """Return where a call with an address leads."""
    if family == "NETLINK":
        return "netlink"
    return "loopback" if is_loopback(_address(line)) else "outside"


def is_loopback(address: str) -> bool:
    """Return whether an address is this machine's own."""
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def planned() -> Iterator[tuple[bool, bool, str]]:
    """Yield whether a command runs offline, whether it downloads, and its line."""
    for offline in (False, True):
        for downloads, text in ((False, COMMANDS), (True, DOWNLOADS)):
            for line in lines_of(text):
                yield offline, downloads, line


def read_rows(work: Path) -> list[Watched]:
    """Return what was watched so far."""
    path = work / "connections.jsonl"
    if not path.exists():
        return []
    return [Watched(**json.loads(line)) for line in path.read_text().splitlines()]


def run_all(work: Path, seconds: float, only: str | None) -> None:
    """Watch all commands that were not watched yet, for so long, or those of one pass only."""
    until = time.monotonic() + seconds
    done = {(row.offline, row.line) for row in read_rows(work)}
    for offline, downloads, line in planned():
        name = "offline" if offline else "plain"
        if (offline, line) in done or time.monotonic() > until or only not in (None, name):
            continue
        folder = work / name
        folder.mkdir(parents=True, exist_ok=True)
        make_inputs(folder)
        row = watch(line, folder, offline, downloads)
        with (work / "connections.jsonl").open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        print(f"{'ok ' if row.is_as_promised else 'BAD'} {row.exit_code} {line}", flush=True)


def page(rows: list[Watched], command: str) -> str:
    """Return the report."""
    bad = [row for row in rows if not row.is_as_promised]
    local = sorted({name for row in rows for name in row.local})
    parts = [ABOUT.format(command=command, calls=CALLS, commands=len(rows), bad=len(bad))]
    parts.append(f"Sockets without an address that were used: {', '.join(local) or 'none'}.\n")
    parts.append(f"| {' | '.join(HEADS)} |\n|{' --- |' * len(HEADS)}")
    for row in rows:
        cells = (
            f"`{row.line.replace('{}/', '').replace('{}', '.')}`",
            "yes" if row.offline else "",
            row.exit_code,
            row.outside,
            row.loopback,
            ", ".join(row.listens),
            "yes" if row.announced else "",
        )
        parts.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(parts) + "\n"


def main() -> int:
    """Watch, or write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--only", choices=("plain", "offline"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    # A shell lets what it starts in the background ignore Ctrl-C, by which the viewer is ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    refuse_gaps()
    if given.out is None:
        run_all(given.work.resolve(), given.seconds, given.only)
    rows = read_rows(given.work)
    if given.out is not None:
        given.out.write_text(page(rows, "python scripts/strace_commands.py --work DIR"))
    missing = sum(1 for _ in planned()) - len(rows)
    bad = [row for row in rows if not row.is_as_promised]
    print(f"{len(rows)} commands watched, {missing} to go, {len(bad)} not as promised")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
