"""The API as its clients meet it: who asks what, and what they are told."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
from anyio import create_task_group, to_thread
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from departures.models import Flight
from tests.departures.house import AIRLINE, MORNING, PLANNER, STAFF, Desk, add_flights
from tests.platform.bare import ORIGIN, NoAccounts, client_of
from tests.services.databases import SECRET_KEY
from trivet import Identity
from trivet.asgi.root import Root, build_root
from trivet.audit import AuditEntry, verify
from trivet.features import load_features
from trivet.platform import open_platform
from trivet_api.mount import mount as mount_api
from trivet_settings import load_settings

pytestmark = pytest.mark.anyio

CHANNEL = "departures:JFK"
FLIGHTS = 5
FLIGHT = "/api/departures/flights/1"
MOVEMENTS = "/api/departures/movements"
SCHEDULE = MORNING.isoformat()
KEY = {"carrier": "B6", "number": 1, "scheduled_departure": SCHEDULE}
DELAY = {"id": "d1", "kind": "delay", "flight": KEY, "at": "2013-02-04T11:30:00Z", "minutes": 20}
OFF_BLOCK = {"id": "o1", "kind": "off-block", "flight": 2, "at": "2013-02-04T12:11:00Z"}
LANDED = {"id": "l1", "kind": "landed", "flight": KEY, "at": "2013-02-04T14:00:00Z"}


class Badges:
    """Believes the header ``x-badge``: the name of one of our actors."""

    is_ambient = False

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-badge")

    async def authenticate(self, credential: str, _session: AsyncSession) -> Identity | None:
        known = {actor.username: actor for actor in (STAFF, PLANNER, AIRLINE)}
        return known.get(credential)


@pytest.fixture
def flights(desk: Desk) -> None:
    """Five flights, whose keys are 1 to 5."""
    with desk.unit() as db:
        assert add_flights(db, FLIGHTS) == [1, 2, 3, 4, 5]


@pytest.fixture
def root(flights: None, fresh_database_url: str) -> Root:
    """The API alone, on the database with the flights."""
    settings = load_settings(
        env_file=None,
        secret_key=SECRET_KEY,
        public_url=ORIGIN,
        database_url=fresh_database_url,
        features=("departures",),
    )
    platform = open_platform(settings, load_features(settings.features), accounts=NoAccounts())
    api = replace(mount_api(platform), authenticators=[Badges()])
    return build_root(platform, [api])


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        yield client
    await root.platform.database.close()


@dataclass(frozen=True)
class Scenario:
    """`errors` are the pointers of the answer's faults, `events` the publications expected."""

    name: str
    actor: str
    method: str
    path: str
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    contains: Sequence[str] = ()
    lacks: Sequence[str] = ("Traceback", "sqlalchemy")
    errors: Sequence[str] = ()
    events: Sequence[str] = ()


def get(path: str, name: str, status: int, *contains: str, **more: Any) -> Scenario:
    return Scenario(
        name, more.pop("actor", "staff"), "GET", path, status, contains=contains, **more
    )


def patch(name: str, status: int, body: Any, **more: Any) -> Scenario:
    actor, path = more.pop("actor", "staff"), more.pop("path", FLIGHT)
    return Scenario(name, actor, "PATCH", path, status, body=body, **more)


def post(name: str, status: int, body: Any, **more: Any) -> Scenario:
    actor, path = more.pop("actor", "airline"), more.pop("path", MOVEMENTS)
    return Scenario(name, actor, "POST", path, status, body=body, **more)


LIST = "/api/departures/flights"
DAY = "&".join(f"scheduled_departure.{each}=2013-02-0{{}}T00:00:00-05:00" for each in ("gte", "lt"))
"""From one day to another by the clocks of New York."""
SEEN = {"if-match": '"1"'}
ANY = {"if-match": "*"}
WEAK = {"if-match": 'W/"1"'}
STALE = {"if-match": '"0"'}
TOLD = ["gate_assigned"]
READING = [
    get(LIST, "staff list flights", 200, '"number":5', '"next_cursor":null'),
    get(LIST, "nobody lists flights", 401, actor=""),
    get(LIST, "an airline may not", 403, "departures.view_flight", actor="airline"),
    get(LIST, "a bad credential is not nobody", 401, actor="stranger"),
    get(
        f"{LIST}?origin_id=JFK&dest.city=Boston&carrier_id=B6&status=scheduled&{DAY.format(4, 5)}",
        "all",
        200,
        '"number":1',
        '"number":5',
        actor="planner",
    ),
    get(f"{LIST}?dest.city=Boston", "by what staff may not view", 422, errors=["/dest.city"]),
    get(f"{LIST}?{DAY.format(3, 4)}", "another day", 200, '"items":[]'),
    get(f"{LIST}?status=cancelled&status=landed", "of two states", 200, '"items":[]'),
    get(f"{LIST}?gate.null=false", "with a gate", 200, '"items":[]'),
    get(f"{LIST}?limit=2", "a page", 200, '"number":2', lacks=['"number":3', '"next_cursor":null']),
    get(f"{LIST}?limit=201", "too long a page", 422, '"in":"query"', errors=["/limit"]),
    get(f"{LIST}?limit=0&number=one", "two faults", 422, errors=["/number", "/limit"]),
    get(f"{LIST}?destination=BOS", "a filter that does not exist", 422, errors=["/destination"]),
    get(f"{LIST}?limit=1&limit=2", "two limits", 422, errors=["/limit"]),
    get(
        f"{LIST}?scheduled_departure.gte=0",
        "a number for an instant",
        422,
        errors=["/scheduled_departure.gte"],
    ),
    get(f"{FLIGHT}?x=1", "a name of nothing", 422, errors=["/x"]),
    get(
        f"{LIST}?scheduled_departure.lt=9999-12-31T23:00:00-05:00",
        "the end of the calendar",
        422,
        errors=["/scheduled_departure.lt"],
    ),
    get(f"{LIST}?status=gone", "no such status", 422, "airborne", errors=["/status"]),
    get(f"{LIST}?cursor=nonsense", "no cursor", 422, errors=["/cursor"]),
    get(FLIGHT, "one flight", 200, '"version":1', '"scheduled_departure":"2013-02-04T12:00:00Z"'),
    get(f"{FLIGHT}?expand=dest", "with what staff may not view", 422, errors=["/expand"]),
    get(
        f"{FLIGHT}?expand=dest&fields=number",
        "with its destination",
        200,
        '"city":"Boston"',
        actor="planner",
    ),
    get(FLIGHT, "an airline may not read one", 403, actor="airline"),
    get("/api/departures/flights/99", "no such flight", 404, "There is no flight 99."),
    get(f"/api/departures/flights/{2**70}", "no key at all", 422, errors=["/key"]),
    get("/api/departures/flights/abc", "a word for a key", 422, errors=["/key"]),
    get("/api/departures/airports/BOS", "an airport", 403, "departures.view_airport"),
    get("/api/departures/aircraft/N304JB", "an aircraft", 403, "departures.view_aircraft"),
    get("/api/departures/board/JFK", "anybody reads a board", 200, CHANNEL, '"offset":5', actor=""),
    get("/api/departures/board/BOS", "no board", 404, "no departure board for 'BOS'", actor=""),
    get("/api/departures/board/jfk", "no code", 422, errors=["/airport"], actor=""),
]
CHANGING = [
    patch(
        "staff change a gate", 200, {"gate": "b22"}, contains=['"B22"'], events=["gate_assigned"]
    ),
    patch("nothing to change", 200, {}, contains=['"version":1']),
    patch("a field that is not there", 422, {"gate": "7", "colour": "red"}, errors=["/colour"]),
    patch("a field that is not theirs", 422, {"status": "landed"}, errors=["/status"]),
    patch("two faults", 422, {"gate": 7, "aircraft_id": "n0"}, errors=["/gate", "/aircraft_id"]),
    patch("no gate", 422, {"gate": "?"}, contains=["'?' is no gate"], errors=["/gate"]),
    patch("no aircraft", 409, {"aircraft_id": "N0"}, errors=["/aircraft_id"]),
    patch("an aircraft", 200, {"aircraft_id": "N304JB"}, events=["flight_changed"]),
    patch(
        "both, of which one is none",
        409,
        {"gate": "7", "aircraft_id": "N0"},
        errors=["/aircraft_id"],
    ),
    patch("a wrong type", 422, {"gate": 7}, errors=["/gate"]),
    patch("malformed JSON", 400, '{"gate": ', contains=["malformed-json"]),
    patch("an array", 422, [], errors=[""]),
    patch(
        "the version they read",
        200,
        {"gate": "7"},
        headers={"if-match": '"1"'},
        events=["gate_assigned"],
    ),
    patch("any version", 200, {"gate": "7"}, headers=ANY, events=TOLD),
    patch("an old version", 412, {"gate": "7"}, headers=STALE, contains=["version 1"]),
    patch("another's ETag", 412, {"gate": "7"}, headers={"if-match": '"one"'}),
    patch("a tag that a proxy made weak", 200, {"gate": "7"}, headers=WEAK, events=TOLD),
    patch("a version that they have", 412, {"gate": "7"}, headers={"if-none-match": '"1"'}),
    patch("nobody", 401, {"gate": "7"}, actor=""),
    patch("an airline", 403, {"gate": "7"}, actor="airline"),
    patch("an airline, with nonsense", 403, {"gate": 7, "x": 1}, actor="airline", lacks=["errors"]),
    patch("no such flight", 404, {"gate": "7"}, path="/api/departures/flights/99"),
    post(
        "a gate", 200, {"gate": "7"}, actor="staff", path=f"{FLIGHT}/gate", events=["gate_assigned"]
    ),
    post(
        "a gate of the version they read",
        200,
        {"gate": "7"},
        headers=SEEN,
        actor="staff",
        path=f"{FLIGHT}/gate",
        events=TOLD,
    ),
    post(
        "a gate of an old version",
        412,
        {"gate": "7"},
        headers=STALE,
        actor="staff",
        path=f"{FLIGHT}/gate",
    ),
    post("a gate of no flight", 404, {"gate": "7"}, actor="staff", path=f"{LIST}/99/gate"),
    post("cancel no flight", 404, None, actor="staff", path=f"{LIST}/99/cancel"),
    post("no gate named", 422, {}, actor="staff", path=f"{FLIGHT}/gate", errors=["/gate"]),
    post("cancel", 200, None, actor="staff", path=f"{FLIGHT}/cancel", events=["flight_cancelled"]),
    post("an airline cancels", 403, None, path=f"{FLIGHT}/cancel"),
]
REPORTING = [
    post("one", 200, DELAY, contains=['{"recorded":1,"repeated":0}'], events=["flight_delayed"]),
    post(
        "two, by name and by key",
        200,
        [DELAY, OFF_BLOCK],
        contains=['"recorded":2'],
        events=["flight_delayed", "flight_left_stand"],
    ),
    post("one twice", 200, [DELAY, DELAY], contains=['"repeated":1'], events=["flight_delayed"]),
    post("staff may not", 403, DELAY, actor="staff"),
    post("nobody may not", 401, DELAY, actor=""),
    post("impossible, alone", 422, LANDED, errors=["/kind"]),
    post("impossible, among others", 422, [DELAY, OFF_BLOCK, LANDED], errors=["/2/kind"]),
    post("none", 422, [], errors=[""]),
    post("too many", 422, [DELAY] * 1001, errors=[""]),
    post("a word", 422, '"delay"', errors=[""]),
    post("a number of another kind", 422, [{**DELAY, "flight": "1"}], errors=["/0/flight"]),
    post("a naive time", 422, {**DELAY, "at": "2013-02-04T12:00:00"}, errors=["/at"]),
    post("the end of time", 422, {**DELAY, "at": "9999-12-31T23:59:59-23:00"}, errors=["/at"]),
    post("an id with a zero", 422, {**DELAY, "id": "a\u0000b"}, errors=["/id"]),
    post("a minute too many", 422, {**DELAY, "minutes": 2881}, errors=["/minutes"]),
    post("astronomic minutes", 422, {**DELAY, "minutes": 10**30}, errors=["/minutes"]),
    post(
        "every fault of every item",
        422,
        [{**DELAY, "kind": "off_block"}, DELAY, {"id": "x", "flight": {"carrier": "b6"}}],
        errors=[
            "/0/kind",
            "/2/kind",
            "/2/flight/carrier",
            "/2/flight/number",
            "/2/flight/scheduled_departure",
            "/2/at",
        ],
    ),
]


@pytest.mark.parametrize(
    "scenario", [*READING, *CHANGING, *REPORTING], ids=lambda s: f"{s.method} {s.name}"
)
async def test_the_api_answers(client: httpx2.AsyncClient, desk: Desk, scenario: Scenario) -> None:
    answer = await send(client, scenario)

    assert answer.status_code == scenario.status, answer.text
    for text in scenario.contains:
        assert text in answer.text
    for text in scenario.lacks:
        assert text not in answer.text
    if answer.is_error:
        assert answer.headers["content-type"] == "application/problem+json"
        faults = answer.json().get("errors", [])
        assert [fault["pointer"] for fault in faults] == list(scenario.errors)
    told = [event["type"] for event in await published(desk)]
    assert sorted(told) == sorted(scenario.events)


async def published(desk: Desk) -> list[dict[str, Any]]:
    """What was told since the flights were added."""
    return (await to_thread.run_sync(desk.published, CHANNEL))[FLIGHTS:]


async def send(client: httpx2.AsyncClient, scenario: Scenario) -> httpx2.Response:
    body = scenario.body
    content = body if isinstance(body, str) or body is None else json.dumps(body)
    headers = {"content-type": "application/json", **scenario.headers}
    if scenario.actor:
        headers["x-badge"] = scenario.actor
    return await client.request(scenario.method, scenario.path, content=content, headers=headers)


@pytest.mark.parametrize("departures", ["one after the other", "at one instant"])
async def test_pages_lead_through_the_whole_list(
    client: httpx2.AsyncClient, root: Root, departures: str
) -> None:
    if departures == "at one instant":
        async with root.platform.database.unit() as session:
            for flight in await session.scalars(select(Flight)):
                flight.scheduled_departure = MORNING
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(3):
        answer = await client.get(LIST, params=query, headers={"x-badge": "staff"})
        seen += [flight["number"] for flight in answer.json()["items"]]
        query["cursor"] = answer.json()["next_cursor"]

    assert seen == [1, 2, 3, 4, 5]
    assert query["cursor"] is None


async def test_a_cursor_is_good_for_its_own_list_and_as_it_was(client: httpx2.AsyncClient) -> None:
    staff = {"x-badge": "staff"}
    page = (await client.get(f"{LIST}?limit=2&origin_id=JFK", headers=staff)).json()
    cursor = page["next_cursor"]
    altered = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]

    for query in (
        f"origin_id=JFK&cursor={altered}",
        f"origin_id=EWR&cursor={cursor}",
        "cursor=é%00",
    ):
        answer = await client.get(f"{LIST}?{query}", headers=staff)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/cursor"


async def test_the_etag_of_an_answer_is_the_next_condition(client: httpx2.AsyncClient) -> None:
    staff = {"x-badge": "staff"}
    etag = (await client.get(FLIGHT, headers=staff)).headers["etag"]
    first = await client.patch(FLIGHT, json={"gate": "7"}, headers=staff | {"if-match": etag})
    second = await client.patch(FLIGHT, json={"gate": "8"}, headers=staff | {"if-match": etag})

    assert (etag, first.headers["etag"]) == ('"1"', '"2"')
    assert second.status_code == 412


async def test_a_reused_id_is_a_conflict_and_records_nothing(
    client: httpx2.AsyncClient, desk: Desk
) -> None:
    airline = {"x-badge": "airline"}
    await client.post(MOVEMENTS, json=DELAY, headers=airline)
    again = await client.post(MOVEMENTS, json=DELAY, headers=airline)
    other = [OFF_BLOCK, {**DELAY, "minutes": 25}]
    reused = await client.post(MOVEMENTS, json=other, headers=airline)

    assert again.json() == {"recorded": 0, "repeated": 1}
    assert reused.status_code == 409
    assert reused.json()["errors"] == [
        {"pointer": "/1/id", "detail": "this id was used for another movement"}
    ]
    assert len(await published(desk)) == 1


async def test_a_board_and_its_position_are_of_one_moment(
    client: httpx2.AsyncClient, desk: Desk
) -> None:
    before = (await client.get("/api/departures/board/JFK")).json()
    await client.post(f"{FLIGHT}/gate", json={"gate": "7"}, headers={"x-badge": "staff"})
    after = (await client.get("/api/departures/board/JFK")).json()

    assert before["epoch"] == after["epoch"]
    assert (before["offset"], after["offset"]) == (5, 6)
    assert after["rows"][0]["gate"] == "7"
    # What a subscriber is told is exactly the row that the next snapshot shows.
    assert (await published(desk))[-1]["row"] == after["rows"][0]


async def test_what_a_request_changed_is_in_the_audit_trail_and_what_was_refused_is_not(
    client: httpx2.AsyncClient, desk: Desk
) -> None:
    headers = {"x-badge": AIRLINE.username, "x-request-id": "request-of-the-airline"}
    accepted = await client.post(MOVEMENTS, json=DELAY, headers=headers)
    refused = await client.post(MOVEMENTS, json={**DELAY, "minutes": 30}, headers=headers)

    assert (accepted.is_success, refused.status_code) == (True, 409)
    entries = await to_thread.run_sync(audited, desk)
    assert [(e.kind, e.table_name, e.row_key) for e in entries] == [
        ("insert", "departures_movement", "1"),
        ("update", "departures_flight", "1"),
    ]
    ours = accepted.headers["x-request-id"]
    assert ours != "request-of-the-airline", "nobody chooses what the trail says of him"
    assert {(e.actor, e.actor_kind, e.origin, e.request_id) for e in entries} == {
        ("airline", "key", "api", ours)
    }
    changes = json.loads(entries[1].changes)
    assert changes["delay_minutes"] == {"from": 0, "to": 20}
    assert changes["status"] == {"from": "scheduled", "to": "delayed"}


async def test_the_movements_that_go_with_a_flight_are_in_the_audit_trail(
    client: httpx2.AsyncClient, root: Root, desk: Desk
) -> None:
    await client.post(MOVEMENTS, json=DELAY, headers={"x-badge": AIRLINE.username})
    async with root.platform.database.unit() as session:
        await session.delete(await session.get_one(Flight, 1))

    entries = await to_thread.run_sync(audited, desk)
    assert [(e.kind, e.table_name, e.row_key) for e in entries[2:]] == [
        ("delete", "departures_flight", "1"),
        ("delete", "departures_movement", "1"),
    ]


async def test_a_feed_that_sends_its_batches_twice_is_recorded_published_and_noted_once(
    client: httpx2.AsyncClient, root: Root, desk: Desk
) -> None:
    ids = await to_thread.run_sync(add_more_flights, desk, 30)
    batches: list[list[dict[str, Any]]] = [
        [
            {
                **DELAY,
                "id": f"r{n}-{k}",
                "flight": ids[(10 * n + k) % 30],
                "minutes": 20 * n + k + 1,
            }
            for k in range(20)
        ]
        for n in range(6)
    ]
    told: list[dict[str, int]] = []

    async def send(batch: list[dict[str, Any]]) -> None:
        answer = await client.post(MOVEMENTS, json=batch, headers={"x-badge": "airline"})
        told.append(answer.raise_for_status().json())

    for batch in batches:
        async with create_task_group() as group:
            group.start_soon(send, batch)
            group.start_soon(send, batch)

    assert sorted(each["recorded"] for each in told) == [0] * 6 + [20] * 6
    assert sum(each["repeated"] for each in told) == 120
    rows: list[dict[str, Any]] = [each["row"] for each in (await published(desk))[30:]]
    minutes = [report["minutes"] for batch in batches for report in batch]
    assert sorted(row["delay_minutes"] for row in rows) == sorted(minutes)
    assert {row["id"]: row["version"] for row in rows} == dict.fromkeys(ids, 5)
    entries = await to_thread.run_sync(audited, desk)
    assert Counter((e.kind, e.table_name) for e in entries) == {
        ("insert", "departures_movement"): 120,
        ("update", "departures_flight"): 120,
    }
    trail = root.platform.database.capture.audit
    assert trail is not None
    async with root.platform.database.unit(read_only=True) as session:
        verdict = await session.run_sync(lambda db: verify(db, trail))
    assert (verdict.entries, verdict.damages) == (240, 0)


def add_more_flights(desk: Desk, count: int) -> list[int]:
    with desk.unit() as db:
        columns = {"carrier_id": "B6", "origin_id": "JFK", "dest_id": "BOS"}
        flights = [
            Flight(number=100 + n, scheduled_departure=MORNING, **columns) for n in range(count)
        ]
        db.add_all(flights)
        db.flush()
        return [flight.id for flight in flights]


def audited(desk: Desk) -> list[AuditEntry]:
    with desk.unit() as db:
        return list(db.scalars(select(AuditEntry).order_by(AuditEntry.id)))
