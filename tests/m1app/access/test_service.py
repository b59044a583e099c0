"""The Admin page's password: who is admitted, how attempts are slowed down, when sessions end."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from m1app.access.attempts import AttemptLimit
from m1app.access.service import SESSION_SECONDS, AdminAccess, LoginRefused
from m1app.settings import Settings

PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def access_of(password: str = "", host: str = "127.0.0.1", clock: Clock | None = None) -> AdminAccess:
    return AdminAccess(Settings(home=Path("/tmp/unused"), host=host, admin_password=password), clock or Clock())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(clock: Clock) -> AdminAccess:
    """On an address that others reach, with a hash that is quick to check."""
    return access_of(QUICK.hash(PASSWORD), "0.0.0.0", clock)


@pytest.mark.parametrize(
    ("host", "address", "is_open"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        # A proxy on this machine passes on what came from another one.
        ("127.0.0.1", ELSEWHERE, False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "testclient", False),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.0.0.0", ELSEWHERE, False),
    ],
)
def test_without_a_password_only_this_machine_on_loopback_is_admitted(host: str, address: str, is_open: bool) -> None:
    assert access_of("", host).is_admitted("", address) is is_open


async def test_without_a_password_nobody_logs_in() -> None:
    with pytest.raises(LoginRefused, match="M1_ADMIN_PASSWORD"):
        await access_of("", "0.0.0.0").log_in("", ELSEWHERE)


def test_with_a_password_even_this_machine_needs_it() -> None:
    assert not access_of(PASSWORD).is_admitted("", HERE)


@pytest.mark.parametrize("given", [PASSWORD, QUICK.hash(PASSWORD)], ids=["plain", "hash"])
async def test_the_password_opens_a_session_and_logging_out_ends_it(given: str) -> None:
    access = access_of(given, "0.0.0.0")
    token = await access.log_in(PASSWORD, ELSEWHERE)
    other = await access.log_in(PASSWORD, ELSEWHERE)
    assert token != other
    assert access.is_admitted(token, HERE)
    access.log_out(token)
    assert not access.is_admitted(token, ELSEWHERE)
    assert access.is_admitted(other, ELSEWHERE)


@pytest.mark.parametrize("attempt", ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000, "\ud800"])
async def test_another_word_is_refused(guarded: AdminAccess, attempt: str) -> None:
    with pytest.raises(LoginRefused, match="Wrong password"):
        await guarded.log_in(attempt, ELSEWHERE)


async def test_the_hash_itself_is_no_password() -> None:
    hashed = QUICK.hash(PASSWORD)
    with pytest.raises(LoginRefused):
        await access_of(hashed, "0.0.0.0").log_in(hashed, ELSEWHERE)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 10_000])
def test_a_token_that_was_never_given_admits_nobody(guarded: AdminAccess, token: str) -> None:
    assert not guarded.is_admitted(token, HERE)


async def test_a_session_expires(guarded: AdminAccess, clock: Clock) -> None:
    token = await guarded.log_in(PASSWORD, ELSEWHERE)
    clock.now += SESSION_SECONDS - 1
    assert guarded.is_admitted(token, ELSEWHERE)
    clock.now += 1
    assert not guarded.is_admitted(token, ELSEWHERE)


async def _fail(access: AdminAccess, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused):
            await access.log_in("wrong", address)


async def test_after_some_failures_the_right_word_has_to_wait_too(guarded: AdminAccess, clock: Clock) -> None:
    await _fail(guarded, ELSEWHERE, 5)
    with pytest.raises(LoginRefused, match="Wait 1 s") as caught:
        await guarded.log_in(PASSWORD, ELSEWHERE)
    assert caught.value.wait_seconds == 1
    assert await guarded.log_in(PASSWORD, "192.0.2.8")
    clock.now += 1
    assert await guarded.log_in(PASSWORD, ELSEWHERE)
    # It was right: the next failure is the first again.
    await _fail(guarded, ELSEWHERE, 4)
    assert await guarded.log_in(PASSWORD, ELSEWHERE)


async def test_attempts_at_the_same_time_count_like_ones_after_another(guarded: AdminAccess) -> None:
    outcomes = await asyncio.gather(*(guarded.log_in("wrong", ELSEWHERE) for _ in range(12)), return_exceptions=True)
    refused = [str(outcome) for outcome in outcomes if isinstance(outcome, LoginRefused)]
    assert len(refused) == 12
    assert sum("Wrong password" in message for message in refused) == 5


def waits(limit: AttemptLimit, address: str, failures: int) -> list[float]:
    """How long to wait after each of so many failures, each as early as it may be."""
    now, found = 0.0, []
    for _ in range(failures):
        limit.add(address, now)
        found.append(limit.wait_seconds(address, now))
        now += found[-1]
    return found


def test_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert waits(AttemptLimit(), ELSEWHERE, 17) == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_failures_are_forgotten_after_an_hour_of_peace() -> None:
    limit = AttemptLimit()
    waits(limit, ELSEWHERE, 30)
    assert limit.wait_seconds(ELSEWHERE, 1e6) == 0
    limit.add(ELSEWHERE, 1e6)
    assert limit.wait_seconds(ELSEWHERE, 1e6) == 0


def test_many_addresses_together_are_slowed_down_and_lock_nobody_out_for_long() -> None:
    limit = AttemptLimit()
    for number in range(500):
        limit.add(f"10.0.{number // 250}.{number % 250}", 0.0)
    assert limit.wait_seconds("192.0.2.99", 0.0) == 20
    assert limit.wait_seconds("192.0.2.99", 20.0) == 0


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    limit = AttemptLimit()
    for number in range(6):
        limit.add(f"2001:db8::{number + 1:x}", 0.0)
    assert limit.wait_seconds("2001:db8::ffff", 0.0) > 0
    assert limit.wait_seconds("2001:db8:0:1::1", 0.0) == 0
    assert limit.wait_seconds("::ffff:192.0.2.7", 0.0) == 0


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    limit = AttemptLimit()
    for number in range(10_500):
        limit.add(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", float(number))
    assert len(limit._by_address) == 10_000


async def test_no_log_and_no_text_holds_the_password(caplog: pytest.LogCaptureFixture) -> None:
    access = access_of(PASSWORD, "0.0.0.0")
    with caplog.at_level("DEBUG"):
        token = await access.log_in(PASSWORD, ELSEWHERE)
        await _fail(access, ELSEWHERE, 6)
    held = repr(vars(access)) + caplog.text
    assert PASSWORD not in held
    assert token not in held
