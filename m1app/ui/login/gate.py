"""The gate before every page and route: who is this, and may they see it?

It sets the current person for everything behind it; the services check the rest. Gradio's events run outside of their
requests, so `m1app.ui.shell.page_blocks` asks again for each of them.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from m1app.access.person import NOBODY, Permission, Person, acting_as
from m1app.access.service import Access
from m1app.ui.login.plain_pages import plain_page
from m1app.ui.shell.visitor import visitor_of
from storage.errors import StorageError

ADMIN = "/admin"
LOGIN = "/login"
PROVIDER = "/login/provider"
CONFIRMED = "/login/confirmed"
OPEN_PATHS = frozenset(
    {LOGIN, "/logout", PROVIDER, CONFIRMED, "/favicon.ico"}
    | {"/healthz", "/healthz/live", "/healthz/ready", "/metrics"}
)
"""Paths that need nobody logged in; they tell nothing about what is stored."""


class Gate:
    """Middleware that lets in whoever may read, and to /admin whoever may manage."""

    def __init__(self, app: ASGIApp, access: Access, pages: frozenset[str], open_paths: frozenset[str]) -> None:
        """Args:
        app: the wrapped application.
        access: knows the persons.
        pages: paths of pages, where the login is shown instead of an error.
        open_paths: paths that need nobody logged in.
        """
        self._app = app
        self._access = access
        self._pages = pages
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, is_open = Request(scope), scope["path"] in self._open_paths
        is_page = request.method == "GET" and scope["path"] in self._pages
        refusal: Response | None
        try:
            person = await visitor_of(self._access, request, is_active=is_page)
        except StorageError as exc:
            # Nobody can be told from anybody else.
            person, refusal = NOBODY, PlainTextResponse(str(exc), status_code=503)
        else:
            refusal = _refusal(request, person, is_page)
        with acting_as(person):
            await (self._app if is_open or refusal is None else refusal)(scope, receive, send)


def _refusal(request: Request, person: Person, is_page: bool) -> Response | None:
    path = request.scope["path"]
    is_admin = path == ADMIN or path.startswith(f"{ADMIN}/")
    if person.may(Permission.MANAGE if is_admin else Permission.READ):
        return None
    if person.role is None:
        if not is_page:
            return PlainTextResponse(f"Log in at {LOGIN} first.", status_code=401)
        target = f"{path}?{request.url.query}" if request.url.query else path
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            # A link on another site: the browser has kept the strict cookie back, and sends it with the next request.
            return plain_page("onward", message="Opening the page.", target=target)
        address = LOGIN if target == "/" else f"{LOGIN}?next={quote(target)}"
        return RedirectResponse(address, status_code=303)
    reason = admin_refusal(person)
    if not is_page:
        return PlainTextResponse(reason, status_code=403)
    return plain_page("refused", 403, message=reason)


def admin_refusal(person: Person) -> str:
    """Why the person may not open the Admin page, and what to do."""
    if person.name:
        return f"You are logged in as {person.name} ({person.role}). The Admin page requires the admin role."
    return (
        "To open the Admin page, use the link that the app printed when it started, on the line that begins with “As "
        "admin”. Open it once in this browser."
    )
