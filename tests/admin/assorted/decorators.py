"""Decorated types, each as some known library or many applications write it."""

import datetime as dt
import enum
import ipaddress
import json
import secrets
import uuid
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import BINARY, CHAR, JSON, BigInteger, DateTime, Integer, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.types import TypeDecorator


class ZonedInstant(TypeDecorator[dt.datetime]):
    """Aware ones alone, as airflow and prefect have them."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime is disallowed")
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=dt.UTC)
        return None if value is None else value.astimezone(dt.UTC)


class NaiveInstant(TypeDecorator[dt.datetime]):
    """Aware in Python, naive in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.replace(tzinfo=dt.UTC)


class EpochMicroseconds(TypeDecorator[dt.datetime]):
    """Instants as numbers, as keystone has them."""

    impl = BigInteger
    cache_ok = True
    _epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else (value - self._epoch) // dt.timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else self._epoch + dt.timedelta(microseconds=value)


class JsonText(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else json.dumps(value, sort_keys=True)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else json.loads(value)


class TypedJson(TypeDecorator[Any]):
    """JSON by a variant of the decorator's own."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(JSONB() if is_postgresql else JSON())


@dataclass(frozen=True)
class Address:
    street: str
    number: int


class AddressJson(TypeDecorator[Address]):
    """An object of one's own, as people store pydantic's models."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else asdict(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Address(**value)


class Guid(TypeDecorator[uuid.UUID]):
    """As SQLAlchemy's documents and fastapi-users have it."""

    impl = CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(UUID() if is_postgresql else CHAR(36))

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)


class BinaryGuid(TypeDecorator[uuid.UUID]):
    """As advanced-alchemy has it on SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(BINARY(16) if is_sqlite else LargeBinary())

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.bytes

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else uuid.UUID(bytes=bytes(value))


class AutoString(TypeDecorator[str]):
    """As SQLModel has it."""

    impl = String
    cache_ok = True


class LowerCase(TypeDecorator[str]):
    """As sqlalchemy-utils has addresses of mail."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.lower()


class AddressText(TypeDecorator[Any]):
    """As sqlalchemy-utils has addresses of networks."""

    impl = String(50)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else ipaddress.ip_address(value)


class Secret(TypeDecorator[str]):
    """Never the same twice in the database."""

    impl = String(200)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else f"{secrets.token_hex(4)}:{value[::-1]}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.partition(":")[2][::-1]


class Cents(TypeDecorator[Decimal]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Decimal(value) / 100


class YesNo(TypeDecorator[bool]):
    impl = CHAR(1)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else "Y" if value else "N"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value == "Y"


class Words(TypeDecorator[Any]):
    """A list as one text, as sqlalchemy-utils has it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else ",".join(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.split(",")


class Level(enum.Enum):
    LOW = 1
    HIGH = 20


class LevelNumber(TypeDecorator[Level]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Level(value)


class Password:
    """A hash that knows how to compare."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return "a password"


class PasswordText(TypeDecorator[Password]):
    """What is typed is not what is stored, so no form may give it back."""

    impl = String(80)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.digest if isinstance(value, Password) else value and f"hash of {value}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Password(value)
