"""`trivet events`: what is published, read as it comes, or written by hand."""

import os
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivet_deploy.cli.console import json_option, print_json, say, stdout
from trivet_deploy.counted import counted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from trivet import Identity, Platform
    from trivet.events.outbox import Position

app = typer.Typer(help="Follow channels, and publish to them.", no_args_is_help=True)

_POSITION = re.compile(r"(\w{1,16}):(\d{1,18})")
NO_POSITION = "--from is no position. Write it as it is printed, EPOCH:OFFSET, like 5f0c1a2b:17"

Json = Annotated[bool, json_option("Print the result as JSON.")]


@app.command()
def tail(
    channels: Annotated[
        list[str], typer.Argument(help="One channel, or several.", show_default=False)
    ],
    *,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="EPOCH:OFFSET",
            help="Begin behind this publication, of one channel; as `events publish` prints it.",
        ),
    ] = "",
    last: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Begin with so many that are there already.")
    ] = 0,
) -> None:
    """Print publications as they are committed, each as one line of JSON, until Ctrl-C.

    They come in the order of their offsets, each once. An outage of the broker or the database
    makes them late, and loses none. What clients send without a row is not among them.
    """
    from trivet_deploy.tailing import follow
    from trivet_deploy.unit import run_with_platform
    from trivet_settings import load_settings

    position = _read_position(start) if start else None
    if position is not None and (last or len(set(channels)) > 1):
        raise typer.BadParameter("--from is about one channel, and goes without --last")

    async def run(platform: "Platform") -> None:
        await follow(platform, list(dict.fromkeys(channels)), position, last)

    run_with_platform(load_settings(), run, listens=True)


@app.command()
def publish(
    channel: Annotated[str, typer.Argument(help="The channel, such as departures:JFK.")],
    data: Annotated[str, typer.Argument(help="What is published, as JSON; - reads it from stdin.")],
    as_json: Json = False,
) -> None:
    """Publish to a channel, and print the position of the publication.

    It is a row, an entry of the audit trail and a message to all subscribers, like every change.
    """
    from trivet.identity import system
    from trivet_deploy.channel_names import require_channel, rules_of
    from trivet_deploy.publishing import publication_of
    from trivet_deploy.unit import run_with_platform
    from trivet_realtime.publishing import record_publication
    from trivet_settings import load_settings

    settings = load_settings()
    given = sys.stdin.buffer.read() if data == "-" else os.fsencode(data)
    publication = publication_of(channel, given, most_bytes=settings.body_limit_bytes)

    def record(db: "Session", actor: "Identity") -> None:
        record_publication(db, actor, publication)

    async def run(platform: "Platform") -> "Position":
        from trivet.events.outbox import Position, positions

        require_channel(rules_of(platform.features), channel)
        async with platform.open_unit(actor=system("cli")) as unit:
            await unit.run(record)
        async with platform.open_unit(read_only=True) as reading:
            found = await reading.run(lambda db, _: positions(db, [channel]))
        return Position(found[channel].epoch, unit.published[channel])

    position = run_with_platform(settings, run)
    if as_json:
        print_json({"channel": channel, "epoch": position.epoch, "offset": position.offset})
    else:
        say(f"Published to {channel}. `trivet events tail {channel} --from …` goes on from here:")
        stdout.print(f"{position.epoch}:{position.offset}", highlight=False, soft_wrap=True)


@app.command()
def restart() -> None:
    """Begin a new life of every channel, after the database was restored from a copy.

    Clients hold positions that the copy has not reached, and that others would get. From now on
    they are told that they missed something, and load their state anew. Run it before the servers
    start, and with Centrifugo in front `trivet centrifugo graduate` after it.
    """
    from trivet.events.restarting import restart_channels
    from trivet.identity import system
    from trivet_deploy.unit import run_with_platform
    from trivet_settings import load_settings

    async def run(platform: "Platform") -> int:
        async with platform.open_unit(actor=system("cli")) as unit:
            return await unit.run(lambda db, _: restart_channels(db))

    number = run_with_platform(load_settings(), run)
    say(f"{counted(number, 'channel begins', 'channels begin')} a new life.")


def _read_position(text: str) -> Any:
    found = _POSITION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(NO_POSITION)
    from trivet.events.outbox import Position

    return Position(found[1], int(found[2]))
