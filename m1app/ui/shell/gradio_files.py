"""Gradio's own page code and styles, which browsers keep, and two scripts of it corrected; as observed in 6.31.

Gradio does not say how long its files may be kept, so a browser asks again for each of some sixty whenever a page is
opened soon after an installation. Their names contain a hash of their content.

The indicator of a page that is loading counts seconds in every frame, and continues when it is gone: each open page
then wakes the processor sixty times a second. No page of this app shows those seconds, so the script counts them once.
Its picture moves to the end of its way after it is gone, which takes some seconds; now it stops at once.

At every message about any event, Gradio also sets the progress of every component that any event has ever read, and
copies all that the component holds; `show_no_progress` spares only those that events update. The events of this app
have no progress display, so a progress that is hidden is not set: an Admin page at rest otherwise spends half of its
time on that.
"""

import re
from functools import cache
from pathlib import Path

from gradio.route_utils import BUILD_PATH_LIB
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOLDER = Path(BUILD_PATH_LIB)
_COUNTING = re.compile(
    r"(?P<once>function (?P<name>\w+)\(\)\{\w+\(\(\)=>\{\w+\(\w+,\(performance\.now\(\)-\w+\(\w+\)\)/1e3\))"
    r",\w+&&(?P=name)\(\)(?P<end>\}\)\})"
)
"""The function that asks for the next frame until its component says that it is over."""
_MOVING = re.compile(
    r"(?P<springs>(?P<first>\w+)=\w+\(\[0,0\]\),(?P<second>\w+)=\w+\(\[0,0\]\),.{0,600}?"
    r"\w+\(\(\)=>\(\w+\(\),\(\)=>\{\w+\(\w+,!0\))(?P<end>\}\)\))"
)
"""The two halves of the picture, up to what is done when it is gone."""
_STOPPED = r"\g<springs>,\g<first>.set([0,0],{hard:!0}),\g<second>.set([0,0],{hard:!0})\g<end>"
_SETTING = re.compile(r"(?P<head>async update_state\(\w+,(?P<update>\w+),\w+=!0\)\{)")
"""The method that sets properties of a component."""
_UNLESS_HIDDEN = (
    r"\g<head>let m1=\g<update>.loading_status;"
    r"if(m1&&(m1.show_progress===`hidden`||m1.validation_error===null))return;"
)
_CORRECTIONS = {
    "statustracker-*.js": [(_COUNTING, r"\g<once>\g<end>"), (_MOVING, _STOPPED)],
    "core-*.js": [(_SETTING, _UNLESS_HIDDEN)],
}
"""What is replaced by what, by the file's name."""
_KEPT_SECONDS = 365 * 24 * 3600
_CORRECTED_KEPT_SECONDS = 3600
"""Shorter, because this app may correct the script differently under the same name."""


class GradioFiles:
    """A page's Gradio application, whose files may be kept and wake nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._corrected = corrected_scripts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a corrected script."""
        folder, _, name = scope["path"].rpartition("/") if scope["type"] == "http" else ("", "", "")
        if not folder.endswith("/assets"):
            await self._app(scope, receive, send)
        elif name in self._corrected:
            headers = {"Cache-Control": f"public, max-age={_CORRECTED_KEPT_SECONDS}"}
            await Response(self._corrected[name], media_type="text/javascript", headers=headers)(scope, receive, send)
        else:
            await self._app(scope, receive, _kept(send))


@cache
def corrected_scripts() -> dict[str, bytes]:
    """Corrected files of this Gradio, by name; without those in which there is nothing to correct any more."""
    corrected = {}
    for pattern, corrections in _CORRECTIONS.items():
        for path in _FOLDER.glob(pattern):
            text = original = path.read_text(encoding="utf-8")
            for found, replacement in corrections:
                text = found.sub(replacement, text)
            if text != original:
                corrected[path.name] = text.encode()
    return corrected


def _kept(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            headers = MutableHeaders(scope=message)
            headers["Cache-Control"] = f"public, max-age={_KEPT_SECONDS}, immutable"
        await send(message)

    return sending
