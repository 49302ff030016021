"""The link through PostgreSQL: LISTEN and NOTIFY, on one connection of each process.

The connection goes to the server itself, because a pooler that lends it for one transaction would
lose the LISTEN. A message is sent by this connection after the commit that it reports, never in
the writer's transaction: a NOTIFY takes a lock at its commit that all notifiers of a database
share.

PostgreSQL wakes every listening process for each NOTIFY, whatever it listens to. So there is one
name for all processes and one for each, and none for a channel: the receivers compare
(docs/decisions/0082).
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from trivet.data.engine import async_url
from trivet.data.outages import find_outage
from trivet.delivery.brokers.link import Carrier, Link, Parcel, Receive, To
from trivet_settings.database_url import DatabaseUrl

PAYLOAD_BYTES = 7_900
"""A NOTIFY holds less than 8,000 bytes; a part's number comes before it."""
NAME_BYTES = 63
"""PostgreSQL refuses a longer name in a NOTIFY."""
PART_CHARACTERS = 1_900
"""At most four bytes each, so that a part fits."""
MOST_BYTES = 1024 * 1024
MORE, LAST = "+", "."

KEEP_ALIVE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "connect_timeout": "5",
}
"""A server that is gone without a word is noticed within seconds."""

_SEND = "SELECT pg_notify(name, body) FROM unnest(%s::text[], %s::text[]) AS parcel (name, body)"


def carry_by_postgresql(url: str, *, installation: str, node: str) -> Carrier:
    """The carrier through the database at `url`, which leads to the server itself."""
    name = f"trivet_{installation}"
    return Carrier(
        kind="postgresql",
        address=DatabaseUrl.parse(url).masked,
        open=lambda: PostgresLink(url, name=name, node=node),
        by_channel=False,
        most_bytes=MOST_BYTES,
        explain=_explain,
    )


class PostgresLink:
    """See `trivet.delivery.brokers.link.Link`. `name` is that of the installation."""

    def __init__(self, url: str, *, name: str, node: str) -> None:
        self._url = url
        self._name = name
        self._node = node
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._receive: Receive | None = None
        self._lock = asyncio.Lock()
        self._broken: asyncio.Future[None] | None = None
        self._socket = -1
        self._parts: dict[int, list[str]] = {}

    async def open(
        self,
        receive: Receive | None,
        watched: Collection[str] = (),  # noqa: ARG002  # channels have no names of their own here
    ) -> None:
        loop = asyncio.get_running_loop()
        self._receive, self._broken = receive, loop.create_future()
        address = async_url(self._url)
        _, options = PGDialect_psycopg().create_connect_args(address)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        self._connection = await psycopg.AsyncConnection.connect(
            **{**KEEP_ALIVE, "application_name": "trivet broker", **options}, autocommit=True
        )
        self._connection.prepare_threshold = None
        if receive is not None:
            self._connection.add_notify_handler(self._hear)
            for name in (self._name, f"{self._name}_{self._node}"):
                await self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(name)))
            # Kept, because a connection that breaks forgets it before the loop does.
            self._socket = self._connection.fileno()
            self._listen()

    async def send(self, parcels: Sequence[Parcel]) -> None:
        names: list[str] = []
        bodies: list[str] = []
        numbers = count()
        for parcel in parcels:
            name = f"{self._name}_{parcel.name}" if parcel.to is To.NODE else self._name
            if len(name.encode()) > NAME_BYTES or "\0" in name:
                # Nobody listens there, and the error would break the link, again and again.
                continue
            for payload in split(parcel.body.decode(), numbers):
                names.append(name)
                bodies.append(payload)
        async with self._lock:
            assert self._connection is not None
            # psycopg puts its own reader on the socket while it works.
            self._listen_no_more()
            await self._connection.execute(_SEND, (names, bodies))
            self._listen()

    async def watch(self, channels: Collection[str]) -> None:
        """What concerns a channel is sent to all."""

    async def unwatch(self, channels: Collection[str]) -> None:
        """What concerns a channel is sent to all."""

    async def check(self) -> None:
        """A server that becomes a standby ends its connections."""

    async def run(self) -> None:
        assert self._broken is not None
        await self._broken

    async def close(self) -> None:
        if self._broken is not None and self._broken.done() and not self._broken.cancelled():
            self._broken.exception()  # it was raised, or nobody needs it
        self._listen_no_more()
        self._socket = -1
        connection, self._connection = self._connection, None
        if connection is None or connection.closed:
            return
        with suppress(Exception):
            await connection.close()

    def _listen(self) -> None:
        if self._socket >= 0:
            asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _listen_no_more(self) -> None:
        if self._socket >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)

    def _read(self) -> None:
        """Take what has arrived. psycopg's own `notifies()` would hold the connection, and no
        message could be sent while it waits."""
        assert self._connection is not None
        assert self._broken is not None
        wire = self._connection.pgconn
        try:
            wire.consume_input()
            while (found := wire.notifies()) is not None:
                self._take(found.be_pid, found.extra.decode())
        except Exception as error:  # noqa: BLE001  # it is raised where the link is run
            self._listen_no_more()
            if not self._broken.done():
                self._broken.set_exception(error)

    def _hear(self, notice: psycopg.Notify) -> None:
        """What has arrived while a message was sent."""
        self._take(notice.pid, notice.payload)

    def _take(self, sender: int, payload: str) -> None:
        _, mark, text = partition(payload)
        parts = self._parts.setdefault(sender, [])
        parts.append(text)
        if mark == LAST:
            del self._parts[sender]
            if self._receive is not None:
                self._receive("".join(parts).encode())


def split(text: str, numbers: Iterator[int]) -> Iterator[str]:
    """The payloads that carry `text`; those of one transaction arrive together.

    Each begins with one of `numbers`, because PostgreSQL merges equal ones, and with ``+`` if the
    text goes on in the next one, or ``.``.
    """
    size = len(text) if len(text.encode()) <= PAYLOAD_BYTES else PART_CHARACTERS
    for at in range(0, max(len(text), 1), max(size, 1)):
        mark = LAST if at + size >= len(text) else MORE
        yield f"{next(numbers)}{mark}{text[at : at + size]}"


def partition(payload: str) -> tuple[str, str, str]:
    """A payload in its parts: the number, the mark and the text."""
    at = next(at for at, letter in enumerate(payload) if letter in (MORE, LAST))
    return payload[:at], payload[at], payload[at + 1 :]


def _explain(error: BaseException) -> str:
    outage = find_outage(error)
    if outage is not None:
        return outage.state
    if isinstance(error, TimeoutError):
        return "no answer in time"
    state = getattr(error, "sqlstate", None)
    # Not the driver's text: it may quote the address.
    return f"{type(error).__name__} ({state})" if state else type(error).__name__


_link: type[Link] = PostgresLink
