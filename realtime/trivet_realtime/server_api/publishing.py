"""The commands that publish."""

from collections.abc import Sequence

from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Database

from trivet.events import outbox
from trivet.events.outbox import IDEMPOTENCY_KEY_CHARACTERS
from trivet.identity import Identity
from trivet.identity.tokens import InvalidToken, decode_base64
from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.credentials import read_json
from trivet_realtime.protocol import Json
from trivet_realtime.publishing import (
    ephemeral_publication,
    new_publication,
    record_publication,
)
from trivet_realtime.server_api.call import Call
from trivet_realtime.server_api.messages import (
    BroadcastCommand,
    BroadcastResult,
    Error,
    PublishCommand,
    PublishResponse,
    PublishResult,
)

MOST_CHANNELS = 1000
"""Channels of one broadcast, which is one transaction."""


async def publish(call: Call, command: PublishCommand) -> PublishResult:
    """Publish to one channel."""
    call.hub.rules.find_namespace(command.channel)
    (result,) = await _publish(call, [command.channel], command)
    return result


async def broadcast(call: Call, command: BroadcastCommand) -> BroadcastResult:
    """Publish to several channels, in one transaction. A channel that cannot be has its error."""
    if not command.channels:
        raise CommandError(codes.BAD_REQUEST)
    if len(command.channels) > MOST_CHANNELS:
        raise CommandError(codes.LIMIT_EXCEEDED)
    errors: dict[int, Error] = {}
    good = []
    for number, channel in enumerate(command.channels):
        try:
            call.hub.rules.find_namespace(channel)
            good.append(channel)
        except CommandError as error:
            errors[number] = Error(error.code.code, error.code.message)
    results = iter(await _publish(call, good, command))
    return BroadcastResult(
        [
            PublishResponse(error=errors[number])
            if number in errors
            else PublishResponse(result=next(results))
            for number in range(len(command.channels))
        ]
    )


async def _publish(
    call: Call, channels: Sequence[str], command: PublishCommand | BroadcastCommand
) -> list[PublishResult]:
    data = data_of(command)
    if len(command.idempotency_key) > IDEMPOTENCY_KEY_CHARACTERS:
        raise CommandError(codes.BAD_REQUEST)
    if command.skip_history:
        for channel in channels:
            call.hub.publish_ephemeral(ephemeral_publication(channel, data, tags=command.tags))
        return [PublishResult() for _ in channels]
    try:
        return await _store(call, channels, data, command)
    except IntegrityError:
        # Another process was faster with the same key. Now it is there to be found.
        return await _store(call, channels, data, command)


async def _store(
    call: Call,
    channels: Sequence[str],
    data: Json,
    command: PublishCommand | BroadcastCommand,
) -> list[PublishResult]:
    known: dict[str, int] = {}
    key = command.idempotency_key

    def record(db: Database, actor: Identity) -> None:
        for channel in dict.fromkeys(channels) if key else channels:
            found = outbox.find_by_key(db, channel, key) if key else None
            if found is not None:
                known[channel] = found.offset
            else:
                new = new_publication(channel, data, tags=command.tags, idempotency_key=key)
                record_publication(db, actor, new)

    async with call.open_unit() as unit:
        await unit.run(record)
    reached = {**unit.published, **known}
    async with call.open_unit(read_only=True) as unit:
        positions = await unit.run(lambda db, _actor: outbox.positions(db, channels))
    return [PublishResult(reached[channel], positions[channel].epoch) for channel in channels]


def data_of(command: PublishCommand | BroadcastCommand) -> Json:
    """The JSON that is published. Raises CommandError (107) if there is none."""
    data = command.data
    if command.b64data:
        try:
            data = read_json(decode_base64(command.b64data))
        except InvalidToken as error:
            raise CommandError(codes.BAD_REQUEST) from error
    if data is UNSET:
        raise CommandError(codes.BAD_REQUEST)
    return data
