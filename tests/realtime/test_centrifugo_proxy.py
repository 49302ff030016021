"""What Centrifugo's questions are answered: by the rules and functions of our own sockets."""

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.realtime.centrifugo_proxy import SECRET, SETTINGS, ask, post
from tests.realtime.centrifugo_tables import create_tables, read_history
from tests.realtime.house import SECONDS, House, house_at
from tests.realtime.logins import add_session, change_password, log_out
from tests.realtime.lounge.models import Remark
from tests.services.databases import Databases
from trivet.audit.tables import AuditEntry
from trivet.errors import ConfigurationError
from trivet.identity import Revocation, django_tables
from trivet_realtime.centrifugo import streams
from trivet_realtime.centrifugo.answers import (
    CONNECTION_SECONDS,
    QUESTIONS,
    SUBSCRIPTION_SECONDS,
)

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

HANDSHAKE = {"handshake": True}


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url, **SETTINGS) as house:
        await house.add_user(7)
        yield house


@pytest.fixture(scope="module")
async def shared(databases: Databases) -> AsyncIterator[House]:
    """A house for questions that change nothing."""
    url = databases.create_empty()
    async with house_at(url, **SETTINGS) as house:
        await house.add_user(7)
        yield house
    databases.drop(url)


async def result(house: House, question_of: str, badge: str = "", **question: Any) -> Any:
    return (await ask(house, question_of, badge, **question))["result"]


async def error(house: House, question_of: str, badge: str = "", **question: Any) -> int:
    return int((await ask(house, question_of, badge, **question))["error"]["code"])


async def remarks(house: House) -> Sequence[tuple[str, str, int | None]]:
    async with house.platform.open_unit(read_only=True) as unit:
        found = await unit.session.scalars(select(Remark).order_by(Remark.id))
        return [(each.room, each.text, each.author_id) for each in found]


@pytest.mark.parametrize("given", ["", "another", f"{SECRET}x", SECRET[:-1]])
async def test_without_the_secret_nothing_is_answered(shared: House, given: str) -> None:
    headers = {"x-centrifugo-secret": given} if given else {}
    for method in QUESTIONS:
        answer = await post(shared, method, b"{}", **headers)
        assert answer.status_code == 403
        assert "TRIVET_CENTRIFUGO_SECRET" in answer.json()["detail"]


async def test_where_no_secret_is_set_there_is_nothing(empty_database_url: str) -> None:
    async with house_at(empty_database_url) as house:
        for given in ("", "x"):
            answer = await post(house, "connect", b"{}", **{"x-centrifugo-secret": given})
            assert answer.status_code == 404


async def test_centrifugo_asks_by_whatever_name_this_process_has_for_it(shared: House) -> None:
    headers = {"x-centrifugo-secret": SECRET, "host": "trivet.internal:8000"}
    answer = await post(shared, "connect", b'{"client": "c1"}', **headers)
    assert answer.status_code == 200
    # And nobody else does.
    answer = await post(shared, "shout", b"{}", **headers)
    assert answer.status_code == 400


async def test_a_question_that_there_is_not_is_404(shared: House) -> None:
    answer = await post(shared, "shout", b"{}", **{"x-centrifugo-secret": SECRET})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("missing", "cure"),
    [
        ("centrifugo_api_url", "TRIVET_CENTRIFUGO_API_URL"),
        ("centrifugo_api_key", "TRIVET_CENTRIFUGO_API_KEY"),
    ],
)
async def test_a_centrifugo_that_would_not_be_told_is_refused_at_the_start(
    empty_database_url: str, missing: str, cure: str
) -> None:
    with pytest.raises(ConfigurationError, match=cure):
        async with house_at(empty_database_url, **{**SETTINGS, missing: ""}):
            pass


DEEP = b"[" * 2000 + b"]" * 2000
BAD_QUESTIONS = [
    b"",
    b"[]",
    b"null",
    b"{",
    b"\xff\xfe",
    b'{"client": 7}',
    b'{"user": "7"}',
    b'{"client": "c", "user": null}',
    b'{"client": "c", "channel": "a", "method": "m", "data": ' + DEEP + b"}",
]


@pytest.mark.parametrize("body", BAD_QUESTIONS)
async def test_a_question_that_cannot_be_read_is_an_error_of_the_protocol(
    shared: House, body: bytes
) -> None:
    for method in QUESTIONS:
        answer = await post(shared, method, body, **{"x-centrifugo-secret": SECRET})
        assert answer.status_code == 200
        assert answer.json() == {
            "error": {"code": 107, "message": "bad request", "temporary": False}
        }


async def test_a_question_lacks_nothing_that_it_is_about(shared: House) -> None:
    for method in ("subscribe", "sub_refresh", "publish", "rpc"):
        assert await error(shared, method, channel=["a"], method=1) == 107
        assert await error(shared, method) == 107


async def test_data_that_is_no_base64_and_no_json_is_refused(shared: House) -> None:
    for data in ("%", base64.b64encode(b"{").decode()):
        assert await error(shared, "rpc", method="lounge:echo", b64data=data) == 107


class TestConnect:
    async def test_a_client_is_whom_the_handshake_says(self, shared: House) -> None:
        now = int(time.time())
        answer = await result(shared, "connect", "7", data={"a": 1}, name="js", version="5")
        assert answer.pop("expire_at") >= now + CONNECTION_SECONDS
        # The channel of its own is subscribed.
        assert answer == {"user": "7", "meta": HANDSHAKE, "subs": {"study:#7": {}}}

    async def test_without_one_it_is_nobody(self, shared: House) -> None:
        answer = await result(shared, "connect")
        assert (answer["user"], "subs" in answer) == ("", False)

    async def test_a_credential_that_soon_ends_is_asked_about_then(self, shared: House) -> None:
        answer = await result(shared, "connect", "7 brief")
        assert answer["expire_at"] <= int(time.time()) + 2


class TestSubscribe:
    @pytest.mark.parametrize(
        ("channel", "badge", "code"),
        [
            ("lounge:den", "", None),
            ("lounge:closed", "7", 103),
            ("lounge:staff:a", "7 staff", None),
            ("lounge:staff:a", "7", 103),
            ("lounge:staff:a", "", 101),
            ("beacons:private:7", "", 103),
            ("$lounge:den", "7", 103),
            ("nowhere:a", "7", 102),
            ("lounge:with space", "7", 107),
        ],
    )
    async def test_the_channels_rule_decides(
        self, shared: House, channel: str, badge: str, code: int | None
    ) -> None:
        user = badge.partition(" ")[0]
        answer = await ask(shared, "subscribe", badge, user=user, channel=channel)
        sub = await ask(shared, "sub_refresh", badge, user=user, channel=channel)
        if code is None:
            end = int(time.time()) + SUBSCRIPTION_SECONDS
            assert end - SECONDS < answer["result"]["expire_at"] <= end
            assert "expire_at" in sub["result"]
        else:
            assert answer["error"]["code"] == code
            # Whoever may subscribe no more has no subscription any more, without an error.
            assert sub == {"result": {"expired": True}} or code == 107


class TestIdentity:
    async def may_enter(self, house: House, badge: str = "", **question: Any) -> Any:
        return await ask(house, "subscribe", badge, channel="lounge:staff:a", **question)

    async def test_a_connection_by_token_is_the_user_of_the_token(self, house: House) -> None:
        await house.add_user(8, is_staff=True)
        assert "result" in await self.may_enter(house, user="8")
        assert (await self.may_enter(house, user="7"))["error"]["code"] == 103
        # Whoever's cookie came with the handshake: the token counts more.
        assert "result" in await self.may_enter(house, "7", user="8")
        assert (await self.may_enter(house, "7 staff", user="8"))["result"]

    async def test_the_handshake_of_the_same_user_counts(self, house: House) -> None:
        await house.add_user(8, is_staff=True)
        # An API key, whose owner may more than it.
        assert (await self.may_enter(house, "8", user="8"))["error"]["code"] == 103

    @pytest.mark.parametrize("user", ["9", "x", "-7", "7" * 30, "\u0667"])
    async def test_a_user_that_is_not_there_is_sent_away(self, shared: House, user: str) -> None:
        answer = await self.may_enter(shared, user=user)
        assert answer == {"disconnect": {"code": 3500, "reason": "invalid token"}}
        assert await result(shared, "refresh", user=user) == {"expired": True}

    async def test_a_disabled_user_is_sent_away(self, house: House) -> None:
        assert "expire_at" in await result(house, "refresh", user="7")
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(update(django_tables.users).values(is_active=False))
        house.platform.broker.publish(Revocation(user_id=7))
        assert await result(house, "refresh", user="7") == {"expired": True}

    @pytest.mark.parametrize("end", [log_out, change_password])
    async def test_a_token_says_nothing_after_the_end_of_the_session_that_asked_for_it(
        self, house: House, end: Callable[[House, str], Awaitable[None]]
    ) -> None:
        tokens = house.platform.tokens

        async def of_login(key: str) -> Any:
            token = tokens.connection(await add_session(house, key))
            # All that Centrifugo passes on of it.
            return {"user": "7", "meta": tokens.read_connection(token).meta}

        given, other = await of_login("key-of-a-session"), await of_login("another-key")
        assert "expire_at" in await result(house, "refresh", **given)
        await end(house, "key-of-a-session")
        channel = "lounge:den"
        assert await result(house, "refresh", **given) == {"expired": True}
        assert await result(house, "sub_refresh", **given, channel=channel) == {"expired": True}
        assert await ask(house, "subscribe", **given, channel=channel) == {
            "disconnect": {"code": 3500, "reason": "invalid token"}
        }
        stays = end is log_out
        assert ("expire_at" in await result(house, "refresh", **other)) is stays

    async def test_a_session_that_another_installation_names_is_none(self, house: House) -> None:
        given: Any = {"user": "7", "meta": {"credential": "a", "session": "gAAAAAB-forged"}}
        assert await result(house, "refresh", **given) == {"expired": True}

    async def test_a_login_that_is_over_is_nobody_and_not_the_user(self, house: House) -> None:
        await house.add_user(8, is_staff=True)
        # Accepted by its cookie, which means nothing any more.
        given: Any = {"user": "8", "meta": HANDSHAKE}
        answer = await self.may_enter(house, **given)
        assert answer == {"disconnect": {"code": 3500, "reason": "credential revoked"}}
        assert await result(house, "refresh", **given) == {"expired": True}
        assert await result(house, "sub_refresh", **given, channel="lounge:den") == {
            "expired": True
        }
        assert "expire_at" in await result(house, "refresh", "8", **given)

    @pytest.mark.parametrize("meta", [None, [], 7, "x", {"handshake": 1}, {"credential": []}])
    async def test_the_meta_of_a_token_may_be_anything(self, shared: House, meta: Any) -> None:
        assert "expire_at" in await result(shared, "refresh", user="7", meta=meta)


class TestRpc:
    async def test_a_function_is_called_and_its_answer_returned(self, shared: House) -> None:
        answer = await result(shared, "rpc", method="lounge:echo", data={"letters": 3})
        assert answer == {"data": {"letters": 3}}
        data = base64.b64encode(b'{"letters": 4}').decode()
        answer = await result(shared, "rpc", method="lounge:echo", b64data=data)
        assert answer == {"data": {"letters": 4}}

    async def test_a_function_without_an_answer_has_an_empty_result(self, house: House) -> None:
        assert await result(house, "rpc", "7 staff", user="7", method="lounge:clear") == {}

    async def test_refusals_are_those_of_the_socket(self, shared: House) -> None:
        assert await error(shared, "rpc", "7", user="7", method="lounge:clear") == 103
        assert await error(shared, "rpc", method="lounge:nothing") == 108
        assert await error(shared, "rpc", method="lounge:echo", data={"letters": -1}) == 107
        assert await error(shared, "rpc", method="lounge:echo") == 107


class TestPublish:
    DEN = "lounge:den"

    @pytest.fixture
    async def graduated(self, house: House) -> House:
        url = house.platform.settings.database_url
        create_tables(url)
        async with house.platform.database.engine.begin() as connection:
            await connection.run_sync(streams.graduate, {}, kept=timedelta(hours=1))
        return house

    async def test_what_is_published_is_a_row_an_event_and_an_entry_once(
        self, graduated: House
    ) -> None:
        house = graduated
        given = {"user": "7", "channel": self.DEN, "data": {"text": "hello"}}
        answer = await result(house, "publish", "7", **given)
        # Which Centrifugo's stream has already, so that it publishes nothing itself.
        assert answer == {"version": streams.VERSION, "version_epoch": streams.VERSION_EPOCH}
        assert await remarks(house) == [("den", "hello", 7)]
        _, _, rows = read_history(house.platform.settings.database_url, self.DEN)
        (told,) = [json.loads(bytes(row[2])) for row in rows]
        assert told == {"type": "remarked", "text": "hello", "author_id": 7}
        async with house.platform.open_unit(read_only=True) as unit:
            entries = await unit.session.scalars(select(AuditEntry))
            assert [(each.table_name, each.kind) for each in entries] == [
                ("lounge_remark", "insert")
            ]

    async def test_what_is_refused_leaves_nothing(self, graduated: House) -> None:
        house = graduated
        for badge, text, code in (
            ("7", "forbidden", 103),
            ("7", "broken", 100),
            ("7", "", 107),
            ("", "hello", 101),
        ):
            given = {"user": badge, "channel": self.DEN, "data": {"text": text}}
            assert await error(house, "publish", badge, **given) == code
        closed = {"user": "7", "channel": "lounge:closed", "data": {"text": "hello"}}
        assert await error(house, "publish", "7", **closed) == 103
        assert await error(house, "publish", "7", user="7", channel="beacons:lit:a", data=1) == 108
        assert await error(house, "publish", "7", user="7", channel=self.DEN) == 107
        assert await remarks(house) == []
        assert read_history(house.platform.settings.database_url, self.DEN)[2] == []

    async def test_an_ephemeral_publication_has_a_position_there(self, graduated: House) -> None:
        house = graduated
        channel = "lounge:typing:den"
        answer = await result(house, "publish", "7", user="7", channel=channel, data={"letters": 2})
        assert answer["version"] == streams.VERSION
        top, _, rows = read_history(house.platform.settings.database_url, channel)
        assert (top, bytes(rows[0][2]), rows[0][4:6]) == (1, b'{"letters": 2}', ("c1", "7"))
        refused = {"user": "7", "channel": channel, "data": {"letters": 0}}
        assert await error(house, "publish", "7", **refused) == 103
        assert read_history(house.platform.settings.database_url, channel)[0] == 1

    async def test_with_the_consumer_only_what_is_ephemeral_is_accepted(
        self, empty_database_url: str
    ) -> None:
        async with house_at(empty_database_url, **SETTINGS, centrifugo_source="outbox") as house:
            given: Any = {"channel": "lounge:typing:den", "data": {"letters": 2}}
            assert await result(house, "publish", **given) == {"skip_history": True}
            said = {"user": "7", "channel": self.DEN, "data": {"text": "hello"}}
            assert await error(house, "publish", "7", **said) == 108
            assert await remarks(house) == []
