"""scripts/strace_commands.py: what it counts, and that it has every command."""

import importlib.util
import shutil
import sys

import pytest
from helpers.files import ROOT

TRACE = """\
7 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
7 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_addr=inet_addr("192.0.2.1")}, 16 <unfinished ...>
8 connect(4, {sa_family=AF_INET6, inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = 0
8 connect(4, {sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0
8 connect(4, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}, 16) = -1
9 connect(5, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT
9 sendto(5, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 20
9 bind(6, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
9 bind(8, {sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0
9 listen(6, 5) = 0
9 sendto(7, "no address", 10, 0, NULL, 0) = 10
"""


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts" / "strace_commands.py"
    spec = importlib.util.spec_from_file_location("strace_commands", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["strace_commands"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["strace_commands"]


def test_it_has_every_command(script):
    script.refuse_gaps()


def test_calls_are_counted_by_where_they_lead(script, tmp_path):
    (tmp_path / "trace").write_text(TRACE)
    counts, local, listens = script.read_trace(tmp_path / "trace")
    assert counts == {"outside": 3, "loopback": 2, "netlink": 1}
    assert local == {'"/var/run/nscd/socket"'}
    assert listens == {"127.0.0.1"}  # another was bound and never listened at


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_download_is_seen_and_is_not_there_offline(script, tmp_path):
    line = script.lines_of(script.DOWNLOADS)[0]
    seen = script.watch(line, tmp_path, offline=False, downloads=True)
    assert (seen.exit_code, seen.announced, seen.is_as_promised) == (3, True, True)
    assert seen.loopback > 0  # the proxy
    refused = script.watch(line, tmp_path, offline=True, downloads=True)
    assert (refused.exit_code, refused.loopback, refused.is_as_promised) == (3, 0, True)
    assert refused.outside == seen.outside == 0
