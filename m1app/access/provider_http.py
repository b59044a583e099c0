"""HTTP to an OpenID Connect provider: short waits, small answers, no redirects.

The only HTTP client outside of `models`, which is about prompts and tokens.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import httpx2

from m1app.access.errors import ProviderFailed

_log = logging.getLogger(__name__)

_MAX_BYTES = 256 * 1024
_SECONDS = 10.0
"""For a whole request, from the connection to the last byte."""
_MAX_CONNECTIONS = 20
_UNREACHABLE = "The login service did not answer. Try again in a minute; if that does not help, tell an admin."
_UNUSABLE = "The login service sent an answer that this app cannot use. Tell an admin; the log says more."


class ProviderHttp:
    """Asks the provider. Every method raises ProviderFailed."""

    def __init__(self, *, max_bytes: int = _MAX_BYTES, seconds: float = _SECONDS) -> None:
        """Args:
        max_bytes: largest answer.
        seconds: longest time for a request, waiting for a free connection included.
        """
        self._max_bytes = max_bytes
        self._seconds = seconds
        # No connection is kept open, so that there is nothing to close. HTTPS_PROXY and SSL_CERT_FILE apply: the
        # provider may be outside of the network, or have a certificate of the institution.
        limits = httpx2.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=0)
        self._client = httpx2.AsyncClient(limits=limits, timeout=seconds)

    async def get(self, url: str) -> bytes:
        """The body of a successful answer."""
        status, body = await self._ask("GET", url)
        if status != 200:
            raise unusable(url, f"status {status}")
        return body

    async def post(self, url: str, form: Mapping[str, str], basic: tuple[str, str] | None) -> tuple[int, bytes]:
        """Send a form, with HTTP basic authentication unless `basic` is None; returns status and body."""
        return await self._ask("POST", url, data=dict(form), auth=basic)

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        # Unpacking could turn a small answer into a large one.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(self._seconds):
                async with self._client.stream(method, url, headers=headers, **options) as answer:
                    return answer.status_code, await self._body(url, answer)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as exc:
            _log.warning("the login service did not answer at %s: %s", url, type(exc).__name__)
            raise ProviderFailed(_UNREACHABLE) from exc

    async def _body(self, url: str, answer: httpx2.Response) -> bytes:
        body = b""
        async for part in answer.aiter_raw():
            body += part
            if len(body) > self._max_bytes:
                raise unusable(url, f"more than {self._max_bytes:,} bytes")
        return body


def unusable(url: str, why: str) -> ProviderFailed:
    """The error for an answer that cannot be used; the reason goes to the log and must contain no secret."""
    _log.warning("the login service's answer at %s cannot be used: %s", url, why)
    return ProviderFailed(_UNUSABLE)
