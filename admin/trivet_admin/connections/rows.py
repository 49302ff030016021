"""What the pages of connections show, in words and numbers for people."""

import glob
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.template.defaultfilters import filesizeformat

from trivet.delivery.connection_states import ConnectionState, ProcessState, SubscriptionState
from trivet.delivery.connections import ChannelOverview
from trivet.events.outbox import ChannelTop

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def process_row(process: ProcessState) -> dict[str, Any]:
    """One process."""
    return {
        "node": process.node,
        "name": f"{process.host}:{process.pid}",
        "serves_for": _duration(process.uptime_seconds),
        "connections": process.connections,
        "users": process.users,
        "subscriptions": process.subscriptions,
        "channels": process.channels,
        "waiting": filesizeformat(process.waiting_bytes),
        "relay": _relay(process),
        "relay_is_well": not process.relay_failures,
        "broker": _broker(process),
        "broker_is_well": process.broker_is_connected,
    }


def _relay(process: ProcessState) -> str:
    if process.relay_failures:
        return f"cannot read the database ({process.relay_failures} times in a row)"
    if process.relay_lag_seconds is None:
        return "has delivered nothing yet"
    return f"delivers after {_lag(process.relay_lag_seconds)}"


def _broker(process: ProcessState) -> str:
    if not process.broker_is_connected:
        return f"{process.broker}, away"
    if process.broker_lag_seconds is None:
        return process.broker
    return f"{process.broker}, {_lag(process.broker_lag_seconds)}"


def names_of(processes: Iterable[ProcessState]) -> dict[str, str]:
    """What people call the processes, by their names at the broker: machine and number."""
    return {each.node: f"{each.host}:{each.pid}" for each in processes}


def connection_row(connection: ConnectionState, names: Mapping[str, str]) -> dict[str, Any]:
    """One connection, with its process by one of `names`."""
    return {
        "client": connection.client,
        "short": connection.client[:8],
        "user": connection.user,
        "username": connection.username,
        "credential": connection.credential,
        "process": names.get(connection.node, connection.node),
        "since": datetime.fromtimestamp(connection.since, UTC),
        "subscriptions": connection.subscriptions,
        "frames": connection.waiting_frames,
        "waiting": filesizeformat(connection.waiting_bytes),
        "behind": connection.behind,
        "is_slow": bool(connection.behind or connection.waiting_frames),
    }


def channel_row(channel: ChannelOverview) -> dict[str, Any]:
    """One channel in all processes."""
    return {
        "name": channel.channel,
        # A name is no pattern, though it may hold the signs of one.
        "pattern": glob.escape(channel.channel),
        "subscribers": channel.subscribers,
        "slow": channel.slow,
        "offset": channel.offset,
        "last_at": channel.last_at,
        "behind": channel.behind,
    }


def subscription_row(
    subscription: SubscriptionState, tops: Mapping[str, ChannelTop]
) -> dict[str, Any]:
    """One subscription of a connection, beside where its channel stands."""
    top = tops.get(subscription.channel)
    offset = 0 if top is None else top.offset
    sent = subscription.offset
    return {
        "name": subscription.channel,
        "pattern": glob.escape(subscription.channel),
        "sent": sent,
        "offset": offset,
        # What was committed after the process answered is sent meanwhile.
        "behind": None if sent is None else max(0, offset - sent),
        "last_at": None if top is None else top.last_at,
    }


def _lag(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _duration(seconds: float) -> str:
    """A time in its two largest units."""
    left, parts = int(seconds), []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2]) or f"{left} s"
