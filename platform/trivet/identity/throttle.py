"""Failed logins, counted so that guessing is slow and nobody is locked out.

Three counters, of failures only, each over a moving window:

* one account from one address: a person who tries passwords;
* one address: a machine that tries accounts;
* one account from anywhere: many machines that try one account. From an address at which the
  account logged in within the last month this counter is not asked, so that those machines
  cannot lock its owner out; and it refills as the window moves, whatever they do.

Names and addresses are stored as digests only. Whether a name belongs to anybody makes no
difference here.
"""

import hashlib
import logging
import math
import time
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address
from threading import Lock
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from trivet.errors import TooManyRequests

logger = logging.getLogger(__name__)

KNOWN_SECONDS = 30 * 24 * 3600
STORE_SECONDS = 0.5
"""How long the store may take; a login that waits longer is counted here instead."""
IPV6_SITE_BITS = 64
"""What one IPv6 customer has at the least (RFC 6177): anybody in it may take any address."""


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """Failures within a window, as `limits` writes them."""

    account_at_address: str = "5 per 5 minutes"
    address: str = "50 per 5 minutes"
    account: str = "50 per hour"


class LoginThrottle:
    """Asked before a password is compared, and told how it went. Blocking: for threads.

    `store` is the URL of a Redis or Valkey that all processes share; empty: this process
    counts for itself. While the store does not answer, this process counts for itself too:
    logins go on, and so does the throttle.
    """

    def __init__(self, store: str = "", limits: LoginLimits | None = None) -> None:
        self._store = store
        given = limits or LoginLimits()
        self._both = parse(given.account_at_address)
        self._address = parse(given.address)
        self._account = parse(given.account)
        self._lock = Lock()

    def require(self, account: str, address: str) -> None:
        """Raise TooManyRequests, with the seconds to wait, if one more try is too many."""
        name, place = _digest(_fold(account)), _digest(_site(address))
        wait = self._on_store(lambda counters: self._wait(counters, name, place))
        if wait > 0:
            raise TooManyRequests(
                "too-many-logins",
                "Too many logins failed. Wait a little, then try again.",
                retry_after=math.ceil(wait),
            )

    def fail(self, account: str, address: str) -> None:
        """Count a login that failed."""
        name, place = _digest(_fold(account)), _digest(_site(address))

        def count(counters: "_Counters") -> None:
            for item, *identifiers in self._items(name, place):
                counters.limiter.hit(item, *identifiers)

        self._on_store(count)

    def succeed(self, account: str, address: str) -> None:
        """Forgive the failures of this account here, and remember that it belongs here."""
        name, place = _digest(_fold(account)), _digest(_site(address))

        def forgive(counters: "_Counters") -> None:
            counters.limiter.clear(self._both, name, place)
            known = _known(name, place)
            counters.storage.clear(known)
            counters.storage.incr(known, KNOWN_SECONDS)

        self._on_store(forgive)

    def _items(self, name: str, place: str) -> list[tuple[Any, ...]]:
        return [
            (self._both, name, place),
            (self._address, "address", place),
            (self._account, "account", name),
        ]

    def _wait(self, counters: "_Counters", name: str, place: str) -> float:
        """Seconds until the strictest of the counters lets a try through; 0 is now."""
        items = self._items(name, place)
        if counters.storage.get(_known(name, place)):
            items.pop()
        waits = [counters.wait(item, identifiers) for item, *identifiers in items]
        return max(waits)

    def _on_store(self, work: Any) -> Any:
        if self._store:
            try:
                return work(self._shared)
            except Exception as error:  # noqa: BLE001  # each store has errors of its own
                logger.warning("the store of TRIVET_THROTTLE_STORE does not answer: %r", error)
        return work(self._own)

    @cached_property
    def _shared(self) -> "_Counters":
        timeouts = {"socket_timeout": STORE_SECONDS, "socket_connect_timeout": STORE_SECONDS}
        options: Any = timeouts
        return _Counters(storage_from_string(self._store, **options))

    @property
    def _own(self) -> "_Counters":
        # Made on first use: it starts a thread.
        with self._lock:
            return self._memory

    @cached_property
    def _memory(self) -> "_Counters":
        return _Counters(MemoryStorage())


class _Counters:
    """One storage, and the moving windows in it."""

    def __init__(self, storage: Any) -> None:
        self.storage: Storage = storage
        self.limiter = MovingWindowRateLimiter(storage)

    def wait(self, item: RateLimitItem, identifiers: list[str]) -> float:
        if self.limiter.test(item, *identifiers):
            return 0.0
        left = self.limiter.get_window_stats(item, *identifiers).reset_time - time.time()
        return max(left, 1.0)


def _known(name: str, place: str) -> str:
    return f"trivet/known/{name}/{place}"


def _fold(account: str) -> str:
    """Spellings that somebody may take for one name count as one."""
    return unicodedata.normalize("NFKC", account).casefold()


def _site(address: str) -> str:
    """The address; of an IPv6 one the network that belongs to one customer."""
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
