"""The throttle of logins: guessing is slow, and no user is locked out.

There are three counters of failures, each over a moving window:

* one account from one address: a person who tries passwords;
* one address: a machine that tries accounts;
* one account from anywhere: many machines that try one account. This counter does not refuse an
  address from which the account logged in within the last month, so that those machines cannot
  lock out its owner. It also falls again as the window moves, whatever they do.

An attempt takes its place in all three before the password is checked, in one atomic step. So of
any number of attempts at one moment, only as many are made as may fail. An attempt that succeeds,
or that ends with an error of ours, returns its places.

Names and addresses are stored as digests only. It makes no difference whether a name belongs to a
user.
"""

import hashlib
import logging
import math
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address
from typing import Literal

from limits import RateLimitItem, parse

from trivet.errors import TooManyRequests
from trivet.identity.login_counters import (
    Counter,
    Counters,
    MemoryCounters,
    StoreCounters,
    Taken,
    Tally,
    new_ticket,
)
from trivet_settings.broker_url import masked

logger = logging.getLogger(__name__)

IPV6_SITE_BITS = 64
"""The smallest network of one IPv6 customer (RFC 6177), who may use any address in it."""

PATIENCE_SECONDS = 2.0
"""The longest wait for other attempts that have not ended, so that many right passwords at the same
moment do not refuse one of them."""
LOOK_AGAIN_SECONDS = 0.05
"""About the time of two hashes."""

PAUSE_SECONDS = 5.0
"""The time for which a store that failed is left alone, so that one login waits for it, and not
each."""
SILENT_SECONDS = 60.0
"""The time between two lines of the log about one outage of the store."""

Outcome = Literal["failed", "succeeded", "undecided"]


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """The allowed failures within a window, as `limits` writes them."""

    account_at_address: str = "5 per 5 minutes"
    address: str = "50 per 5 minutes"
    account: str = "50 per hour"


@dataclass(slots=True)
class LoginAttempt:
    """One attempt. The code that compares the password reports the outcome."""

    outcome: Outcome = "undecided"

    def fail(self) -> None:
        """Report a wrong password: the attempt stays counted."""
        self.outcome = "failed"

    def succeed(self) -> None:
        """Report a right password: the failures of this account from this address are removed,
        and the address is noted as one of the account."""
        self.outcome = "succeeded"


class LoginThrottle:
    """Allows or refuses an attempt before the password is compared. It blocks: it is for threads.

    `store` is the URL of a Redis or Valkey that all processes share. If it is empty, or while the
    store cannot be used, this process counts for itself: logins and the throttle go on.
    """

    def __init__(
        self,
        store: str = "",
        limits: LoginLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        given = limits or LoginLimits()
        self._both = parse(given.account_at_address)
        self._address = parse(given.address)
        self._account = parse(given.account)
        self._own = MemoryCounters()
        self._asked_again_at = self._told_again_at = 0.0

    @contextmanager
    def attempt(self, account: str, address: str) -> Iterator[LoginAttempt]:
        """Make one attempt inside the block, which reports the outcome.

        Raises TooManyRequests, with the seconds to wait, if there were too many; the block is not
        entered then. A block that ends without a report, also by an exception, is not counted.
        """
        tally = self._tally(account, address)
        counters, taken = self._take(tally)
        patience = time.monotonic() + PATIENCE_SECONDS
        while taken.is_pending and time.monotonic() < patience:
            time.sleep(LOOK_AGAIN_SECONDS)
            counters, taken = self._take(tally)
        if taken.wait > 0:
            raise TooManyRequests(
                "too-many-logins",
                "Too many logins failed. Wait a little, then try again.",
                retry_after=math.ceil(taken.wait),
            )
        attempt = LoginAttempt()
        try:
            yield attempt
        finally:
            self._settle(counters, tally, taken.ticket, attempt.outcome)

    def _tally(self, account: str, address: str) -> Tally:
        name, place = _digest(_fold(account)), _digest(_site(address))
        return Tally(
            both=_counter(self._both, name, place),
            address=_counter(self._address, "address", place),
            account=_counter(self._account, "account", name),
            known=f"trivet/known/{name}/{place}",
        )

    def find_fault(self) -> str:
        """What keeps the store from counting; empty if it counts. It is not for a throttle without
        a store."""
        tally = self._tally(f"check {new_ticket()}", "")
        try:
            self._shared.release(tally, self._shared.take(tally).ticket)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
            return self._explain(error)
        return ""

    @property
    def address(self) -> str:
        """The address of the store, without its secrets."""
        return masked(self._store)

    def _take(self, tally: Tally) -> tuple[Counters, Taken]:
        if self._store and self._clock() >= self._asked_again_at:
            try:
                taken = self._shared.take(tally)
            except Exception as error:  # noqa: BLE001  # each store has errors of its own
                self._note_failure(error)
            else:
                self._note_success()
                return self._shared, taken
        return self._own, self._own.take(tally)

    def _note_failure(self, error: Exception) -> None:
        now = self._clock()
        self._asked_again_at = now + PAUSE_SECONDS
        if now >= self._told_again_at:
            self._told_again_at = now + SILENT_SECONDS
            logger.warning(
                "the store of logins at %s cannot be used, so each process counts for itself: %s",
                self.address,
                self._explain(error),
            )

    def _note_success(self) -> None:
        if self._told_again_at:
            self._told_again_at = 0.0
            logger.warning("the store of logins at %s is used again", self.address)

    def _explain(self, error: Exception) -> str:
        from trivet.redis_errors import explain  # the store has loaded the driver already

        return explain(error, "TRIVET_THROTTLE_STORE")

    def _settle(self, counters: Counters, tally: Tally, ticket: str, outcome: Outcome) -> None:
        try:
            match outcome:
                case "failed":
                    counters.fail(tally, ticket)
                case "succeeded":
                    counters.succeed(tally, ticket)
                case "undecided":
                    counters.release(tally, ticket)
        except Exception as error:  # noqa: BLE001  # the login itself is decided already
            # The places stay taken until the window has passed, which is the cautious way.
            self._note_failure(error)

    @cached_property
    def _shared(self) -> StoreCounters:
        return StoreCounters(self._store)


def _counter(item: RateLimitItem, *names: str) -> Counter:
    return Counter("/".join(("trivet/logins", *names)), item.amount, float(item.get_expiry()))


def _fold(account: str) -> str:
    """One form for spellings that look like the same name."""
    return unicodedata.normalize("NFKC", account).casefold()


def _site(address: str) -> str:
    """The address; for IPv6, the network that belongs to one customer."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> (128 - IPV6_SITE_BITS))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
