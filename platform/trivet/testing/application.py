"""The whole application in a test: started, with clients, users, publications and audit entries.

It runs in an event loop of its own, on a thread of its own, as under a server. The test stays a
plain function.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from anyio.from_thread import BlockingPortal
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.asgi.root import Root
from trivet.audit.reading import list_entries
from trivet.events.outbox import PublicationRow
from trivet.identity.identity import Identity
from trivet.identity.keys import issue_key
from trivet.platform import Platform
from trivet.testing.client import PASSWORD, Client, User
from trivet.testing.composition import Composition
from trivet.testing.socket import WAIT_SECONDS, Socket
from trivet_settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

ENTRIES = 10_000
"""The most audit entries that a test is given; more than any test makes."""


@dataclass(frozen=True, slots=True)
class Published:
    """One publication, as a subscriber reads it.

    Attributes:
        channel: The channel's name.
        offset: Its number in the channel, from 1.
        data: The fields of the event, with ``type``.
    """

    channel: str
    offset: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """One entry of the audit trail.

    Attributes:
        table: The name of the table.
        key: The primary key as text; the parts of a composite one are joined by ``~``.
        kind: ``insert``, ``update`` or ``delete``.
        changes: The changed fields by name, each with ``from``, ``to`` or both.
        actor: The name of the actor; empty if nobody is known.
        origin: The way by which the change came: ``api``, ``admin``, ``cli``, ``background``.
        request_id: The id of the request; empty outside of one.
        at: The moment of the change (aware UTC).
    """

    table: str
    key: str
    kind: str
    changes: dict[str, Any]
    actor: str
    origin: str
    request_id: str
    at: datetime


class Application:
    """The application of one test. The fixture `trivet` gives it.

    Attributes:
        app: The ASGI application, with its middleware.
        platform: The platform that all its rooms share.
        settings: The settings from which it was made.
    """

    def __init__(self, settings: Settings, composition: Composition) -> None:
        self.settings = settings
        self._composition = composition
        self.app: Root = composition.create_app(settings)
        self.platform: Platform = self.app.platform
        self._first = self._make_client()

    @contextmanager
    def started(self) -> Iterator["Application"]:
        """Start the application, and stop it at the end of the block. The fixture does this.

        Yields:
            The application itself. Every connection is closed after the block.
        """
        try:
            with self._first:
                yield self
        finally:
            self._composition.disconnect()

    @property
    def portal(self) -> BlockingPortal:
        """The portal that calls functions in the application's event loop.

        Raises:
            RuntimeError: The application is not started.
        """
        portal = self._first.portal
        if portal is None:
            raise RuntimeError("the application is not started: use the fixture, or started()")
        return portal

    @contextmanager
    def client(
        self,
        *,
        user: User | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Client]:
        """An HTTP client with cookies of its own.

        Args:
            user: The user who logs in with it; nobody by default.
            key: An API key that every request carries.
            headers: Other headers of every request.

        Yields:
            A client whose relative URLs belong to this application. It raises, in the test, an
            exception that the application does not answer.
        """
        given = {} if key is None else {"authorization": f"Bearer {key}"}
        client = self._make_client({**given, **(headers or {})})
        client.portal = self.portal
        try:
            if user is not None:
                client.log_in(user)
            yield client
        finally:
            client.portal = None
            client.close()

    @contextmanager
    def socket(
        self,
        *,
        user: User | None = None,
        key: str | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> Iterator[Socket]:
        """A connected socket.

        Args:
            user: The user who logs in for it; nobody by default.
            key: An API key that the handshake carries.
            wait_seconds: The longest wait for a reply or a publication.

        Yields:
            The socket, which is closed at the end of the block.

        Raises:
            SocketClosed: The application refuses the connection.
        """
        headers = {"host": self._host}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        if user is not None:
            with self.client(user=user) as client:
                pairs = (f"{name}={value}" for name, value in client.cookies.items())
                headers["cookie"] = "; ".join(pairs)
        with Socket(self.app, self.portal, headers, wait_seconds=wait_seconds) as socket:
            yield socket

    def run(
        self,
        service: Callable[Concatenate[Session, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run a service in a unit of work of its own, without an actor.

        Its changes are committed, published and audited. An exception rolls them back, and the
        test gets it.

        Args:
            service: A function of a session.
            *args: Its arguments after the session.
            **options: Its keyword arguments.

        Returns:
            The value that the service returns.
        """
        return self.run_as(None, service, *args, **options)

    def run_as(
        self,
        actor: Identity | None,
        service: Callable[Concatenate[Session, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run a service as `run` does, with an actor.

        Args:
            actor: The identity that makes the changes; None: nobody.
            service: A function of a session.
            *args: Its arguments after the session.
            **options: Its keyword arguments.

        Returns:
            The value that the service returns.
        """

        async def work() -> T:
            async with self.platform.open_unit(actor=actor) as unit:
                return await unit.run(lambda db, _actor: service(db, *args, **options))

        return self.portal.call(work)

    def make_user(
        self,
        username: str,
        *,
        permissions: Sequence[str] = (),
        groups: Sequence[str] = (),
        is_staff: bool = False,
        is_superuser: bool = False,
        password: str = PASSWORD,
    ) -> User:
        """Make an active user.

        Args:
            username: The name to log in with; the mail address is made from it.
            permissions: The permissions of the user, as ``app.codename``.
            groups: The names of the user's groups. A group that does not exist is made.
            is_staff: Whether the user may open the admin.
            is_superuser: Whether the user has every permission.
            password: The password; by default one that the validators accept.

        Returns:
            The user, with the password in plain text.

        Raises:
            LookupError: No model has one of `permissions`.
        """
        user_id = self._composition.create_user(
            username,
            password,
            permissions=permissions,
            groups=groups,
            is_staff=is_staff,
            is_superuser=is_superuser,
        )
        return User(user_id, username, password)

    def make_key(self, owner: User, *, scopes: Sequence[str] | None = None) -> str:
        """Make an API key.

        Args:
            owner: The user to whom the key belongs.
            scopes: The permissions that it is limited to; by default all that its owner has.

        Returns:
            The key as a client sends it, in ``Authorization: Bearer``.

        Raises:
            Invalid: The owner does not hold one of the scopes.
        """

        def issue(db: Session) -> str:
            return issue_key(db, owner_id=owner.id, label="a test", scopes=scopes)[1]

        return self.run(issue)

    def identity(self, user: User, *permissions: str, is_staff: bool = False) -> Identity:
        """An identity for `run_as`, as a session of a user has it.

        Args:
            user: The user.
            *permissions: The permissions of the identity, as ``app.codename``. They need not be
                the user's own.
            is_staff: Whether the identity may open the admin.
        """
        return Identity(
            user_id=user.id,
            username=user.username,
            kind="session",
            is_staff=is_staff,
            permissions=frozenset(permissions),
        )

    def published(self, channel: str | None = None) -> list[Published]:
        """The committed publications.

        Args:
            channel: The name of one channel; None: all channels.

        Returns:
            The publications, oldest first.
        """

        def read(db: Session) -> list[Published]:
            row = PublicationRow
            query = select(row.channel, row.offset, row.data).order_by(row.id)
            if channel is not None:
                query = query.where(row.channel == channel)
            return [
                Published(name, offset, msgspec.json.decode(data))
                for name, offset, data in db.execute(query)
            ]

        return self.run(read)

    def audited(self, table: str | None = None) -> list[AuditedChange]:
        """The entries of the audit trail.

        Args:
            table: The name of one table; None: all tables.

        Returns:
            The entries, oldest first.
        """

        def read(db: Session) -> list[AuditedChange]:
            return [
                AuditedChange(
                    table=each.table_name,
                    key=each.row_key,
                    kind=each.kind,
                    changes=msgspec.json.decode(each.changes),
                    actor=each.actor,
                    origin=each.origin,
                    request_id=each.request_id,
                    at=each.at,
                )
                for each in reversed(list_entries(db, table=table, limit=ENTRIES))
            ]

        return self.run(read)

    @property
    def _host(self) -> str:
        return self.settings.origin.partition("://")[2]

    def _make_client(self, headers: Mapping[str, str] | None = None) -> Client:
        # Starlette's client sends sockets to a host of its own, whatever the base URL is.
        given = {"host": self._host, **(headers or {})}
        return Client(self.app, base_url=self.settings.origin, headers=given)
