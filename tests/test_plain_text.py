"""Names from outside as text."""

import pytest

from latentlab.plain_text import printable, printable_lines, shortened


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2Jred", "\\x1b[2Jred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\udcff.png", "\\udcff.png"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("line\u2028end", "line\\u2028end"),
        ("a\u3000b\xa0c", "a b c"),  # spaces of other widths are spaces
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner belongs to the word
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(name, shown):
    assert printable(name) == shown


def test_lines_stay_lines():
    assert printable_lines("a\n\tb\x1b]0;title\x07\r") == "a\n\tb\\x1b]0;title\\x07\\r"


def test_long_names_are_cut():
    assert shortened("x" * 300, 10) == "x" * 9 + "…"
    assert shortened("a\nb", 10) == "a\\nb"
