"""Bodies of JSON, as Starlette's requests keep them: whoever asks Starlette gets the same."""

from collections.abc import Iterator

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from trivet_api.json_body import JsonRequest, MalformedJsonError

pytestmark = pytest.mark.anyio


def request_of(*messages: Message) -> JsonRequest:
    waiting: Iterator[Message] = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return JsonRequest({"type": "http", "method": "POST", "headers": []}, receive)


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


WAYS = {
    "in one message": [part(b'{"a": 1}', more=False)],
    "in two messages": [part(b'{"a":', more=True), part(b" 1}", more=False)],
    "with an empty end": [part(b'{"a": 1}', more=True), part(b"", more=False)],
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_body_that_was_read_is_starlettes_too(way: str) -> None:
    request = request_of(*WAYS[way])
    assert await request.body() == b'{"a": 1}'
    assert b"".join([each async for each in request.stream()]) == b'{"a": 1}'
    assert await Request.body(request) == b'{"a": 1}'
    value = await request.json()
    assert value == {"a": 1}
    assert await Request.json(request) is value


async def test_a_body_that_somebody_has_streamed_is_not_waited_for_again() -> None:
    request = request_of(*WAYS["in one message"])
    assert [each async for each in request.stream()] == [b'{"a": 1}', b""]
    with pytest.raises(RuntimeError, match="Stream consumed"):
        await request.body()


async def test_a_body_that_starlette_has_read_is_taken_as_it_is() -> None:
    request = request_of(*WAYS["in one message"])
    await Request.body(request)
    assert await request.body() == b'{"a": 1}'
    assert await request.json() == {"a": 1}


@pytest.mark.parametrize("before", [[], [part(b"{", more=True)]])
async def test_a_client_that_leaves_is_starlettes_error(before: list[Message]) -> None:
    with pytest.raises(ClientDisconnect):
        await request_of(*before, {"type": "http.disconnect"}).body()


async def test_what_is_no_json_is_said_with_its_reason() -> None:
    with pytest.raises(MalformedJsonError) as refused:
        await request_of(part(b"{", more=False)).json()
    assert refused.value.status_code == 400
    assert str(refused.value.detail).startswith("The body is no JSON: ")
