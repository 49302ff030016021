"""Users that commands are given by their names."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.errors import NotFound
from trivet.identity.django_tables import users


def user_number(db: Session, username: str) -> str:
    """The number of the user `username`, as text. Raises NotFound."""
    found = db.scalar(select(users.c.id).where(users.c.username == username))
    if found is None:
        raise NotFound("no-such-user", f"There is no user {username}.")
    return str(found)
