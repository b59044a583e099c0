"""Custom components: a fixed template, a page code module that fills it, a dictionary as value.

A function instead of a `gr.HTML` subclass, because Gradio writes a stub file next to the source of every subclass.
"""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

import gradio as gr

from m1app.ui.shell.page_code import page_code_address

_PAGES = Path(__file__).parents[1]

# Values that arrive while the module loads wait in `values` and are shown in order. What people type or choose
# meanwhile is reported to it afterwards. When Gradio recreates a component, the old one's listeners are removed.
_LOADER = Template("""\
// Gradio takes the names of a component's events from the quoted words here: $events
const ends = (window.m1Ends ??= new Map());
ends.get($name)?.abort();
const end = new AbortController();
ends.set($name, end);
const values = [props.value || {}];
let show = (value) => values.push(value);
watch("value", () => show(props.value || {}));
const loading = new AbortController();
const changed = new Map();
for (const type of ["input", "change"]) {
  const note = ({ target }) => changed.set(target, [target.value, target.checked]);
  element.addEventListener(type, note, { signal: loading.signal });
}
element.addEventListener("submit", (event) => event.preventDefault(), { signal: loading.signal });
import($address)
  .then((code) => {
    show = code.mount({ element, trigger, signal: end.signal });
    values.forEach((value) => show(value));
    loading.abort();
    changed.forEach(([value, isChecked], box) => {
      if (box.type !== "file") box.value = value;
      box.checked = isChecked;
      box.dispatchEvent(new Event("input", { bubbles: true }));
      box.dispatchEvent(new Event("change", { bubbles: true }));
    });
  })
  .catch((error) => {
    console.error(error);
    element.append("This part of the page could not be loaded; reload the page.");
  });
""")


def page_component(name: str, *, element_id: str, events: Sequence[str] = ()) -> gr.HTML:
    """Create a component with page code and template `m1app/ui/<name>.js` and `m1app/ui/<name>.html`.

    Its value is a dictionary, passed to the page code unchanged. The page code sets every text with textContent, and
    the template contains no values, so nothing is ever parsed as HTML.

    Args:
        name: "room/file"; the module exports `mount(host)`, which returns the function that shows a value.
        element_id: id of its element in the page.
        events: events that the page code triggers; register handlers on the component attribute of the same name.
    """
    program = _LOADER.substitute(
        events=json.dumps(list(events)), name=json.dumps(element_id), address=json.dumps(page_code_address(name))
    )
    return gr.HTML(
        value={},
        html_template=(_PAGES / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=program,
        apply_default_css=False,
        elem_id=element_id,
    )


def text_block(element_id: str) -> gr.HTML:
    """A hidden block for later text; its value must be `escaped`."""
    return gr.HTML("", visible=False, elem_id=element_id, apply_default_css=False)


def escaped(text: str) -> str:
    """Escape `text` as HTML; line breaks are left to the style (white-space: pre-wrap)."""
    return html.escape(text)
