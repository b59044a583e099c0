"""Who a request or an event comes from."""

import ipaddress
from typing import Any, cast

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from m1app.access.person import Person
from m1app.access.service import Access
from m1app.settings import Settings

COOKIE = "m1-session"
_THIS_MACHINE = ("127.0.0.1", "::1")
"""A proxy on this machine may say who its client is."""
_USER = "m1_user"
_MAX_NAME_CHARACTERS = 255


async def visitor_of(access: Access, request: HTTPConnection, *, is_active: bool = False) -> Person:
    """The person behind a request.

    Args:
        access: knows the persons.
        request: the request, or the one that an event came with.
        is_active: whether the person did something, so that their session is in use.
    """
    token = request.cookies.get(COOKIE, "")
    return await access.person(token, address_of(request), named_by_proxy(request), is_active=is_active)


def named_by_proxy(request: HTTPConnection) -> str:
    """The name that a trusted proxy gives; empty without one."""
    name: str = request.scope.get(_USER, "")
    return name


def address_of(request: HTTPConnection) -> str:
    """The client's address; behind a trusted proxy, as the proxy reports it, and empty if that is no address."""
    return request.client.host if request.client else ""


class NamedByProxy:
    """Middleware that takes the person's name from the trusted header, if the request comes from a trusted proxy.

    Outermost: further in, the proxy's address is replaced by that of its client, as X-Forwarded-For gives it. A name
    that is there twice counts as none: one of them may be the client's own.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._inner = app
        self._app: Any = ProxyHeadersMiddleware(cast(Any, self._pass_on), [*_THIS_MACHINE, *settings.proxies])
        self._header = settings.trusted_header.lower().encode("latin-1")
        self._proxies = [ipaddress.ip_network(each) for each in settings.proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the name and pass the request on."""
        if scope["type"] == "http":
            host, port = scope.get("client") or ("", 0)
            scope["client"] = (_plain_address(host), port)
            named = [value for name, value in scope["headers"] if name == self._header] if self._header else []
            if len(named) == 1 and self._is_proxy(scope["client"][0]):
                scope[_USER] = _name_in(named[0])
        await self._app(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host, port = scope["client"]
            scope["client"] = (_address_in(host), port)
        await self._inner(scope, receive, send)

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def _plain_address(host: str) -> str:
    """The address, as IPv4 if a socket for both versions shows it as ::ffff:192.0.2.7."""
    try:
        mapped = getattr(ipaddress.ip_address(host), "ipv4_mapped", None)
    except ValueError:
        return host
    return host if mapped is None else str(mapped)


def _address_in(host: str) -> str:
    """The address, without a zone, which could be any text; empty for all that is none.

    All who report none count as one client, and none of them as this machine: a proxy may write "unknown".
    """
    try:
        return _plain_address(str(ipaddress.ip_address(host)).partition("%")[0])
    except ValueError:
        return ""


def _name_in(value: bytes) -> str:
    """The name in a header; empty for none that a person could have. Two names never become the same one."""
    try:
        name = value.decode("utf-8")
    except UnicodeDecodeError:
        name = value.decode("latin-1")
    name = name.strip()
    return name if name.isprintable() and len(name) <= _MAX_NAME_CHARACTERS else ""
