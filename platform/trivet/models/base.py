"""The declarative base of every mapped class, and the habits that come with it.

The whole product has one metadata: foreign keys cross features, and Alembic compares the
whole with the database. The module of a class says to which feature its table belongs.
"""

import datetime as dt
import enum
import hashlib
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Enum, MetaData, Table
from sqlalchemy.orm import DeclarativeBase

from trivet.models.object_text import text_of_object
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime, enum_values


def _name_or_digest(constraint: CheckConstraint, _table: Table) -> str:
    """The name of a CHECK, or for one without a name a digest of what it says, so that it has the
    same name in every database."""
    return constraint.name if isinstance(constraint.name, str) else digest_of(constraint)


def digest_of(constraint: CheckConstraint) -> str:
    """What stands for the name of a CHECK that has none."""
    return hashlib.blake2b(str(constraint.sqltext).encode(), digest_size=4).hexdigest()


NAMING_CONVENTION: dict[str, Any] = {
    "constraint_name_or_digest": _name_or_digest,
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name_or_digest)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a migration can drop it and an error can name it."""


class Model(DeclarativeBase):
    """The base of every mapped class.

    Annotated ``Mapped[datetime]``, ``time``, ``timedelta`` and ``dict``/``list`` columns
    get the types of `trivet.models.types`, which store what Django stores. An annotated enum,
    ``Mapped[Status]``, is stored as text by its values. SQLAlchemy's own default stores the
    names, in a type of PostgreSQL that a migration can hardly change.

    An object is shown by its class and primary key, unless its class says otherwise.
    """

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dt.datetime: UtcDateTime,
        dt.time: IsoTime,
        dt.timedelta: Microseconds,
        dict[str, Any]: JsonDocument,
        list[Any]: JsonDocument,
        enum.Enum: Enum(enum.Enum, values_callable=enum_values, native_enum=False),
    }

    def __repr__(self) -> str:
        return text_of_object(self)
