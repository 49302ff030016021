"""Identities are remembered for seconds, shared by who asks at once, and forgotten at once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from trivet.delivery.brokers.memory import MemoryBroker
from trivet.identity import Identity, Revocation, RevocationScope
from trivet.identity.cache import IdentityCache

pytestmark = pytest.mark.anyio


def identity(user_id: int = 7, credential: str = "k7", seconds: float | None = None) -> Identity:
    ends = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    return Identity(
        user_id=user_id,
        username=f"user {user_id}",
        kind="key",
        credential_id=credential,
        expires_at=ends,
    )


class Registry:
    """Answers lookups with what stands in it, once the gate is open, and counts them."""

    def __init__(self) -> None:
        self.known: dict[str, Identity | None] = {"secret": identity()}
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def load(self, credential: str) -> Callable[[], Awaitable[Identity | None]]:
        async def read() -> Identity | None:
            self.asked += 1
            found = self.known.get(credential)
            await self.gate.wait()
            return found

        return read


@pytest.fixture
async def registry() -> Registry:
    return Registry()


async def ask(cache: IdentityCache, registry: Registry, credential: str = "secret") -> str:
    """What a request does; returns the name of who it is, or ""."""
    name = cache.name(0, credential)
    found = cache.find(name) or await cache.look_up(name, registry.load(credential))
    return found.username if found else ""


async def test_one_lookup_serves_until_the_time_is_over(registry: Registry) -> None:
    cache = IdentityCache(seconds=0.5)
    assert [await ask(cache, registry) for _ in range(3)] == ["user 7"] * 3
    assert registry.asked == 1
    await asyncio.sleep(0.55)
    await ask(cache, registry)
    assert registry.asked == 2


async def test_requests_that_come_together_share_one_lookup(registry: Registry) -> None:
    cache = IdentityCache(seconds=5)
    registry.gate.clear()
    together = [asyncio.create_task(ask(cache, registry)) for _ in range(50)]
    await asyncio.sleep(0)
    together[0].cancel()  # the first to ask leaves; the others get their answer
    await asyncio.sleep(0)
    registry.gate.set()
    assert await asyncio.gather(*together[1:]) == ["user 7"] * 49
    assert registry.asked == 1


async def test_nothing_is_remembered_past_the_end_of_the_credential(registry: Registry) -> None:
    cache = IdentityCache(seconds=5)
    registry.known["secret"] = identity(seconds=0.5)
    await ask(cache, registry)
    assert cache.find(cache.name(0, "secret")) is not None
    await asyncio.sleep(0.55)
    assert cache.find(cache.name(0, "secret")) is None


@pytest.mark.parametrize(
    ("revocation", "is_meant"),
    [
        (Revocation(user_id=7), True),
        (Revocation(user_id=7, scope=RevocationScope.GRANTS), True),
        (Revocation(user_id=7, kind="session"), False),
        (Revocation(user_id=8), False),
        (Revocation(credential_id="k7"), True),
        (Revocation(credential_id="k8"), False),
    ],
)
async def test_a_revocation_forgets_what_it_concerns_before_it_returns(
    registry: Registry, revocation: Revocation, is_meant: bool
) -> None:
    cache, broker = IdentityCache(seconds=5), MemoryBroker()
    broker.subscribe(Revocation, cache.forget)
    await ask(cache, registry)
    # in a thread, as a logout in the admin does
    await asyncio.to_thread(broker.publish, revocation)
    assert (cache.find(cache.name(0, "secret")) is None) is is_meant


async def test_a_revocation_during_a_lookup_wins(registry: Registry) -> None:
    """The lookup has read the old state, and is still on its way."""
    cache = IdentityCache(seconds=5)
    registry.gate.clear()
    asking = [asyncio.create_task(ask(cache, registry)) for _ in range(3)]
    await asyncio.sleep(0.01)
    registry.known["secret"] = None
    cache.forget(Revocation(user_id=7))
    registry.gate.set()
    assert await asyncio.gather(*asking) == ["", "", ""]
    assert len(cache) == 0


async def test_a_revocation_between_the_answer_and_the_turn_of_who_asked_wins(
    registry: Registry,
) -> None:
    cache = IdentityCache(seconds=5)
    asking = asyncio.create_task(ask(cache, registry))
    while not len(cache):  # noqa: ASYNC110  # the moment after the lookup remembered
        await asyncio.sleep(0)
    assert not asking.done()
    registry.known["secret"] = None
    cache.forget(Revocation(user_id=7))
    assert await asking == ""


async def test_what_opens_nothing_is_not_remembered(registry: Registry) -> None:
    cache = IdentityCache(seconds=5)
    assert await ask(cache, registry, "wrong") == ""
    registry.known["wrong"] = identity(9)
    assert await ask(cache, registry, "wrong") == "user 9"


async def test_a_lookup_that_fails_is_everybodys_error_and_tried_anew(registry: Registry) -> None:
    cache = IdentityCache(seconds=5)

    async def fail() -> Identity | None:
        raise OSError("no database")

    name = cache.name(0, "secret")
    failed = await asyncio.gather(
        *(cache.look_up(name, fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(error) for error in failed] == [OSError] * 3
    assert await ask(cache, registry) == "user 7"


async def test_the_cache_stays_within_its_bound_and_the_oldest_goes(registry: Registry) -> None:
    cache = IdentityCache(seconds=5, entries=3)
    for number in range(5):
        registry.known[str(number)] = identity(number)
        await ask(cache, registry, str(number))
    assert len(cache) == 3
    kept = [n for n in range(5) if cache.find(cache.name(0, str(n)))]
    assert kept == [2, 3, 4]


async def test_the_cache_holds_no_credential_and_tells_authenticators_apart(
    registry: Registry,
) -> None:
    cache = IdentityCache(seconds=5)
    await ask(cache, registry)
    assert "secret" not in repr(vars(cache).get("_entries"))
    assert cache.find(cache.name(1, "secret")) is None
    assert cache.name(0, "secret") != IdentityCache(seconds=5).name(0, "secret")
