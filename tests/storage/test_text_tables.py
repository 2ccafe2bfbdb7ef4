"""Tables for papers and spreadsheets, whose names come from outside."""

import io
import re

import pandas as pd
import pytest

from latentlab.storage import text_tables

FORMULAS = ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "'=1"]
HARMLESS = ["a=b", "-1", "+1.5", "-2.5e-3", "'tis", "", "cat", "a-b"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_none_is_lost(text):
    cell = text_tables.no_formula(text)
    assert cell == f"'{text}"
    assert text_tables.plain_cell(cell) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_cells_stay(text):
    assert text_tables.no_formula(text) == text


def test_csv_guards_texts_and_heads_and_leaves_numbers():
    table = pd.DataFrame({"=head": FORMULAS, "number": [-0.5] * len(FORMULAS)})
    read = pd.read_csv(io.StringIO(text_tables.csv(table), newline=""), keep_default_na=False)
    assert list(read.columns) == ["'=head", "number"]
    assert [text_tables.plain_cell(cell) for cell in read["'=head"]] == FORMULAS
    assert read["number"].tolist() == [-0.5] * len(FORMULAS)


def test_no_sign_of_a_name_means_anything_in_markdown():
    table = pd.DataFrame({"a|b": ["<script>", "*x* _y_ `z`", "a\nb", "[a](javascript:1)", "$x$"]})
    lines = text_tables.markdown(table).splitlines()
    assert len(lines) == 2 + 5
    assert lines[0] == r"| a\|b |"
    bare = re.sub(r"\\.", "", "".join(lines[2:]))
    assert not re.search(r"[*_`\[\]<>$]", bare)


def test_latex_has_no_commands_of_names():
    table = pd.DataFrame({"x_%": [r"\input{/etc/passwd}", "$x^2$ & #1 ~", "a\n\nb"]})
    text = text_tables.latex(table)
    assert r"\textbackslash input\{/etc/passwd\}" in text
    assert r"\$x\textasciicircum 2\$ \& \#1 \textasciitilde" in text
    assert "\n\n" not in text.strip()
    assert r"x\_\%" in text
