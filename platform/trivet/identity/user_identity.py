"""The identity of a user whose id alone is known, as from a token."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trivet.identity.django_tables import users
from trivet.identity.identity import Identity
from trivet.identity.permissions import read_permissions


async def identify_user(session: AsyncSession, user_id: int) -> Identity | None:
    """The identity of an active user, with its present permissions; None if there is none."""
    row = (await session.execute(select(users).where(users.c.id == user_id))).one_or_none()
    if row is None or not row.is_active:
        return None
    return Identity(
        user_id=user_id,
        username=row.username,
        kind="token",
        is_staff=row.is_staff,
        is_superuser=row.is_superuser,
        permissions=frozenset() if row.is_superuser else await read_permissions(session, user_id),
        email=row.email,
        credential_id="token",
    )
