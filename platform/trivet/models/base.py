"""The declarative base of every mapped class, and the habits that come with it.

There is one metadata for the whole product: foreign keys cross features, and Alembic
compares one whole with the database. A feature's tables are told apart by the module
of their class.
"""

import datetime as dt
import enum
from typing import Any, ClassVar

from sqlalchemy import Enum, MetaData
from sqlalchemy.orm import DeclarativeBase

from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime, enum_values

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a migration can drop it and an error can name it."""


class Model(DeclarativeBase):
    """The base of every mapped class.

    Annotated ``Mapped[datetime]``, ``time``, ``timedelta`` and ``dict``/``list`` columns
    get the types of `trivet.models.types`, which store what Django stores. An annotated enum,
    ``Mapped[Status]``, is stored by its values, as text: SQLAlchemy's own default would store
    the names, in a type of PostgreSQL's that a migration can hardly change.
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
