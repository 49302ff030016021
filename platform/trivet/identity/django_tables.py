"""Django's tables as SQLAlchemy sees them: stubs to read and to refer to.

Django's migrations own them (``info["external"]``): Alembic neither creates, alters nor
drops them, and a mapped class may have a foreign key to ``accounts_user.id``. Only the
columns that the platform reads are named.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text

from trivet.models.base import Model
from trivet.models.types import BigKey, UtcDateTime

_EXTERNAL = {"external": True}
_UNAUDITED = {**_EXTERNAL, "audit": "ignored"}
"""Users, groups and their permissions are audited by Django's side; the other tables are not."""

_NOT_SHOWN = {"secret": True}
"""For what says more of people than their names: no resource shows it of a row's user."""

users = Table(
    "accounts_user",
    Model.metadata,
    Column("id", BigKey, primary_key=True),
    Column("password", String(128), nullable=False, info=_NOT_SHOWN),
    Column("username", String(150), nullable=False),
    Column("email", String(254), nullable=False, info=_NOT_SHOWN),
    Column("is_superuser", Boolean, nullable=False, info=_NOT_SHOWN),
    Column("is_staff", Boolean, nullable=False, info=_NOT_SHOWN),
    Column("is_active", Boolean, nullable=False, info=_NOT_SHOWN),
    Column("first_name", String(150), nullable=False),
    Column("last_name", String(150), nullable=False),
    Column("last_login", UtcDateTime, info=_NOT_SHOWN),
    Column("date_joined", UtcDateTime, nullable=False, info=_NOT_SHOWN),
    info=_EXTERNAL,
)
"""The table of Django's users: a foreign key refers to ``users.c.id``, and queries read it."""

sessions = Table(
    "django_session",
    Model.metadata,
    Column("session_key", String(40), primary_key=True),
    Column("session_data", Text, nullable=False),
    Column("expire_date", UtcDateTime, nullable=False),
    info=_UNAUDITED,
)

content_types = Table(
    "django_content_type",
    Model.metadata,
    Column("id", Integer, primary_key=True),
    Column("app_label", String(100), nullable=False),
    Column("model", String(100), nullable=False),
    info=_UNAUDITED,
)

permissions = Table(
    "auth_permission",
    Model.metadata,
    Column("id", Integer, primary_key=True),
    Column("content_type_id", ForeignKey(content_types.c.id), nullable=False),
    Column("codename", String(100), nullable=False),
    info=_UNAUDITED,
)

groups = Table(
    "auth_group",
    Model.metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(150), nullable=False),
    info=_EXTERNAL,
)

user_permissions = Table(
    "accounts_user_user_permissions",
    Model.metadata,
    Column("id", BigKey, primary_key=True),
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("permission_id", ForeignKey(permissions.c.id), nullable=False),
    info=_EXTERNAL,
)

user_groups = Table(
    "accounts_user_groups",
    Model.metadata,
    Column("id", BigKey, primary_key=True),
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("group_id", Integer, nullable=False),
    info=_EXTERNAL,
)

group_permissions = Table(
    "auth_group_permissions",
    Model.metadata,
    Column("id", BigKey, primary_key=True),
    Column("group_id", Integer, nullable=False),
    Column("permission_id", ForeignKey(permissions.c.id), nullable=False),
    info=_EXTERNAL,
)
