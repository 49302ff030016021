"""The house of the admin's tests, with one of everybody in it."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.admin.house import (
    ASSORTED,
    BORROWED,
    FEATURES,
    KEYED,
    LINEAGE,
    MOTLEY,
    PASSWORD,
    STOCK,
    House,
    Visitor,
    build_house,
    create_assorted_tables,
    create_borrowed_tables,
    create_keyed_tables,
    create_lineage_tables,
    create_motley_tables,
    create_stock_tables,
    engine_of,
    make_settings,
    stock_installed,
    stock_registered,
)
from tests.admin.shop import Shop
from tests.services.databases import Databases
from trivet.asgi.root import build_root
from trivet.features import Feature
from trivet.identity import Revocation
from trivet_admin.site.sizes import sizes
from trivet_api.mount import mount as mount_api


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Databases as the fixtures `stock` and `shelves` give them, each by the fixture's name; to
    copy one costs a quarter of what it costs to fill it. Empty until the first test asks."""
    return {}


@pytest.fixture(scope="module")
def stock_features(process_database_url: str) -> Iterator[tuple[Feature, ...]]:
    """The feature `stock` among Django's apps; for a module, as Django loads all of them anew."""
    with stock_installed(make_settings(process_database_url)) as features:
        yield features


@pytest.fixture
def stock(
    request: pytest.FixtureRequest,
    databases: Databases,
    process_database_url: str,
    templates: dict[str, str],
    stock_features: tuple[Feature, ...],
) -> Iterator[tuple[Feature, ...]]:
    """Django with the feature `stock` on an empty database: for tests of the ORM itself."""
    with stock_registered():
        if not templates:
            templates.update(_make_templates(databases, process_database_url))
        wanted = "shelves" if "shelves" in request.fixturenames else "stock"
        databases.restore(process_database_url, templates[wanted])
        _forget_the_last_database()
        yield stock_features
        _disconnect_django()


@pytest.fixture
def database_url(stock: tuple[Feature, ...], process_database_url: str) -> str:
    """The one address, as everywhere, but with the tables of `stock`."""
    return process_database_url


@pytest.fixture
def shelves(stock: tuple[Feature, ...]) -> None:
    """Two categories, a supplier, two tags, three items; written as raw rows, so that no
    channel has heard of them. And three people: boss (superuser), clerk (staff with rights
    for items), guest (no staff). `stock` sees to it that they are there."""


def _make_templates(databases: Databases, url: str) -> Iterator[tuple[str, str]]:
    """At `url`, because Django's people are made where Django is configured to work."""
    databases.restore(url)
    engine = engine_of(url)
    create_stock_tables(engine)
    engine.dispose()
    yield "stock", databases.copy(url)
    with engine.begin() as connection:
        for statement in ROWS:
            connection.execute(text(statement))
    engine.dispose()
    _forget_the_last_database()
    _create_people()
    _disconnect_django()
    yield "shelves", databases.copy(url)


def _forget_the_last_database() -> None:
    # Django remembers content types by the number that they had there; the admin, how large
    # its tables were.
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.clear_cache()
    sizes.forget()


def _disconnect_django() -> None:
    from django.db import connection, connections

    connections.close_all()
    if hasattr(connection, "close_pool"):
        connection.close_pool()


ROWS = (
    "INSERT INTO stock_category (code, name) VALUES ('tools', 'Tools'), ('toys', 'Toys')",
    "INSERT INTO stock_supplier (name) VALUES ('Acme')",
    "INSERT INTO stock_tag (name) VALUES ('heavy'), ('sharp')",
    "INSERT INTO stock_item (name, sku, quantity, category_id, supplier_id, version) VALUES "
    "('Hammer', 'H1', 5, 'tools', 1, 1), ('Saw', 'S1', 0, 'tools', NULL, 1), "
    "('Bear', 'B1', 3, 'toys', NULL, 1)",
    "INSERT INTO stock_item_tag (item_id, tag_id) VALUES (1, 1)",
)


def _create_people() -> None:
    from django.apps import apps
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Permission

    create_permissions(apps.get_app_config("stock"), verbosity=0)
    _create_person("boss", is_staff=True, is_superuser=True)
    clerk = _create_person("clerk", is_staff=True)
    names = ["view_item", "change_item", "view_category"]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    _create_person("guest")


def _create_person(username: str, **flags: bool) -> Any:
    from django.contrib.auth import get_user_model

    users: Any = get_user_model().objects
    given = {"email": f"{username}@example.org", "password": _hashed_password(), **flags}
    return users.create(username=username, **given)


@functools.cache
def _hashed_password() -> str:
    # Once, for it is made to be slow.
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


@pytest.fixture
def shop(shelves: None, stock: tuple[Feature, ...], database_url: str) -> Iterator[Shop]:
    """`shelves`, as Django's ORM writes to it and as another connection reads it."""
    shop = Shop(database_url)
    yield shop
    shop.close()


@pytest.fixture
def built_house(stock: tuple[Feature, ...], shelves: None, database_url: str) -> House:
    return build_house(make_settings(database_url), stock)


@pytest.fixture
async def house(built_house: House) -> AsyncIterator[House]:
    """The whole application over `shelves`."""
    yield built_house
    await built_house.platform.database.close()


@pytest.fixture
def both_doors(built_house: House) -> House:
    """The admin and the API over `shelves`."""
    mounts = [mount_api(built_house.platform), *built_house.mounts]
    return House(built_house.platform, build_root(built_house.platform, mounts), mounts)


@contextmanager
def _with_feature(
    package: str, databases: Databases, url: str, *create_tables: Callable[[Engine], None]
) -> Iterator[tuple[Feature, ...]]:
    """The features with `package`, on a database with its tables and with people."""
    with stock_installed(make_settings(url, features=(*FEATURES, STOCK, package))) as features:
        databases.restore(url)
        engine = engine_of(url)
        for create in create_tables:
            create(engine)
        engine.dispose()
        _forget_the_last_database()
        _create_people()
        yield features
        _disconnect_django()


@pytest.fixture(scope="module")
def assorted(databases: Databases, process_database_url: str) -> Iterator[tuple[Feature, ...]]:
    """The features with `assorted`: one database for the tests of a module, each of which has rows
    of its own."""
    with _with_feature(
        ASSORTED, databases, process_database_url, create_assorted_tables
    ) as features:
        yield features


@pytest.fixture(scope="module")
def borrowed(databases: Databases, process_database_url: str) -> Iterator[tuple[Feature, ...]]:
    """The features with `borrowed`, likewise."""
    with _with_feature(
        BORROWED, databases, process_database_url, create_borrowed_tables
    ) as features:
        yield features


@pytest.fixture(scope="module")
def keyed(databases: Databases, process_database_url: str) -> Iterator[tuple[Feature, ...]]:
    """The features with `keyed`, likewise."""
    # The overview counts the rows of every feature.
    with _with_feature(
        KEYED, databases, process_database_url, create_stock_tables, create_keyed_tables
    ) as features:
        yield features


@pytest.fixture
def built_keyed_house(keyed: tuple[Feature, ...], process_database_url: str) -> Iterator[House]:
    with stock_registered():
        yield build_house(make_settings(process_database_url), keyed)


@pytest.fixture
async def keyed_house(built_keyed_house: House) -> AsyncIterator[House]:
    """The whole application over `keyed`."""
    yield built_keyed_house
    await built_keyed_house.platform.database.close()


@pytest.fixture(scope="module")
def motley(databases: Databases, process_database_url: str) -> Iterator[tuple[Feature, ...]]:
    """The features with `motley`, likewise."""
    with _with_feature(
        MOTLEY, databases, process_database_url, create_stock_tables, create_motley_tables
    ) as features:
        yield features


@pytest.fixture
def built_motley_house(motley: tuple[Feature, ...], process_database_url: str) -> Iterator[House]:
    with stock_registered():
        yield build_house(make_settings(process_database_url), motley)


@pytest.fixture
async def motley_house(built_motley_house: House) -> AsyncIterator[House]:
    """The whole application over `motley`."""
    yield built_motley_house
    await built_motley_house.platform.database.close()


@pytest.fixture
def built_borrowed_house(
    borrowed: tuple[Feature, ...], process_database_url: str
) -> Iterator[House]:
    with stock_registered():
        if process_database_url.startswith("postgresql"):
            from tests.admin.borrowed.admin import register_postgres

            register_postgres()
        yield build_house(make_settings(process_database_url), borrowed)


@pytest.fixture
async def borrowed_house(built_borrowed_house: House) -> AsyncIterator[House]:
    """The whole application over `borrowed`."""
    yield built_borrowed_house
    await built_borrowed_house.platform.database.close()


@pytest.fixture(scope="module")
def lineage(databases: Databases, process_database_url: str) -> Iterator[tuple[Feature, ...]]:
    """The features with `lineage`, likewise."""
    with _with_feature(LINEAGE, databases, process_database_url, create_lineage_tables) as features:
        yield features


@pytest.fixture
def built_lineage_house(lineage: tuple[Feature, ...], process_database_url: str) -> Iterator[House]:
    with stock_registered():
        yield build_house(make_settings(process_database_url), lineage)


@pytest.fixture
async def lineage_house(built_lineage_house: House) -> AsyncIterator[House]:
    """The whole application over `lineage`."""
    yield built_lineage_house
    await built_lineage_house.platform.database.close()


@pytest.fixture
async def borrowed_boss(borrowed_house: House) -> AsyncIterator[Visitor]:
    """A superuser in `borrowed_house`."""
    async with borrowed_house.visit() as boss:
        yield boss


@pytest.fixture
def built_assorted_house(
    assorted: tuple[Feature, ...], process_database_url: str
) -> Iterator[House]:
    with stock_registered():
        yield build_house(make_settings(process_database_url), assorted)


@pytest.fixture
async def assorted_house(built_assorted_house: House) -> AsyncIterator[House]:
    """The whole application over `assorted`."""
    yield built_assorted_house
    await built_assorted_house.platform.database.close()


@pytest.fixture
def revoked(built_house: House) -> Iterator[list[Revocation]]:
    told: list[Revocation] = []
    leave = built_house.platform.broker.subscribe(Revocation, told.append)
    yield told
    leave()


@pytest.fixture
def statements_of() -> Callable[[Awaitable[Any]], Awaitable[list[str]]]:
    """What Django asks the database while something is awaited, on whatever thread."""

    async def collect(work: Awaitable[Any]) -> list[str]:
        from django.db.backends.signals import connection_created

        seen: list[str] = []
        watched: list[Any] = []

        def note(execute: Any, sql: str, *given: Any) -> Any:
            seen.append(sql)
            return execute(sql, *given)

        def watch(connection: Any, **_: Any) -> None:
            if note not in connection.execute_wrappers:
                connection.execute_wrappers.append(note)
                watched.append(connection)

        connection_created.connect(watch)
        try:
            await work
        finally:
            connection_created.disconnect(watch)
            for connection in watched:
                connection.execute_wrappers.remove(note)
        return seen

    return collect
