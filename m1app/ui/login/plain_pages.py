"""The pages that are not Gradio's: logging in, one's account, and short notices. No value is parsed as HTML."""

from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.responses import HTMLResponse

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
"""Under "no-referrer", the other pages' policy, form submissions have no origin to check."""
_TEXTS = {file.name: file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("*.html")}
"""The templates: read once, because reading a file blocks the event loop."""
_PAGES = Environment(loader=DictLoader(_TEXTS), autoescape=True, undefined=StrictUndefined)


def plain_page(name: str, status: int = 200, /, **values: str) -> HTMLResponse:
    """The page of the template `<name>.html`, which no browser keeps.

    Args:
        name: the template.
        status: the HTTP status.
        values: what the template names.
    """
    return HTMLResponse(_PAGES.get_template(f"{name}.html").render(values), status_code=status, headers=HEADERS)
