"""How attempts to log in are slowed down."""

from m1app.access.attempts import AttemptLimit

ELSEWHERE = "192.0.2.7"


def waits(limit: AttemptLimit, address: str, failures: int) -> list[float]:
    """How long to wait after each of so many failures, each as early as it may be."""
    now, found = 0.0, []
    for _ in range(failures):
        limit.add("ann", address, now)
        found.append(limit.wait_seconds("ann", address, now))
        now += found[-1]
    return found


def test_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert waits(AttemptLimit(), ELSEWHERE, 17) == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_failures_are_forgotten_after_an_hour_of_peace() -> None:
    limit = AttemptLimit()
    waits(limit, ELSEWHERE, 30)
    assert limit.wait_seconds("ann", ELSEWHERE, 1e6) == 0
    limit.add("ann", ELSEWHERE, 1e6)
    assert limit.wait_seconds("ann", ELSEWHERE, 1e6) == 0


def guess_from_many_addresses(limit: AttemptLimit) -> None:
    for number in range(500):
        limit.add("ann", f"10.0.{number // 250}.{number % 250}", 0.0)


def test_guesses_from_many_addresses_do_not_keep_the_owner_out() -> None:
    limit = AttemptLimit()
    limit.forgive("ann", ELSEWHERE)  # Their password was right from here before.
    guess_from_many_addresses(limit)
    assert limit.wait_seconds("ann", ELSEWHERE, 0.0) == 0


def test_guesses_from_many_addresses_slow_strangers_to_this_account_down_and_nobody_else() -> None:
    limit = AttemptLimit()
    guess_from_many_addresses(limit)
    assert limit.wait_seconds("ann", "192.0.2.99", 0.0) == 20
    assert limit.wait_seconds("ann", "192.0.2.99", 20.0) == 0
    assert limit.wait_seconds("ben", "192.0.2.99", 0.0) == 0


def test_an_owners_own_failures_count() -> None:
    limit = AttemptLimit()
    limit.forgive("ann", ELSEWHERE)
    assert waits(limit, ELSEWHERE, 6) == [0, 0, 0, 0, 1, 2]


def test_ones_own_login_between_guesses_takes_back_none_of_them() -> None:
    limit, failures = AttemptLimit(), 0
    for _ in range(10):
        for _ in range(4):
            if limit.wait_seconds("ann", ELSEWHERE, 0.0) == 0:
                limit.add("ann", ELSEWHERE, 0.0)
                failures += 1
        limit.add("eve", ELSEWHERE, 0.0)
        limit.forgive("eve", ELSEWHERE)
    assert failures == 5


def test_an_attempt_that_succeeds_counts_as_no_failure() -> None:
    limit = AttemptLimit()
    for number in range(60):
        assert limit.wait_seconds(f"person {number}", ELSEWHERE, 0.0) == 0
        limit.add(f"person {number}", ELSEWHERE, 0.0)
        limit.forgive(f"person {number}", ELSEWHERE)


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    limit = AttemptLimit()
    for number in range(6):
        limit.add("ann", f"2001:db8::{number + 1:x}", 0.0)
    assert limit.wait_seconds("ben", "2001:db8::ffff", 0.0) > 0
    assert limit.wait_seconds("ben", "2001:db8:0:1::1", 0.0) == 0
    assert limit.wait_seconds("ben", "::ffff:192.0.2.7", 0.0) == 0


def test_a_flood_of_addresses_and_names_does_not_fill_the_memory() -> None:
    limit = AttemptLimit()
    for number in range(10_500):
        limit.add(f"name {number}", f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", float(number))
    assert (len(limit._by_address), len(limit._by_account)) == (10_000, 10_000)
