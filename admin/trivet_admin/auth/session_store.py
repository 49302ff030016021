"""Django's sessions in the database, whose end is told."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

from trivet_admin.auth.credentials import credential_id


class SessionStore(DatabaseSessionStore):
    """Stores what Django's own does; every way in which a session ends passes `delete`: a
    logout, a login that gives the session another key, a view that flushes it.

    The class keeps its parent's name, because Django signs the data with it.
    """

    def delete(self, session_key: str | None = None) -> None:
        ended = session_key or self.session_key
        super().delete(session_key)
        _tell(ended)

    async def adelete(self, session_key: str | None = None) -> None:
        ended = session_key or self.session_key
        await super().adelete(session_key)
        _tell(ended)


def _tell(session_key: str | None) -> None:
    from trivet_admin.users.revoking import revoke

    if session_key:
        revoke(credential=credential_id(session_key))
