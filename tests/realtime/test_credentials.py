"""Who a client is by its token, for how long, and what a token lets it subscribe to."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import text, update

from tests.realtime.house import House, eventually, house_at
from tests.realtime.logins import SEVEN, add_session, change_password, log_out
from trivet import Identity
from trivet.identity import ANONYMOUS, Revocation, RevocationScope, django_tables
from trivet.identity.keys import issue_key
from trivet_realtime.bounds import Bounds

pytestmark = pytest.mark.anyio

TOKEN_SECRET = "a-secret-of-tokens-that-guards-nothing-at-all"
EIGHT = Identity(user_id=8, username="user 8", kind="session")
INVALID = (3500, "invalid token")
REVOKED = (3500, "credential revoked")
BRIEF = Bounds(grace_seconds=0.3)


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url, BRIEF, token_secret=TOKEN_SECRET) as house:
        await house.add_user(7)
        await house.add_user(8, is_staff=True)
        await house.add_user(9, is_active=False)
        yield house


def signed(secret: str = TOKEN_SECRET, **claims: Any) -> str:
    return jwt.encode(claims, secret, algorithm="HS256")


def soon(seconds: float = 1.0) -> float:
    return time.time() + seconds


async def error_of(house: House, token: str, badge: str = "") -> Any:
    async with house.socket(badge) as socket:
        return (await socket.ask({"id": 1, "connect": {"token": token}}))["error"]


async def test_a_token_is_its_user_with_the_permissions_of_now(house: House) -> None:
    tokens = house.platform.tokens
    async with house.socket() as seven, house.socket() as eight:
        await seven.connect(token=tokens.connection(SEVEN))
        await eight.connect(token=tokens.connection(EIGHT))
        staff = {"id": 2, "subscribe": {"channel": "beacons:staff:a"}}
        assert (await seven.ask(staff))["error"]["code"] == 103
        assert "subscribe" in await eight.ask(staff)


async def test_a_token_is_stronger_than_the_handshake(house: House) -> None:
    async with house.socket("3 staff") as socket:
        await socket.connect(token=house.platform.tokens.connection(SEVEN))
        staff = {"id": 2, "subscribe": {"channel": "beacons:staff:a"}}
        assert (await socket.ask(staff))["error"]["code"] == 103


async def test_a_token_without_a_subject_is_nobody(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect(token=house.platform.tokens.connection(ANONYMOUS))
        crew = {"id": 2, "subscribe": {"channel": "beacons:crew:a"}}
        assert (await socket.ask(crew))["error"]["code"] == 101


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "9"},  # not active
        {"sub": "10"},  # not there
        {"sub": "ada"},  # no number
        {"sub": "-7"},
        {"sub": "7" * 40},
        {"sub": "\N{ARABIC-INDIC DIGIT SEVEN}"},
        {"sub": "7", "channel": "beacons:a"},
        {"sub": "7", "channels": ["nowhere:a"]},
        {"sub": "7", "channels": ["beacons:a b"]},
        {"sub": "7", "b64info": "%"},
        {"sub": "7", "b64info": "\u00e9"},
        {"sub": "7", "subs": {"beacons:a": {"b64data": "%"}}},
    ],
)
async def test_a_token_that_names_what_is_not_there_ends_the_connection(
    house: House, claims: Any
) -> None:
    async with house.socket("7") as socket:
        await socket.send({"id": 1, "connect": {"token": signed(**claims)}})
        assert await socket.closing() == INVALID
    await eventually(lambda: not house.platform.relay.watched)


async def test_a_token_of_another_secret_ends_the_connection(house: House) -> None:
    async with house.socket() as socket:
        token = signed("another-secret-that-guards-nothing-at-all", sub="7")
        await socket.send({"id": 1, "connect": {"token": token}})
        assert await socket.closing() == INVALID


async def test_a_token_past_its_end_asks_for_a_new_one(house: House) -> None:
    assert await error_of(house, signed(sub="7", exp=1)) == {
        "code": 109,
        "message": "token expired",
    }
    assert (await error_of(house, signed(sub="7", expire_at=1)))["code"] == 110


async def test_connect_tells_how_long_the_token_is_good(house: House) -> None:
    async with house.socket() as socket:
        result = await socket.connect(token=signed(sub="7", exp=soon(600)))
    assert result["expires"] is True
    assert 590 < result["ttl"] <= 600
    async with house.socket() as socket:
        # An end in milliseconds, or of somebody who wants none: more seconds than SDKs can count.
        result = await socket.connect(token=signed(sub="7", exp=10**300))
    assert result["ttl"] == 2**31 - 1
    async with house.socket() as socket:
        assert "expires" not in await socket.connect(token=signed(sub="7"))


async def test_a_connection_ends_some_time_after_its_token(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect(token=signed(sub="7", expire_at=soon(0.2)))
        assert await socket.closing() == (3005, "connection expired")


async def test_a_newer_token_keeps_the_connection(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect(token=signed(sub="7", expire_at=soon(0.2)))
        reply = await socket.ask({"id": 2, "refresh": {"token": signed(sub="7", exp=soon(60))}})
        assert reply["refresh"]["expires"] is True
        assert 50 < reply["refresh"]["ttl"] <= 60
        await socket.subscribe("beacons:a")
        await house.light("a", "before")
        assert await socket.publications(1) == [(1, "before")]
        # longer than the first token and its grace
        async with house.socket() as other:
            await other.connect(token=signed(sub="7", expire_at=soon(0.3)))
            await other.closing()
        await house.light("a", "after")
        assert await socket.publications(1) == [(2, "after")]


@pytest.mark.parametrize(
    ("claims", "closing"),
    [
        ({"sub": "8"}, INVALID),
        ({}, INVALID),
        ({"sub": "7", "exp": 1}, (3005, "connection expired")),
        ({"sub": "7", "channel": "a"}, INVALID),
    ],
)
async def test_a_newer_token_of_somebody_else_ends_the_connection(
    house: House, claims: Any, closing: tuple[int, str]
) -> None:
    async with house.socket() as socket:
        await socket.connect(token=signed(sub="7"))
        await socket.send({"id": 2, "refresh": {"token": signed(**claims)}})
        assert await socket.closing() == closing


@pytest.mark.parametrize(
    ("revocation", "closing"),
    [
        (Revocation(user_id=7), REVOKED),
        (Revocation(user_id=7, kind="session"), REVOKED),
        (Revocation(credential_id="session-of-7"), REVOKED),
        (Revocation(user_id=7, scope=RevocationScope.GRANTS), (3011, "grants changed")),
    ],
)
async def test_what_is_revoked_ends_the_connection_of_a_token(
    house: House, revocation: Revocation, closing: tuple[int, str]
) -> None:
    async with house.socket() as socket, house.socket() as other:
        await socket.connect(token=house.platform.tokens.connection(SEVEN))
        await other.connect(token=house.platform.tokens.connection(EIGHT))
        house.platform.broker.publish(revocation)
        assert await socket.closing() == closing
        assert await other.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}


async def test_a_revoked_api_key_leaves_tokens_alone(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect(token=house.platform.tokens.connection(SEVEN))
        house.platform.broker.publish(Revocation(user_id=7, kind="key"))
        assert await socket.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}


async def test_a_user_who_was_disabled_connects_no_more(house: House) -> None:
    token = house.platform.tokens.connection(SEVEN)
    async with house.socket() as socket:
        await socket.connect(token=token)
        users = django_tables.users
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.id == 7).values(is_active=False))
        house.platform.broker.publish(Revocation(user_id=7))
        assert await socket.closing() == REVOKED
    async with house.socket() as socket:
        await socket.send({"id": 1, "connect": {"token": token}})
        assert await socket.closing() == INVALID


@pytest.mark.parametrize("end", [log_out, change_password])
async def test_a_token_opens_nothing_after_the_end_of_the_session_that_asked_for_it(
    house: House, end: Callable[[House, str], Awaitable[None]]
) -> None:
    session = await add_session(house, "key-of-a-session")
    token = house.platform.tokens.connection(session)
    other = house.platform.tokens.connection(await add_session(house, "another-key"))
    async with house.socket() as socket, house.socket() as stays:
        await socket.connect(token=token)
        await stays.connect(token=other)
        await end(house, "key-of-a-session")
        assert await socket.closing() == REVOKED
        if end is log_out:
            assert await stays.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}
            assert "refresh" in await stays.ask({"id": 4, "refresh": {"token": other}})
            await stays.send({"id": 5, "refresh": {"token": token}})
            assert await stays.closing() == INVALID
    async with house.socket() as socket:
        await socket.send({"id": 1, "connect": {"token": token}})
        assert await socket.closing() == INVALID


async def test_a_token_ends_with_the_time_of_its_session(house: House) -> None:
    token = house.platform.tokens.connection(await add_session(house, "old", seconds=-1))
    async with house.socket() as socket:
        await socket.send({"id": 1, "connect": {"token": token}})
        assert await socket.closing() == INVALID


async def test_a_page_learns_nothing_of_the_session_from_its_token(house: House) -> None:
    token = house.platform.tokens.connection(await add_session(house, "key-of-a-session"))
    claims = jwt.decode(token, TOKEN_SECRET, algorithms=["HS256"])
    assert "key-of-a-session" not in str(claims)
    forged = signed(**claims | {"trivet_session": claims["trivet_session"][:-9] + "AAAAAAAA="})
    async with house.socket() as socket:
        await socket.send({"id": 1, "connect": {"token": forged}})
        assert await socket.closing() == INVALID
    # A claim of another issuer's own.
    async with house.socket() as socket:
        await socket.connect(token=signed(sub="7", session="abc"))


async def test_an_api_key_is_a_token_too(house: House) -> None:
    async with house.platform.database.unit() as session:
        _, key = await session.run_sync(lambda db: issue_key(db, owner_id=8, label="a screen"))
    async with house.socket() as socket:
        result = await socket.connect(token=key)
        assert "expires" not in result
        await socket.subscribe("beacons:staff:a")
        refresh = {"id": 3, "refresh": {"token": key}}
        assert (await socket.ask(refresh))["error"]["code"] == 108
    async with house.socket() as socket:
        await socket.send(
            {"id": 1, "connect": {"token": key[:-1] + ("a" if key[-1] != "a" else "b")}}
        )
        assert await socket.closing() == INVALID


async def test_a_connection_ends_with_the_api_key_that_was_its_token(house: House) -> None:
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    async with house.platform.database.unit() as session:
        _, key = await session.run_sync(
            lambda db: issue_key(db, owner_id=8, label="a visitor", expires_at=end)
        )
    async with house.socket() as socket:
        await socket.connect(token=key)
        assert await socket.closing() == (3500, "credential expired")


async def test_a_subscription_token_opens_what_no_rule_does(house: House) -> None:
    tokens = house.platform.tokens
    for channel in ("beacons:closed", "$beacons:north", "beacons:a:b:c"):
        async with house.socket("7") as socket:
            await socket.connect()
            refused = await socket.ask({"id": 2, "subscribe": {"channel": channel}})
            assert refused["error"]["code"] == 103
            result = await socket.subscribe(channel, token=tokens.subscription(channel, SEVEN))
            assert result["expires"] is True
            assert 590 < result["ttl"] <= 600
            # and its history may be read
            history = await socket.ask({"id": 3, "history": {"channel": channel}})
            assert "history" in history


@pytest.mark.parametrize("data", [{"data": {"x": None}}, {"b64data": "eyJ4IjogbnVsbH0="}])
async def test_a_subscription_token_may_bring_data(house: House, data: Any) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        token = signed(sub="7", channel="beacons:a", **data)
        assert (await socket.subscribe("beacons:a", token=token))["data"] == {"x": None}


async def test_what_is_published_to_a_private_channel_arrives(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        token = house.platform.tokens.subscription("beacons:closed", SEVEN)
        await socket.subscribe("beacons:closed", token=token)
        await house.light("closed", "one")
        assert await socket.publications(1) == [(1, "one")]


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"sub": "8", "channel": "beacons:a"}, 103),
        ({"channel": "beacons:a"}, 103),
        ({"sub": "7", "channel": "beacons:b"}, 103),
        ({"sub": "7"}, 103),
        ({"sub": "7", "channel": "beacons:a", "client": "another"}, 103),
        ({"sub": "7", "channel": "beacons:a", "exp": 1}, 109),
        ({"sub": "7", "channel": "beacons:a", "expire_at": 1}, 110),
        ({"sub": "7", "channel": "beacons:a", "override": 1}, 103),
        ({"sub": "7", "channel": "beacons:a", "b64data": "%"}, 103),
    ],
)
async def test_a_subscription_token_of_something_else_is_refused(
    house: House, claims: Any, code: int
) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        command = {"id": 2, "subscribe": {"channel": "beacons:a", "token": signed(**claims)}}
        assert (await socket.ask(command))["error"]["code"] == code
        await socket.subscribe("beacons:a")


async def test_a_subscription_ends_some_time_after_its_token(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        token = signed(sub="7", channel="beacons:a", expire_at=soon(0.2))
        await socket.subscribe("beacons:a", token=token)
        push = (await socket.receive())["push"]
        reason = {"code": 2501, "reason": "subscription expired"}
        assert push == {"channel": "beacons:a", "unsubscribe": reason}
        # and may be made again
        await socket.subscribe("beacons:a")


async def test_a_newer_subscription_token_keeps_it(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        token = signed(sub="7", channel="beacons:a", expire_at=soon(0.2))
        await socket.subscribe("beacons:a", token=token)
        for bad in (
            "x",
            signed(sub="8", channel="beacons:a"),
            signed(sub="7", channel="beacons:b"),
        ):
            refresh = {"channel": "beacons:a", "token": bad}
            reply = await socket.ask({"id": 3, "sub_refresh": refresh})
            assert reply["error"]["code"] == 103
        token = signed(sub="7", channel="beacons:a", exp=soon(60))
        reply = await socket.ask({"id": 4, "sub_refresh": {"channel": "beacons:a", "token": token}})
        assert reply["sub_refresh"]["expires"] is True
        async with house.socket("7") as other:
            await other.connect()
            other_token = signed(sub="7", channel="beacons:a", expire_at=soon(0.3))
            await other.subscribe("beacons:a", token=other_token)
            assert "unsubscribe" in (await other.receive())["push"]
        await house.light("a", "after")
        assert await socket.publications(1) == [(1, "after")]


async def test_a_token_subscribes_its_bearer_to_channels(house: House) -> None:
    await house.light("a", "before")
    data: Any = {"subs": {"beacons:closed": {"data": {"x": 1}}}, "channels": ["beacons:a"]}
    async with house.socket() as socket:
        result = await socket.connect(token=signed(sub="7", **data))
        own = "study:#7"
        assert result["subs"].keys() == {"beacons:a", "beacons:closed", own}
        assert result["subs"]["beacons:a"]["offset"] == 1
        assert result["subs"]["beacons:closed"]["data"] == {"x": 1}
        await house.light("a", "one")
        await house.light("closed", "two")
        assert await socket.publications(2) == [(2, "one"), (1, "two")]


async def test_a_connect_that_fails_in_the_middle_can_be_repeated(house: House) -> None:
    token = signed(sub="8", channels=["beacons:a", "beacons:b"])

    async def rename(old: str, new: str) -> None:
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    async with house.socket("8") as first, house.socket() as socket:
        await first.connect()  # it is known where their own channel stands
        await first.subscribe("beacons:a")  # and this one
        await rename("trivet_channel", "trivet_away")
        answer = await socket.ask({"id": 1, "connect": {"token": token}})
        assert answer["error"]["code"] == 100
        await rename("trivet_away", "trivet_channel")
        result = await socket.connect(token=token)
        assert result["subs"].keys() >= {"beacons:a", "beacons:b"}
        await house.light("a", "one")
        await house.light("b", "two")
        assert await socket.publications(2) == [(1, "one"), (1, "two")]


async def test_what_the_server_subscribes_to_recovers_like_everything(house: House) -> None:
    token = signed(sub="7", channels=["beacons:a"])
    async with house.socket() as socket:
        first = (await socket.connect(token=token))["subs"]["beacons:a"]
    await house.light("a", "one", "two")
    position = {"recover": True, "epoch": first["epoch"], "offset": first.get("offset", 0)}
    async with house.socket() as socket:
        again = (await socket.connect(token=token, subs={"beacons:a": position}))["subs"]
    assert again["beacons:a"]["recovered"] is True
    labels = [each["data"]["label"] for each in again["beacons:a"]["publications"]]
    assert labels == ["one", "two"]


async def test_a_user_has_a_channel_of_their_own(house: House) -> None:
    async with house.socket("7") as seven, house.socket("8") as eight, house.socket() as nobody:
        assert list((await seven.connect())["subs"]) == ["study:#7"]
        assert "subs" not in await nobody.connect()
        await eight.connect()
        refused = await eight.ask({"id": 2, "subscribe": {"channel": "study:#7"}})
        assert refused["error"]["code"] == 103


@pytest.mark.parametrize(
    ("badge", "channel", "is_granted"),
    [
        ("7", "study:den#7", True),
        ("7", "study:den#6,7,8", True),
        ("7", "study:den#77", False),
        ("7", "study:den#", False),
        ("", "study:den#", False),
        ("", "study:den#7", False),
        ("7", "study:den#7#8", False),
        ("7", "$study:den#7", False),
        ("7", "beacons:den#7", False),  # a namespace without them
    ],
)
async def test_a_channel_names_its_users(
    house: House, badge: str, channel: str, is_granted: bool
) -> None:
    async with house.socket(badge) as socket:
        await socket.connect()
        reply = await socket.ask({"id": 2, "subscribe": {"channel": channel}})
    assert ("subscribe" in reply) is is_granted
