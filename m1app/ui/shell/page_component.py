"""This app's own components: a fixed template, page code that fills it, a dictionary as value.

A function and no subclass of `gr.HTML`: Gradio writes a stub file beside the source of every subclass.
"""

import html
from pathlib import Path

import gradio as gr

_PAGES = Path(__file__).parents[1]


def page_component(name: str, *program: str) -> gr.HTML:
    """A component whose template and page code are `<room>/<name>.html` and `<room>/<name>.js` in `m1app/ui`.

    Its value is a dictionary that goes to the page code as it is. The page code sets every text with textContent,
    and the template holds no value, so nothing is ever parsed as HTML. The element's id is the name with dashes.

    Args:
        name: of the template, as "room/name".
        program: names of the code's files in their order, one program together; none is the template's name.
            `shell/elements.js` stands before them.
    """
    parts = ("shell/elements", *(program or (name,)))
    return gr.HTML(
        value={},
        html_template=(_PAGES / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load="\n".join((_PAGES / f"{part}.js").read_text(encoding="utf-8") for part in parts),
        apply_default_css=False,
        elem_id=name.rpartition("/")[2].replace("_", "-"),
    )


def text_block(element_id: str) -> gr.HTML:
    """A hidden block for a text that comes later; its value must be `escaped`."""
    return gr.HTML("", visible=False, elem_id=element_id, apply_default_css=False)


def escaped(text: str) -> str:
    """`text` as HTML that shows exactly it; line breaks are the style's matter (white-space: pre-wrap)."""
    return html.escape(text)
