"""The Admin page's own components: as of `page_component`, with code that they share before their own."""

from pathlib import Path

import gradio as gr

_STATIC = Path(__file__).parent / "static"
ADMIN_STYLE_SHEET = _STATIC / "admin_page.css"


def admin_component(name: str) -> gr.HTML:
    """A component of `static/admin_<name>.html` and `static/admin_<name>.js`, after `static/admin_base.js`.

    Its value is a dictionary, all of whose texts the page code sets with textContent. The element's id is admin-<name>.
    """
    code = "\n".join((_STATIC / f"admin_{part}.js").read_text(encoding="utf-8") for part in ("base", name))
    return gr.HTML(
        value={},
        html_template=(_STATIC / f"admin_{name}.html").read_text(encoding="utf-8"),
        js_on_load=code,
        apply_default_css=False,
        elem_id=f"admin-{name}",
    )
