"""Who may use a viewer: each secret alone opens nothing."""

import pytest

from latentlab.reporting.viewer_http import Refusal, Request
from latentlab.reporting.viewer_session import Session

OURS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def session():
    return Session(8000)


def asked(target: str, method: str = "GET", **headers: str | None) -> Request:
    """Return a request; headers that are None are left out."""
    all_headers = {"host": "127.0.0.1:8000"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    present = {name: value for name, value in all_headers.items() if value is not None}
    return Request(method, target, "1.1", present)


def refused(session: Session, request: Request) -> int:
    with pytest.raises(Refusal) as refusal:
        session.check(request)
        session.inner_path(request)
    return int(refusal.value.status)


def test_every_server_has_secrets_of_its_own_and_none_holds_another(session):
    secrets = [session.token, session.path.strip("/"), session.cookie.split("=")[1]]
    other = Session(8000)
    secrets += [other.token, other.path.strip("/"), other.cookie.split("=")[1]]
    assert len(set(secrets)) == 6
    assert all(len(secret) >= 32 for secret in secrets)


def test_path_and_cookie_together_open(session):
    request = asked(session.path + "image/7", cookie=f"other=1; {session.cookie}; x=y")
    session.check(request)
    assert session.inner_path(request) == "image/7"
    absolute = asked(OURS + session.path, cookie=session.cookie)
    session.check(absolute)
    assert session.inner_path(absolute) == ""


def test_the_cookie_alone_which_every_port_gets_opens_nothing(session):
    for target in ("/", "/state", "/image/0", f"/{session.token}/", f"/?token={session.path}"):
        assert refused(session, asked(target, cookie=session.cookie)) == 403


def test_the_path_or_the_token_alone_open_nothing(session):
    for cookie in (None, "", f"{session.cookie}x", f"latentlab-8000={session.token}"):
        assert refused(session, asked(session.path, cookie=cookie)) == 403
    assert refused(session, asked(f"{session.path}?token={session.token}")) == 403


def test_a_cookie_of_the_same_name_that_another_port_has_set_locks_nobody_out(session):
    cookies = f"latentlab-8000=evil; {session.cookie}; latentlab-8000=evil"
    assert session.inner_path(asked(session.path, cookie=cookies)) == ""


def test_only_the_token_itself_gives_the_cookie(session):
    right = f"/?token={session.token}"
    answer = session.welcome(asked(right))
    assert answer is not None
    assert answer.headers["Set-Cookie"].endswith(f"SameSite=Strict; Path={session.path}")
    assert session.path.encode() in answer.body
    wrong = (f"/x?token={session.token}", f"{right}&a=1", f"/?token=x&token={session.token}", "/")
    assert all(session.welcome(asked(target)) is None for target in wrong)
    assert session.welcome(asked(right, "POST")) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1"},
        {"host": "localhost:8000"},
        {"host": "127.0.0.1:8000."},
        {"host": "127.0.0.1:8000@evil.example"},
        {"host": "evil.example"},
        {"host": "127.0.0.1:80000"},
        {"origin": "127.0.0.1:8000"},
        {"origin": "https://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "http://127.0.0.1:8000/"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_other_hosts_origins_and_pages_are_refused(session, headers):
    right = {"cookie": session.cookie}
    assert refused(session, asked(session.path, **(right | headers))) == 403


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("http://evil.example", 403),
        ("http://127.0.0.1:8000@evil.example", 400),
        ("http://127.0.0.1:80001", 400),
        ("https://127.0.0.1:8000", 403),
        ("//127.0.0.1:8000", 400),
        ("//evil.example", 400),
        ("*", 400),
        ("127.0.0.1:8000", 400),
    ],
)
def test_an_absolute_address_is_of_this_very_server(session, start, status):
    assert refused(session, asked(start + session.path, cookie=session.cookie)) == status


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "CONNECT", "get"])
def test_other_methods_are_refused(session, method):
    assert refused(session, asked(session.path, method, cookie=session.cookie)) == 405


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": None},
        {"content_type": "text/plain"},
        {"content_type": "application/json, text/plain"},
        {"content_type": None},
        {"cookie": None},
        {"sec_fetch_site": "none"},
    ],
)
def test_changes_come_from_a_script_of_the_page_only(session, changes):
    right = {"cookie": session.cookie, "origin": OURS, "content_type": "application/json"}
    session.check(asked(session.path + "edit", "POST", **right))
    assert refused(session, asked(session.path + "edit", "POST", **(right | changes))) == 403


def test_browsers_leave_the_usual_port_out(session):
    assert Session(80).address.startswith("http://127.0.0.1/?token=")
    assert session.address.startswith("http://127.0.0.1:8000/?token=")
