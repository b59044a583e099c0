"""Logging in through an OpenID Connect provider: to the provider, and back. The protocol is in `m1app.access.oidc`."""

import re
import secrets

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from m1app.access.errors import LoginRefused, ProviderFailed
from m1app.access.oidc import OidcProvider, error_code
from m1app.access.pending_logins import PENDING_SECONDS, PendingLogin, PendingLogins
from m1app.access.provider_http import ProviderHttp
from m1app.access.service import Access
from m1app.settings import Settings
from m1app.ui.login.gate import CONFIRMED, LOGIN, PROVIDER
from m1app.ui.login.pages import login_refused, safe_target, with_session
from m1app.ui.login.plain_pages import HEADERS, plain_page
from m1app.ui.shell.visitor import address_of
from storage.people.records import AccountOrigin

BROWSER_COOKIE = "m1-login"
_BROWSER = re.compile(r"[\w-]{43}", re.ASCII)
_UNKNOWN = (
    "This login took longer than 10 minutes, was already used, or was started in another browser. Log in again. If "
    "that does not help, allow cookies for this address."
)


def add_provider(app: FastAPI, access: Access, settings: Settings, http: ProviderHttp | None = None) -> None:
    """`/login/provider` and `/login/confirmed`.

    Args:
        app: the web application.
        access: starts the sessions.
        settings: name the provider.
        http: reaches it; None makes one.
    """
    provider, logins = OidcProvider(settings, http or ProviderHttp()), PendingLogins()

    @app.get(PROVIDER)
    async def start(request: Request, next: str = "") -> Response:  # noqa: A002 - the query's name
        known = request.cookies.get(BROWSER_COOKIE, "")
        browser = known if _BROWSER.fullmatch(known) else secrets.token_urlsafe(32)
        back = f"{str(request.base_url).rstrip('/')}{CONFIRMED}"
        login = logins.start(browser, back, safe_target(next), address_of(request))
        try:
            address = await provider.login_address(login)
        except ProviderFailed as exc:
            return login_refused(request, exc, login.target, settings)
        return _to_provider(request, address, browser)

    @app.get(CONFIRMED)
    async def finish(request: Request) -> Response:
        login = logins.take(request.query_params.get("state", ""), request.cookies.get(BROWSER_COOKIE, ""))
        if login is None:
            return login_refused(request, LoginRefused(_UNKNOWN), "", settings)
        try:
            token = await _confirmed(request, provider, access, login)
        except LoginRefused as exc:
            return login_refused(request, exc, login.target, settings)
        # A redirect would still count as the provider's, and the browser would keep the strict cookie back.
        page = plain_page("onward", message="You are logged in.", target=login.target)
        return await with_session(page, request, access, token, settings)


def _to_provider(request: Request, address: str, browser: str) -> Response:
    answer = RedirectResponse(address, status_code=303, headers=HEADERS)
    # "lax", because the browser comes back from another site.
    answer.set_cookie(
        BROWSER_COOKIE,
        browser,
        max_age=PENDING_SECONDS,
        path=LOGIN,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


async def _confirmed(request: Request, provider: OidcProvider, access: Access, login: PendingLogin) -> str:
    query = request.query_params
    if error := query.get("error"):
        raise LoginRefused(f"The login service did not let you in ({error_code(error)}).")
    person = await provider.confirm(login, query.get("code", ""), query.get("iss", ""))
    return await access.log_in_confirmed(AccountOrigin.OIDC, person.subject, person.names, address_of(request))
