"""The Admin page's own components: as of `page_component`, with code that they share before their own."""

from pathlib import Path

import gradio as gr

from m1app.ui.shell.page_component import program_component

ADMIN_STYLE_SHEET = Path(__file__).parent / "admin_page.css"


def admin_component(name: str, *parts: str) -> gr.HTML:
    """A component of `admin_<name>.html` and `admin_<name>.js`, after `admin_base.js`.

    Its value is a dictionary, all of whose texts the page code sets with textContent. The element's id is admin-<name>.

    Args:
        name: of its files.
        parts: names of further page code, `admin_<part>.js`, which stands before its own.
    """
    return program_component(f"admin/admin_{name}", *(f"admin/admin_{part}" for part in ("base", *parts, name)))
