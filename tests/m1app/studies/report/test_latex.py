"""Tables as LaTeX: every text is text, whatever it holds."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.studies.report.latex import escaped, latex_table

_COMMANDS = (
    r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textasciigrave|ldots)\{\}"
    r"|\\[{}$&#%_]|\$(?:-|\\times|\\rightarrow|\\leq|\\geq|\\pm|\\surd)\$|\{\[\}|\{\]\}|\{\*\}|-\{\}"
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("50% of a_b & c#1", r"50\% of a\_b \& c\#1"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("$x^2$ ~ {y}", r"\$x\textasciicircum{}2\$ \textasciitilde{} \{y\}"),
        ("[1] * <b>", r"{[}1{]} {*} \textless{}b\textgreater{}"),
        ("a--b---c well-known", "a-{}-b-{}-{}-c well-known"),
        ("−1.0 to +2.0, 3–4", r"$-$1.0 to +2.0, 3--4"),
        ("two\nlines\tand\x00\u202e marks", "two lines and marks"),
        ("Müller, 東京", "Müller, 東京"),
    ],
)
def test_a_text_is_written_so_that_latex_shows_it(text: str, written: str) -> None:
    assert escaped(text) == written


@given(st.text())
def test_nothing_in_a_text_is_a_command(text: str) -> None:
    rest = re.sub(_COMMANDS, "", escaped(text))
    assert not re.search(r"[\\{}$&#%_^<>|`\[\]*\x00-\x1f]", rest.replace("``", "").replace("`", "").replace("--", ""))


def test_a_table_has_its_columns_rows_caption_and_label() -> None:
    rows = (TableRow((TableCell("MedQA"), TableCell("62.0% (55.1% to 68.4%)"))),)
    text = latex_table(Table(("Set", "Accuracy"), 1, rows), caption="Rule m1 & all", label="tab:a-1")
    assert text.splitlines()[1:] == [
        r"\begin{table}",
        r"\centering\small",
        r"\caption{Rule m1 \& all}",
        r"\label{tab:a-1}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"Set & Accuracy \\",
        r"\midrule",
        r"MedQA & 62.0\% (55.1\% to 68.4\%) \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_a_table_with_many_columns_is_as_wide_as_the_text() -> None:
    row = TableRow(tuple(TableCell(str(number)) for number in range(12)))
    text = latex_table(Table(tuple("ABCDEFGHIJKL"), 1, (row,)), caption="", label="tab:b")
    assert r"\resizebox{\textwidth}{!}{%" in text and r"\end{tabular}}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_reads_the_table(tmp_path: Path) -> None:
    hostile = r"\input{x} [1] $ % & # _ { } ~ ^ \\ * -- <b> “q” − × → ✓"
    table = Table(("Set", "n"), 1, (TableRow((TableCell(hostile), TableCell("1"))),))
    head = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\usepackage[T1]{fontenc}\\begin{document}\n"
    text = head + latex_table(table, caption=hostile, label="tab:c") + "\\end{document}\n"
    (tmp_path / "a.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode == 0
