"""The identity of a request, established once at the root for every mounted app."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi.problem import refuse
from trivet.context import context_of
from trivet.data.errors import explain
from trivet.errors import Unauthenticated
from trivet.identity.cache import IdentityCache
from trivet.identity.identity import ANONYMOUS, Authenticator, Identity
from trivet.identity.key_usage import KeyUses

if TYPE_CHECKING:
    from trivet.data.database import Database


class IdentityMiddleware:
    """Puts an `Identity` into the request's context and into ``scope["user"]``, the place
    where ASGI frameworks look for one.

    The authenticators are asked in order, and the first one that finds its credential in the
    request decides. Its answer comes from the cache `identities`, or else from the database, by a
    short session that ends before the app runs. A request without a credential needs no database.
    A bad credential is answered with 401, also for a public path. Only a bad ambient credential
    (a stale cookie) is ignored.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database: "Database",
        identities: IdentityCache,
        key_uses: KeyUses,
        authenticators: Sequence[Authenticator],
    ) -> None:
        self.app = app
        self.database = database
        self.identities = identities
        self.key_uses = key_uses
        self.authenticators = tuple(authenticators)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            identity = await self._identify(HTTPConnection(scope))
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            await refuse(scope, receive, send, explained)
            return
        context_of(scope).identity = scope["user"] = identity
        await self.app(scope, receive, send)

    async def _identify(self, connection: HTTPConnection) -> Identity:
        for number, authenticator in enumerate(self.authenticators):
            credential = authenticator.find_credential(connection)
            if credential is None:
                continue
            name = self.identities.name(number, credential)
            identity = self.identities.find(name)
            if identity is None:
                ask = partial(self._ask, authenticator, credential)
                identity = await self.identities.look_up(name, ask)
            if identity is not None:
                if identity.kind == "key":
                    self.key_uses.note(identity.credential_id)
                return identity
            if not authenticator.is_ambient:
                raise Unauthenticated(
                    "bad-credential", "This API key is unknown, expired or revoked."
                )
        return ANONYMOUS

    async def _ask(self, authenticator: Authenticator, credential: str) -> Identity | None:
        async with self.database.unit(read_only=True) as session:
            return await authenticator.authenticate(credential, session)
