"""The permissions of Django that a user holds, read without Django."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trivet.identity.django_tables import (
    content_types,
    group_permissions,
    permissions,
    user_groups,
    user_permissions,
)


async def read_permissions(session: AsyncSession, user_id: int) -> frozenset[str]:
    """The permissions of a user, direct and by group, as ``app_label.codename``."""
    return names_of(await session.execute(permissions_of(user_id)))


def permissions_of(user_id: int) -> Select[tuple[str, str]]:
    """The query for a user's permissions, direct and by group."""
    direct = select(user_permissions.c.permission_id).where(user_permissions.c.user_id == user_id)
    by_group = (
        select(group_permissions.c.permission_id)
        .join(user_groups, user_groups.c.group_id == group_permissions.c.group_id)
        .where(user_groups.c.user_id == user_id)
    )
    held = or_(permissions.c.id.in_(direct), permissions.c.id.in_(by_group))
    return every_permission().where(held)


def every_permission() -> Select[tuple[str, str]]:
    """The query for all permissions."""
    return select(content_types.c.app_label, permissions.c.codename).join(
        permissions, permissions.c.content_type_id == content_types.c.id
    )


def names_of(rows: Iterable[Any]) -> frozenset[str]:
    """The permissions in the rows of these queries, as ``app_label.codename``."""
    return frozenset(f"{app}.{codename}" for app, codename in rows)
