"""API keys: ``Authorization: Bearer tvt_…``."""

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from trivet.asgi.headers import find_header
from trivet.identity import Identity
from trivet.identity.keys import KEY_START, identify_key


class KeyAuthenticator:
    """Establishes the owner of an API key (RFC 6750's header).

    Below `prefix` every bearer token has to be a key of ours. Elsewhere only what looks
    like one is taken: a mounted app may have bearer tokens of its own.
    """

    is_ambient = False

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def find_credential(self, connection: HTTPConnection) -> str | None:
        given = find_header(connection.scope, b"authorization") or ""
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            return None
        path = connection.scope["path"].removeprefix(connection.scope.get("root_path", ""))
        ours = path.startswith(f"{self.prefix}/") or token.startswith(KEY_START)
        return token.strip() if ours else None

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        return await identify_key(session, credential)
