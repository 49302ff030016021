"""What is measured: each case one question, with the servers that answer it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.database import PARCELS
from benchmarks.load import Load, request
from benchmarks.servers import LOGGED, Program, asgi, threaded, trivet

DEPOTS = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A server's part in a case: where its endpoint lies, and the ratio that is hoped for.

    `goal` is the least that the first entry's rate should be, divided by this one's.
    """

    program: Program
    prefix: str = ""
    path: str = ""
    goal: float | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.label or self.program.name


@dataclass(frozen=True, slots=True)
class Case:
    """One question. All entries are asked the same; the first is compared with each other."""

    name: str
    question: str
    method: str
    path: str
    entries: Sequence[Entry]

    def load(self, entry: Entry, key: str) -> Load:
        """What is asked of `entry`."""
        path = entry.prefix + (entry.path or self.path)
        if self.method == "POST":
            return Load(
                [request("POST", path, key=key, body=parcel(n)) for n in range(DEPOTS)], 201
            )
        numbers = range(1, PARCELS + 1, 7) if "{id}" in path else range(1)
        return Load([request("GET", path.format(id=n), key=key) for n in numbers], 200)


def parcel(number: int) -> bytes:
    """The body of an insert: ten depots take turns, and each is a channel."""
    return json.dumps(
        {"label": f"parcel {number}", "depot": f"D{number % DEPOTS}", "grams": 5, "fragile": True}
    ).encode()


API = "/api/parcels"
TRIVET = trivet()
DJANGO = threaded("Django, threads", "django_house.wsgi", *LOGGED)
FASTAPI_ORM = asgi("FastAPI, SQLAlchemy ORM", "fastapi_orm", *LOGGED)
REST = Entry(DJANGO, prefix="/rest", label="Django REST framework, threads")
LIMIT = Entry(asgi("raw asyncpg (the limit)", "raw_asyncpg"))
FASTAPI_ENTRY = Entry(FASTAPI_ORM)
PEERS_WITH_DATA = (
    Entry(DJANGO),
    Entry(DJANGO, prefix="/ninja", label="Django Ninja, threads"),
    Entry(asgi("Litestar, advanced-alchemy", "litestar_alchemy", *LOGGED)),
    LIMIT,
)
RESOURCE = Entry(TRIVET, prefix=API, path="/items", label="Trivet, a resource")
"""Its rows publish and are audited, its lists have cursors."""
ONE_RESOURCE = replace(RESOURCE, path="/items/{id}")

CASES = (
    Case(
        "json",
        "JSON through the whole stack, with a key; the others without any duty unless they say so",
        "GET",
        "/greeting",
        (
            Entry(TRIVET, prefix=API),
            Entry(asgi("bare FastAPI", "fastapi_bare"), goal=0.8),
            Entry(
                asgi(
                    "the same duties by BaseHTTPMiddleware",
                    "fastapi_duties",
                    BENCHMARK_KEY_CACHE_SECONDS="5",
                ),
                goal=8,
            ),
            Entry(asgi("… and a key lookup each time", "fastapi_duties")),
            Entry(trivet("Trivet, each key looked up", identity_cache_seconds="0"), prefix=API),
            Entry(threaded("Django, threads", "django_house.wsgi")),
            Entry(asgi("Quart", "quart_app")),
            Entry(threaded("Flask, threads", "flask_app")),
        ),
    ),
    Case(
        "read",
        "One row of PostgreSQL, read with a key",
        "GET",
        "/parcels/{id}",
        (
            Entry(TRIVET, prefix=API),
            Entry(TRIVET, prefix=API, path="/snapshot/{id}", label="Trivet, one snapshot"),
            Entry(FASTAPI_ORM, goal=2),
            *PEERS_WITH_DATA,
        ),
    ),
    Case(
        "insert",
        "One row inserted with a key, published and committed; the others publish nothing",
        "POST",
        "/parcels",
        (
            Entry(TRIVET, prefix=API),
            Entry(TRIVET, prefix=API, path="/quiet", goal=0.8, label="Trivet, no publication"),
            Entry(FASTAPI_ORM),
            *PEERS_WITH_DATA,
        ),
    ),
    Case(
        "resource-read",
        "One row of PostgreSQL, read with a key, by a resource",
        "GET",
        "/parcels/{id}",
        (ONE_RESOURCE, replace(FASTAPI_ENTRY, goal=3), REST, replace(LIMIT, goal=0.5)),
    ),
    Case(
        "resource-list",
        "Fifty rows of PostgreSQL, read with a key, by a resource",
        "GET",
        "/parcels",
        (RESOURCE, replace(FASTAPI_ENTRY, goal=3), REST, LIMIT),
    ),
    Case(
        "resource-insert",
        "One row inserted with a key by a resource, audited and published; the others do neither",
        "POST",
        "/parcels",
        (RESOURCE, replace(FASTAPI_ENTRY, goal=1), replace(REST, goal=4), LIMIT),
    ),
)
