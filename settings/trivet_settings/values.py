"""The values of settings, read from the text in which they are written.

Environment variables are text. A list is written with commas (`a,b`) or as JSON. The validators
here raise ValueError with a sentence that says what is wrong, and never quotes the text.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from pydantic_settings import NoDecode

from trivet_settings import broker_url
from trivet_settings.database_url import DatabaseUrl
from trivet_settings.host import require_host
from trivet_settings.public_url import SEGMENT, PublicUrl, origin_of

RESERVED_PREFIXES = (
    "/api",
    "/admin",
    "/ws",
    "/static",
    "/healthz",
    "/readyz",
    "/favicon.ico",
)

Pooler = Literal["none", "session", "transaction"]
"""What stands between Trivet and PostgreSQL, by the time for which it lends a connection."""

POLICIES = ("public", "authenticated", "staff", "its-own")

_PREFIX = re.compile(rf"(/{SEGMENT})+")
_HEADER_TEXT = re.compile(r"[!-~]*")
"""What every client can send as a header, and every server reads as it was sent."""
_TARGET = re.compile(r"(asgi|wsgi):[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PERMISSION = re.compile(r"[a-z_]\w*\.[a-z_]\w*")
_PATH = re.compile(rf"/({SEGMENT}(/|$))*")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_FEATURE = re.compile(rf"([A-Za-z_]\w*=)?{_PACKAGE.pattern}")
_MODEL_OR_FIELD = re.compile(r"[a-z_]\w*(\.[a-z_]\w*){1,2}", re.IGNORECASE)


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _from_json(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_each_once)
    except json.JSONDecodeError:
        raise ValueError("is not valid JSON") from None


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("has two entries of the same name, of which only one could count")
    return dict(pairs)


def _check_features(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_FEATURE.fullmatch(name) for name in names):
        raise ValueError(
            "holds something that is no dotted name of a Python package, nor name=package"
        )
    # The last part is the Django app label, the channel namespace and the URL segment.
    if len({_name_of_feature(each) for each in names}) < len(names):
        raise ValueError("names two features whose last parts are the same")
    return names


def _name_of_feature(entry: str) -> str:
    name, given, package = entry.rpartition("=")
    return name if given else package.rpartition(".")[2]


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_PACKAGE.fullmatch(name) for name in names):
        raise ValueError("holds something that is no dotted name")
    return tuple(dict.fromkeys(names))


def _check_module(name: str) -> str:
    if name and not _PACKAGE.fullmatch(name):
        raise ValueError("is no dotted name of a module")
    return name


def _check_prefixes(prefixes: Iterable[str]) -> None:
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(
                "has a prefix that is not like /legacy (letters, digits and - . _ ~ between single "
                "slashes, no . or .. alone, no trailing slash, never / alone)"
            )
        if any(f"{prefix}/".startswith(f"{taken}/") for taken in RESERVED_PREFIXES):
            raise ValueError(
                f"has a prefix that Trivet uses itself ({', '.join(RESERVED_PREFIXES)})"
            )


def _check_url_confs(confs: Mapping[str, str], given: ValidationInfo) -> Mapping[str, str]:
    _check_prefixes(confs)
    if not all(_PACKAGE.fullmatch(target) for target in confs.values()):
        raise ValueError("names something that is no dotted name of a module")
    if twice := sorted(set(confs) & set(given.data.get("extra_mounts", ()))):
        raise ValueError(f"serves {', '.join(twice)}, where TRIVET_EXTRA_MOUNTS mounts something")
    return MappingProxyType(dict(confs))


def _check_audit_exceptions(exceptions: Mapping[str, str]) -> Mapping[str, str]:
    for name in exceptions:
        if not _MODEL_OR_FIELD.fullmatch(name):
            raise ValueError("names something that is not like app.model or app.model.field")
    return MappingProxyType({name.lower(): what for name, what in exceptions.items()})


def _check_mounts(mounts: Mapping[str, str]) -> Mapping[str, str]:
    _check_prefixes(mounts)
    for target in mounts.values():
        if not _TARGET.fullmatch(target):
            raise ValueError(
                "has a target that is not like asgi:module:attribute or wsgi:module:attribute"
            )
    return MappingProxyType(dict(mounts))


def _check_mount_policies(policies: Mapping[str, str]) -> Mapping[str, str]:
    for policy in policies.values():
        if policy not in POLICIES and not _PERMISSION.fullmatch(policy):
            raise ValueError(
                f"has a policy that is none of {', '.join(POLICIES)} and no app.permission"
            )
    return MappingProxyType(dict(policies))


def _check_mount_commits(statuses: Mapping[str, frozenset[int]]) -> Mapping[str, frozenset[int]]:
    for given in statuses.values():
        if not given or not all(400 <= status < 500 for status in given):
            raise ValueError("has a status that is no refusal (400 to 499)")
    return MappingProxyType(dict(statuses))


def _check_mount_limits(limits: Mapping[str, int]) -> Mapping[str, int]:
    if any(limit < 1024 for limit in limits.values()):
        raise ValueError("has a bound of less than 1024 bytes")
    return MappingProxyType(dict(limits))


def _check_observers(targets: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_FUNCTION.fullmatch(target) for target in targets):
        raise ValueError("holds something that is not like module:function")
    return targets


LEAST_SECRET_CHARACTERS = 32
"""A secret of HS256 has at least 256 bits (RFC 7518, 3.2)."""


def _check_length(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < LEAST_SECRET_CHARACTERS:
        raise ValueError(f"is too short (at least {LEAST_SECRET_CHARACTERS} characters)")
    return secret


def _check_header_secret(secret: SecretStr) -> SecretStr:
    if not _HEADER_TEXT.fullmatch(secret.get_secret_value()):
        raise ValueError(
            "holds a character that cannot be sent in a header (visible characters of ASCII can)"
        )
    return _check_length(secret)


def _check_header_secrets(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for secret in secrets:
        _check_header_secret(secret)
    return secrets


def _check_throttle_store(store: SecretStr) -> SecretStr:
    text = store.get_secret_value()
    if text and not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("is no address that begins with redis://, rediss:// or unix://")
    broker_url.check(text)
    return store


def _check_broker(broker: SecretStr, given: ValidationInfo) -> SecretStr:
    text = broker_url.check(broker.get_secret_value())
    if text == "postgresql" and given.data.get("database_url", "").startswith("sqlite"):
        raise ValueError("is postgresql, but the database is SQLite")
    return broker


def _check_proxies(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        if address not in ("*", "unix"):
            try:
                ip_network(address)
            except ValueError:
                raise ValueError(
                    "holds something that is no IP address, network, unix or *"
                ) from None
    return addresses


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origin_of(each) for each in origins))


def _check_all_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e if e == "*" else origin_of(e) for e in origins))


def _check_rooms(rooms: tuple[str, ...]) -> tuple[str, ...]:
    if not rooms:
        raise ValueError("is empty, so this process would serve nothing")
    return tuple(dict.fromkeys(rooms))


def _check_home(path: str) -> str:
    if path == "/":
        raise ValueError("is the page / itself, which would send its visitors to itself for ever")
    return _check_path(path)


def _check_path(path: str) -> str:
    if path and not _PATH.fullmatch(path):
        raise ValueError("is no path on this site, which begins with one / and has no address")
    return path


def _strip_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise ValueError("is empty, but pages show it")
    return name


def _check_database(text: str) -> str:
    DatabaseUrl.parse(text)
    return text


def _check_pooler(pooler: Pooler, given: ValidationInfo) -> Pooler:
    if pooler != "none" and given.data.get("database_url", "").startswith("sqlite"):
        raise ValueError("names a pooler, but SQLite has none")
    return pooler


def _check_direct(text: str, given: ValidationInfo) -> str:
    if given.data.get("database_pooler", "none") != "transaction":
        return _check_server(text) if text else text
    if not text:
        raise ValueError(
            "is empty, but migrations and notifications cannot pass the pooler that "
            "TRIVET_DATABASE_POOLER names"
        )
    if text == given.data.get("database_url"):
        raise ValueError("is TRIVET_DATABASE_URL, so it leads to the pooler")
    return _check_server(text)


def _check_server(text: str) -> str:
    if DatabaseUrl.parse(text).is_sqlite:
        raise ValueError("is the address of a SQLite file, which everybody opens directly")
    return text


def _split_addresses(value: Any) -> Any:
    """A comma separates two addresses only where another address begins."""
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return _split(value)
    return [item for part in re.split(r",(?=\s*\w+:/)", value) if (item := part.strip(" ,"))]


def _check_replicas(addresses: tuple[str, ...], given: ValidationInfo) -> tuple[str, ...]:
    for address in addresses:
        replica = DatabaseUrl.parse(address)
        if replica.is_sqlite:
            raise ValueError("holds the address of a SQLite file, which has no replicas")
        if "," in replica.host:
            raise ValueError("holds an address of several servers; write one for each server")
    if len(set(addresses)) < len(addresses):
        raise ValueError("names a replica twice")
    primary = given.data.get("database_url", "")
    if addresses and primary.startswith("sqlite"):
        raise ValueError("names replicas, but SQLite has none")
    if primary in addresses or given.data.get("direct_database_url") in addresses:
        raise ValueError("names the database that writes, which is no replica of itself")
    return addresses


def _check_public(text: str) -> str:
    return str(PublicUrl.parse(text))


def _check_server_address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError("is no address that begins with http:// or https://")
    if text:
        _require_plain(text)
    return text.rstrip("/")


def _require_plain(text: str) -> None:
    parts = urlsplit(text)
    require_host(parts)
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment, behind which no method can be written")


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


#: Comma-separated or a JSON array. NoDecode: pydantic-settings would insist on JSON.
Listed = (NoDecode, BeforeValidator(_split))

Lowered = BeforeValidator(_lower)
DatabasePooler = AfterValidator(_check_pooler)
DirectAddress = AfterValidator(_check_direct)
ReplicaAddresses = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_addresses), AfterValidator(_check_replicas)
]
DatabaseAddress = Annotated[str, AfterValidator(_check_database)]
PublicAddress = Annotated[str, AfterValidator(_check_public)]
FeatureNames = Annotated[tuple[str, ...], *Listed, AfterValidator(_check_features)]
Observers = Annotated[tuple[str, ...], *Listed, AfterValidator(_check_observers)]
TrustedOrigins = Annotated[tuple[str, ...], *Listed, AfterValidator(_check_origins)]
AllowedOrigins = Annotated[tuple[str, ...], *Listed, AfterValidator(_check_all_origins)]
Proxies = Annotated[tuple[str, ...], *Listed, AfterValidator(_check_proxies)]
NonEmptyRooms = AfterValidator(_check_rooms)
Mounts = Annotated[
    Mapping[str, str], NoDecode, BeforeValidator(_from_json), AfterValidator(_check_mounts)
]
MountPolicies = Annotated[
    Mapping[str, str],
    NoDecode,
    BeforeValidator(_from_json),
    AfterValidator(_check_mount_policies),
]
MountCommits = Annotated[
    Mapping[str, frozenset[int]],
    NoDecode,
    BeforeValidator(_from_json),
    AfterValidator(_check_mount_commits),
]
MountLimits = Annotated[
    Mapping[str, int],
    NoDecode,
    BeforeValidator(_from_json),
    AfterValidator(_check_mount_limits),
]
DottedNames = Annotated[tuple[str, ...], *Listed, AfterValidator(_check_names)]
DottedPath = AfterValidator(_check_module)
UrlConfs = Annotated[
    Mapping[str, str], NoDecode, BeforeValidator(_from_json), AfterValidator(_check_url_confs)
]
AuditExceptions = Annotated[
    Mapping[str, Literal["ignored", "redacted"]],
    NoDecode,
    BeforeValidator(_from_json),
    AfterValidator(_check_audit_exceptions),
]
SitePath = AfterValidator(_check_path)
HomePath = AfterValidator(_check_home)
ProductName = AfterValidator(_strip_name)
ThrottleStore = AfterValidator(_check_throttle_store)
LongSecret = AfterValidator(_check_length)
HeaderSecret = AfterValidator(_check_header_secret)
HeaderSecrets = AfterValidator(_check_header_secrets)
BrokerAddress = AfterValidator(_check_broker)
ServerAddress = AfterValidator(_check_server_address)
