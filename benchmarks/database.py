"""The database that all peers share: PostgreSQL, migrated, with a user, a key and parcels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import argon2
from sqlalchemy import create_engine, func, insert, make_url, select
from sqlalchemy.orm import Session

from benchmarks.parcels.models import Parcel, QuietParcel
from tests.services.databases import migrate
from tests.services.postgres import running_postgres
from trivet import Model
from trivet.events.outbox import PublicationRow
from trivet.identity.django_tables import users
from trivet.identity.keys import issue_key

PARCELS = 1000
USERNAME, PASSWORD = "bench", "correct horse battery staple"
FEATURE = "benchmarks.parcels"


@dataclass(frozen=True, slots=True)
class SharedDatabase:
    """A running database; `key` opens what needs one, and its owner may do nothing special."""

    url: str
    key: str

    def count(self, model: type[Model]) -> int:
        """How many rows are committed."""
        with _session(self.url) as db:
            return db.scalar(select(func.count()).select_from(model)) or 0

    def publications(self) -> int:
        """How many publications are committed."""
        return self.count(PublicationRow)


@contextmanager
def shared_database() -> Iterator[SharedDatabase]:
    """A server and a database for the block; both are gone behind it."""
    with running_postgres() as server:
        url = server.create_database("benchmark")
        yield SharedDatabase(url, prepare(url))


def prepare(url: str) -> str:
    """Migrate the database, fill it, and return the key."""
    migrate(url)
    with _session(url) as db:
        tables = [Parcel.__table__, QuietParcel.__table__]
        Model.metadata.create_all(db.connection(), tables=tables)  # type: ignore[arg-type]  # Table, by SQLAlchemy's word a FromClause
        owner = db.scalar(insert(users).returning(users.c.id).values(**user(USERNAME)))
        assert owner is not None
        _, key = issue_key(db, owner_id=owner, label="benchmark")
        db.add_all(
            Parcel(label=f"parcel {n}", depot=f"D{n % 10}", grams=n, fragile=n % 7 == 0)
            for n in range(1, PARCELS + 1)
        )
        db.commit()
    return key


def user(username: str) -> dict[str, object]:
    """The row of a user who may do nothing special."""
    texts = dict.fromkeys(("first_name", "last_name"), "")
    # As Django writes it with the parameters of its hasher (`Argon2PasswordHasher`).
    hashed = argon2.PasswordHasher(time_cost=2, memory_cost=102_400, parallelism=8).hash(PASSWORD)
    now = datetime.now(UTC)
    flags = {"is_superuser": False, "is_staff": False, "is_active": True}
    named = {
        "username": username,
        "email": f"{username}@example.org",
        "password": f"argon2{hashed}",
        "date_joined": now,
    }
    return {**texts, **flags, **named}


@contextmanager
def _session(url: str) -> Iterator[Session]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()
