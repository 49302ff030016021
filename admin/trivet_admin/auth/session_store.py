"""Django's sessions in the database, whose end is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

from trivet.data.outages import find_outage
from trivet_admin.auth.credentials import credential_id


class SessionStore(DatabaseSessionStore):
    """Stores what Django's own does; every way in which a session ends passes `delete`: a
    logout, a login that gives the session another key, a view that flushes it.

    A session gets a new key at every login, also at one of the user whose session it is, where
    Django's login keeps the key. A thief of the old key loses access then.

    The class keeps its parent's name, because Django signs the data with it.
    """

    is_new = False
    """Whether the session got its key in this request."""

    def create(self) -> None:
        super().create()
        self.is_new = True

    async def acreate(self) -> None:
        await super().acreate()
        self.is_new = True

    def flush(self) -> None:
        super().flush()
        self.is_new = True  # it has no key, and gets one when it is saved

    async def aflush(self) -> None:
        await super().aflush()
        self.is_new = True

    def save(self, must_create: bool = False) -> None:
        with _outages_raised():
            super().save(must_create)

    async def asave(self, must_create: bool = False) -> None:
        with _outages_raised():
            await super().asave(must_create)

    def delete(self, session_key: str | None = None) -> None:
        ended = session_key or self.session_key
        super().delete(session_key)
        _tell(ended)

    async def adelete(self, session_key: str | None = None) -> None:
        ended = session_key or self.session_key
        await super().adelete(session_key)
        _tell(ended)


@contextmanager
def _outages_raised() -> Iterator[None]:
    """Let an outage of the database leave as what it is: Django takes any error of it for a
    session that is gone, and answers 400."""
    try:
        yield
    except UpdateError as error:
        refused = error.__context__
        if refused is not None and find_outage(refused) is not None:
            raise refused from refused.__cause__
        raise


def give_new_key(request: Any, **_signal: Any) -> None:
    """Receives `user_logged_in`, which Django's login sends, whichever view called it. What the
    session held before stays, as at Django's `cycle_key`; of another user's nothing does."""
    session = request.session
    if isinstance(session, SessionStore) and not session.is_new:
        session.cycle_key()


def _tell(session_key: str | None) -> None:
    from trivet_admin.users.revoking import revoke

    if session_key:
        revoke(credential=credential_id(session_key))
