"""Logins of user 7 by Django's sessions, as a token names them, and how they end."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, update

from tests.realtime.house import House
from trivet.identity import Identity, Revocation, django_tables
from trivet.identity.token_sessions import TokenSession

SEVEN = Identity(user_id=7, username="user 7", kind="session", credential_id="session-of-7")


def credential_of(key: str) -> str:
    return f"session-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


async def add_session(house: House, key: str, seconds: float = 600.0) -> Identity:
    """User 7, logged in by a session of Django's."""
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    row = {"session_key": key, "session_data": "", "expire_date": ends}
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(insert(django_tables.sessions).values(**row))
    source = TokenSession(key, {"id": 7, "password": ""})
    return replace(SEVEN, credential_id=credential_of(key), source=source)


async def log_out(house: House, key: str) -> None:
    sessions = django_tables.sessions
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(delete(sessions).where(sessions.c.session_key == key))
    house.platform.broker.publish(Revocation(credential_id=credential_of(key)))


async def change_password(house: House, key: str) -> None:
    users = django_tables.users
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(update(users).where(users.c.id == 7).values(password=key))
    house.platform.broker.publish(Revocation(user_id=7, kind="session"))
