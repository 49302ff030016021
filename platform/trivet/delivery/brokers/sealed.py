"""A link whose bodies are sealed, so that a process takes them from its own installation alone.

Messages act: they end sockets, and carry commands of clients whose stream another process holds.
The server that carries them may be shared, and others may be allowed to publish there. A seal is
made with a key that is derived from the installation's secret key. What has none is dropped.
"""

import hashlib
import hmac
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from trivet.delivery.brokers.link import Carrier, Link, Parcel, Receive

logger = logging.getLogger(__name__)

SEAL_BYTES = 32
"""Hexadecimal digits of half a SHA-256, as text: NOTIFY carries nothing else."""


def sealed(carrier: Carrier, key: bytes) -> Carrier:
    """`carrier` with links that seal under `key` what they send, and drop what is not sealed so."""
    return replace(
        carrier,
        open=lambda: SealedLink(carrier.open(), key),
        most_bytes=carrier.most_bytes - SEAL_BYTES,
    )


class SealedLink:
    """See `trivet.delivery.brokers.link.Link`."""

    def __init__(self, link: Link, key: bytes) -> None:
        self._link = link
        self._key = key
        self._has_warned = False

    async def open(self, receive: Receive | None, watched: Collection[str] = ()) -> None:
        await self._link.open(None if receive is None else self._opening(receive), watched)

    async def send(self, parcels: Sequence[Parcel]) -> None:
        await self._link.send([replace(each, body=self._seal(each.body)) for each in parcels])

    async def watch(self, channels: Collection[str]) -> None:
        await self._link.watch(channels)

    async def unwatch(self, channels: Collection[str]) -> None:
        await self._link.unwatch(channels)

    async def check(self) -> None:
        await self._link.check()

    async def run(self) -> None:
        await self._link.run()

    async def close(self) -> None:
        await self._link.close()

    def _seal(self, body: bytes) -> bytes:
        digest = hmac.digest(self._key, body, hashlib.sha256)
        return digest[: SEAL_BYTES // 2].hex().encode() + body

    def _opening(self, receive: Receive) -> Callable[[bytes], None]:
        def open_body(sealed_body: bytes) -> None:
            body = sealed_body[SEAL_BYTES:]
            if hmac.compare_digest(self._seal(body), sealed_body):
                receive(body)
            elif not self._has_warned:
                self._has_warned = True  # once a connection: who sends one may send many
                logger.warning("a message was dropped: it is not of this installation")

        return open_body
