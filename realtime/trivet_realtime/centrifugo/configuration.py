"""Centrifugo's configuration, from our settings and the namespaces of the features.

It is made so that clients notice nothing: the same paths, the same names of channels, the same
tokens, the same bounds. What Centrifugo cannot do is in the notes, a sentence each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from trivet.errors import ConfigurationError
from trivet.identity.policy import Policy, authenticated, public
from trivet.identity.token_keys import derive, read_public_keys
from trivet_realtime.bounds import Bounds
from trivet_realtime.centrifugo import outbox, streams
from trivet_realtime.centrifugo.endpoint import SECRET_HEADER, require_whole
from trivet_realtime.centrifugo.streams import options_of
from trivet_realtime.channels import ChannelRules
from trivet_realtime.client_calls import ClientCalls
from trivet_realtime.codes import INVALID_TOKEN
from trivet_realtime.namespaces import PLAIN, Namespace
from trivet_settings import Settings

Options = dict[str, Any]

_FOR_EVER = "876000h"
"""A hundred years. A channel that Centrifugo forgot would get an epoch that we do not know."""
_LEAST_NAME = 2
"""Characters of a namespace's name there."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration, and what is not in it, in sentences."""

    options: Options
    notes: tuple[str, ...]


def configure(
    settings: Settings, rules: ChannelRules, calls: ClientCalls, *, address: str
) -> Configuration:
    """Make the configuration. `address` is ours, as Centrifugo reaches it (``http://trivet:8000``).

    Raises ConfigurationError if the settings do not provide for a Centrifugo.
    """
    if not settings.centrifugo_secret.get_secret_value():
        raise ConfigurationError(
            "no-centrifugo-secret",
            "Set TRIVET_CENTRIFUGO_SECRET, TRIVET_CENTRIFUGO_API_URL and "
            "TRIVET_CENTRIFUGO_API_KEY first: `trivet secret --print` makes secrets.",
        )
    require_whole(settings)
    made = _Making(settings, rules, calls, address.rstrip("/"))
    return Configuration(made.options(), tuple(made.notes()))


@dataclass(frozen=True, slots=True)
class _Making:
    settings: Settings
    rules: ChannelRules
    calls: ClientCalls
    address: str

    def options(self) -> Options:
        return {
            "client": self._client(),
            "channel": self._channels(),
            "rpc": self._rpc(),
            "http_api": {"key": self.settings.centrifugo_api_key.get_secret_value()},
            **_paths(self.settings),
            **self._source(),
        }

    def notes(self) -> Iterator[str]:
        for name, namespace in self._namespaces().items():
            yield from _notes_of(name, namespace)
        if self.calls.message is not None:
            yield "messages of clients (@message) are dropped there: let them call an rpc function"
        yield from self._notes_of_source()
        if len(self._personal()) > 1:
            listed = ", ".join(self._personal()[1:])
            yield f"clients with a token are not subscribed to their own channels of {listed}"
        if self.settings.allowed_origins:
            yield (
                "pages of TRIVET_ALLOWED_ORIGINS may not open sockets there: they would come with "
                "the visitor's cookies"
            )
        if self._keys() is None:
            yield (
                "a set of keys has to have an address there (client.token.jwks_public_endpoint), "
                "and then no other key is good: tokens of our own are not accepted"
            )

    def _namespaces(self) -> Mapping[str, Namespace]:
        return {name: self.rules.options.get(name, PLAIN) for name in self.rules.namespaces if name}

    def _personal(self) -> list[str]:
        return [name for name, namespace in self._namespaces().items() if namespace.personal]

    def _proxy(self, method: str) -> Options:
        secret = self.settings.centrifugo_secret.get_secret_value()
        dead = {"code": INVALID_TOKEN.code, "reason": INVALID_TOKEN.reason}
        return {
            "endpoint": f"{self.address}/ws/centrifugo/{method}",
            "timeout": "5s",
            "http_headers": ["cookie", "authorization"],
            "include_connection_meta": True,
            "http": {
                "static_headers": {SECRET_HEADER: secret},
                # An API key that is not good is refused before the question is read.
                "status_to_code_transforms": [{"status_code": 401, "to_disconnect": dead}],
            },
        }

    def _client(self) -> Options:
        settings, bounds = self.settings, Bounds()
        grace = f"{bounds.grace_seconds:g}s"
        client = {
            "proxy": {
                "connect": {"enabled": True, **self._proxy("connect")},
                "refresh": {"enabled": True, **self._proxy("refresh")},
            },
            "token": {
                "hmac_secret_key": settings.token_secret.get_secret_value() or derive(settings),
                "audience": settings.token_audience,
                **(self._keys() or {}),
            },
            "allowed_origins": list(settings.csrf_origins),
            "ping_interval": f"{settings.ping_seconds}s",
            "pong_timeout": f"{bounds.pong_seconds:g}s",
            "channel_limit": bounds.channels,
            "queue_max_size": bounds.queue_bytes,
            "stale_close_delay": f"{bounds.connect_seconds:g}s",
            "expired_close_delay": grace,
            "expired_sub_close_delay": grace,
            "history_max_publication_limit": bounds.publications,
            "recovery_max_publication_limit": bounds.publications,
        }
        if personal := self._personal():
            client["subscribe_to_user_personal_channel"] = {
                "enabled": True,
                "personal_channel_namespace": personal[0],
            }
        return client

    def _keys(self) -> Options | None:
        """The public keys that check tokens of others; None for a set of them."""
        path = self.settings.token_public_keys
        if not path:
            return {}
        text = Path(path).read_text("utf-8")
        if text.lstrip().startswith("{"):
            return None
        (key,) = read_public_keys(Path(path))
        kind = "rsa" if key.algorithms[0].startswith("RS") else "ecdsa"
        return {f"{kind}_public_key": text}

    def _channels(self) -> Options:
        kept = timedelta(hours=self.settings.history_hours)
        return {
            "proxy": {
                method: self._proxy(method) for method in ("subscribe", "publish", "sub_refresh")
            },
            "namespaces": [
                {"name": name, **_channel_options(namespace, kept, name in self.calls.publications)}
                for name, namespace in self._namespaces().items()
            ],
            "history_meta_ttl": _FOR_EVER,
            "max_length": 255,
            "private_prefix": "$",
            "namespace_boundary": ":",
            "user_boundary": "#",
            "user_separator": ",",
        }

    def _rpc(self) -> Options:
        names = sorted({method.partition(":")[0] for method in self.calls.methods})
        return {
            "proxy": self._proxy("rpc"),
            "namespaces": [{"name": name, "proxy_enabled": True} for name in names],
            "namespace_boundary": ":",
        }

    def _source(self) -> Options:
        address = self.settings.direct.database_url
        redis = {"redis": {"address": [self._redis()]}} if self._redis() else {}
        if self.settings.centrifugo_source == "outbox":
            consumer = {
                "dsn": address,
                "outbox_table_name": outbox.TABLE,
                "num_partitions": outbox.PARTITIONS,
                "partition_poll_interval": "100ms",
            }
            named = {"name": "trivet", "enabled": True, "type": "postgresql"}
            engine = {"engine": {"type": "redis", **redis}} if redis else {}
            return {**engine, "consumers": [{**named, "postgresql": consumer}]}
        days = int(self.settings.history_hours // 24) + 2
        database = {"dsn": address, "table_prefix": streams.PREFIX, "use_notify": True}
        stream = {**database, "binary_data": True, "partition_retention_days": days}
        presence = {"enabled": True, "type": "redis", **redis}
        return {
            "broker": {"enabled": True, "type": "postgres", "postgres": stream},
            "controller": {"enabled": True, "type": "postgres", "postgres": database},
            **({"presence_manager": presence} if redis else {}),
        }

    def _redis(self) -> str:
        address = self.settings.broker_address
        return "" if address in ("memory", "postgresql") else address

    def _notes_of_source(self) -> Iterator[str]:
        is_outbox = self.settings.centrifugo_source == "outbox"
        if not self._redis():
            what = "publications reach one node alone" if is_outbox else "presence is each node's"
            yield f"several nodes of Centrifugo need a Redis (TRIVET_BROKER), or {what}"
        if is_outbox and any(
            not each.ephemeral for listed in self.calls.publications.values() for each in listed
        ):
            yield (
                "what clients publish to functions that write rows is refused (108): "
                "TRIVET_CENTRIFUGO_SOURCE=stream accepts it"
            )


def _paths(settings: Settings) -> Options:
    """The paths at which clients look for us."""
    return {
        "websocket": {
            "handler_prefix": "/ws",
            "message_size_limit": settings.message_limit_bytes,
        },
        "http_stream": {"enabled": True, "handler_prefix": "/ws/http_stream"},
        "sse": {"enabled": True, "handler_prefix": "/ws/sse"},
        "emulation": {"handler_prefix": "/ws/emulation"},
    }


def _channel_options(namespace: Namespace, kept: timedelta, takes_publications: bool) -> Options:
    size, seconds = options_of(namespace, kept)
    return {
        "presence": namespace.presence,
        "join_leave": namespace.join_leave,
        "force_push_join_leave": namespace.join_leave,
        "history_size": size,
        "history_ttl": f"{seconds}s",
        "force_positioning": True,
        "force_recovery": True,
        "allowed_delta_types": ["fossil"] if namespace.delta else [],
        "delta_publish": namespace.delta,
        "allow_tags_filter": namespace.tags_filter,
        "allow_user_limited_channels": namespace.user_limited,
        "subscribe_proxy_enabled": True,
        "sub_refresh_proxy_enabled": True,
        "publish_proxy_enabled": takes_publications,
        **_readers("presence", namespace.presence_policy if namespace.presence else None),
        **_readers("history", namespace.history_policy),
    }


def _readers(what: str, policy: Policy | None) -> Options:
    return {
        f"allow_{what}_for_subscriber": policy in (public, authenticated),
        f"allow_{what}_for_anonymous": policy == public,
    }


def _notes_of(name: str, namespace: Namespace) -> Iterator[str]:
    if len(name) < _LEAST_NAME:
        yield f"{name!r} is too short for a namespace there: give the feature a longer name"
    for what in ("presence", "history"):
        policy: Policy = getattr(namespace, f"{what}_policy")
        if policy not in (public, authenticated):
            yield f"nobody may read the {what} of {name} there: it knows no {policy.words}"
