"""A small OpenID Connect provider that can be made to lie."""

import asyncio
import base64
import hashlib
import html
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "m1 app", "a secret: 100%"
KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
EC_KEY = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})
PERSON = {"sub": "s-1", "preferred_username": "anna", "name": "Anna Müller", "email": "anna@example.org"}


@dataclass
class Provider:
    """What the provider answers; tests change it."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    claims: dict[str, Any] = field(default_factory=dict)
    """Replaces claims of the ID token; None leaves one out."""
    sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, KEY)
    keys: list[dict[str, Any]] = field(default_factory=lambda: [KEY.as_dict(private=False)])
    authentication: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    metadata: dict[str, Any] = field(default_factory=dict)
    """Replaces fields of the metadata; None leaves one out."""
    error: str = ""
    """What the provider sends instead of a code."""
    answers: dict[str, Callable[[], Response]] = field(default_factory=dict)
    """Instead of the right answer, by path."""
    silent: set[str] = field(default_factory=set)
    """Paths that are never answered."""
    is_asking: bool = False
    """Whether people see a page instead of being sent back at once."""
    is_checking_pkce: bool = True
    asked: list[str] = field(default_factory=list)
    """Paths, in order."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        """The provider as an application."""
        routes = {
            "/.well-known/openid-configuration": self._describe,
            "/authorize": self._authorize,
            "/keys": self._list_keys,
        }
        return Starlette(
            routes=[
                *(Route(path, self._answering(endpoint)) for path, endpoint in routes.items()),
                Route("/token", self._answering(self._exchange), methods=["POST"]),
            ]
        )

    def _answering(self, endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            path = request.url.path
            self.asked.append(path)
            if path in self.silent:
                while not await request.is_disconnected():
                    await asyncio.sleep(0.01)
            return self.answers[path]() if path in self.answers else await endpoint(request)

        return answer

    async def _describe(self, request: Request) -> Response:
        described = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": self.authentication,
            "claims_supported": ["sub"],
            **self.metadata,
        }
        return JSONResponse({name: value for name, value in described.items() if value is not None})

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        assert (query["response_type"], query["client_id"], query["tenant"]) == ("code", CLIENT_ID, "1")
        assert query["scope"].split()[0] == "openid"
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        answer = {"error": self.error} if self.error else {"code": code, "iss": self.issuer}
        back = f"{query['redirect_uri']}?{urlencode({'state': query['state'], **answer})}"
        if self.is_asking:
            return HTMLResponse(f'<a href="{html.escape(back)}">I am Anna</a>')
        return RedirectResponse(back, 303)

    async def _exchange(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        if not self._is_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or not self._is_proven(asked, form):
            return JSONResponse({"error": "invalid_grant", "error_description": "<b>no</b>"}, 400)
        return JSONResponse({"id_token": self._id_token(asked), "access_token": "an access token", "expires_in": 60})

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        if "client_secret_basic" in self.authentication:
            kind, _, value = request.headers.get("authorization", "").partition(" ")
            given = base64.b64decode(value).decode() if kind == "Basic" else ":"
            return tuple(map(unquote_plus, given.split(":"))) == (CLIENT_ID, CLIENT_SECRET)
        if "authorization" in request.headers or form.get("client_id") != CLIENT_ID:
            return False
        return form.get("client_secret") == (CLIENT_SECRET if "client_secret_post" in self.authentication else None)

    def _is_proven(self, asked: dict[str, str], form: dict[str, str]) -> bool:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return not self.is_checking_pkce or challenge == asked["code_challenge"]

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "nonce": asked["nonce"], **times, **self.person, **self.claims}
        return self.sign({name: value for name, value in claims.items() if value is not None})

    async def _list_keys(self, request: Request) -> Response:
        return JSONResponse({"keys": self.keys})
