"""The admin as the tests meet it: the whole application over ASGI, on a real database.

Django can be configured once in a process, and other tests may have done that without the
feature `stock`. It is therefore installed beside what is there, by Django's own means.
"""

import secrets
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec
from sqlalchemy import Engine, create_engine, text

from tests.admin import door
from tests.admin.forms import Page, read_page
from trivet import Model, Platform
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import Root, build_root
from trivet.data.capture import compose_capture
from trivet.events.outbox import list_after
from trivet.features import Feature, load_features
from trivet.identity.django_tables import sessions
from trivet.models.views import is_view
from trivet.platform import open_platform
from trivet_admin.auth.login import DjangoAccounts
from trivet_admin.auth.sessions import session_cookie
from trivet_admin.configuration import configure
from trivet_admin.mount import mount as mount_admin
from trivet_admin.transactions import ThreadedTransactions
from trivet_settings import Settings

ORIGIN = "http://localhost:8000"
PASSWORD = "correct horse battery staple"
FEATURES = ("departures",)
STOCK = "tests.admin.stock"
ASSORTED = "tests.admin.assorted"
BORROWED = "tests.admin.borrowed"
KEYED = "tests.admin.keyed"
MOTLEY = "tests.admin.motley"
LINEAGE = "tests.admin.lineage"


def make_settings(database_url: str, **settings: Any) -> Settings:
    values: dict[str, Any] = {
        "secret_key": "a-secret-of-the-tests-that-guards-nothing-at-all",
        "database_url": database_url,
        "public_url": ORIGIN,
        "features": (*FEATURES, STOCK),
        "broker": "memory",
    }
    return Settings(**values | settings)


@contextmanager
def stock_installed(settings: Settings) -> Iterator[tuple[Feature, ...]]:
    """Django configured as for any test of this process, with the feature `stock` besides."""
    from django.test import override_settings

    from trivet_admin import configuration, runtime

    plain = load_features(FEATURES)
    configure(settings, plain)
    features = load_features(settings.features)
    wanted = configuration.project(settings, features)
    changed = {name: wanted[name] for name in ("INSTALLED_APPS", "MIGRATION_MODULES")}
    projected = runtime.projection()
    with override_settings(**changed):
        runtime.set_projection(wanted)
        runtime.set_capture(compose_capture(features, settings.audit_secrets))
        yield features
        _unregister()  # Django's admin looks for pages whenever applications are installed
    runtime.set_projection(projected)
    runtime.set_capture(compose_capture(plain, settings.audit_secrets))


@contextmanager
def stock_registered() -> Iterator[None]:
    """The admin with the pages of `stock` as its file has them, whatever a test makes of them."""
    from django.contrib import admin

    admin.autodiscover()
    forget_urls()
    yield
    _unregister()
    forget_urls()


def _unregister() -> None:
    from django.contrib import admin

    for model in list(admin.site._registry):
        if model._meta.app_label in (
            "stock",
            "assorted",
            "borrowed",
            "keyed",
            "lineage",
            "motley",
        ):
            admin.site.unregister(model)
    for package in (STOCK, ASSORTED, BORROWED, KEYED, LINEAGE, MOTLEY):
        sys.modules.pop(f"{package}.admin", None)  # the admin looks for it anew


def forget_urls() -> None:
    from django.urls import clear_url_caches

    sys.modules.pop("trivet_admin.urls", None)
    clear_url_caches()


def engine_of(database_url: str) -> Engine:
    return create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))


def create_assorted_tables(engine: Engine) -> None:
    """Those that the database of `engine` has types for."""
    from tests.admin.assorted import models

    tables: list[Any] = [models.Assorted.__table__, models.Habit.__table__]
    tables += [models.Owner.__table__, models.Pet.__table__]
    if engine.dialect.name == "postgresql":
        tables.append(models.PostgresAssorted.__table__)
    Model.metadata.create_all(engine, tables=tables)


def create_borrowed_tables(engine: Engine) -> None:
    """Those of `borrowed`; on PostgreSQL with the schema of one of them, and a table of the same
    name beside it."""
    from tests.admin.borrowed import models

    tables = [each for each in Model.metadata.sorted_tables if each.name.startswith("borrowed")]
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text('CREATE SCHEMA "borrowed store"'))
            connection.execute(text("CREATE TABLE borrowed_drawer (id bigint, name text)"))
    else:
        drawers: Any = models.Drawer.__table__
        tables.remove(drawers)
    Model.metadata.create_all(engine, tables=tables)


def create_keyed_tables(engine: Engine) -> None:
    from tests.admin.keyed import models

    Model.metadata.create_all(engine, tables=models.TABLES)


def create_motley_tables(engine: Engine) -> None:
    from tests.admin.motley import models

    models.Base.metadata.create_all(engine)
    models.Spoken.metadata.create_all(engine)


def create_lineage_tables(engine: Engine) -> None:
    """Those of `lineage`."""
    from tests.admin.lineage import models

    tables = [each for each in Model.metadata.sorted_tables if each.name.startswith("lineage")]
    Model.metadata.create_all(engine, tables=[each for each in tables if not is_view(each)])
    with engine.begin() as connection:
        connection.execute(models.room_names)
        connection.execute(
            text(
                "CREATE VIEW lineage_gallery_count AS SELECT gallery_id, count(*) AS number "
                "FROM lineage_exhibit WHERE gallery_id IS NOT NULL GROUP BY gallery_id"
            )
        )


def create_stock_tables(engine: Engine) -> None:
    from tests.admin.stock import models

    mapped = (mapper.class_ for mapper in Model.registry.mappers)
    names = [cls.__table__.name for cls in mapped if cls.__module__.startswith(STOCK)]
    names += [models.item_tag.name, models.item_watcher.name]
    Model.metadata.create_all(engine, tables=[Model.metadata.tables[name] for name in names])


@dataclass(frozen=True)
class Told:
    """A publication as a subscriber would read it."""

    offset: int
    kind: str
    name: str
    old: dict[str, Any]
    actor: str


@dataclass(frozen=True)
class House:
    """A running application, its database seen from outside, and clients of it."""

    platform: Platform
    app: Root
    mounts: Sequence[MountedApp] = ()

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator["Visitor"]:
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url=ORIGIN, headers=headers
        ) as client:
            yield Visitor(client, transport)

    @asynccontextmanager
    async def visit(self, username: str = "boss") -> AsyncIterator["Visitor"]:
        """A client with a session, as the admin's login page gives one.

        The login itself costs more than most of what is tested behind it.
        """
        session = await self._open_session(username)
        async with self.client() as visitor:
            headers = {"set-cookie": f"{session_cookie()}={session}; Path=/; HttpOnly"}
            given = httpx2.Response(200, headers=headers, request=httpx2.Request("GET", ORIGIN))
            visitor.http.cookies.extract_cookies(given)
            yield visitor

    async def _open_session(self, username: str) -> str:
        """The key of a new session in the database."""
        query = "SELECT id, password FROM accounts_user WHERE username = :username"
        ((number, password),) = await self.rows(query, username=username)
        key = secrets.token_hex(16)
        row = {
            "session_key": key,
            "session_data": _session_data(number, password),
            "expire_date": datetime.now(UTC) + timedelta(hours=1),
        }
        async with self.platform.database.engine.begin() as connection:
            await connection.execute(sessions.insert().values(row))
        return key

    async def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What another connection sees."""
        async with self.platform.database.unit(read_only=True) as session:
            return [tuple(row) for row in await session.execute(text(query), parameters)]

    async def write(self, *statements: str) -> None:
        """Change rows behind the application's back."""
        async with self.platform.database.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    async def value(self, query: str, **parameters: Any) -> Any:
        ((value,),) = await self.rows(query, **parameters)
        return value

    async def told(self, channel: str = "stock:tools") -> list[Told]:
        """Everything that was published in `channel`, oldest first."""
        async with self.platform.database.unit(read_only=True) as session:
            stored = await session.run_sync(list_after, channel, 0, limit=1000)
        found = []
        for each in stored:
            fields = msgspec.json.decode(each.data)
            assert fields.pop("type") == "item_changed"
            found.append(Told(offset=each.offset, **fields))
        return found


def _session_data(number: int, password: str) -> str:
    from django.conf import settings
    from django.contrib.auth import (
        BACKEND_SESSION_KEY,
        HASH_SESSION_KEY,
        SESSION_KEY,
        get_user_model,
    )

    from trivet_admin.auth.session_store import SessionStore

    user: Any = get_user_model()(pk=number, password=password)
    data = {
        SESSION_KEY: str(number),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    return str(SessionStore().encode(data))


class Visitor:
    """A browser without a screen: it keeps cookies and sends forms as they were given."""

    def __init__(self, client: httpx2.AsyncClient, transport: httpx2.ASGITransport) -> None:
        self.http = client
        self._transport = transport

    def may_fail(self) -> None:
        """Take a 500 for an answer, which otherwise fails the test where it happened."""
        self._transport.raise_app_exceptions = False

    async def get(self, path: str) -> Page:
        return read_page(await self.http.get(path))

    async def log_in(self, username: str, password: str = PASSWORD) -> Page:
        page = await self.get("/admin/login/?next=/admin/")
        return await self.send(page, username=username, password=password)

    async def send(self, page: Page, **values: Any) -> Page:
        """Send the main form of `page`, with `values` in place of what it holds.

        A list sends a name several times, None leaves it out.
        """
        data = {**page.form, **values}
        response = await self.http.post(
            page.path, data={name: value for name, value in data.items() if value is not None}
        )
        return read_page(response)

    async def edit(self, path: str, **values: Any) -> Page:
        """Open the form at `path` and send it with `values`."""
        page = await self.get(path)
        assert page.status == 200, page.text
        return await self.send(page, **values)


def build_house(settings: Settings, features: tuple[Feature, ...], *more: MountedApp) -> House:
    django = ThreadedTransactions(settings.django_threads)
    platform = open_platform(settings, features, accounts=DjangoAccounts(), django=django)
    _ = platform.database.read_engine  # makes the engine, which looks at the file system
    mounts = [mount_admin(platform), door.mount(), *more]
    return House(platform, build_root(platform, mounts), mounts)
