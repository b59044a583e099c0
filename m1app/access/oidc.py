"""Logging in through an OpenID Connect provider: the authorization code flow with PKCE.

The protocol's messages and checks are Authlib's, the signatures joserfc's, the requests `provider_http`'s. Importing
this takes a while, so only an app that has a provider does. Specification: OpenID Connect Core 1.0, section 3.1.
"""

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import quote_plus, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from m1app.access.errors import LoginRefused
from m1app.access.pending_logins import PendingLogin
from m1app.access.provider_http import ProviderHttp, unusable
from m1app.settings import Settings

_log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Accepted signatures: only those that need a key which the provider alone has."""
_KEY_TYPES = ("RSA", "EC")
_SCOPE = "openid profile email"
_LEEWAY_SECONDS = 60
"""How far the provider's clock may differ."""
_METADATA_SECONDS = 3600.0
_MAX_SUBJECT_CHARACTERS = 255
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_NOT_ACCEPTED = "The login service did not confirm this login. Log in again; if that does not help, tell an admin."


def _http_address(address: str) -> str:
    parts = urlsplit(address)
    _ = parts.port  # Raises ValueError for what is no port.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an address that begins with https://")
    return address


_Address = Annotated[str, AfterValidator(_http_address)]


class _Answer(BaseModel):
    # Providers add fields of their own, as the specification allows.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ProviderMetadata(_Answer):
    """What a provider says about itself (OpenID Connect Discovery 1.0); only what is used here."""

    issuer: str
    authorization_endpoint: _Address
    token_endpoint: _Address
    jwks_uri: _Address
    token_endpoint_auth_methods_supported: list[str] = Field(default_factory=lambda: ["client_secret_basic"])


class _Keys(_Answer):
    keys: list[dict[str, Any]]


class _Tokens(_Answer):
    id_token: str
    access_token: str = ""


class _Refusal(_Answer):
    error: str


_A = TypeVar("_A", bound=_Answer)


@dataclass(frozen=True, slots=True)
class ConfirmedPerson:
    """Whom the provider confirmed."""

    subject: str
    """The provider's identifier for the person; never changes."""
    names: tuple[str, ...]
    """What the person may be called, the best first; never empty."""


class OidcProvider:
    """The provider of `M1_OIDC_ISSUER`. The methods raise ProviderFailed, or LoginRefused if it does not confirm."""

    def __init__(self, settings: Settings, http: ProviderHttp) -> None:
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._http = http
        self._metadata: tuple[float, ProviderMetadata] | None = None

    async def login_address(self, login: PendingLogin) -> str:
        """Where the browser logs in."""
        metadata = await self._current_metadata()
        address: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri=login.redirect_uri,
            scope=_SCOPE,
            state=login.state,
            nonce=login.nonce,
            code_challenge=create_s256_code_challenge(login.verifier),
            code_challenge_method="S256",
        )
        return address

    async def confirm(self, login: PendingLogin, code: str, issuer: str) -> ConfirmedPerson:
        """Exchange the code and check the ID token.

        Args:
            login: what was started.
            code: what the browser came back with.
            issuer: the `iss` it came back with; empty if the provider sends none (RFC 9207).
        """
        metadata = await self._current_metadata()
        if issuer not in ("", metadata.issuer) or not code:
            raise _not_confirmed("the answer names another issuer" if code else "the answer has no code")
        tokens = await self._exchange(metadata, login, code)
        keys = _read(_Keys, metadata.jwks_uri, await self._http.get(metadata.jwks_uri)).keys
        return await asyncio.to_thread(self._check, metadata, login, tokens, keys)

    async def _current_metadata(self) -> ProviderMetadata:
        if self._metadata is None or time.monotonic() - self._metadata[0] > _METADATA_SECONDS:
            self._metadata = (time.monotonic(), await self._fetch_metadata())
        return self._metadata[1]

    async def _fetch_metadata(self) -> ProviderMetadata:
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = _read(ProviderMetadata, address, await self._http.get(address))
        if metadata.issuer.rstrip("/") != self._issuer.rstrip("/"):
            raise unusable(address, f"the issuer is {metadata.issuer[:200]!r}, and M1_OIDC_ISSUER names another")
        used = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri)
        if self._issuer.startswith("https://") and not all(each.startswith("https://") for each in used):
            raise unusable(address, "an endpoint does not begin with https://")
        return metadata

    async def _exchange(self, metadata: ProviderMetadata, login: PendingLogin, code: str) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": login.redirect_uri,
            "code_verifier": login.verifier,
        }
        secret, basic = self._secret.get_secret_value(), None
        if secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, section 2.3.1: both are encoded as in a form.
            basic = (quote_plus(self._client_id), quote_plus(secret))
        else:
            form |= {"client_id": self._client_id, **({"client_secret": secret} if secret else {})}
        status, body = await self._http.post(metadata.token_endpoint, form, basic)
        if status != 200:
            raise _refused_exchange(metadata.token_endpoint, status, body)
        return _read(_Tokens, metadata.token_endpoint, body)

    def _check(
        self, metadata: ProviderMetadata, login: PendingLogin, tokens: _Tokens, keys: Sequence[dict[str, Any]]
    ) -> ConfirmedPerson:
        expected = {
            "iss": {"essential": True, "value": metadata.issuer},
            "aud": {"essential": True, "value": self._client_id},
            "sub": {"essential": True},
        }
        known = {"nonce": login.nonce, "client_id": self._client_id, "access_token": tokens.access_token}
        try:
            token = jwt.decode(tokens.id_token, _key_set(keys), algorithms=ALGORITHMS)
            claims = CodeIDToken(token.claims, token.header, expected, known)
            claims.validate(leeway=_LEEWAY_SECONDS)
        # Besides its own errors, joserfc passes on those of what a damaged token or key leads it to.
        except (JoseError, ValueError, TypeError, AttributeError, LookupError) as exc:
            raise _not_confirmed(f"the ID token is not valid ({type(exc).__name__})") from exc
        return _person_of(claims)


def _person_of(claims: dict[str, Any]) -> ConfirmedPerson:
    subject: str = claims["sub"]
    if len(subject) > _MAX_SUBJECT_CHARACTERS or not subject.isprintable():
        raise _not_confirmed("the subject is too long or not printable")
    given = (claims.get(name) for name in ("preferred_username", "name", "email"))
    return ConfirmedPerson(subject, (*(each for each in given if isinstance(each, str)), subject))


def _key_set(keys: Sequence[dict[str, Any]]) -> KeySet:
    """The keys that can have signed a token; others in the provider's list do no harm."""
    usable = []
    for key in keys:
        if key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig":
            try:
                usable.append(import_key(key))
            except (JoseError, ValueError, TypeError, AttributeError, LookupError):
                _log.warning("a key of the login service cannot be read and is left out")
    return KeySet(usable)


def _read(kind: type[_A], url: str, body: bytes) -> _A:
    try:
        return kind.model_validate_json(body)
    except ValidationError as exc:
        where = ", ".join(".".join(map(str, error["loc"])) or error["type"] for error in exc.errors())
        raise unusable(url, f"missing or wrong: {where[:200]}") from exc


def _refused_exchange(url: str, status: int, body: bytes) -> LoginRefused:
    try:
        error = _Refusal.model_validate_json(body).error
    except ValidationError:
        return unusable(url, f"status {status}")
    return _not_confirmed(f"the code was refused with status {status} ({error_code(error)})")


def _not_confirmed(why: str) -> LoginRefused:
    _log.warning("the login service did not confirm a login: %s", why)
    return LoginRefused(_NOT_ACCEPTED)


def error_code(given: str) -> str:
    """An error code of the protocol, such as access_denied; "unknown error" for what is none."""
    return given if _ERROR_CODE.fullmatch(given) else "unknown error"
