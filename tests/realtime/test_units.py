"""A message of a socket has one unit of work: with its actor, sealed, and gone if it is refused."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.realtime.beacons.models import Beacon
from tests.realtime.house import House, house_at
from trivet.audit.tables import AuditEntry
from trivet.events.outbox import Channel, PublicationRow
from trivet.observation import Observers, UnitEnded, UnitOutcome

pytestmark = pytest.mark.anyio

COMMITTED, ROLLED_BACK = UnitOutcome.COMMITTED, UnitOutcome.ROLLED_BACK
GRANTED, REFUSED, UNKNOWN, FAILED = 0, 103, 102, 100


@pytest.fixture
def units() -> list[UnitEnded]:
    return []


@pytest.fixture
async def house(empty_database_url: str, units: list[UnitEnded]) -> AsyncIterator[House]:
    observers = Observers()
    observers.add(UnitEnded, units.append)
    features = ["tests.realtime.beacons"]
    async with house_at(empty_database_url, observers=observers, features=features) as house:
        await house.light("north", "one")
        yield house


async def code_of(house: House, badge: str, channel: str, command: str = "subscribe") -> int:
    async with house.socket(badge) as socket:
        await socket.connect()
        reply = await socket.ask({"id": 2, command: {"channel": channel}})
    return GRANTED if command in reply else int(reply["error"]["code"])


async def count_rows(house: House) -> list[int]:
    tables: list[Any] = [Beacon, PublicationRow, Channel, AuditEntry]
    async with house.platform.open_unit(read_only=True) as unit:
        return [
            await unit.session.scalar(select(func.count()).select_from(each)) or 0
            for each in tables
        ]


@pytest.mark.parametrize("command", ["subscribe", "history"])
@pytest.mark.parametrize(
    ("badge", "channel", "code"),
    [
        ("7", "beacons:watched:north", GRANTED),
        ("8", "beacons:watched:north", REFUSED),
        ("", "beacons:watched:north", REFUSED),
        ("7", "beacons:watched:south", UNKNOWN),
        ("7", "beacons:keeper:north", REFUSED),
    ],
)
async def test_a_rule_calls_services_with_the_actor_of_the_socket(
    house: House, command: str, badge: str, channel: str, code: int
) -> None:
    assert await code_of(house, badge, channel, command) == code


async def test_a_unit_of_a_message_is_observed_with_its_origin(
    house: House, units: list[UnitEnded]
) -> None:
    units.clear()
    await code_of(house, "7", "beacons:watched:north", "history")
    await code_of(house, "8", "beacons:watched:north", "history")
    of_sockets = [each for each in units if each.origin == "realtime"]
    assert [(each.outcome, each.read_only) for each in of_sockets] == [
        (COMMITTED, True),
        (ROLLED_BACK, True),
    ]


@pytest.mark.parametrize("command", ["subscribe", "history"])
@pytest.mark.parametrize("kind", ["lighting", "leaving", "committing", "undoing"])
async def test_a_rule_that_writes_or_ends_its_unit_is_refused_and_leaves_nothing(
    house: House, command: str, kind: str
) -> None:
    before = await count_rows(house)
    assert await code_of(house, "7", f"beacons:{kind}:east", command) == FAILED
    assert await count_rows(house) == before


async def test_who_listens_to_what_nobody_publishes_writes_nothing(
    house: House, units: list[UnitEnded]
) -> None:
    before = await count_rows(house)
    units.clear()
    assert await code_of(house, "7", "beacons:new") == GRANTED
    assert [each for each in units if not each.read_only] == []
    assert await count_rows(house) == before


@pytest.mark.parametrize("command", ["subscribe", "history"])
async def test_a_rule_that_asks_for_too_much_is_stopped_and_the_socket_goes_on(
    empty_database_url: str, command: str, json_log: Callable[[], str]
) -> None:
    async with (
        house_at(empty_database_url, statement_seconds=0.5) as house,
        house.socket("7") as socket,
    ):
        await socket.connect()
        reply = await socket.ask({"id": 2, command: {"channel": "beacons:endless:north"}})
        assert reply["error"]["code"] == FAILED
        assert reply["error"]["temporary"] is True
        assert "TRIVET_STATEMENT_SECONDS" in json_log()
        assert (await socket.subscribe("beacons:north"))["recoverable"] is True
