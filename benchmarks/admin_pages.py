"""The pages of the admin on 100,000 rows, beside Django's on models written by hand.

Both are asked for the same page of the same tables, one after the other, in rounds; every other
round begins with the other. The times are those of somebody who waits for a page: from the request
to the last byte, one request at a time. A ratio is that of two neighbours in the same round.

Trivet does what it promises besides: a save leaves an entry in the audit trail, and goes through a
session of SQLAlchemy.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import create_engine, insert, make_url, text

from benchmarks.database import PASSWORD, SharedDatabase, user
from benchmarks.library.models import Book
from benchmarks.servers import RunningServer, running, threaded, trivet
from tests.admin.forms import Page, read_page
from trivet import Model
from trivet.identity.django_tables import users

ROWS = 100_000
REPEATS = 3
"""How often a page is asked for in one round; the best counts, which a neighbour on the machine
has disturbed least."""

FEATURE = "benchmarks.library"
TRIVET = trivet(features=FEATURE)
DJANGO = threaded("Django, models by hand", "django_admin.wsgi", "--access-logfile", "-")
_BOOKS = {TRIVET.name: "/admin/library/book/", DJANGO.name: "/admin/accounts/book/"}
_USERS = {TRIVET.name: "librarian", DJANGO.name: "other"}
"""Each server writes the hash of a password anew, in its own form, which ends other sessions."""
_HOST = {"host": "localhost:8000", "origin": "http://localhost:8000"}

_SEED = (
    "INSERT INTO library_shelf SELECT 'S' || n, 'Room ' || n % 4 FROM generate_series(1, 20) n",
    "INSERT INTO library_subject SELECT n, 'Subject ' || n FROM generate_series(1, 40) n",
    f"INSERT INTO library_author SELECT n, 'Author ' || n FROM generate_series(1, {ROWS}) n",
    "INSERT INTO library_book SELECT n, 'Book ' || md5(n::text), lpad(n::text, 13, '0'), "
    "n, 'S' || 1 + n % 20, n % 900, n % 80, n % 5 = 0, timestamptz '2020-01-01Z' "
    f"+ n * interval '1 minute' FROM generate_series(1, {ROWS}) n",
    f"INSERT INTO library_book_subjects SELECT n, 1 + n % 40 FROM generate_series(1, {ROWS}) n",
    "INSERT INTO library_loan SELECT n, 'Reader ' || n % 500, timestamptz '2024-01-01Z', "
    f"1 + n % {ROWS // 4} FROM generate_series(1, {ROWS}) n",
    *(
        f"SELECT setval(pg_get_serial_sequence('library_{table}', 'id'), {ROWS})"
        for table in ("author", "subject", "book", "loan")
    ),
    "ANALYZE",
)


def prepare(database: SharedDatabase) -> None:
    """Make the tables, their rows, and somebody for each server who may do everything."""
    engine = create_engine(make_url(database.url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        names = [name for name in Model.metadata.tables if name.startswith("library_")]
        Model.metadata.create_all(connection, [Model.metadata.tables[name] for name in names])
        for statement in _SEED:
            connection.execute(text(statement))
        flags = {"is_staff": True, "is_superuser": True}
        for name in _USERS.values():
            connection.execute(insert(users).values(**user(name) | flags))
    engine.dispose()


@dataclass(slots=True)
class Librarian:
    """Somebody who is logged in at one of the servers."""

    server: RunningServer
    client: httpx2.Client
    books: str
    number: Iterator[int] = field(default_factory=lambda: itertools.count(1000, 7))

    def get(self, path: str) -> Page:
        """A page of the books, which has to be there."""
        page = read_page(self.client.get(self.books + path))
        if page.status != 200:
            raise RuntimeError(f"{self.server.name}: {page.path} is a {page.status}")
        return page

    def save(self) -> float:
        """The seconds that it takes to save a changed book. Its form is not counted."""
        number = next(self.number)
        form = self.get(f"{number}/change/").form | {"pages": str(number)}
        began = time.perf_counter()
        answer = self.client.post(f"{self.books}{number}/change/", data=form)
        took = time.perf_counter() - began
        if answer.status_code != 302:
            raise RuntimeError(f"{self.server.name}: a save is a {answer.status_code}")
        return took

    def wait_for(self, path: str) -> float:
        """The seconds that it takes to get a page."""
        began = time.perf_counter()
        answer = self.client.get(self.books + path)
        took = time.perf_counter() - began
        answer.raise_for_status()
        return took


def log_in(server: RunningServer) -> Librarian:
    """Log in at `server`, as a browser does."""
    client = httpx2.Client(
        base_url=f"http://localhost:{server.port}", headers=_HOST, trust_env=False, timeout=120
    )
    page = read_page(client.get("/admin/login/?next=/admin/"))
    given = page.form | {"username": _USERS[server.name], "password": PASSWORD}
    answer = client.post(page.path, data=given)
    if answer.status_code != 302:
        raise RuntimeError(f"{server.name}: the login is a {answer.status_code}")
    return Librarian(server, client, _BOOKS[server.name])


PAGES: dict[str, Callable[[Librarian], float]] = {
    "list": lambda who: who.wait_for(""),
    "list, page 500": lambda who: who.wait_for("?p=500"),
    "search": lambda who: who.wait_for("?q=book+abc"),
    "filter": lambda who: who.wait_for("?shelf__code__exact=S3&lent_out__exact=1"),
    "filter with facets": lambda who: who.wait_for("?shelf__code__exact=S3&_facets=True"),
    "change form": lambda who: who.wait_for("17/change/"),
    "save": lambda who: who.save(),
    "add form": lambda who: who.wait_for("add/"),
    "delete page": lambda who: who.wait_for("17/delete/"),
}


def measure(
    database: SharedDatabase, *, rounds: int, tell: Callable[[str], None]
) -> Iterator[tuple[str, ...]]:
    """The rows of a table: a page, its median ms by both, and the ratio, least and greatest."""
    prepare(database)
    assert Book.__tablename__ == "library_book"
    with running([TRIVET, DJANGO], database) as servers:
        both = [log_in(servers[TRIVET.name]), log_in(servers[DJANGO.name])]
        for name, ask in PAGES.items():
            for who in both:
                ask(who)
            taken: list[list[Any]] = [[], []]
            for number in range(rounds):
                tell(f"admin: {name}, round {number + 1} of {rounds}")
                for which in (0, 1) if number % 2 == 0 else (1, 0):
                    taken[which].append(min(ask(both[which]) for _ in range(REPEATS)))
            ours, theirs = taken
            ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
            yield (
                name,
                f"{statistics.median(ours) * 1000:.0f}",
                f"{statistics.median(theirs) * 1000:.0f}",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
            )
