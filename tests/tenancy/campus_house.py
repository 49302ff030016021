"""The campus as an application of the API alone, filled with two academies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
from sqlalchemy import Engine, create_engine, insert, text

from tests.api.resource.bookshop_api import Badges
from tests.platform.bare import ORIGIN, NoAccounts
from tests.services.databases import SECRET_KEY
from tests.tenancy.campus import rules
from tests.tenancy.campus.models import Academy, Base, Enrolment, Handout, Lecture, Seminar
from tests.tenancy.securing import secure
from trivet import Identity
from trivet.asgi.root import Root, build_root
from trivet.features import load_features
from trivet.platform import open_platform
from trivet.rules.declaring import declared_in
from trivet.rules.policies import policies_of
from trivet.rules.tenants import InTenant
from trivet_api.mount import mount as mount_api
from trivet_settings import load_settings

NORTH, SOUTH = 1, 2
PEOPLE: Mapping[str, tuple[int, frozenset[int]]] = {
    "ada": (1, frozenset({NORTH})),
    "bob": (2, frozenset({SOUTH})),
    "eve": (3, frozenset({NORTH, SOUTH})),
    "ann": (4, frozenset()),
    "boss": (9, frozenset({NORTH, SOUTH})),
}
"""Each with an id, and the academies whose rows they see."""
OF_ACADEMY = {NORTH: frozenset({1, 3, 5}), SOUTH: frozenset({2, 4, 6})}
"""The numbers of the rows of each academy, in every table but that of the academies."""


def identity(name: str) -> Identity | None:
    if name not in PEOPLE:
        return None
    return Identity(PEOPLE[name][0], name, "session", is_superuser=name == "boss")


def seen_by(name: str) -> frozenset[int]:
    """The numbers of the rows that somebody sees."""
    academies = PEOPLE[name][1] if name in PEOPLE else frozenset()
    return frozenset().union(*(OF_ACADEMY[each] for each in academies))


def academy_of(number: int) -> int:
    return NORTH if number in OF_ACADEMY[NORTH] else SOUTH


def engine_of(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def fill(url: str) -> None:
    """Two academies, the last two of whose lectures are seminars."""
    engine = engine_of(url)
    Base.metadata.create_all(engine)
    numbers = range(1, 7)
    enrolled = [
        {"academy_id": academy, "person": number}
        for name, (number, academies) in PEOPLE.items()
        for academy in sorted(academies)
        if name != "boss"
    ]
    with engine.begin() as connection:
        connection.execute(
            insert(Academy), [{"id": NORTH, "name": "North"}, {"id": SOUTH, "name": "South"}]
        )
        connection.execute(insert(Enrolment), enrolled)
        connection.execute(
            insert(Lecture.__table__),  # type: ignore[arg-type]  # a Table
            [
                {"id": n, "academy_id": academy_of(n), "title": f"T{n}",
                 "kind": "seminar" if n > 4 else "lecture"}
                for n in numbers
            ],
        )  # fmt: skip
        connection.execute(insert(Seminar.__table__), [{"id": n, "seats": n} for n in (5, 6)])  # type: ignore[arg-type]  # a Table
        connection.execute(
            insert(Handout), [{"id": n, "lecture_id": n, "text": f"of {n}"} for n in numbers]
        )
        if engine.dialect.name == "postgresql":
            for table in ("lecture", "handout", "enrolment", "academy"):
                connection.execute(text(f"SELECT setval('campus_{table}_id_seq', 100)"))
    engine.dispose()


def secure_campus(url: str) -> None:
    """Let PostgreSQL ask the policies of the campus, by sessions of a role that it asks."""
    secure(url, policies_of(tenants_of_campus()))


def tenants_of_campus() -> list[InTenant]:
    return [each for each in declared_in(rules) if isinstance(each, InTenant)]


def open_campus(url: str, **settings: Any) -> Root:
    """The API alone. It is put together on no event loop, as a server does it."""
    known = load_settings(
        env_file=None,
        secret_key=SECRET_KEY,
        public_url=ORIGIN,
        database_url=url,
        features=("tests.tenancy.campus",),
        **settings,
    )
    features = load_features(known.features)
    platform = open_platform(known, features, accounts=NoAccounts())
    mounts = [replace(mount_api(platform), authenticators=[Badges(identity)])]
    return build_root(platform, mounts)


def act_as(client: httpx2.AsyncClient, name: str) -> None:
    """Send what follows as somebody, or as nobody."""
    client.headers.pop("x-badge", None)
    if name:
        client.headers["x-badge"] = name


def forget_rules(root: Root) -> None:
    """Take the rules out of the application, but for what is told to PostgreSQL."""
    known = root.platform.capture.rules
    known._visible.clear()
    known._rules.clear()
    known._of_class.clear()
