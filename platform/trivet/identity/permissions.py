"""Which of Django's permissions somebody holds, read without Django."""

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from trivet.identity.tables import (
    content_types,
    group_permissions,
    permissions,
    user_groups,
    user_permissions,
)


async def read_permissions(session: AsyncSession, user_id: int) -> frozenset[str]:
    """The permissions of a user, direct and by group, as ``app_label.codename``."""
    direct = select(user_permissions.c.permission_id).where(user_permissions.c.user_id == user_id)
    by_group = (
        select(group_permissions.c.permission_id)
        .join(user_groups, user_groups.c.group_id == group_permissions.c.group_id)
        .where(user_groups.c.user_id == user_id)
    )
    rows = await session.execute(
        select(content_types.c.app_label, permissions.c.codename)
        .join(content_types, content_types.c.id == permissions.c.content_type_id)
        .where(or_(permissions.c.id.in_(direct), permissions.c.id.in_(by_group)))
    )
    return frozenset(f"{app}.{codename}" for app, codename in rows)
