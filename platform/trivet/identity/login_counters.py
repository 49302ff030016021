"""The counters of login attempts: in this process, or in a Redis or Valkey for all processes.

A counter is a set of tickets, each with the moment at which it was taken. A ticket begins as
pending (``p``), and becomes a failure (``f``) or is returned. An attempt takes its place in all
counters in one step: under a lock in the process, by one script in the store. `limits`, which reads
the windows, can count a hit but cannot return one, as a successful login needs.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

KNOWN_SECONDS = 30 * 24 * 3600
STORE_SECONDS = 2.0
"""The longest wait for the store. A login that waits longer is counted in this process."""
SWEEP_EVERY = 1024
"""The number of attempts after which the process removes counters whose window has passed."""


@dataclass(frozen=True, slots=True)
class Counter:
    """At most `limit` tickets within `seconds`."""

    key: str
    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """The counters of one attempt. `known` names the mark of an earlier success; where it exists,
    `account` is counted, but does not refuse."""

    both: Counter
    address: Counter
    account: Counter
    known: str

    @property
    def counters(self) -> tuple[Counter, Counter, Counter]:
        """The mark exempts from the last one."""
        return self.both, self.address, self.account


@dataclass(frozen=True, slots=True)
class Taken:
    """A place that was taken under `ticket`, or the seconds to `wait` for one. `is_pending`: the
    places are held by attempts whose outcome is not known yet."""

    ticket: str = ""
    wait: float = 0.0
    is_pending: bool = False


class Counters(Protocol):
    """A store of counters. All methods block."""

    def take(self, tally: Tally) -> Taken:
        """Take a place in every counter, or in none."""
        ...

    def fail(self, tally: Tally, ticket: str) -> None:
        """Note a failure, which counts from the moment of its ticket."""
        ...

    def succeed(self, tally: Tally, ticket: str) -> None:
        """Return the places, remove the failures in `both`, and set the mark of a success."""
        ...

    def release(self, tally: Tally, ticket: str) -> None:
        """Return the places: there was no attempt."""
        ...


class MemoryCounters:
    """Counts for this process, by a clock that nobody sets: one that is put back would keep people
    out for as long."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tickets: dict[str, dict[str, float]] = {}
        self._windows: dict[str, float] = {}
        self._known: dict[str, float] = {}
        self._taken = 0

    def take(self, tally: Tally) -> Taken:
        now = time.monotonic()
        with self._lock:
            self._sweep(now)
            asked = tally.counters[:2] if self._known.get(tally.known, 0) > now else tally.counters
            refused = _refusal(self._wait(counter, now) for counter in asked)
            if refused is not None:
                return refused
            ticket = new_ticket()
            for counter in tally.counters:
                self._tickets.setdefault(counter.key, {})[f"p{ticket}"] = now
                self._windows[counter.key] = counter.seconds
            return Taken(ticket)

    def fail(self, tally: Tally, ticket: str) -> None:
        with self._lock:
            for counter in tally.counters:
                tickets = self._tickets.get(counter.key, {})
                since = tickets.pop(f"p{ticket}", None)
                if since is not None:
                    tickets[f"f{ticket}"] = since

    def succeed(self, tally: Tally, ticket: str) -> None:
        self.release(tally, ticket)
        with self._lock:
            tickets = self._tickets.get(tally.both.key, {})
            for failed in [each for each in tickets if each.startswith("f")]:
                del tickets[failed]
            self._known[tally.known] = time.monotonic() + KNOWN_SECONDS

    def release(self, tally: Tally, ticket: str) -> None:
        with self._lock:
            for counter in tally.counters:
                self._tickets.get(counter.key, {}).pop(f"p{ticket}", None)

    def _wait(self, counter: Counter, now: float) -> float:
        tickets = self._forget(counter.key, now - counter.seconds)
        if len(tickets) < counter.limit:
            return 0.0
        failed = sorted(since for each, since in tickets.items() if each.startswith("f"))
        if len(failed) < counter.limit:
            return _PENDING
        return max(failed[len(failed) - counter.limit] + counter.seconds - now, 1.0)

    def _forget(self, key: str, until: float) -> dict[str, float]:
        """The tickets of a counter that were taken after `until`."""
        left = {e: since for e, since in self._tickets.get(key, {}).items() if since > until}
        if left:
            self._tickets[key] = left
        else:
            self._tickets.pop(key, None)
            self._windows.pop(key, None)
        return left

    def _sweep(self, now: float) -> None:
        # A name that was tried once may not come again: its counter would stay for ever.
        self._taken += 1
        if self._taken % SWEEP_EVERY == 0:
            for key, seconds in list(self._windows.items()):
                self._forget(key, now - seconds)
            self._known = {key: until for key, until in self._known.items() if until > now}


class StoreCounters:
    """Counts for all processes, in sorted sets of a Redis or Valkey, by the clock of the store."""

    def __init__(self, url: str) -> None:
        # Only here: a fifth of a command's start, and most commands have no store.
        import redis

        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=STORE_SECONDS, socket_connect_timeout=STORE_SECONDS
        )
        self._take = self._client.register_script(_TAKE)
        self._settle = self._client.register_script(_SETTLE)

    def take(self, tally: Tally) -> Taken:
        ticket = new_ticket()
        bounds = [part for each in tally.counters for part in (each.limit, each.seconds)]
        waits = self._take(keys=_keys(tally), args=[ticket, *bounds])
        return _refusal(map(float, waits)) or Taken(ticket)

    def fail(self, tally: Tally, ticket: str) -> None:
        self._settle(keys=_keys(tally), args=[ticket, "failed", KNOWN_SECONDS])

    def succeed(self, tally: Tally, ticket: str) -> None:
        self._settle(keys=_keys(tally), args=[ticket, "succeeded", KNOWN_SECONDS])

    def release(self, tally: Tally, ticket: str) -> None:
        self._settle(keys=_keys(tally), args=[ticket, "undecided", KNOWN_SECONDS])


def new_ticket() -> str:
    """A unique name for an attempt."""
    return os.urandom(12).hex()


def _refusal(waits: Iterable[float]) -> Taken | None:
    """The longest of the waits: 0 allows the attempt, `_PENDING` may allow it soon."""
    barring = [wait for wait in waits if wait != 0]
    if not barring:
        return None
    if max(barring) == _PENDING:
        return Taken(wait=1.0, is_pending=True)
    return Taken(wait=max(barring))


_PENDING = -1.0


def _keys(tally: Tally) -> list[str]:
    return [*(counter.key for counter in tally.counters), tally.known]


# A store runs a whole script before any other command. KEYS are the three counters and the mark.
# Valkey knows the name `redis.call` too.
_TAKE = """
local clock = redis.call('time')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local asked = redis.call('exists', KEYS[4]) == 1 and 2 or 3
local waits, barred = {}, false
for i = 1, asked do
    local limit, seconds, wait = tonumber(ARGV[2 * i]), tonumber(ARGV[1 + 2 * i]), 0
    redis.call('zremrangebyscore', KEYS[i], '-inf', string.format('%.6f', now - seconds))
    if redis.call('zcard', KEYS[i]) >= limit then
        local failed = {}
        local all = redis.call('zrange', KEYS[i], 0, -1, 'withscores')
        for n = 1, #all, 2 do
            if string.sub(all[n], 1, 1) == 'f' then
                failed[#failed + 1] = tonumber(all[n + 1])
            end
        end
        if #failed < limit then
            wait = -1
        else
            wait = math.max(failed[#failed - limit + 1] + seconds - now, 1)
        end
    end
    barred = barred or wait ~= 0
    waits[i] = tostring(wait)
end
if not barred then
    for i = 1, 3 do
        redis.call('zadd', KEYS[i], string.format('%.6f', now), 'p' .. ARGV[1])
        redis.call('expire', KEYS[i], math.ceil(tonumber(ARGV[1 + 2 * i])) + 1)
    end
end
return waits
"""

_SETTLE = """
local ticket, outcome = ARGV[1], ARGV[2]
for i = 1, 3 do
    local since = redis.call('zscore', KEYS[i], 'p' .. ticket)
    if since then
        redis.call('zrem', KEYS[i], 'p' .. ticket)
        if outcome == 'failed' then
            redis.call('zadd', KEYS[i], since, 'f' .. ticket)
        end
    end
end
if outcome == 'succeeded' then
    for _, member in ipairs(redis.call('zrange', KEYS[1], 0, -1)) do
        if string.sub(member, 1, 1) == 'f' then
            redis.call('zrem', KEYS[1], member)
        end
    end
    redis.call('set', KEYS[4], '1', 'ex', ARGV[3])
end
return 1
"""
