"""The broker that the settings name."""

import hashlib
import hmac
import secrets

from trivet.broker import Broker
from trivet.delivery.brokers.memory import NODE_BYTES, MemoryBroker
from trivet.observation import BrokerMeasured
from trivet_settings import Settings

_MARK_DIGITS = 12


def open_broker(settings: Settings) -> Broker:
    """A broker that is not connected yet."""
    address = settings.broker_address
    if address == "memory":
        return MemoryBroker()
    # Only here, so that a process loads no driver that it does not need.
    from trivet.delivery.brokers.shared import SharedBroker

    node, mark = secrets.token_hex(NODE_BYTES), mark_of(settings)
    if address == "postgresql":
        from trivet.delivery.brokers.postgresql import carry_by_postgresql

        url = settings.direct.database_url
        return SharedBroker(carry_by_postgresql(url, installation=mark, node=node), node)
    from trivet.delivery.brokers.redis import carry_by_redis

    return SharedBroker(carry_by_redis(address, installation=mark, node=node), node)


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
    key = settings.secret_key.get_secret_value().encode()
    return hmac.new(key, b"trivet broker", hashlib.sha256).hexdigest()[:_MARK_DIGITS]
