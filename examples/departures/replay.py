"""The week once more: every movement reported through the API, as it happened, only faster.

A client like any airline's system: it has a URL and a key, nothing of the server's. It
asks the boards how far the week has come, reports again what came before (the server
knows those by their ids), and goes on from there. Hours in which nothing happens are
skipped. Reports that the server refuses, because staff cancelled the flight meanwhile,
are dropped as an airline would drop them, and the others are sent again without them.

    TRIVET_KEY=tvt_… python -m departures.replay http://localhost:8000 --speed 60
"""

import asyncio
import datetime as dt
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import httpx2
import typer

from departures.history import list_movements
from departures.services import FlightKey, MovementReport
from departures.services.movements import BATCH_MAX
from departures.timetable import DATA

SPEED = 60.0
"""An hour a minute: every board turns a line each second or two, and a day lasts 24 minutes."""
START = dt.datetime(2013, 2, 4, 12, 0, tzinfo=dt.UTC)
"""Seven in the morning in New York, the first rush hour of the week."""
AIRPORT = "JFK"
TICK_SECONDS = 1.0
DULL_SECONDS = 3.0
"""A pause of the replay that is longer than this is skipped."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
_INDEX = re.compile(r"/(\d+)/")
Say = Callable[[str], None]


class ReplayError(Exception):
    """The server does not let us report; the message says why."""


async def replay_week(
    url: str,
    key: str,
    *,
    speed: float = SPEED,
    start: dt.datetime = START,
    data: Path = DATA,
    say: Say = lambda _line: None,
) -> None:
    """Report the week to the server at `url`, `speed` times as fast as it happened.

    `start` (aware) is where the first replay begins; a later one continues where the boards
    stand. `say` gets each message. Returns at the end of the week, and raises ReplayError if
    the server refuses the key. During an outage of the server the replay waits.
    """
    # Reading the files takes a second, and the loop may be the server's too.
    movements = await asyncio.to_thread(list_movements, data)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        reporter = _Reporter(client, say)
        begin = max(start, await reporter.as_of())
        done = sum(movement.at <= begin for movement in movements)
        await reporter.report(movements[:done])
        say(f"Replaying from {_words(begin)}, {speed:g} times as fast as it happened.")
        await _follow(movements[done:], begin, speed, reporter)
    say("The week is over: every flight has landed or was cancelled, and the replay has ended.")


async def _follow(
    movements: Sequence[MovementReport], begin: dt.datetime, speed: float, reporter: "_Reporter"
) -> None:
    now, position = begin, 0
    while position < len(movements):
        dull = dt.timedelta(seconds=DULL_SECONDS * speed)
        now = max(now, movements[position].at - dull)
        ticked = monotonic()
        await asyncio.sleep(TICK_SECONDS)
        # The time that reporting takes, and an outage, stop the clock instead of making it jump.
        now += dt.timedelta(seconds=(monotonic() - ticked) * speed)
        due = position
        while due < len(movements) and movements[due].at <= now:
            due += 1
        await reporter.report(movements[position:due])
        position = due


class _Reporter:
    """An airline's system: sends reports until they are taken or refused."""

    def __init__(self, client: httpx2.AsyncClient, say: Say) -> None:
        self._client = client
        self._say = say

    async def as_of(self) -> dt.datetime:
        """The time at which the boards stand; it is the same for all of them."""
        answer = await self._send("GET", f"/api/departures/board/{AIRPORT}")
        if answer.is_error:
            raise ReplayError(f"There is no board to replay on: {_reason(answer)}")
        return dt.datetime.fromisoformat(answer.json()["as_of"])

    async def report(self, movements: Sequence[MovementReport]) -> None:
        """Report `movements`, oldest first; what the server refuses is dropped."""
        for begin in range(0, len(movements), BATCH_MAX):
            batch = list(movements[begin : begin + BATCH_MAX])
            while batch:
                batch = await self._report_batch(batch)

    async def _report_batch(self, batch: list[MovementReport]) -> list[MovementReport]:
        """The rest to be sent: nothing, or the batch without the refused movements."""
        body = [_json(movement) for movement in batch]
        answer = await self._send("POST", "/api/departures/movements", body)
        if answer.is_success:
            return []
        refused = _refused(answer)
        if not refused:
            raise ReplayError(f"The server does not take our reports: {_reason(answer)}")
        for index in sorted(refused):
            self._say(f"Refused: {batch[index].id}, {refused[index]}")
        return [movement for index, movement in enumerate(batch) if index not in refused]

    async def _send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """The server's answer, however long it takes to get one."""
        for failures in range(2**31):
            try:
                answer = await self._client.request(method, path, json=body)
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                trouble = _reason(answer)
            if failures == 0:
                self._say(f"The server does not answer as it should ({trouble}); trying again.")
            await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
        raise AssertionError("unreachable in a lifetime")


def _json(movement: MovementReport) -> dict[str, Any]:
    key = movement.flight
    assert isinstance(key, FlightKey), "an airline knows its flights by their own names"
    body: dict[str, Any] = {
        "id": movement.id,
        "kind": movement.kind.value,
        "flight": {
            "carrier": key.carrier,
            "number": key.number,
            "scheduled_departure": key.scheduled_departure.isoformat(),
        },
        "at": movement.at.isoformat(),
    }
    return body if movement.minutes is None else {**body, "minutes": movement.minutes}


def _refused(answer: httpx2.Response) -> dict[int, str]:
    """The items that the answer names as offending, each with what is wrong."""
    if answer.status_code not in (409, 422):
        return {}
    errors = answer.json().get("errors", [])
    found = ((_INDEX.match(error["pointer"]), error["detail"]) for error in errors)
    return {int(index[1]): detail for index, detail in found if index}


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError):
        return f"status {answer.status_code}"


def _words(instant: dt.datetime) -> str:
    return f"{instant:%A %d %B %Y, %H:%M} UTC"


def main(
    url: Annotated[str, typer.Argument(help="Where the server is.")] = "http://localhost:8000",
    *,
    key: Annotated[str, typer.Option(envvar="TRIVET_KEY", help="An API key.")],
    speed: Annotated[float, typer.Option(min=1, help="Times as fast as it happened.")] = SPEED,
) -> None:
    """Report the week's movements to a server, as the airlines' systems would."""
    try:
        asyncio.run(replay_week(url, key, speed=speed, say=typer.echo))
    except ReplayError as error:
        raise typer.Exit(_complain(error)) from error


def _complain(error: ReplayError) -> int:
    typer.echo(str(error), err=True)
    return 1


if __name__ == "__main__":
    typer.run(main)
