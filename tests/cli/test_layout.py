"""Texts that fit a terminal."""

from latentlab.cli._layout import fitted

TABLE = """\
method          purity                ACC                   chance
conv8+kmeans    0.900 [0.850, 0.950]  0.800 [0.750, 0.850]  0.125
pixels+kmeans   0.500 [0.450, 0.550]  0.400 [0.350, 0.450]  0.125"""


def test_a_table_goes_on_below_with_its_first_column():
    text = fitted(TABLE, 40)
    assert max(map(len, text.splitlines())) <= 40
    first, *others = text.split("\n\n")
    assert first.splitlines()[1] == "conv8+kmeans    0.900 [0.850, 0.950]"
    assert all(part.splitlines()[2].startswith("pixels+kmeans ") for part in others)
    assert text.split().count("0.125") == 2


def test_what_fits_stays_as_it_is():
    assert fitted(TABLE, 66) == TABLE
    assert fitted("", 80) == ""


def test_the_last_column_is_broken_in_its_place():
    text = fitted("name   what it is, in some words\nother  more words about it", 28)
    assert text.splitlines()[:2] == ["name   what it is, in some", "       words"]


def test_prose_is_broken_between_words_and_keeps_its_indent():
    assert fitted("  some words and a number: 12,345.678", 30).splitlines() == [
        "  some words and a number:",
        "  12,345.678",
    ]


def test_a_path_is_left_whole():
    path = "/a/very/long/path/" + "x" * 40
    assert fitted(path, 20) == path
