"""Reads the files of a site as its pages do."""

import json
from pathlib import Path
from typing import Any


def data(site: Path, name: str) -> Any:
    """A piece of data by name."""
    text = (site / "data" / f"{name}.js").read_text(encoding="utf-8")
    begin = f"m1Data({json.dumps(name)},"
    assert text.startswith(begin) and text.endswith(");\n")
    return json.loads(text.removeprefix(begin).removesuffix(");\n"))


def questions(site: Path) -> list[dict[str, Any]]:
    """All questions with their answers, in order."""
    files = sorted((site / "data" / "question").iterdir(), key=lambda path: int(path.stem))
    found = [pair for path in files for pair in data(site, f"question/{path.stem}")]
    assert [number for number, _ in found] == list(range(len(found)))
    return [document for _, document in found]


def rows(site: Path) -> list[list[Any]]:
    """All rows of the list, in order."""
    files = sorted((site / "data" / "list").iterdir(), key=lambda path: int(path.stem))
    return [row for path in files for row in data(site, f"list/{path.stem}")]


def everything(site: Path) -> str:
    """The text of all files but the chart library."""
    files = [path for path in sorted(site.rglob("*")) if path.is_file() and path.name != "plotly.js"]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)
