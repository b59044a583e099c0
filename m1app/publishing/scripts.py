"""Data and page code as classic scripts, which a browser also loads from a folder without a server.

Browsers refuse to read JSON and to import modules from `file:` addresses, but they run scripts from there. So each
piece of data is a script that calls `m1Data(name, value)`, and the page code's modules become one script.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from m1app.publishing.errors import PublishRefused

_ROOT = Path(__file__).parents[1]
_PAGE = Path(__file__).with_name("page")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.{1,2}/[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |const |class )", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b", re.MULTILINE)


def as_json(value: Any) -> str:
    """A value as JSON that is safe inside a script element of HTML, and as JavaScript."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def data_script(name: str, value: Any) -> str:
    """A script that hands a value to the page under a name."""
    return f"m1Data({json.dumps(name)},{as_json(value)});\n"


@cache
def page_script() -> str:
    """The page code of a published page, with the modules it imports, as one script.

    Raises:
        PublishRefused: a module uses a form of import or export that cannot be joined; a mistake in the app.
    """
    parts: dict[Path, str] = {}
    _add(_PAGE / "site.js", parts)
    joined = "\n".join(parts.values())
    return f'"use strict";\n(() => {{\n{joined}\n}})();\n'


def _add(path: Path, parts: dict[Path, str]) -> None:
    """Add a module after those that it imports, each as a function of its own that returns its exports."""
    if path in parts:
        return
    code = path.read_text(encoding="utf-8")
    for _, address in _IMPORT.findall(code):
        _add((path.parent / address).resolve(), parts)
    code = _IMPORT.sub(lambda found: _binding(found[1], (path.parent / found[2]).resolve()), code)
    exported = ", ".join(_EXPORTED.findall(code))
    code = _EXPORT.sub("", code)
    if left := _LEFT.search(code):
        raise PublishRefused(f"The page code {path.name} has an {left[0]} that cannot be joined into one script.")
    parts[path] = f"const {_name(path)} = (() => {{\n{code}\nreturn {{ {exported} }};\n}})();"


def _binding(names: str, path: Path) -> str:
    return f"const {{{names}}} = {_name(path)};\n"


def _name(path: Path) -> str:
    """A variable for a module, such as `publishing_page_site`."""
    return re.sub(r"\W", "_", str(path.relative_to(_ROOT).with_suffix("")))
