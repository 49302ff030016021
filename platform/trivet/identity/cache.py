"""The cache of identities: they are kept for seconds, and removed at once by a revocation.

Establishing an identity costs a few queries. Most requests of the same client would pay these
milliseconds again for the same answer. The cache is safe by these rules:

* an entry lives for the few seconds of the setting, and never longer than its credential;
* a revocation removes it before the broker's `publish` returns;
* a revocation that arrives during a lookup makes the lookup start again, because the lookup may
  have read an old state;
* requests that come at once with the same unknown credential share one lookup;
* invalid credentials are not cached, so nobody can fill the cache by guessing, and a key works from
  the moment it is made;
* the key of an entry is a digest under a secret of the process, so the memory holds no credential.

A hit is one dictionary lookup, without a lock and without an await.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from trivet.identity.identity import Identity
from trivet.identity.revocation import Revocation

Load = Callable[[], Awaitable[Identity | None]]

MOST_ENTRIES = 10_000
"""At 1 to 3 KB an entry this is 10 to 30 MB, and more clients than one process serves within
seconds."""
_DIGEST_BYTES = 16


@dataclass(slots=True, eq=False)
class _Lookup:
    """A lookup that has begun.

    `answer` is its result, with the generation in which the result was true. `revoked` holds the
    revocations since it began to read.
    """

    answer: asyncio.Future[tuple[Identity | None, int]]
    revoked: list[Revocation] = field(default_factory=list)


class IdentityCache:
    """Keeps identities for at most `seconds` (0: not at all), and at most `entries` of them.

    Used on one event loop; `forget` may be called from any thread.
    """

    def __init__(self, *, seconds: float, entries: int = MOST_ENTRIES) -> None:
        if seconds < 0 or entries < 1:
            raise ValueError("a cache keeps at least one entry, for 0 seconds or more")
        self._seconds = seconds
        self._most = entries
        self._secret = secrets.token_bytes(32)
        self._entries: dict[bytes, tuple[float, Identity]] = {}
        self._lookups: dict[bytes, _Lookup] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, authenticator: int, credential: str) -> bytes:
        """The name of the entry for `credential`: a keyed digest. The same text has another name
        for another `authenticator`."""
        given = f"{authenticator}:{credential}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(given, digest_size=_DIGEST_BYTES, key=self._secret).digest()

    def find(self, name: bytes) -> Identity | None:
        """The identity that is cached under `name`; None if there is none, or no longer."""
        entry = self._entries.get(name)
        if entry is None or entry[0] <= time.monotonic():
            return None
        return entry[1]

    async def look_up(self, name: bytes, load: Load) -> Identity | None:
        """The answer of `load`, which is cached. Callers that ask for the same name at once share
        one lookup, and a cancelled caller does not end it for the others.

        The answer is true when this returns, not only when it was read. So a caller that goes on
        without an await (for example to admit a socket) cannot miss a revocation.
        """
        while True:
            lookup = self._lookups.get(name) or self._start(name, load)
            identity, generation = await asyncio.shield(lookup.answer)
            if generation == self._generation:
                return identity
            # Between the answer and our turn something was revoked.
            remembered = self.find(name)
            if remembered is not None:
                return remembered

    def forget(self, revocation: Revocation) -> None:
        """Remove the entries that `revocation` concerns, and repeat lookups that it concerns."""
        with self._lock:
            self._generation += 1
            for lookup in tuple(self._lookups.values()):
                lookup.revoked.append(revocation)
            for name, (_, identity) in tuple(self._entries.items()):
                if revocation.concerns(identity):
                    del self._entries[name]

    def _start(self, name: bytes, load: Load) -> _Lookup:
        lookup = _Lookup(asyncio.get_running_loop().create_future())
        # Stored before it begins to read: from here on it gets revocations.
        self._lookups[name] = lookup
        task = asyncio.create_task(self._run(name, lookup, load), name="identity lookup")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return lookup

    async def _run(self, name: bytes, lookup: _Lookup, load: Load) -> None:
        try:
            lookup.answer.set_result(await self._read(name, lookup, load))
        except Exception as error:  # noqa: BLE001  # it is raised in the callers
            lookup.answer.set_exception(error)
            lookup.answer.exception()  # all callers may have left; asyncio should not warn then
        finally:
            lookup.answer.cancel()  # does nothing, unless the loop is ending
            del self._lookups[name]

    async def _read(self, name: bytes, lookup: _Lookup, load: Load) -> tuple[Identity | None, int]:
        while True:
            identity = await load()
            with self._lock:
                revoked, lookup.revoked = lookup.revoked, []
                if identity is None:
                    return None, self._generation
                if not any(revocation.concerns(identity) for revocation in revoked):
                    self._remember(name, identity)
                    return identity, self._generation

    def _remember(self, name: bytes, identity: Identity) -> None:
        now, seconds = time.monotonic(), self._seconds
        if identity.expires_at is not None:
            seconds = min(seconds, (identity.expires_at - datetime.now(UTC)).total_seconds())
        if seconds <= 0:
            return
        self._entries.pop(name, None)
        while len(self._entries) >= self._most:
            # The oldest is the first to end anyway.
            del self._entries[next(iter(self._entries))]
        self._entries[name] = (now + seconds, identity)
