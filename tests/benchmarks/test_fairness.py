"""Everybody who is measured does the same: the same JSON, for the key alone, really committed.

Speed is no matter of tests: how long something takes here depends on who else is working.
"""

import itertools
import json
import re
from collections.abc import Iterator

import httpx2
import pytest

from benchmarks import ingest
from benchmarks.cases import CASES, Case, Entry, parcel
from benchmarks.database import SharedDatabase, prepare
from benchmarks.load import Load, WrongAnswer, request, run_load
from benchmarks.parcels.models import Parcel, QuietParcel
from benchmarks.servers import RunningServer, running
from departures.models import Movement
from tests.services.postgres import PostgresServer
from trivet.audit import AuditEntry

CASE = {case.name: case for case in CASES}
OPEN = {"bare FastAPI", "Quart", "Flask, threads", "Django, threads"}
"""Whose greeting asks for no key: they are compared without any duty."""


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer) -> SharedDatabase:
    url = postgres.create_database("benchmark")
    return SharedDatabase(url, prepare(url))


@pytest.fixture(scope="module")
def servers(shared: SharedDatabase) -> Iterator[dict[str, RunningServer]]:
    programs = {e.program.name: e.program for case in CASES for e in case.entries}
    programs |= {e.program.name: e.program for e in CASE["json"].entries}
    with running(list(programs.values()), shared) as started:
        yield started


def ask(
    server: RunningServer, case: Case, entry: Entry, key: str | None, **names: int
) -> httpx2.Response:
    """Ask what `case` asks of `entry`."""
    url = f"http://localhost:{server.port}{entry.prefix}{entry.path or case.path}"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = parcel(3) if case.method == "POST" else None
    if body:
        headers["content-type"] = "application/json"
    options = {"headers": headers, "content": body, "timeout": 30}
    with httpx2.Client(trust_env=False, timeout=60) as client:
        return client.request(case.method, url.format(**names), **options)  # type: ignore[arg-type]  # one dict for all


def in_case(name: str) -> pytest.MarkDecorator:
    entries = CASE[name].entries
    return pytest.mark.parametrize("entry", entries, ids=[entry.name for entry in entries])


@in_case("json")
def test_everybody_greets_in_the_same_words(
    servers: dict[str, RunningServer], shared: SharedDatabase, entry: Entry
) -> None:
    answer = ask(servers[entry.program.name], CASE["json"], entry, shared.key)
    assert answer.status_code == 200
    assert answer.json() == {"greeting": "hello", "number": 42}


@in_case("json")
def test_who_has_duties_refuses_a_wrong_key_and_the_others_have_none(
    servers: dict[str, RunningServer], shared: SharedDatabase, entry: Entry
) -> None:
    answer = ask(servers[entry.program.name], CASE["json"], entry, shared.key[:-1] + "!")
    assert answer.status_code == (200 if entry.name in OPEN else 401)


@pytest.mark.parametrize(
    "name", ["read", "insert", "resource-read", "resource-list", "resource-insert"]
)
@pytest.mark.parametrize("key", [None, "tvt_aaaaaaaaaaaa_" + "x" * 43, "nonsense"])
def test_nobody_serves_data_without_a_good_key(
    servers: dict[str, RunningServer], name: str, key: str | None
) -> None:
    for entry in CASE[name].entries:
        answer = ask(servers[entry.program.name], CASE[name], entry, key, id=7)
        assert answer.status_code == 401, entry.name


@pytest.mark.parametrize(
    ("case", "entry"),
    [
        pytest.param(CASE[name], entry, id=f"{name}, {entry.name}")
        for name in ("read", "resource-read")
        for entry in CASE[name].entries
    ],
)
def test_everybody_reads_the_same_row(
    servers: dict[str, RunningServer], shared: SharedDatabase, case: Case, entry: Entry
) -> None:
    answer = ask(servers[entry.program.name], case, entry, shared.key, id=7)
    assert answer.status_code == 200
    row = {"label": "parcel 7", "depot": "D7", "grams": 7, "fragile": True, "id": 7}
    assert answer.json() == row


@in_case("resource-list")
def test_everybody_lists_the_same_rows(
    servers: dict[str, RunningServer], shared: SharedDatabase, entry: Entry
) -> None:
    answer = ask(servers[entry.program.name], CASE["resource-list"], entry, shared.key)
    assert answer.status_code == 200
    found = answer.json()
    rows = found if isinstance(found, list) else found.get("items", found.get("results"))
    assert [row["id"] for row in rows] == list(range(1, 51))
    assert rows[6] == {"label": "parcel 7", "depot": "D7", "grams": 7, "fragile": True, "id": 7}


@pytest.mark.parametrize(
    ("case", "entry"),
    [
        pytest.param(CASE[name], entry, id=f"{name}, {entry.name}")
        for name in ("insert", "resource-insert")
        for entry in CASE[name].entries
    ],
)
def test_a_row_is_committed_when_its_201_arrives_and_published_where_that_is_promised(
    servers: dict[str, RunningServer], shared: SharedDatabase, case: Case, entry: Entry
) -> None:
    quiet = entry.path == "/quiet"
    before = shared.count(Parcel), shared.count(QuietParcel), shared.publications()
    answer = ask(servers[entry.program.name], case, entry, shared.key)
    after = shared.count(Parcel), shared.count(QuietParcel), shared.publications()
    assert answer.status_code == 201
    assert answer.json() == json.loads(parcel(3)) | {"id": answer.json()["id"]}
    loud = entry.name in ("Trivet", "Trivet, a resource")
    grown = [now - then for now, then in zip(after, before, strict=True)]
    assert grown == [int(not quiet), int(quiet), int(loud)]


@pytest.fixture(scope="module")
def feed(shared: SharedDatabase) -> tuple[str, ingest.Feed]:
    """The key of an airline's system, and its batches."""
    key, flights = ingest.prepare(shared)
    return key, ingest.Feed(flights, 20, itertools.count(1))


SETUPS = {setup.program.name: setup for setup in ingest.setups() if setup.cores is None}


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS.keys())
def test_a_batch_is_committed_when_it_is_answered_and_published_where_that_is_promised(
    shared: SharedDatabase, feed: tuple[str, ingest.Feed], setup: ingest.Setup
) -> None:
    key, batches = feed
    before = shared.count(Movement), shared.count(AuditEntry), shared.publications()
    with (
        running([setup.program], shared) as servers,
        httpx2.Client(trust_env=False, timeout=60) as client,
    ):
        url = f"http://localhost:{servers[setup.program.name].port}/api/departures/movements"
        refused = client.post(
            url, content=batches.next_batch()[1], headers=ingest.headers("tvt_no")
        )
        _, body = batches.next_batch()
        answer = client.post(url, content=body, headers=ingest.headers(key), timeout=30)
    after = shared.count(Movement), shared.count(AuditEntry), shared.publications()
    assert refused.status_code == 401
    assert (answer.status_code, answer.json()) == (200, {"recorded": 20, "repeated": 0})
    grown = [now - then for now, then in zip(after, before, strict=True)]
    assert grown == ([20, 40, 20] if setup.publishes else [20, 0, 0])


@pytest.mark.anyio
async def test_an_answer_that_was_not_asked_for_spoils_the_measurement(
    servers: dict[str, RunningServer],
) -> None:
    port = servers["bare FastAPI"].port
    wrong = Load([request("GET", "/nowhere")], status=200)
    with pytest.raises(WrongAnswer, match=re.escape("404")):
        await run_load(port, wrong, seconds=0.2)


@pytest.mark.anyio
async def test_a_load_counts_what_was_answered(servers: dict[str, RunningServer]) -> None:
    port = servers["bare FastAPI"].port
    outcome = await run_load(port, Load([request("GET", "/greeting")], status=200), seconds=0.2)
    assert outcome.answers > 0
    assert outcome.rate == pytest.approx(outcome.answers / outcome.seconds)
