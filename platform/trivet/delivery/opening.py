"""The broker that the settings name."""

import asyncio
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from trivet.broker import Broker
from trivet.delivery.brokers.link import Parcel, To
from trivet.delivery.brokers.memory import NODE_BYTES, MemoryBroker
from trivet.observation import BrokerMeasured
from trivet_settings import Settings

if TYPE_CHECKING:
    from trivet.delivery.brokers.link import Carrier

_MARK_DIGITS = 12
FAULT_SECONDS = 5.0
"""How long a check waits for a service."""


def open_broker(settings: Settings) -> Broker:
    """A broker that is not connected yet."""
    if settings.broker_address == "memory":
        return MemoryBroker()
    # Only here, so that a process loads no driver that it does not need.
    from trivet.delivery.brokers.shared import SharedBroker

    node = secrets.token_hex(NODE_BYTES)
    return SharedBroker(_carrier(settings, node), node)


def _carrier(settings: Settings, node: str) -> "Carrier":
    from trivet.delivery.brokers.sealed import sealed

    address, mark = settings.broker_address, mark_of(settings)
    if address == "postgresql":
        from trivet.delivery.brokers.postgresql import carry_by_postgresql

        url = settings.direct.database_url
        carrier = carry_by_postgresql(url, installation=mark, node=node)
    else:
        from trivet.delivery.brokers.redis import carry_by_redis

        carrier = carry_by_redis(address, installation=mark, node=node)
    return sealed(carrier, _derive(settings, b"trivet broker seal"))


async def find_broker_fault(settings: Settings) -> tuple[str, str]:
    """The address of the service that carries messages, and what keeps it from that; empty if a
    message came back. It is not for settings without such a service."""
    node = secrets.token_hex(NODE_BYTES)
    carrier = _carrier(settings, node)
    link, returned = carrier.open(), asyncio.Event()
    try:
        async with asyncio.timeout(FAULT_SECONDS):
            await link.open(lambda _body: returned.set())
            await link.send([Parcel(To.NODE, node, b"check")])
            running = asyncio.ensure_future(link.run())
            await returned.wait()
            running.cancel()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        return carrier.address, carrier.explain(error)
    finally:
        await link.close()
    return carrier.address, ""


def measure_broker(broker: Broker) -> BrokerMeasured:
    """The state of `broker` as an event for observers."""
    state = broker.state
    return BrokerMeasured(
        state.kind,
        is_connected=state.is_connected,
        lag_seconds=state.lag_seconds,
        failures=state.failures,
        sent=state.sent,
        received=state.received,
    )


def mark_of(settings: Settings) -> str:
    """The mark of this installation in the names of a broker: two that share a server do not hear
    of each other. It says nothing about the secret key."""
    return _derive(settings, b"trivet broker").hex()[:_MARK_DIGITS]


def _derive(settings: Settings, purpose: bytes) -> bytes:
    return hmac.digest(settings.secret_key.get_secret_value().encode(), purpose, hashlib.sha256)
