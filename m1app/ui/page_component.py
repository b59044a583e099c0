"""Base of this app's own components: a fixed template, page code that fills it, a dictionary as value."""

from pathlib import Path
from typing import Any

import gradio as gr

_STATIC = Path(__file__).parent / "static"


class PageComponent(gr.HTML):
    """A component whose template and page code are `static/<name>.html` and `static/<name>.js`.

    The page code sets every text with textContent; the template holds no value, so nothing is ever parsed as HTML.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            value={},
            html_template=(_STATIC / f"{name}.html").read_text(encoding="utf-8"),
            js_on_load=(_STATIC / f"{name}.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            elem_id=name.replace("_", "-"),
        )

    def postprocess(self, value: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        """The value goes to the page as it is."""
        return value
