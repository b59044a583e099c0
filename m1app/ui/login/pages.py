"""The login page, logging out, the link of an app without accounts, and one's own account."""

import logging
import re
from urllib.parse import parse_qs, quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from m1app.access.errors import AccountRefused, LoginRefused, ProviderFailed
from m1app.access.passwords import MAX_PASSWORD_CHARACTERS
from m1app.access.person import current_person
from m1app.access.service import NO_ACCOUNT, Access, digest_of
from m1app.settings import MIN_PASSWORD_CHARACTERS, Settings
from m1app.ui.login.gate import LOGIN, PROVIDER
from m1app.ui.login.plain_pages import HEADERS, plain_page
from m1app.ui.shell.visitor import COOKIE, address_of, named_by_proxy
from storage.errors import StorageError

_log = logging.getLogger(__name__)

ACCOUNT = "/account"
_MAX_FORM_BYTES = 16_384
_NEXT = re.compile(r"/((compare|strategies|annotate|facts|benchmarks|admin)/|account)?(\?[\w=&.,%:+-]{0,500})?")


def add_login(app: FastAPI, access: Access, settings: Settings) -> None:
    """`/login`, `/logout` and `/account`."""

    @app.get(LOGIN)
    async def show(request: Request, next: str = "", key: str = "") -> Response:  # noqa: A002 - the query's name
        if key:
            return await _by_link(request, access, key, settings)
        if current_person().role is not None:
            return RedirectResponse(safe_target(next), status_code=303)
        return login_page(_problem_behind_proxy(request), next, 200, settings)

    @app.post(LOGIN)
    async def log_in(request: Request) -> Response:
        form = await _form(request)
        target = form.get("next", "")
        try:
            token = await access.log_in(form.get("name", ""), form.get("password", ""), address_of(request))
        except LoginRefused as exc:
            return login_refused(request, exc, target, settings)
        except StorageError as exc:
            return login_page(str(exc), target, 503, settings)
        return await logged_in(request, access, token, target, settings)

    @app.post("/logout")
    async def log_out(request: Request) -> Response:
        await access.log_out(request.cookies.get(COOKIE, ""), address_of(request))
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    _add_account(app, access)


async def logged_in(request: Request, access: Access, token: str, target: str, settings: Settings) -> Response:
    """Redirect to the page that was asked for, with the session's cookie."""
    answer = RedirectResponse(safe_target(target), status_code=303, headers=HEADERS)
    return await with_session(answer, request, access, token, settings)


async def with_session(answer: Response, request: Request, access: Access, token: str, settings: Settings) -> Response:
    """The answer, with the cookie of a session that has just started; it ends the one whose cookie it replaces."""
    if replaced := request.cookies.get(COOKIE):
        await access.log_out(replaced, address_of(request))
    _log.info("logged in from %s", address_of(request))
    is_secure = request.url.scheme == "https"
    age = int(settings.session_hours * 3600)
    answer.set_cookie(COOKIE, token, max_age=age, httponly=True, samesite="strict", secure=is_secure)
    return answer


def login_page(problem: str, target: str, status: int, settings: Settings) -> HTMLResponse:
    """The login page.

    Args:
        problem: what went wrong; may be empty.
        target: where to go after logging in.
        status: the HTTP status.
        settings: whether a provider or a proxy logs people in.
    """
    following = safe_target(target)
    provider_address = f"{PROVIDER}?next={quote(following, safe='')}" if settings.oidc_issuer else ""
    return plain_page("login", status, message=problem, next=following, provider_address=provider_address)


def safe_target(target: str) -> str:
    """`target` if it is one of the app's pages, else the first: login links must not redirect elsewhere."""
    return target if _NEXT.fullmatch(target) else "/"


def login_refused(request: Request, refusal: LoginRefused, target: str, settings: Settings) -> Response:
    """The login page with the reason."""
    _log.warning("an attempt to log in from %s was refused", address_of(request))
    status = 502 if isinstance(refusal, ProviderFailed) else 429 if refusal.wait_seconds else 403
    return _later(login_page(str(refusal), target, status, settings), refusal)


def _later(answer: Response, refusal: LoginRefused) -> Response:
    """The answer, which says when to try again if there is a wait."""
    if refusal.wait_seconds:
        answer.headers["Retry-After"] = str(refusal.wait_seconds)
    return answer


def _problem_behind_proxy(request: Request) -> str:
    named = named_by_proxy(request)
    return f"The proxy has logged you in as {named}. {NO_ACCOUNT}" if named else ""


async def _by_link(request: Request, access: Access, key: str, settings: Settings) -> Response:
    try:
        token = await access.log_in_by_link(key, address_of(request))
    except LoginRefused as exc:
        return login_refused(request, exc, "", settings)
    return await logged_in(request, access, token, "", settings)


def _add_account(app: FastAPI, access: Access) -> None:
    @app.get(ACCOUNT)
    async def show() -> Response:
        return _account_page("", 200)

    @app.post(ACCOUNT)
    async def change(request: Request) -> Response:
        form = await _form(request)
        if form.get("new") != form.get("again"):
            return _account_page("The new passwords do not match. Enter the same password twice.", 422)
        try:
            own = digest_of(request.cookies.get(COOKIE, ""))
            await access.accounts.change_own_password(form.get("old", ""), form.get("new", ""), own)
        except AccountRefused as exc:
            return _account_page(str(exc), 422)
        except LoginRefused as exc:
            return _later(_account_page(str(exc), 429), exc)
        access.forget()
        return _account_page("Your password was changed. Other browsers have been logged out.", 200)


def _account_page(message: str, status: int) -> Response:
    person = current_person()
    if not person.name:
        return RedirectResponse("/", status_code=303)
    return plain_page(
        "account",
        status,
        name=person.name,
        role=str(person.role),
        message=message,
        shortest=str(MIN_PASSWORD_CHARACTERS),
        longest=str(MAX_PASSWORD_CHARACTERS),
    )


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
