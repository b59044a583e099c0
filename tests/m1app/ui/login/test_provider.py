"""Logging in through an OpenID Connect provider: the app and the provider as servers, and a provider that lies."""

import asyncio
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from authlib.common.encoding import urlsafe_b64encode
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings, strategies
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.responses import Response

from m1app.access.errors import LoginRefused
from m1app.access.oidc import OidcProvider, ProviderMetadata, _Tokens
from m1app.access.pending_logins import PendingLogin, PendingLogins
from m1app.access.person import COMMAND_LINE, acting_as
from m1app.access.provider_http import ProviderHttp
from m1app.access.service import Access
from m1app.settings import Settings
from storage.people.accounts import AccountRepository
from storage.people.records import Account, AccountOrigin, Role
from tests.m1app.ui.login.login_app import access_in, app_of
from tests.m1app.ui.login.provider import CLIENT_ID, CLIENT_SECRET, EC_KEY, KEY, OTHER_KEY, PERSON, Provider
from tests.m1app.ui.serving import serving

NOT_CONFIRMED = "The login service did not confirm this login."
NO_ANSWER = "The login service did not answer."
UNUSABLE = "The login service sent an answer that this app cannot use."
UNKNOWN = "was already used, or was started in another browser"
OFFLINE = "http://127.0.0.1:9"
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass
class Ground:
    """A provider, and an app that trusts it."""

    provider: Provider
    access: Access
    address: str

    def browser(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.address)

    async def accounts(self) -> list[Account]:
        with acting_as(COMMAND_LINE):
            return list(await self.access.accounts.all())


class Served:
    """A running server; each test puts its own application behind it."""

    def __init__(self) -> None:
        self.app: Any = None
        self.address = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Served, Served]]:
    """For the provider and for the app."""
    made = (Served(), Served())
    with ExitStack() as stack:
        for server in made:
            server.address = stack.enter_context(serving(server))
        yield made


@pytest.fixture
def ground_with(servers: tuple[Served, Served], tmp_path: Path) -> Iterator[Callable[..., Ground]]:
    with ExitStack() as stack:

        def make(http: ProviderHttp | None = None, **values: Any) -> Ground:
            for_provider, for_app = servers
            provider = Provider(for_provider.address)
            secret = {"oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
            chosen = {"oidc_issuer": provider.issuer, "new_account_role": Role.ANNOTATOR, **secret, **values}
            given = Settings(home=tmp_path, **chosen)
            access = stack.enter_context(access_in(tmp_path, given))
            for_provider.app, for_app.app = provider.app(), app_of(access, given, http)
            return Ground(provider, access, for_app.address)

        yield make


@pytest.fixture
def ground(ground_with: Callable[..., Ground]) -> Ground:
    return ground_with()


def start(browser: httpx2.Client, target: str = "/") -> str:
    """Go to the provider; the address it sends the browser back to."""
    there = browser.get("/login/provider", params={"next": target})
    assert there.status_code == 303
    back = httpx2.get(there.headers["location"])
    assert back.status_code == 303
    return back.headers["location"]


def log_in(browser: httpx2.Client) -> httpx2.Response:
    return browser.get(start(browser), headers=FROM_ELSEWHERE)


def assert_refused(answer: httpx2.Response, message: str, status: int = 403) -> None:
    assert answer.status_code == status
    assert message in answer.text
    assert "m1-session" not in answer.headers.get("set-cookie", "")
    for secret in (CLIENT_SECRET, "an access token", "code-0", "eyJ"):
        assert secret not in answer.text


async def test_whoever_the_provider_confirms_is_logged_in_under_their_account(ground: Ground) -> None:
    with ground.browser() as browser:
        assert browser.get("/").headers["location"] == "/login"
        assert 'href="/login/provider?next=%2F%3Ftrace%3Dabc"' in browser.get("/login?next=/?trace=abc").text
        answer = browser.get(start(browser, "/?trace=abc"), headers=FROM_ELSEWHERE)
        assert answer.status_code == 200
        assert 'content="0;url=/?trace=abc"' in answer.text
        shown = browser.get("/").json()
    (account,) = await ground.accounts()
    assert shown == {"id": account.id, "name": "anna", "role": "annotator", "address": "127.0.0.1"}
    assert (account.subject, account.origin) == ("s-1", "oidc")


def test_the_session_cookie_is_strict_and_the_one_for_the_way_back_is_lax_and_short(ground: Ground) -> None:
    with ground.browser() as browser:
        there = browser.get("/login/provider")
        for attribute in ("HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/login"):
            assert attribute in there.headers["set-cookie"]
        answer = log_in(browser)
        for attribute in ("m1-session", "HttpOnly", "SameSite=strict", "Path=/;"):
            assert attribute in answer.headers["set-cookie"]
        assert there.headers["cache-control"] == answer.headers["cache-control"] == "no-store"


async def test_the_account_stays_the_same_when_the_name_changes_and_not_when_the_subject_does(ground: Ground) -> None:
    with ground.browser() as browser:
        log_in(browser)
        ground.provider.person["preferred_username"] = "anna.new"
        log_in(browser)
        assert browser.get("/").json()["name"] == "anna"
        ground.provider.person.update(sub="s-2", preferred_username="anna")
        log_in(browser)
        assert browser.get("/").json()["name"] == "anna (s-2)"
    assert [account.subject for account in await ground.accounts()] == ["s-1", "s-2"]


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ({"preferred_username": None}, "Anna Müller"),
        ({"preferred_username": "", "name": " \u200b "}, "anna@example.org"),
        ({"preferred_username": 7, "name": None, "email": None}, "s-1"),
        ({"preferred_username": "李 小龍"}, "李 小龍"),
        ({"preferred_username": "a\u202eb\x00\n c"}, "ab c"),
        ({"preferred_username": "long " * 100}, ("long " * 16).strip()),
        ({"preferred_username": "ﷺ" * 80}, ("صلى الله عليه وسلم" * 5)[:80].strip()),
    ],
)
async def test_the_name_shown_is_the_best_that_can_be_shown(ground: Ground, person: dict[str, Any], name: str) -> None:
    ground.provider.person.update(person)
    with ground.browser() as browser:
        assert log_in(browser).status_code == 200
        assert browser.get("/").json()["name"] == name


@pytest.mark.parametrize("authentication", [["client_secret_basic"], ["client_secret_post", "private_key_jwt"]])
def test_the_secret_goes_to_the_provider_as_it_wants(ground: Ground, authentication: list[str]) -> None:
    ground.provider.authentication = authentication
    with ground.browser() as browser:
        assert log_in(browser).status_code == 200


def test_an_app_without_a_secret_proves_itself_by_pkce_alone(ground_with: Callable[..., Ground]) -> None:
    ground = ground_with(oidc_client_secret="")
    ground.provider.authentication = ["none"]
    with ground.browser() as browser:
        assert log_in(browser).status_code == 200


@pytest.mark.parametrize(
    "sign",
    [
        lambda claims: jwt.encode({"alg": "ES256", "kid": "curve"}, claims, EC_KEY),
        lambda claims: jwt.encode({"alg": "PS256", "kid": "first"}, claims, KEY, algorithms=["PS256"]),
    ],
)
def test_other_keys_and_signatures_and_strange_keys_beside_them_are_accepted(ground: Ground, sign: Any) -> None:
    ground.provider.sign = sign
    strange = [{"kty": "AKP", "kid": "new"}, {"kty": "RSA", "kid": "broken", "n": "!"}, {"kid": "none"}]
    encryption = {**OTHER_KEY.as_dict(private=False), "use": "enc", "alg": "RSA-OAEP"}
    ground.provider.keys = [*strange, encryption, EC_KEY.as_dict(private=False), KEY.as_dict(private=False)]
    with ground.browser() as browser:
        assert log_in(browser).status_code == 200


def test_a_key_that_the_provider_has_changed_is_fetched(ground: Ground) -> None:
    with ground.browser() as browser:
        assert log_in(browser).status_code == 200
        ground.provider.keys = [EC_KEY.as_dict(private=False)]
        ground.provider.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": "curve"}, claims, EC_KEY)
        assert log_in(browser).status_code == 200


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "none"}, claims, OctKey.generate_key(), algorithms=["none"])


def assembled(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token that joserfc would not make."""
    signed = b".".join(urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims))
    return b".".join((signed, urlsafe_b64encode(sign(signed)))).decode()


def signed_with_public_key(claims: dict[str, Any]) -> str:
    secret = KEY.as_pem(private=False)
    return assembled({"alg": "HS256", "kid": "first"}, claims, lambda data: hmac.digest(secret, data, "sha256"))


def with_unknown_condition(claims: dict[str, Any]) -> str:
    header = {"alg": "RS256", "kid": "first", "crit": ["x"], "x": 1}
    return assembled(header, claims, lambda data: KEY.private_key.sign(data, PKCS1v15(), SHA256()))


def with_own_key(claims: dict[str, Any]) -> str:
    header = {"alg": "RS256", "kid": "first", "jwk": OTHER_KEY.as_dict(private=False)}
    return jwt.encode(header, claims, OTHER_KEY)


def changed(claims: dict[str, Any]) -> str:
    head, body, signature = jwt.encode({"alg": "RS256", "kid": "first"}, claims, KEY).split(".")
    other = jwt.encode({"alg": "RS256"}, {**claims, "sub": "admin"}, OTHER_KEY).split(".")[1]
    assert other != body
    return f"{head}.{other}.{signature}"


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        signed_with_public_key,
        with_own_key,
        changed,
        lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, OTHER_KEY),
        lambda claims: jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, KEY),
        with_unknown_condition,
        lambda claims: "eyJ",
        lambda claims: "",
        lambda claims: "a.b.c.d.e",
        lambda claims: "ü.é.ß",
    ],
)
async def test_a_token_with_a_wrong_signature_logs_nobody_in(ground: Ground, sign: Callable[[Any], str]) -> None:
    ground.provider.sign = sign
    with ground.browser() as browser:
        assert_refused(log_in(browser), NOT_CONFIRMED)
    assert await ground.accounts() == []


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["x"]},
        {"aud": "another app"},
        {"aud": None},
        {"aud": []},
        {"aud": ["another app"]},
        {"aud": [CLIENT_ID, "another app"]},
        {"aud": [CLIENT_ID, "another app"], "azp": "another app"},
        {"aud": {CLIENT_ID: 1}},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 256},
        {"sub": "s-1\x00"},
        {"at_hash": "of another token"},
    ],
)
async def test_a_token_for_another_time_place_or_person_logs_nobody_in(ground: Ground, claims: dict[str, Any]) -> None:
    ground.provider.claims = claims
    with ground.browser() as browser:
        assert_refused(log_in(browser), NOT_CONFIRMED)
    assert await ground.accounts() == []


def test_a_way_back_leads_in_once_and_only_in_the_browser_that_left(ground: Ground) -> None:
    with ground.browser() as browser, ground.browser() as other:
        back = start(browser)
        assert_refused(other.get(back), UNKNOWN)
        start(other)
        assert_refused(other.get(back), UNKNOWN)
        wrong = re.sub(r"state=[^&]+", "state=wrong", back)
        assert_refused(browser.get(wrong), UNKNOWN)
        assert_refused(browser.get("/login/confirmed"), UNKNOWN)
        assert browser.get(back).status_code == 200
        assert_refused(browser.get(back), UNKNOWN)


def test_two_tabs_of_a_browser_may_log_in_at_once(ground: Ground) -> None:
    with ground.browser() as browser:
        first, second = start(browser), start(browser)
        assert browser.get(first).status_code == browser.get(second).status_code == 200


@pytest.mark.parametrize("is_checking_pkce", [True, False])
def test_a_code_that_another_browser_got_leads_nowhere(ground: Ground, is_checking_pkce: bool) -> None:
    ground.provider.is_checking_pkce = is_checking_pkce
    with ground.browser() as browser, ground.browser() as other:
        theirs = parse_qs(urlsplit(start(other)).query)["code"][0]
        back = re.sub(r"code=[^&]+", f"code={theirs}", start(browser))
        assert_refused(browser.get(back), NOT_CONFIRMED)


@pytest.mark.parametrize("issuer", ["https://evil.example", "http://127.0.0.1"])
def test_an_answer_of_another_issuer_is_not_exchanged(ground: Ground, issuer: str) -> None:
    with ground.browser() as browser:
        back = re.sub(r"iss=[^&]+", f"iss={issuer}", start(browser))
        assert_refused(browser.get(back), NOT_CONFIRMED)
    assert "/token" not in ground.provider.asked


@pytest.mark.parametrize(
    ("error", "shown"),
    [("access_denied", "(access_denied)"), ("<script>alert(1)</script>", "(unknown error)")],
)
def test_a_refusal_of_the_provider_is_shown_by_its_code(ground: Ground, error: str, shown: str) -> None:
    ground.provider.error = error
    with ground.browser() as browser:
        answer = log_in(browser)
    assert_refused(answer, f"The login service did not let you in {shown}.")
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("code", ["", "&code=", "&code=invented"])
def test_an_answer_without_a_right_code_is_refused(ground: Ground, code: str) -> None:
    with ground.browser() as browser:
        assert_refused(browser.get(re.sub(r"&code=[^&]+", code, start(browser))), NOT_CONFIRMED)


def test_a_provider_that_is_down_is_named_as_the_reason(ground_with: Callable[..., Ground]) -> None:
    with ground_with(oidc_issuer=OFFLINE).browser() as browser:
        answer = browser.get("/login/provider?next=/?trace=abc")
    assert_refused(answer, NO_ANSWER, 502)
    assert 'value="/?trace=abc"' in answer.text


def left_or_returned(browser: httpx2.Client) -> httpx2.Response:
    """The answer before the provider or after it, whichever is the last."""
    there = browser.get("/login/provider")
    return there if there.status_code != 303 else browser.get(httpx2.get(there.headers["location"]).headers["location"])


PATHS = ["/.well-known/openid-configuration", "/token", "/keys"]


@pytest.mark.parametrize("path", PATHS)
def test_a_provider_that_does_not_finish_its_answer_is_left(ground_with: Callable[..., Ground], path: str) -> None:
    ground = ground_with(ProviderHttp(seconds=2))
    ground.provider.silent.add(path)
    with ground.browser() as browser:
        assert_refused(left_or_returned(browser), NO_ANSWER, 502)


_HUGE = b'{"issuer": "' + b"x" * 1_000_000
_WRONG_ANSWERS: dict[str, Callable[[], Response]] = {
    "huge": lambda: Response(_HUGE),
    "packed": lambda: Response(b"\x1f\x8b", headers={"content-encoding": "gzip"}),
    "deep": lambda: Response(b"[" * 100_000),
    "no object": lambda: Response(b"[]"),
    "empty": lambda: Response(b""),
    "surrogate": lambda: Response(rb'{"issuer": "\ud800"}'),
    "number": lambda: Response(json.dumps({"id_token": 1, "keys": "x", "issuer": None})),
    "page": lambda: Response("<html>Sign in to the hotel's network</html>", media_type="text/html"),
    "elsewhere": lambda: Response(status_code=302, headers={"location": "http://127.0.0.1:1/"}),
    "failure": lambda: Response("oops", status_code=500),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", _WRONG_ANSWERS)
def test_an_answer_that_is_none_is_refused(ground: Ground, path: str, kind: str) -> None:
    ground.provider.answers[path] = _WRONG_ANSWERS[kind]
    with ground.browser() as browser:
        assert_refused(left_or_returned(browser), UNUSABLE, 502)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "http://127.0.0.1:port/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://login.example.org@evil.example/"},
        {"jwks_uri": None},
        {"jwks_uri": "//evil.example"},
    ],
)
def test_metadata_that_leads_astray_is_refused(ground: Ground, metadata: dict[str, Any]) -> None:
    ground.provider.metadata = metadata
    with ground.browser() as browser:
        assert_refused(browser.get("/login/provider"), UNUSABLE, 502)


async def test_a_disabled_account_and_a_person_without_one_stay_out(ground: Ground) -> None:
    with ground.browser() as browser:
        log_in(browser)
        with acting_as(COMMAND_LINE):
            await ground.access.accounts.set_disabled("anna", True)
        assert_refused(log_in(browser), "You have no account in this app, or it is disabled.")
        with acting_as(COMMAND_LINE):
            entries = await ground.access.audit.page(filters={"action": "login.refuse"})
        assert [entry.person for entry in entries] == [account.id for account in await ground.accounts()]


async def test_nobody_gets_an_account_if_new_ones_have_no_role(ground_with: Callable[..., Ground]) -> None:
    ground = ground_with(new_account_role="none")
    with ground.browser() as browser:
        assert_refused(log_in(browser), "You have no account in this app, or it is disabled.")
    assert await ground.accounts() == []


async def test_the_name_of_an_account_with_a_password_opens_nothing(ground: Ground) -> None:
    with acting_as(COMMAND_LINE):
        await ground.access.accounts.add("Anna", Role.ADMIN, "correct horse")
    with ground.browser() as browser:
        log_in(browser)
        shown = browser.get("/").json()
    assert (shown["name"], shown["role"]) == ("anna (s-1)", "annotator")


def test_the_log_names_reasons_and_no_secrets(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), ground.browser() as browser:
        log_in(browser)
        ground.provider.sign = unsigned
        log_in(browser)
        ground.provider.answers["/token"] = lambda: Response(b'{"error": "bad\\nline", "id_token": "eyJ"}', 400)
        log_in(browser)
        session = browser.cookies["m1-session"]
    ours = "\n".join(entry.getMessage() for entry in caplog.records if entry.name.startswith("m1app"))
    assert "the ID token is not valid" in ours
    assert "status 400 (unknown error)" in ours
    for secret in (CLIENT_SECRET, "an access token", "code-", "eyJ", session, "anna", "bad\nline"):
        assert secret not in ours


def test_the_address_to_come_back_to_is_the_one_that_the_browser_used(ground: Ground) -> None:
    with ground.browser() as browser:
        behind = {"Host": "m1.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}
        there = browser.get("/login/provider", headers=behind)
        query = parse_qs(urlsplit(there.headers["location"]).query)
        assert query["redirect_uri"] == ["https://m1.example.org/login/confirmed"]
        assert "Secure" in there.headers["set-cookie"]


def test_a_login_that_takes_too_long_is_over_and_old_ones_make_room() -> None:
    now = [0.0]
    logins = PendingLogins(lambda: now[0])
    first = logins.start("browser", "", "/", "")
    now[0] = 601
    assert logins.take(first.state, "browser") is None
    early = logins.start("browser", "", "/", "")
    for number in range(10_000):
        logins.start("another", "", "/", f"10.0.0.{number % 100}")
    assert logins.take(early.state, "browser") is None
    assert len(logins._by_state) == 10_000
    now[0] = 1300
    logins.start("browser", "", "/", "")
    assert len(logins._by_state) == len(logins._of_address) == 1


def test_logins_that_one_address_starts_without_end_displace_only_its_own() -> None:
    logins = PendingLogins()
    mine = logins.start("browser", "", "/", "192.0.2.7")
    for _ in range(11_000):
        latest = logins.start("script", "", "/", "192.0.2.8")
    assert logins.take(latest.state, "script") is latest
    assert logins.take(mine.state, "browser") is mine
    assert not logins._of_address["192.0.2.7"]


@cache
def unused_provider() -> OidcProvider:
    given = Settings(home=Path("unused"), oidc_issuer=OFFLINE, oidc_client_id=CLIENT_ID)
    return OidcProvider(given, ProviderHttp())


_VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=9),
    lambda inner: (
        strategies.lists(inner, max_size=2) | strategies.dictionaries(strategies.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
_PUBLIC = KEY.as_dict(private=False)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    header=strategies.dictionaries(strategies.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), _VALUES),
    claims=strategies.dictionaries(
        strategies.sampled_from([*PERSON, "aud", "exp", "iat", "nbf", "azp", "at_hash"]), _VALUES
    ),
    key=strategies.dictionaries(strategies.sampled_from([*_PUBLIC, "alg", "key_ops", "d"]), _VALUES),
)
def test_whatever_a_provider_signs_or_lists_is_refused_and_breaks_nothing(header: Any, claims: Any, key: Any) -> None:
    provider = unused_provider()
    places = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{OFFLINE}/x")
    metadata = ProviderMetadata(issuer=OFFLINE, **places)
    good = {"iss": OFFLINE, "aud": CLIENT_ID, "nonce": "another", "exp": 9_999_999_999, "iat": 1, "sub": "s"}
    signed = jwt.encode({"alg": "RS256", "kid": "first"}, {**good, **claims}, KEY)
    encoded = urlsafe_b64encode(json.dumps({"alg": "RS256", **header}).encode()).decode()
    own = f"{encoded}.{signed.split('.', 1)[1]}"
    for token in (signed, own):
        with pytest.raises(LoginRefused):
            provider._check(
                metadata, PendingLogin("", "/", "", "", 0), _Tokens(id_token=token), [{**_PUBLIC, **key}, _PUBLIC]
            )


async def test_the_first_visit_of_many_requests_makes_one_account(ground: Ground) -> None:
    with ground.browser() as browser:
        log_in(browser)
    made = [ground.access.log_in_confirmed(AccountOrigin.OIDC, "s-9", ["Ben"], "") for _ in range(8)]
    await asyncio.gather(*made)
    with_ben = [account for account in await ground.accounts() if account.subject == "s-9"]
    assert len(with_ben) == 1
    assert ground.access._database.read_now(lambda s: AccountRepository(s).count()) == 2
