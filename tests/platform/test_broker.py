"""The broker: every receiver is called, none harms another, and messages survive as bytes."""

import asyncio
import logging
import threading
from typing import get_args

import msgspec
import pytest

from trivet.broker import Message, MessagesMissed
from trivet.delivery.brokers.memory import MemoryBroker
from trivet.delivery.brokers.peers import Announcement
from trivet.delivery.controls import (
    ChannelPush,
    ClientControl,
    ClientFrame,
    EphemeralPublication,
    Survey,
    SurveyAnswer,
)
from trivet.delivery.messages import AnyMessage, Envelope, UndecodableMessage, decode, encode
from trivet.events.wake_up import WakeUp
from trivet.identity import Revocation, RevocationScope

MESSAGES: list[AnyMessage] = [
    WakeUp({}),
    WakeUp({"shelves:north": 1, "länger:ein Wort mit „Zeichen“": 2**62}),
    MessagesMissed(),
    Announcement(),
    Announcement(is_leaving=True),
    Revocation(user_id=7),
    Revocation(user_id=7, kind="session", scope=RevocationScope.GRANTS),
    Revocation(credential_id="tvt_1a2b", kind="key"),
    ClientControl("disconnect", '{"user":"7"}'),
    ClientFrame("node-2", "session", '{"id":1,"ping":{}}'),
    ChannelPush(channel="lounge:den", node="node-2", frame="{}"),
    EphemeralPublication(channel="lounge:den", node="node-2", data='"é"'),
    Survey("node-2", "1", "channels", '{"pattern":"*"}'),
    SurveyAnswer("node-2", "1", '{"channels":{}}'),
    EphemeralPublication(
        channel="lounge:den", node="node-2", data="1", tags='{"a":"1"}', publisher='{"user":"7"}'
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_a_message_is_the_same_after_a_way_as_bytes(message: AnyMessage) -> None:
    assert decode(encode(message, sender="node-1")) == Envelope("node-1", message)


def test_the_table_of_messages_has_every_kind() -> None:
    assert {type(message) for message in MESSAGES} == set(get_args(AnyMessage))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"sender": "a"}',
        b'{"sender": "a", "message": {"type": "of-tomorrow"}}',
        b'{"sender": "a", "message": {"type": "revocation"}}',
        b'{"sender": "a", "message": {"type": "revocation", "user_id": "seven"}}',
        b'{"sender": "a", "message": {"type": "wake-up", "offsets": {"c": 1.5}}}',
    ],
)
def test_bytes_that_are_no_message_are_refused_with_one_error(encoded: bytes) -> None:
    with pytest.raises(UndecodableMessage):
        decode(encoded)


def test_a_field_of_a_later_version_is_ignored() -> None:
    encoded = b'{"sender":"a","hops":1,"message":{"type":"wake-up","offsets":{"c":1},"new":[]}}'
    assert decode(encoded) == Envelope("a", WakeUp({"c": 1}))


def test_a_message_that_no_process_could_decode_is_not_encoded() -> None:
    class Unlisted(Message, frozen=True, tag="unlisted"):
        pass

    with pytest.raises(TypeError, match="Unlisted is not listed"):
        encode(Unlisted(), sender="node-1")


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_a_message_cannot_be_changed(message: AnyMessage) -> None:
    with pytest.raises(AttributeError):
        setattr(message, next((each.name for each in msgspec.structs.fields(message)), "x"), None)


def test_a_receiver_that_fails_harms_neither_the_others_nor_the_publisher(
    caplog: pytest.LogCaptureFixture,
) -> None:
    received: list[WakeUp] = []

    def fail(_message: WakeUp) -> None:
        raise ZeroDivisionError

    broker = MemoryBroker()
    for receiver in (fail, received.append, fail, received.append):
        broker.subscribe(WakeUp, receiver)
    with caplog.at_level(logging.ERROR):
        broker.publish(WakeUp({"shelves:north": 1}))
    assert received == [WakeUp({"shelves:north": 1})] * 2
    assert [record.message for record in caplog.records] == ["a receiver of WakeUp failed"] * 2


def test_a_receiver_gets_its_own_kind_and_nothing_after_it_has_left() -> None:
    broker = MemoryBroker()
    received: list[Message] = []
    leave_one = broker.subscribe(Revocation, received.append)
    leave_other = broker.subscribe(Revocation, received.append)
    broker.publish(WakeUp({"shelves:north": 1}))
    broker.publish(Revocation(user_id=1))
    leave_one()
    leave_one()  # again, which must not end the other one
    broker.publish(Revocation(user_id=2))
    leave_other()
    broker.publish(Revocation(user_id=3))
    assert received == [Revocation(user_id=1)] * 2 + [Revocation(user_id=2)]


def test_a_receiver_may_leave_while_it_is_being_called() -> None:
    broker = MemoryBroker()
    received: list[str] = []

    def once(_message: WakeUp) -> None:
        received.append("once")
        leave()

    leave = broker.subscribe(WakeUp, once)
    broker.subscribe(WakeUp, lambda _message: received.append("always"))
    broker.publish(WakeUp({}))
    broker.publish(WakeUp({}))
    assert received == ["once", "always", "always"]


@pytest.mark.anyio
async def test_messages_from_many_threads_reach_every_receiver_once() -> None:
    broker = MemoryBroker()
    lock = threading.Lock()
    received: list[int] = []

    def receive(message: Revocation) -> None:
        with lock:
            received.append(message.user_id or 0)

    def publish(first: int) -> None:
        for number in range(first, first + 200):
            broker.subscribe(WakeUp, lambda _message: None)()  # others come and go meanwhile
            broker.publish(Revocation(user_id=number))

    broker.subscribe(Revocation, receive)
    await asyncio.gather(*(asyncio.to_thread(publish, 1000 * thread) for thread in range(8)))
    assert sorted(received) == [1000 * t + n for t in range(8) for n in range(200)]
