"""What Centrifugo's server API is told: revocations and commands, from wherever they come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.realtime.house import SECONDS, House, eventually, house_at, serving
from tests.services.processes import free_port
from trivet import Identity
from trivet.asgi.root import Root
from trivet.identity import Revocation, RevocationScope
from trivet_realtime.centrifugo.visit import Visitors

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

SECRET = "a-secret-that-centrifugo-and-the-tests-know"
KEY = "a-key-of-centrifugo-that-opens-nothing-here"
OWN_KEY = "a-key-of-our-own-server-api-in-these-tests"
FOR_GOOD = {"code": 3500, "reason": "credential revoked"}
AGAIN = {"code": 3011, "reason": "grants changed"}


@dataclass
class Centrifugo:
    """The server API of a Centrifugo, which notes what it is told. `faults` are answers that it
    gives first."""

    port: int
    told: list[tuple[str, Any]] = field(default_factory=list)
    faults: list[Response] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    async def answer(self, request: Request) -> Response:
        if self.faults:
            return self.faults.pop(0)
        self.keys.add(request.headers["x-api-key"])
        self.told.append((request.path_params["method"], await request.json()))
        return JSONResponse({"result": {}})

    async def hears(self, *expected: tuple[str, Any]) -> None:
        """Wait until it was told exactly this."""
        await eventually(lambda: len(self.told) >= len(expected))
        assert self.told == list(expected)
        self.told.clear()


@asynccontextmanager
async def centrifugo_at(port: int) -> AsyncIterator[Centrifugo]:
    there = Centrifugo(port)
    app = Starlette(routes=[Route("/api/{method}", there.answer, methods=["POST"])])
    async with serving(cast("Root", app), port, lifespan="off"):
        yield there


@asynccontextmanager
async def house_with(url: str, port: int, **settings: Any) -> AsyncIterator[House]:
    given = {
        "centrifugo_secret": SECRET,
        "centrifugo_api_url": f"http://127.0.0.1:{port}/api/",
        "centrifugo_api_key": KEY,
        "server_api_keys": [OWN_KEY],
        **settings,
    }
    async with house_at(url, **given) as house:
        await house.add_user(7)
        await house.add_user(8)
        yield house


@pytest.fixture
async def both(empty_database_url: str) -> AsyncIterator[tuple[House, Centrifugo]]:
    port = free_port()
    async with centrifugo_at(port) as there, house_with(empty_database_url, port) as house:
        yield house, there


async def post(house: House, path: str, request: Any, **headers: str) -> Any:
    url = f"http://127.0.0.1:{house.port}/ws/{path}"
    options: Any = {"verify": False, "trust_env": False, "timeout": SECONDS}
    answer = await asyncio.to_thread(httpx2.post, url, json=request, headers=headers, **options)
    assert answer.status_code == 200
    return answer.json()["result"]


async def connect(house: House, client: str, badge: str) -> None:
    """Let Centrifugo ask for a client that connects with a badge."""
    headers = {"x-centrifugo-secret": SECRET, "x-badge": badge}
    await post(house, "centrifugo/connect", {"client": client}, **headers)


async def refresh(house: House, client: str, user: str, meta: Any) -> None:
    """Let Centrifugo ask for a client that came with a token."""
    question = {"client": client, "user": user, "meta": meta}
    await post(house, "centrifugo/refresh", question, **{"x-centrifugo-secret": SECRET})


def disconnect(user: str, client: str, why: Any) -> tuple[str, Any]:
    return "disconnect", {"user": user, "client": client, "disconnect": why}


async def test_a_user_who_is_trusted_no_more_is_sent_away(
    both: tuple[House, Centrifugo],
) -> None:
    house, there = both
    house.platform.broker.publish(Revocation(user_id=7))
    await there.hears(disconnect("7", "", FOR_GOOD))
    house.platform.broker.publish(Revocation(user_id=7, scope=RevocationScope.GRANTS))
    await there.hears(disconnect("7", "", AGAIN))
    assert there.keys == {KEY}


async def test_one_credential_ends_its_own_clients_alone(both: tuple[House, Centrifugo]) -> None:
    house, there = both
    for client, badge in (("a", "7"), ("b", "7"), ("c", "8")):
        await connect(house, client, badge)
    await refresh(house, "d", "7", {"credential": "badge-7"})
    await refresh(house, "e", "7", {"credential": "another"})
    await refresh(house, "f", "7", None)
    revocation = Revocation(credential_id="badge-7")
    house.platform.broker.publish(revocation)
    mine = ("a", "b", "d")
    await there.hears(*(disconnect("7", client, FOR_GOOD) for client in mine))
    # Told once, and of whom nobody has been asked there is nothing to tell.
    house.platform.broker.publish(revocation)
    house.platform.broker.publish(Revocation(credential_id="unknown"))
    house.platform.broker.publish(Revocation(user_id=8))
    await there.hears(disconnect("8", "", FOR_GOOD))


async def test_a_new_password_leaves_keys_alone(both: tuple[House, Centrifugo]) -> None:
    house, there = both
    await connect(house, "a", "7")  # a key
    await refresh(house, "b", "7", {"credential": "a-login"})
    house.platform.broker.publish(Revocation(user_id=7, kind="session"))
    await there.hears(disconnect("7", "b", FOR_GOOD))


async def test_commands_of_the_server_api_are_passed_on(both: tuple[House, Centrifugo]) -> None:
    house, there = both
    asked: dict[str, Any] = {
        "unsubscribe": {"user": "7", "channel": "lounge:a"},
        "subscribe": {"user": "7", "channel": "lounge:a", "data": {"a": 1}},
        "refresh": {"user": "7", "client": "c", "expire_at": 9_999_999_999},
        "disconnect": {"user": "7", "disconnect": {"code": 4000, "reason": "go"}},
        "history_remove": {"channel": "lounge:a"},
    }
    for method, request in asked.items():
        await post(house, f"api/{method}", request, **{"x-api-key": OWN_KEY})
    await eventually(lambda: len(there.told) == len(asked))
    for method, request in there.told:
        assert {key: request[key] for key in asked[method]} == asked[method]
    assert [method for method, _ in there.told] == list(asked)


@pytest.mark.parametrize("source", ["outbox", "stream"])
async def test_what_is_no_row_is_passed_on_where_centrifugo_numbers_itself(
    empty_database_url: str, source: str
) -> None:
    port = free_port()
    request = {"channel": "lounge:a", "data": {"a": 1}, "tags": {"t": "1"}, "skip_history": True}
    settings = {"centrifugo_source": source}
    async with (
        centrifugo_at(port) as there,
        house_with(empty_database_url, port, **settings) as house,
    ):
        await post(house, "api/publish", request, **{"x-api-key": OWN_KEY})
        house.platform.broker.publish(Revocation(user_id=7))
        passed_on = [("publish", request)] if source == "outbox" else []
        await there.hears(*passed_on, disconnect("7", "", FOR_GOOD))


async def test_a_call_that_fails_is_repeated_in_its_order(
    both: tuple[House, Centrifugo],
) -> None:
    house, there = both
    there.faults = [
        Response("busy", 503),
        JSONResponse({"error": {"code": 100, "message": "internal"}}),
    ]
    house.platform.broker.publish(Revocation(user_id=7))
    house.platform.broker.publish(Revocation(user_id=8))
    await there.hears(disconnect("7", "", FOR_GOOD), disconnect("8", "", FOR_GOOD))


@pytest.mark.parametrize(
    ("refusal", "status"),
    [({"error": {"code": 102, "message": "unknown channel"}}, 200), ({"message": "no such"}, 400)],
)
async def test_what_centrifugo_refuses_for_good_holds_up_nothing(
    both: tuple[House, Centrifugo], refusal: Any, status: int
) -> None:
    house, there = both
    there.faults = [JSONResponse(refusal, status)]
    request = {"user": "7", "channel": "lounge:a"}
    await post(house, "api/unsubscribe", request, **{"x-api-key": OWN_KEY})
    house.platform.broker.publish(Revocation(user_id=8))
    await there.hears(disconnect("8", "", FOR_GOOD))


async def test_a_centrifugo_that_is_away_holds_up_nobody(
    empty_database_url: str,
) -> None:
    port = free_port()
    async with house_with(empty_database_url, port) as house:
        house.platform.broker.publish(Revocation(user_id=7))
        async with house.socket("7") as socket:
            await socket.connect()
        # It is there before the last repetition.
        async with centrifugo_at(port) as there:
            await there.hears(disconnect("7", "", FOR_GOOD))


def test_who_was_not_heard_of_for_longest_is_forgotten_first() -> None:
    visitors = Visitors(most=2)
    for client in ("a", "b", "a", "c"):
        visitors.note(client, Identity(7, "ada", kind="session", credential_id="s"))
    assert list(visitors.find_concerned(Revocation(credential_id="s"))) == [("a", "7"), ("c", "7")]
