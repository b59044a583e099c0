"""The Admin page's own components: as of `page_component`, with code that they share before their own."""

from pathlib import Path

import gradio as gr

from m1app.ui.page_component import page_component

_STATIC = Path(__file__).parent / "static"
ADMIN_STYLE_SHEET = _STATIC / "admin_page.css"


def admin_component(name: str, *parts: str) -> gr.HTML:
    """A component of `static/admin_<name>.html` and `static/admin_<name>.js`, after `static/admin_base.js`.

    Its value is a dictionary, all of whose texts the page code sets with textContent. The element's id is admin-<name>.

    Args:
        name: of its files.
        parts: names of further page code, `static/admin_<part>.js`, which stands before its own.
    """
    return page_component(f"admin_{name}", *(f"admin_{part}" for part in ("base", *parts, name)))
