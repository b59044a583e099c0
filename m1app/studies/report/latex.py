"""Tables as LaTeX with booktabs, to be read by pdflatex, xelatex or lualatex with `\\input`.

Texts are escaped, so that nothing in a name is a command. Letters beyond Latin ones need xelatex or lualatex.
"""

import unicodedata
from collections.abc import Mapping

from m1app.benchmark.tables import Table

_WRITTEN: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    # After the end of a row, these would be its options.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "\N{MINUS SIGN}": "$-$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "✓": r"$\surd$",
    "✗": r"$\times$",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "\N{NO-BREAK SPACE}": "~",
}
_HEAD = (
    "% Needs \\usepackage{booktabs,graphicx} and \\usepackage[T1]{fontenc}; "
    "letters beyond Latin ones need xelatex or lualatex.\n"
)
_MOST_COLUMNS = 8
"""A table with more is made smaller, to the width of the text."""


def escaped(text: str) -> str:
    """`text` as LaTeX shows it; line breaks are spaces, and control characters are left out."""
    pairs = zip(text, f"{text[1:]} ", strict=False)
    # Two hyphens would be one dash.
    return "".join("-{}" if each == following == "-" else _escaped_character(each) for each, following in pairs)


def latex_table(table: Table, *, caption: str, label: str, text_widths: Mapping[int, str] | None = None) -> str:
    """Return a floating table.

    Args:
        table: its texts.
        caption: a sentence about it.
        label: for \\ref; letters, digits, hyphens and colons.
        text_widths: column to the width of its paragraphs, such as "5cm"; other columns are as wide as their texts.
    """
    widths = text_widths or {}
    columns = "".join(
        f"p{{{widths[place]}}}" if place in widths else "l" if place < table.first_number else "r"
        for place in range(len(table.heads))
    )
    is_wide = len(table.heads) > _MOST_COLUMNS
    lines = [
        _HEAD + r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{{label}}}",
        *([r"\resizebox{\textwidth}{!}{%"] if is_wide else []),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(table.heads),
        r"\midrule",
        *(_row([each.text for each in row.cells]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}" + ("}" if is_wide else ""),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(texts: list[str] | tuple[str, ...]) -> str:
    return " & ".join(map(escaped, texts)) + r" \\"


def _escaped_character(each: str) -> str:
    if each in _WRITTEN:
        return _WRITTEN[each]
    if each.isspace():
        return " "
    # Also marks that change the direction of writing.
    return "" if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Cn") else each
