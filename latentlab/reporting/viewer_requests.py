"""What the viewer answers: the page, images, the state of the edits, and changes of them."""

import json
import re
from http import HTTPStatus
from urllib.parse import unquote

from latentlab.encoders.word_search import WordMatches
from latentlab.errors import ConfigError, LatentlabError
from latentlab.progress import log
from latentlab.reporting.alike import Neighbours
from latentlab.reporting.edits import StaleEditError
from latentlab.reporting.viewer import ACTIONS, Viewer, ViewState
from latentlab.reporting.viewer_http import JSON_TYPE, Answer, Refusal, bad
from latentlab.reporting.viewer_pictures import Picture
from latentlab.reporting.viewer_sheets import LARGEST_SIDE, SMALLEST_SIDE, parse_sheet_request
from latentlab.storage.json_form import to_json

LONGEST_NUMBER = 11  # digits of an image's position
SHEET_PATH = "sheet"
SIDE_QUERY = re.compile(r"side=([1-9][0-9]{1,2})")
WORDS_PATH = "words?q="
BYTES_TYPE = "application/octet-stream"
# A picture opened in a tab of its own needs the browser's styles, and nothing else.
PICTURE_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox;"
    " frame-ancestors 'none'",
}


def answer(viewer: Viewer, method: str, path: str, body: bytes) -> Answer:
    """Answer a request that has shown the secrets.

    Parameters
    ----------
    viewer : Viewer
        What is shown.
    method : {"GET", "POST"}
        The method of the request.
    path : str
        What is asked for below the secret path, such as "image/7".
    body : bytes
        The body of the request.

    Returns
    -------
    Answer

    Raises
    ------
    Refusal
        If there is no such thing, or a change cannot be made.
    """
    try:
        return _content(viewer, method, path, body)
    except Refusal:
        raise
    except Exception as error:
        log.warning("view: a request failed (%s: %s)", type(error).__name__, _line(error))
        reason = "the viewer could not do this; its terminal says why"
        raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, reason) from error


def _content(viewer: Viewer, method: str, path: str, body: bytes) -> Answer:
    """Return what a path gives."""
    kind, _, number = path.partition("/")
    if path in ACTIONS:
        _require(method, "POST")
        return _changed(viewer, path, body)
    if path == SHEET_PATH:
        _require(method, "POST")  # an address is too short for the positions
        return _sheet(viewer, body)
    _require(method, "GET")
    if path == "":
        return _page(viewer)
    if path == "state":
        return _state(viewer)
    if kind in ("image", "original", "thumb"):
        return _image(viewer, kind, number)
    if kind == "neighbours":
        return _neighbours(viewer, number)
    if path.startswith(WORDS_PATH):
        return _matches(viewer, path.removeprefix(WORDS_PATH))
    if kind == "points":
        return _points(viewer, number)
    raise _missing("there is nothing here")


def _page(viewer: Viewer) -> Answer:
    policy = {"Content-Security-Policy": viewer.policy()}
    return Answer(HTTPStatus.OK, viewer.html().encode(), "text/html; charset=utf-8", policy)


def _state(viewer: Viewer) -> Answer:
    try:
        return _as_json(viewer.state())
    except LatentlabError as error:
        raise bad(_line(error)) from error


def _changed(viewer: Viewer, action: str, body: bytes) -> Answer:
    try:
        return _as_json(viewer.change(action, json.loads(body or b"null")))
    except StaleEditError as error:
        raise Refusal(HTTPStatus.CONFLICT, _line(error)) from error
    except (LatentlabError, ValueError) as error:
        raise bad(_line(error)) from error
    except RecursionError as error:
        raise bad("the request is nested too deeply") from error


def _image(viewer: Viewer, kind: str, name: str) -> Answer:
    number, _, query = name.partition("?")
    position = _position(number)
    if query and kind != "thumb":
        raise _missing("there is nothing here")
    try:
        picture = _picture(viewer, kind, position, query)
    except LatentlabError as error:
        raise _missing(_line(error)) from error
    if picture is None:
        raise _missing("there is no such image")
    return Answer(HTTPStatus.OK, picture.content, picture.media_type, PICTURE_HEADERS)


def _sheet(viewer: Viewer, body: bytes) -> Answer:
    try:
        wanted = parse_sheet_request(body)
        sheet = viewer.pictures.sheet(wanted.positions, wanted.side)
    except ConfigError as error:
        raise bad(_line(error)) from error
    except LatentlabError as error:
        raise _missing(_line(error)) from error
    if sheet is None:
        raise _missing("there is no such image")
    return Answer(HTTPStatus.OK, sheet, BYTES_TYPE)


def _picture(viewer: Viewer, kind: str, position: int, query: str) -> Picture | None:
    if kind == "thumb":
        return viewer.pictures.thumb(position, _side(query))
    read = viewer.pictures.image if kind == "image" else viewer.pictures.original
    return read(position)


def _side(query: str) -> int:
    """Return the size that a thumbnail is asked for in, by an address as thumb/7?side=128."""
    match = SIDE_QUERY.fullmatch(query)
    if match is None or not SMALLEST_SIDE <= int(match[1]) <= LARGEST_SIDE:
        raise bad(f"a thumbnail is asked for with side={SMALLEST_SIDE} to {LARGEST_SIDE}")
    return int(match[1])


def _position(number: str) -> int:
    if not (number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER):
        raise _missing("there is no such image")
    return int(number)


def _neighbours(viewer: Viewer, number: str) -> Answer:
    try:
        neighbours = viewer.neighbours(_position(number))
    except LatentlabError as error:
        raise _missing(_line(error)) from error
    if neighbours is None:
        raise _missing("there is no such image")
    return _as_json(neighbours)


def _matches(viewer: Viewer, query: str) -> Answer:
    """Return the images that fit words, by an address as words?q=a%20red%20car."""
    try:
        text = unquote(query, errors="strict")
    except UnicodeError as error:
        raise bad("the words are no text in UTF-8") from error
    try:
        matches = viewer.matches(text)
    except ConfigError as error:
        raise bad(_line(error)) from error
    if matches is None:
        raise _missing("there is no image-text encoder, so words find nothing")
    return _as_json(matches)


def _points(viewer: Viewer, key: str) -> Answer:
    content = viewer.content(key)
    if content is None:
        raise _missing("there is nothing here")
    return Answer(HTTPStatus.OK, content, BYTES_TYPE)


def _require(method: str, allowed: str) -> None:
    """Raise Refusal if a path is asked for with another method."""
    if method != allowed:
        reason = f"this is matches to {allowed} only"
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, reason, {"Allow": allowed})


def _missing(reason: str) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, reason)


def _as_json(state: ViewState | Neighbours | WordMatches) -> Answer:
    return Answer(HTTPStatus.OK, json.dumps(to_json(state)).encode(), JSON_TYPE)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
