"""Pieces of a static HTML page. Everything that comes in as text goes out escaped."""

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any

from m1app.benchmark.tables import Table


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; `kind` is a class of the style sheet."""
    return f"<p{_class(kind)}>{html.escape(text)}</p>"


def heading(text: str, level: int = 2) -> str:
    """A heading of that level."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def facts_list(facts: Mapping[str, str]) -> str:
    """Names with their values."""
    items = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{''.join(items)}</dl>"


def table_html(table: Table) -> str:
    """A table; what its places say when pointed at goes along."""

    def cells(tag: str, contents: Iterable[tuple[str, str, str]]) -> str:
        made = []
        for place, (text, title, mark) in enumerate(contents):
            is_number = "n" if place >= table.first_number else ""
            shown = html.escape(text)
            inner = f"<span{_class(mark)} title='{html.escape(title)}'>{shown}</span>" if title else shown
            made.append(f"<{tag}{_class(is_number)}>{inner}</{tag}>")
        return "".join(made)

    head = cells("th", ((text, "", "") for text in table.heads))
    body = "".join(
        f"<tr{_class(row.kind)}>{cells('td', ((c.text, c.title, c.mark) for c in row.cells))}</tr>"
        for row in table.rows
    )
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def figure_html(title: str, figure: Mapping[str, Any]) -> str:
    """A Plotly figure; the page's script draws it from the JSON beside it."""
    # "<" cannot end the script element when it is written as an escape of JSON.
    content = json.dumps(figure, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    caption = f"<figcaption>{html.escape(title)}</figcaption>" if title else ""
    return f"<figure>{caption}<div class='plot'></div><script type='application/json'>{content}</script></figure>"


def _class(name: str) -> str:
    return f" class='{html.escape(name)}'" if name else ""
