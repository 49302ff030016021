"""The whole application in a test: started, with clients, people, and what became of a change.

It runs in an event loop of its own, on a thread of its own, as a server runs it. The test stays
a plain function.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from anyio.from_thread import BlockingPortal
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from trivet.asgi.root import Root
from trivet.audit.reading import list_entries
from trivet.events.outbox import PublicationRow
from trivet.identity.identity import Identity
from trivet.identity.keys import issue_key
from trivet.platform import Platform
from trivet.testing.composition import Composition
from trivet.testing.socket import WAIT_SECONDS, Socket
from trivet_settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

PASSWORD = "correct horse battery staple"  # noqa: S105  # of people who live as long as a test
ENTRIES = 10_000
"""As many audit entries as one test can want to see."""


@dataclass(frozen=True, slots=True)
class User:
    """A user who was made for the test."""

    id: int
    username: str
    password: str = field(default=PASSWORD, repr=False)


@dataclass(frozen=True, slots=True)
class Published:
    """One publication, as a subscriber reads it."""

    channel: str
    offset: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """One entry of the audit trail; `changes` are the fields with ``from`` and ``to``."""

    table: str
    key: str
    kind: str
    changes: dict[str, Any]
    actor: str
    origin: str
    request_id: str
    at: datetime


class Client(TestClient):
    """Starlette's test client, under the host that the settings name, sockets included."""

    def log_in(self, user: User) -> None:
        """Log in as a browser does; the cookie stays with this client.

        Raises:
            AssertionError: The application refuses the login.
        """
        given = {"username": user.username, "password": user.password}
        response = self.post("/api/auth/login", json=given)
        assert response.status_code == 200, response.text


class Application:
    """The application of one test. The fixture `trivet` gives it.

    Attributes:
        app: The ASGI application, middleware and all.
        platform: What every room of it was given.
        settings: The settings that it was made from.
    """

    def __init__(self, settings: Settings, composition: Composition) -> None:
        self.settings = settings
        self._composition = composition
        self.app: Root = composition.create_app(settings)
        self.platform: Platform = self.app.platform
        self._first = self._make_client()

    @contextmanager
    def started(self) -> Iterator["Application"]:
        """The application between its start and its stop, with every connection closed after."""
        try:
            with self._first:
                yield self
        finally:
            self._composition.disconnect()

    @property
    def portal(self) -> BlockingPortal:
        """The way into the event loop in which the application runs."""
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
            user: Who is logged in with it; nobody by default.
            key: An API key that every request carries.
            headers: Further headers of every request.

        Yields:
            A client whose relative URLs belong to this application. An exception that the
            application does not answer is raised in the test.
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
        """A connected socket, of a user who logs in for it, of a key, or of nobody."""
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
        """Run a service in a unit of work of its own, as the product itself.

        What it changes is committed, published and audited; an exception rolls it back and is
        raised in the test.
        """
        return self.run_as(None, service, *args, **options)

    def run_as(
        self,
        actor: Identity | None,
        service: Callable[Concatenate[Session, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """As `run`, with `actor` as the one who makes the changes."""

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
            username: The name to log in with; the address follows from it.
            permissions: What the user may do, as ``app.codename``.
            groups: Names of groups to join; those that are missing are made.
            is_staff: Whether the admin opens.
            is_superuser: Whether everything is allowed.
            password: By default one that the validators take.

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
            owner: Whose it is.
            scopes: Permissions that it is limited to; by default all that its owner has.

        Returns:
            The key as a client sends it, in ``Authorization: Bearer``.
        """

        def issue(db: Session) -> str:
            return issue_key(db, owner_id=owner.id, label="a test", scopes=scopes)[1]

        return self.run(issue)

    def identity(self, user: User, *permissions: str, is_staff: bool = False) -> Identity:
        """An identity for `run_as`, of a user as a session would make it."""
        return Identity(
            user_id=user.id,
            username=user.username,
            kind="session",
            is_staff=is_staff,
            permissions=frozenset(permissions),
        )

    def published(self, channel: str | None = None) -> list[Published]:
        """The publications, oldest first, of one channel or of all."""

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
        """The entries of the audit trail, oldest first, of one table or of all."""

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
        # Starlette's client asks sockets of a host of its own, whatever the base URL.
        given = {"host": self._host, **(headers or {})}
        return Client(self.app, base_url=self.settings.origin, headers=given)
